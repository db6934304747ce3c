#!/usr/bin/env bash
# The page in Chromium. Usage: page.sh DIRECTORY_OF_NODE_MODULES PICTURES      PYTHON and PORT may be set in the environment.
set -euo pipefail
modules=$1 pictures=$2
port=${PORT:-8129}
cd "$(dirname "$0")/../.."
mkdir -p "$pictures"
"${PYTHON:-python}" -m tests.doors.page_server "$port" >/dev/null &
server=$!
trap 'kill $server' EXIT
until curl -s "http://127.0.0.1:$port/health" >/dev/null; do kill -0 $server && sleep 0.2; done
NODE_MODULES=$modules node tests/doors/page.check.mjs "http://127.0.0.1:$port/" "$pictures"
