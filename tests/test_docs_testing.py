"""The example in ``docs/testing.md`` runs as it stands there; the public scripted model gives whole messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from moa_graph import testing
from moa_graph.testing import calling, scripted

PAGE = (Path(__file__).parents[1] / "docs" / "testing.md").read_text(encoding="utf-8")

USED: Any = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


def test_the_example_runs() -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    code = code.replace("retry_after=1", "retry_after=0")  # nobody waits for it here
    exec(compile(code, "docs/testing.md", "exec", dont_inherit=True), {"__name__": "example"})


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_whole_message_comes_with_all_that_it_holds(streamed: bool) -> None:
    given = calling("add", a=1).model_copy(
        update={
            "content": [{"type": "text", "text": "Let me see."}],
            "additional_kwargs": {"refusal": None},
            "usage_metadata": USED,
        }
    )
    model = scripted("w", given).bind_tools([{"name": "add", "description": "Adds.", "parameters": {}}])
    if streamed:
        [came] = [chunk async for chunk in model.astream("Why?") if chunk.content]
    else:
        came = await model.ainvoke("Why?")
    assert [(call["name"], call["args"]) for call in came.tool_calls] == [("add", {"a": 1})]
    assert (came.text, came.additional_kwargs, came.usage_metadata) == ("Let me see.", {"refusal": None}, USED)


async def test_settings_are_written_down() -> None:
    model = scripted("w", AIMessage("x"), temperature=0.5)
    await model.bind(tool_choice="any").ainvoke("Why?", stop=["END"])
    assert dict(model.journal.asked[0].settings) == {"temperature": 0.5, "tool_choice": "any", "stop": ["END"]}


@pytest.mark.parametrize("takes_tools", [True, False])
def test_whether_it_takes_tools_can_be_said(takes_tools: bool) -> None:
    model = scripted("w", "text", takes_tools=takes_tools)
    assert isinstance(model, testing.ToolCallingModel) == takes_tools


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_is_documented(name: str) -> None:
    assert getattr(testing, name).__doc__
