"""A chat front end in a real browser. Opt-in: it needs Node, its packages and Chromium, and says which is missing.

npm ci --prefix tests/server/browser       # the front end and the browser's driver
apt-get install chromium                   # or MOA_TEST_CHROMIUM=/path/of/a/chromium
pytest tests/server/browser
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.server.langgraph_dev import DevServer, langgraph_dev

pytestmark = pytest.mark.slow

DIRECTORY = Path(__file__).parent


def _needed() -> tuple[str, str]:
    """Node and Chromium."""
    node, chromium = shutil.which("node"), os.environ.get("MOA_TEST_CHROMIUM") or shutil.which("chromium")
    if node is None:
        pytest.skip("Node isn't installed")
    if not (DIRECTORY / "node_modules").is_dir():
        pytest.skip(f"the front end isn't installed: npm ci --prefix {DIRECTORY}")
    if chromium is None:
        pytest.skip("Chromium isn't installed: apt-get install chromium, or set MOA_TEST_CHROMIUM")
    return node, chromium


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    _needed()
    directory = tmp_path_factory.mktemp("browser")
    mixture = directory / "mixture.json"
    slow = {"name": "writer", "skill": {"any": 1.0}, "latency": {"tokens_a_second": TOKENS_A_SECOND}}
    writer = {"model": "sim:writer", "extra": {"simulation": slow}}
    stages = [{"propose": {"slots": ["sim:swift", "sim:steady"]}}, {"aggregate": {"slot": "writer"}}]
    mixture.write_text(json.dumps({"name": "slow", "models": {"writer": writer}, "stages": stages}))
    with langgraph_dev(directory, {"MOA_MIXTURE": str(mixture)}) as running:
        yield running


TOKENS_A_SECOND = 20
"""So slow that a browser shows many parts of an answer."""

HOOKS = {"today's": "@langchain/react", "of the first protocol": "@langchain/langgraph-sdk/react"}
"""LangGraph's React hook stands in two packages, which speak to a server each in its own way."""


@pytest.fixture(scope="module", params=HOOKS.values(), ids=list(HOOKS))
def seen(server: DevServer, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the browser showed in two turns with simulated models."""
    node, chromium = _needed()
    command = [node, "check.mjs", server.url, "custom", chromium, request.param]
    ran = subprocess.run(command, cwd=DIRECTORY, check=False, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    shown: dict[str, Any] = json.loads(ran.stdout)
    return shown


def test_each_turn_shows_one_answer(seen: dict[str, Any]) -> None:
    assert seen["errors"] == []
    assert [message["type"] for message in seen["messages"]] == ["human", "ai", "human", "ai"]
    assert seen["messages"][1]["text"].endswith("Answer: 411")
    assert seen["messages"][3]["text"].endswith("Answer: 42")


def test_an_answer_grows_while_it_is_streamed(seen: dict[str, Any]) -> None:
    answers = [state[1]["text"] for state in seen["seen"] if len(state) == 2]
    assert len(set(answers)) > 2
    assert all(later.startswith(earlier) for earlier, later in pairwise(answers))


def test_no_more_than_one_answer_a_turn_is_ever_shown(seen: dict[str, Any]) -> None:
    for state in seen["seen"]:
        types = [message["type"] for message in state]
        assert types == ["human", "ai", "human", "ai"][: len(types)]
