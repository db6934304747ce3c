"""The page about events says what runs really tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter
from typing_extensions import get_type_hints

from moa_graph.calls import events
from tests.cli.conftest import Moa

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, Any] = dict(re.findall(r"^## (\w+)\n.*?```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
KINDS: dict[str, Any] = {get_args(get_type_hints(kind)["type"])[0]: kind for kind in get_args(events.Event)}


def check(event: dict[str, Any]) -> None:
    kind = KINDS[event["type"]]
    TypeAdapter(kind).validate_python(event, strict=True)
    assert event.keys() == get_type_hints(kind).keys()


def test_the_page_has_every_event() -> None:
    assert list(EXAMPLES) == ["run_started", "call_started", "call_finished", "record_text", "record_finished",
                              "stage_finished", "reset", "run_finished"]  # fmt: skip
    assert EXAMPLES.keys() == KINDS.keys()


@pytest.mark.parametrize("name", KINDS)
def test_an_example_is_an_event_of_its_type(name: str) -> None:
    example = json.loads(EXAMPLES[name])
    assert example["type"] == name
    check(example)


def test_a_run_with_a_failure_and_a_broken_stream_tells_every_event_as_the_page_says(moa: Moa, served: Any) -> None:
    mixture, _ = served(
        good={},
        bad={"faults": [{"kind": "status", "status": 400}]},
        writer={"faults": [{"kind": "broken_stream", "first": 1}]},
    )
    told = [json.loads(line) for line in moa("ask", "-m", mixture, "--events", "What is 2 + 3?").stdout.splitlines()]
    for event in told:
        check(event)
    assert {event["type"] for event in told} == KINDS.keys() - {"record_text"}  # which only doors ask for
    finished = json.loads(EXAMPLES["run_finished"])["report"]
    assert told[-1]["report"].keys() == finished.keys()
