"""Every named system runs in the LangGraph server, on simulated stand-ins."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client

from moa_graph.presets import preset_names
from tests.server.langgraph_dev import langgraph_dev

pytestmark = pytest.mark.slow

QUESTION: Any = {"messages": [{"role": "user", "content": "What is 17 * 24 + 3?"}]}


async def test_every_preset_answers_by_its_name(tmp_path: Path) -> None:
    names = preset_names()
    with langgraph_dev(tmp_path, {"MOA_SIMULATE": "1"}) as server:
        async with get_client(url=server.url) as client:
            results: Any = await asyncio.gather(*(client.runs.wait(None, name, input=QUESTION) for name in names))
    reports = [result["report"] for result in results]
    assert [(report["mixture"], report["simulated"]) for report in reports] == [(name, True) for name in names]
    answers = {name: result["messages"][-1]["content"] for name, result in zip(names, results, strict=True)}
    assert {name for name, answer in answers.items() if "411" not in answer} == set()
