"""What models are shown in later rounds, and what a round says where it ends the run or changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from moa_graph import Mixture, MixtureError
from tests.systems.panel import Panel, says, system_text
from tests.systems.test_voting import ON_SLEEP, ON_SLEEP_TOO, ON_SPORT
from tests.systems.test_what_stages_say import PROPOSE, ROLE, WRITE, chosen, mixture

pytestmark = pytest.mark.virtual_clock

ROUNDS: list[Any] = [PROPOSE, WRITE, PROPOSE, {"additions": {"slot": "m", "patience": 1}}]


async def test_rounds_that_add_nothing_end_the_run_with_the_answer_so_far() -> None:
    panel = Panel({"writer": says("first"), "m": says(Added={"additions": [], "stop": True})})

    result = await panel.run(mixture([*ROUNDS, {"incorporate": {"slot": "writer"}}]))

    ended = chosen(result, "additions")
    assert (ended["text"], ended["notes"][-1]) == ("first", "the last rounds added nothing to it")
    assert result["report"]["ended_early"] == "1 round(s) added nothing new"
    assert len(panel.asked("writer")) == 1


async def test_an_idle_round_before_patience_ends_keeps_the_answer_and_says_so() -> None:
    panel = Panel({"writer": says("first"), "m": says(Added={"additions": [], "stop": True})})
    stages = [*ROUNDS[:-1], {"additions": {"slot": "m", "patience": 2}}, {"incorporate": {"slot": "writer"}}]

    result = await panel.run(mixture(stages))

    kept = chosen(result, "incorporate")
    assert (kept["text"], kept["notes"][-1]) == ("first", "the round added nothing to it")
    assert len(panel.asked("writer")) == 1


async def test_a_critic_s_words_are_shown_as_suggestions_beside_the_slots_own_answer() -> None:
    panel = Panel({"c": says("Name the unit.")})
    stages = [
        PROPOSE,
        {"critique": {"slots": ["c"]}},
        {"refine": {"slots": [{"model": "a", "role": ROLE}], "view": "critiques"}},
        WRITE,
    ]

    await panel.run(mixture(stages))

    told = system_text(panel.asked("a")[-1])
    assert "<<suggestion 1" in told
    assert "Name the unit." in told
    assert "a's answer" in told
    assert ROLE in told


@pytest.mark.parametrize("kind", ["propose", "aggregate"])
async def test_with_view_none_nobody_is_shown_anothers_answer(kind: str) -> None:
    last = {"propose": {"slots": ["m"], "view": "none"}} if kind == "propose" else None
    stages = [PROPOSE, last, WRITE] if last else [PROPOSE, {"aggregate": {"slot": "m", "view": "none"}}]
    panel = Panel()

    await panel.run(mixture(stages))

    assert "a's answer" not in system_text(panel.asked("m")[0])


async def test_references_after_the_question_stand_behind_it() -> None:
    panel = Panel()

    await panel.run(mixture([PROPOSE, {"aggregate": {"slot": "m", "references": "after"}}]))

    [asked] = panel.asked("m")
    told = asked.messages[-1].text
    assert told.index("six times seven") < told.index("a's answer")
    assert "a's answer" not in system_text(asked)


async def test_answers_that_fall_into_two_equal_groups_all_go_on_and_the_report_says_why() -> None:
    panel = Panel({"a": says(ON_SLEEP), "b": says(ON_SLEEP_TOO), "c": says(ON_SPORT), "m": says(f"{ON_SPORT} So.")})
    stages = [{"propose": {"slots": ["a", "b", "c", "m"]}}, {"cluster_and_filter": {}}, WRITE]

    result = await panel.run(mixture(stages))

    guard = chosen(result, "cluster_and_filter")
    [degraded] = result["report"]["degraded"]
    assert degraded.startswith("the guard can't know which proposals to leave out, so all go on: ")
    assert guard["notes"][-1] == "none left out: " + degraded.partition("all go on: ")[2]
    assert guard["data"] == {"left_out": []}
    assert all(text in system_text(panel.asked("writer")[0]) for text in (ON_SLEEP, ON_SLEEP_TOO, f"{ON_SPORT} So."))


def test_tags_with_two_branches_are_refused_all_at_once() -> None:
    branch = {"tags": ["law", "art"], "stages": [{"aggregate": {"slot": "sim:w"}}]}

    with pytest.raises(MixtureError, match="law, art: a tag can have only one branch"):
        Mixture.from_data({"stages": [{"by_tag": {"default": "one", "routes": {"one": branch, "two": branch}}}]})
