#!/usr/bin/env bash
# Other people's suites against a door over simulated models: see README.md.
# Usage: suites.sh NAME [CLONE]        PYTHON and PORT may be set in the environment.
set -euo pipefail
name=$1 clone=${2:-}
python=${PYTHON:-python} port=${PORT:-8128}
url=http://127.0.0.1:$port/v1

MOA_SIMULATE=1 moa serve council --port "$port" --most-choices 4 --alias gpt-5.4=moa/council --alias gpt-4o-mini=moa/council \
  --alias google/gemma-3-270m-it=moa/council:writer --alias moa-google/gemma-3-270m-it=moa/council >/dev/null 2>&1 &
trap 'kill $!' EXIT
until curl -s "http://127.0.0.1:$port/health" >/dev/null; do sleep 0.2; done
work=$(mktemp -d)

case $name in
  llmprobe)
    npx --yes llmprobe "$url" -m moa/council --no-bench --no-save ;;
  openresponses)
    cd "$clone"
    npx tsx bin/compliance-test.ts -u "$url" -k none -m moa/council \
      -f basic-response,assistant-phase,response-output-phase-schema,streaming-response,system-prompt,tool-calling,image-input,multi-turn ;;
  openai-python)
    cp -r "$clone" "$work/sdk" && cd "$work/sdk"
    sed -i '/^ *logprobs=True,$/d; /^ *top_logprobs=0,$/d' tests/api_resources/chat/test_completions.py
    TEST_API_BASE_URL=$url "$python" -m pytest -q -n 0 tests/api_resources/chat/test_completions.py tests/api_resources/test_models.py \
      -k "create or ((retrieve or list) and Models)" ;;
  optillm)
    cp -r "$clone" "$work/optillm" && cd "$work/optillm/tests"
    sed -i "s#http://localhost:8000#http://127.0.0.1:$port#" test_utils.py
    "$python" -m pytest -q test_api_compatibility.py ;;
  gpt-oss)
    cp -r "$clone/compatibility-test" "$work/gpt-oss" && cd "$work/gpt-oss"
    sed -i "s#http://localhost:8000/v1#$url#; s#openai/gpt-oss-120b#moa/council#" providers.ts
    npm install >/dev/null && npx tsx index.ts --provider vllm -k 1 ;;
  schemathesis)
    "$python" "$(dirname "$0")/openapi_subset.py" "$clone" > "$work/openapi.json"
    schemathesis run "$work/openapi.json" --url "$url" -H "Authorization: Bearer none" \
      --checks not_a_server_error --phases fuzzing --max-examples 600 ;;
  *)
    echo "unknown suite: $name" >&2; exit 2 ;;
esac
