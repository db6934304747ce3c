from __future__ import annotations

import io
import re
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage
from rich.console import Console

from moa_graph.cli.display import RunDisplay
from moa_graph.cli.markdown import MarkdownAnswer
from moa_graph.cli.progress import LiveProgress, say
from moa_graph.cli.redrawing import RedrawnLines
from moa_graph.cli.tally import Tally
from moa_graph.report import Report
from moa_graph.runs import Outcome
from tests.cli.test_tally import event, finished, recorded

ONE_UP = "\x1b[1A"
COLOUR = re.compile(r"\x1b\[[\d;]*3\d[;m]")


def terminal(height: int = 24, no_color: bool = False) -> Console:
    environment = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": str(height)}
    if no_color:
        environment["NO_COLOR"] = "1"
    return Console(file=io.StringIO(), force_terminal=True, width=80, height=height, _environ=environment)


def run(tally: Tally, slots: int, layers: int = 2) -> list[str]:
    """A run whose first layer is over and whose second one is at work."""
    names = [f"m{index}" for index in range(slots)]
    stages = {f"layer_{layer}": names for layer in range(1, layers + 1)} | {"aggregate": ["writer"]}
    tally.note({"type": "run_started", "mixture": "m", "simulated": True, "stages": stages})
    for name in names:
        for one in (event("call_started", slot=name), finished(slot=name), recorded(slot=name)):
            tally.note(one)
    tally.note({"type": "stage_finished", "mixture": "m", "stage": "layer_1", "live": slots, "failed": 0,
                "seconds": 1.0, "end": None})  # fmt: skip
    tally.note(event("call_started", stage="layer_2", slot="m0"))
    return names


def drawn(console: Console, tally: Tally) -> list[str]:
    with console.capture() as captured:
        console.print(LiveProgress(console, tally).table())
    return [re.sub(r"\x1b\[[\d;]*m", "", line).rstrip() for line in captured.get().splitlines()]


def test_every_slot_has_a_line_with_state_time_tokens_and_cost() -> None:
    tally = Tally(lambda: 0.0)
    run(tally, slots=2)
    assert [line.split("  ")[0] for line in drawn(terminal(), tally)] == [
        "layer_1/m0", "layer_1/m1", "layer_2/m0", "layer_2/m1", "aggregate/writer",
    ]  # fmt: skip
    assert drawn(terminal(), tally)[0].split() == ["layer_1/m0", "answered", "1.0", "s", "15", "tokens", "$0.0010"]
    assert drawn(terminal(), tally)[2].split() == ["layer_2/m0", "asking", "0.0", "s"]


def test_stages_that_are_not_at_work_are_one_line_where_not_all_slots_fit() -> None:
    tally = Tally(lambda: 0.0)
    run(tally, slots=8)
    lines = drawn(terminal(height=16), tally)
    assert len(lines) == 1 + 8 + 1
    assert lines[0].split() == ["layer_1", "8", "of", "8", "answered", "1.0", "s", "120", "tokens", "$0.0080"]
    assert lines[-1].split() == ["aggregate", "waiting"]


def test_no_line_is_wider_than_the_terminal() -> None:
    tally = Tally(lambda: 0.0)
    name = "a-very-long-name-of-a-model-" * 5
    tally.note({"type": "run_started", "mixture": "m", "simulated": True, "stages": {"layer_1": [name]}})
    for one in (event("call_started", slot=name), finished(slot=name), recorded("context_overflow", slot=name)):
        tally.note(one)
    assert max(len(line) for line in drawn(terminal(), tally)) <= 80


def test_lines_that_a_narrower_terminal_has_broken_are_drawn_over() -> None:
    console = terminal()
    lines = RedrawnLines(console=console, get_renderable=lambda: "x" * 70 + "\n" + "y" * 30, auto_refresh=False)
    with console.capture() as captured, lines:
        lines.refresh()
        console.width = 30
        lines.refresh()
    assert captured.get().count(ONE_UP) == 2 + 1 + 3  # 70 columns broken in three; as drawn first; as drawn last


def test_room_for_what_a_terminal_shows_of_ctrl_c_stays_free() -> None:
    tally, console = Tally(lambda: 0.0), terminal()
    name = "a-very-long-name-of-a-model-" * 5
    progress = LiveProgress(console, tally)
    with console.capture() as captured:
        started: Any = {"type": "run_started", "mixture": "m", "simulated": True, "stages": {"layer_1": [name]}}
        tally.note(started)
        progress.note(started)
        progress.stop()
    drawn_lines = [re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", line) for line in captured.get().splitlines()]
    assert 0 < max(map(len, drawn_lines)) <= 80 - len("^C")


@pytest.mark.parametrize(("is_terminal", "lines"), [(True, 3), (False, 1)])
def test_what_is_said_is_broken_between_words_on_a_terminal_only(is_terminal: bool, lines: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=20, color_system=None)
    with console.capture() as captured:
        say(console, "these words are not broken, MOA_SIMULATE least")
    assert len(captured.get().splitlines()) == lines
    assert "MOA_SIMULATE" in captured.get()


def test_a_slot_that_was_left_out_is_not_said_to_wait() -> None:
    tally = Tally(lambda: 0.0)
    stages = {"layer_1": ["qwen", "left-out"]}
    tally.note({"type": "run_started", "mixture": "m", "simulated": True, "stages": stages})
    tally.note({"type": "stage_finished", "mixture": "m", "stage": "layer_1", "live": 1, "failed": 0,
                "seconds": 1.0, "end": None})  # fmt: skip
    assert drawn(terminal(), tally)[1].split("  ")[-1].strip() == "not asked"


@pytest.mark.parametrize("no_color", [False, True])
def test_no_color_is_honoured(no_color: bool) -> None:
    tally = Tally(lambda: 0.0)
    run(tally, slots=2)
    console = terminal(no_color=no_color)
    with console.capture() as captured:
        console.print(LiveProgress(console, tally).table())
    assert bool(COLOUR.search(captured.get())) is not no_color


def report(**fields: Any) -> Report:
    facts = {"calls": 3, "hits": 0, "seconds": 1.5, "usage": {"input": 100, "output": 20, "cached": 0}}
    cost = {"usage_complete": True, "cost": 0.25, "known_cost": 0.25, "estimated": False}
    told: Any = {**facts, **cost, "simulated": False, "ended_early": None, "degraded": [], **fields}
    return cast(Report, told)


def footer(**fields: Any) -> list[str]:
    err = terminal()
    display = RunDisplay(err, MarkdownAnswer(terminal()), shared=False)
    with err.capture() as captured:
        display.finish(Outcome(AIMessage("yes"), [], report(**fields)))
    return re.sub(r"\x1b\[[\d;]*m", "", captured.get()).splitlines()


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "3 calls, 1.5 s, 120 tokens, $0.25"),
        ({"estimated": True}, "3 calls, 1.5 s, 120 tokens, about $0.25"),
        ({"cost": None}, "3 calls, 1.5 s, 120 tokens, cost unknown (at least $0.25)"),
        ({"cost": None, "known_cost": 0.0}, "3 calls, 1.5 s, 120 tokens, cost unknown"),
        ({"usage_complete": False}, "3 calls, 1.5 s, 120 tokens known, $0.25"),
        ({"hits": 2, "simulated": True}, "3 calls, 2 from the store, 1.5 s, 120 tokens, $0.25, simulated"),
    ],
)
def test_the_footer_says_what_is_known_and_what_is_not(fields: dict[str, Any], line: str) -> None:
    assert footer(**fields) == [line]


def test_the_footer_says_why_an_answer_is_less_than_described() -> None:
    lines = footer(ended_early="the models agree", degraded=["layer_2 is missing"])
    assert lines[1:] == ["ended early: the models agree", "degraded: layer_2 is missing"]


def shown(*steps: tuple[str, str], answer: str) -> str:
    """What stands on a terminal after tokens, resets and the whole answer."""
    console = Console(file=io.StringIO(), width=60, force_terminal=False)
    output = MarkdownAnswer(console)
    for step, text in steps:
        output.add(text) if step == "token" else output.event(event("reset", reason=text))
    output.finish(Outcome(AIMessage(answer), [], report()))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_an_answer_that_was_not_streamed_is_shown_at_the_end() -> None:
    assert shown(answer="all at once").split() == ["all", "at", "once"]


def test_an_answer_that_begins_anew_on_a_terminal_says_so_and_follows_whole() -> None:
    text = shown(("token", "half of"), ("reset", "connection lost"), ("token", "the wh"), answer="the whole")
    assert " ".join(text.split()) == "half of (connection lost: the answer restarts) the whole"
