"""A door for the page's check: simulated models that take their time, and a proposer whose text is an attack.

Run: python -m tests.doors.page_server PORT
"""

from __future__ import annotations

import sys
from typing import Any

from langchain_core.language_models import FakeListChatModel

from moa_graph.mixture import Mixture
from moa_graph.server.openai.app import OpenAIApp
from moa_graph.server.openai.mixtures import served_mixtures
from moa_graph.server.openai.serve import serve
from moa_graph.server.openai.settings import Settings

ATTACK = """An attack: <script>window.attacked = "script"</script>
<img src="x" onerror="window.attacked = 'img'"> <svg onload="window.attacked = 'svg'"></svg>
[click me](javascript:window.attacked='link') <a href="javascript:window.attacked='raw'">raw</a>
![](https://tracker.example/pixel.png) <iframe src="https://evil.example"></iframe>
<form action="https://evil.example"><input name="password"></form> <style>body { display: none }</style>

The sky is blue because air scatters short waves more than long ones."""


def mixtures() -> list[Mixture]:
    """A slow panel with a slot that fails, a quick one, and one that attacks."""
    slow: dict[str, Any] = {"latency": {"first_token": 0.4, "tokens_a_second": 30}}
    differences: dict[str, dict[str, Any]] = {
        "ada": {},
        "bert": {"latency": {"first_token": 1.5, "tokens_a_second": 60}},
        "carl": {"faults": [{"kind": "status", "status": 400}]},
        "writer": {},
    }
    models = {
        name: {"model": f"sim:{name}", "extra": {"simulation": {"name": name, **slow, **more}}}
        for name, more in differences.items()
    }
    stages = [{"propose": {"slots": ["ada", "bert", "carl"]}}, {"aggregate": {"slot": "writer"}}]
    attacker = FakeListChatModel(responses=[ATTACK])
    hostile = [{"propose": {"slots": [{"model": attacker, "name": "attacker"}, "sim:ada"]}}]
    return [
        Mixture.from_data({"name": "slow", "models": models, "stages": stages}),
        Mixture.from_data(
            {"name": "hostile", "stages": [*hostile, {"aggregate": {"slot": FakeListChatModel(responses=[ATTACK])}}]}
        ),
    ]


def say(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(OpenAIApp(served_mixtures(mixtures()), Settings()), "127.0.0.1", int(sys.argv[1]), say)
