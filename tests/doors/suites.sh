#!/usr/bin/env bash
# Other people's suites and clients against a door in front of `moa simulate`: see README.md.
# Usage: suites.sh NAME [CLONE or DIRECTORY]
# PYTHON: the interpreter that moa-graph is installed in. SUITE_PYTHON: the one with what the suite needs; else the same.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${MOA_URL:-}" ]; then
  case ${2:-} in "") ;; *) set -- "$1" "$(realpath "$2")" ;; esac
  cd "$here/../.."
  exec "${PYTHON:-python}" -m tests.doors.over_simulator "$here/suites.sh" "$@"
fi

name=$1 needs=${2:-}
python=${SUITE_PYTHON:-${PYTHON:-python}}
url=$MOA_URL
root=${url%/v1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $name in
  llmprobe)
    npx --yes llmprobe "$url" -m moa/council --no-bench --no-save ;;
  openresponses)
    mkdir "$work/suite" && cp -r "$needs/bin" "$needs/src" "$work/suite" && cd "$work/suite"
    echo '{"type": "module"}' > package.json
    npm install --no-audit --no-fund tsx zod@3 >/dev/null
    npx tsx bin/compliance-test.ts -u "$url" -k none -m moa/council \
      -f basic-response,assistant-phase,response-output-phase-schema,streaming-response,system-prompt,tool-calling,image-input,multi-turn ;;
  openai-python)
    cp -r "$needs" "$work/sdk" && cd "$work/sdk"
    sed -i '/^ *logprobs=True,$/d; /^ *top_logprobs=0,$/d' tests/api_resources/chat/test_completions.py
    TEST_API_BASE_URL=$url "$python" -m pytest -q -n 0 tests/api_resources/chat/test_completions.py tests/api_resources/test_models.py \
      -k "create or ((retrieve or list) and Models)" ;;
  optillm)
    cp -r "$needs" "$work/optillm" && cd "$work/optillm/tests"
    sed -i "s#http://localhost:8000#$root#" test_utils.py
    "$python" -m pytest -q test_api_compatibility.py ;;
  gpt-oss)
    cp -r "$needs/compatibility-test" "$work/gpt-oss" && cd "$work/gpt-oss"
    sed -i "s#http://localhost:8000/v1#$url#; s#openai/gpt-oss-120b#moa/council#" providers.ts
    npm install --no-audit --no-fund >/dev/null && npx --yes tsx index.ts --provider vllm -k 1 ;;
  schemathesis)
    "$python" "$here/openapi_subset.py" "$needs" > "$work/openapi.json"
    cd "$work"  # it leaves a cache where it runs
    "$python" -m schemathesis.cli run openapi.json --url "$url" -H "Authorization: Bearer none" \
      --checks not_a_server_error --phases fuzzing --mode positive --max-examples "${EXAMPLES:-700}"
    curl -s "$root/metrics" | grep '^moa_http_requests_total' ;;  # how many, and how many of them 2xx
  python-clients)
    cd "$here/../.." && "$python" tests/doors/clients.py "$url" ;;
  aider)
    cd "$work" && OPENAI_API_BASE=$url OPENAI_API_KEY=none "$python" -m aider --model openai/moa/council --no-git --yes-always \
      --no-check-update --analytics-disable --no-show-model-warnings --message "What is 17 * 24 + 3?" | tee told
    grep -q 411 told ;;
  codex)
    mkdir "$work/home" && cd "$work"
    printf 'model = "moa/council"\nmodel_provider = "moa"\n[model_providers.moa]\nname = "moa"\nbase_url = "%s"\nwire_api = "responses"\n' \
      "$url" > home/config.toml
    CODEX_HOME=$work/home npx --yes @openai/codex exec --skip-git-repo-check "What is 17 * 24 + 3?" </dev/null | tee told
    grep -q 411 told ;;
  node-clients)
    NODE_MODULES=$needs node "$here/clients.mjs" "$url" ;;
  *)
    echo "unknown suite: $name" >&2; exit 2 ;;
esac
