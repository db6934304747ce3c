"""The part of OpenAI's own description that the door serves, on stdout. Run: python openapi_subset.py openapi.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SERVED = {
    ("/chat/completions", "post"),
    ("/responses", "post"),
    ("/models", "get"),
    ("/models/{model}", "get"),
}
NAMES = {"type": "string", "enum": ["moa/council", "moa/council:writer", "gpt-5.4"]}

described = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
described["servers"] = [{"url": "/v1"}]
described["paths"] = {
    path: {method: operation for method, operation in operations.items() if (path, method) in SERVED}
    for path, operations in described["paths"].items()
    if any(path == served for served, _ in SERVED)
}
for name in ("ModelIdsShared", "ModelIdsResponses", "ModelIds"):
    if name in described["components"]["schemas"]:
        described["components"]["schemas"][name] = NAMES
for parameter in described["paths"]["/models/{model}"]["get"]["parameters"]:
    if parameter.get("name") == "model":
        parameter["schema"] = {"type": "string", "enum": ["gpt-5.4"]}
sys.stdout.write(json.dumps(described))
