"""What a vote, a judge and a jury say where they can't decide: in the choice's note and data, and in the report."""

from __future__ import annotations

from typing import Any

import pytest

from tests.systems.panel import Panel, says, system_text
from tests.systems.test_voting import ON_SLEEP, ON_SLEEP_TOO, ON_SPORT
from tests.systems.test_what_stages_say import PROPOSE, WRITE, chosen, mixture

pytestmark = pytest.mark.virtual_clock


def fails(_: Any) -> Any:
    raise ConnectionResetError("gone")


def answering(*texts: str, **scripts: Any) -> Panel:
    """The proposers' answers, in the order of their names."""
    return Panel({**{name: says(text) for name, text in zip("abc", texts, strict=False)}, **scripts})


TIED = ("Answer: 42", "Answer: 41")


async def test_of_a_tie_the_first_wins_and_the_vote_says_so() -> None:
    result = await answering(*TIED).run(mixture([PROPOSE, {"vote": {}}]))

    vote = chosen(result, "vote")
    assert (vote["text"], vote["notes"][-1]) == ("Answer: 42", "1 of 2 came to 42, a tie that the first wins")
    assert vote["data"] == {"by": "number", "answers": ["42", "41"], "votes": 1, "tied": True}
    assert result["report"]["degraded"] == []


async def test_a_vote_that_abstains_says_how_it_was_tied() -> None:
    result = await answering(*TIED).run(mixture([PROPOSE, {"vote": {"tie": "abstain"}}]))

    vote = chosen(result, "vote")
    assert (vote["text"], vote["notes"][-1]) == ("No answer: the vote was tied. 1 for 42; 1 for 41.", "tied")
    assert vote["data"]["votes"] == 1
    assert result["messages"][-1].text == vote["text"]
    assert result["report"]["degraded"] == ["the vote was tied: no answer was given"]


async def test_a_vote_that_abstains_gives_the_answer_where_it_isnt_tied() -> None:
    stages = [{"propose": {"slots": ["a", "b", "c"]}}, {"vote": {"tie": "abstain"}}]

    result = await answering(*TIED, "Answer: 41").run(mixture(stages))

    assert result["messages"][-1].text == "Answer: 41"


@pytest.mark.parametrize(
    ("texts", "answer", "ended"),
    [
        ((*TIED, "Answer: 40"), "the writer's", None),
        ((*TIED, "Answer: 41"), "Answer: 41", "2 of 3 came to 41"),
    ],
)
async def test_a_vote_that_escalates_ties_ends_the_run_where_there_is_none(
    texts: tuple[str, ...], answer: str, ended: str | None
) -> None:
    panel = answering(*texts, writer=says("the writer's"))
    stages = [{"propose": {"slots": ["a", "b", "c"]}}, {"vote": {"tie": "escalate"}}, WRITE]

    result = await panel.run(mixture(stages))

    assert (result["messages"][-1].text, result["report"]["ended_early"]) == (answer, ended)
    assert len(panel.asked("writer")) == (ended is None)


async def test_a_vote_without_an_answer_takes_the_first_proposal_and_says_so() -> None:
    panel = answering("I can't say.", "Nor can I.", writer=says("the writer's"))

    result = await panel.run(mixture([PROPOSE, {"vote": {"extract": "number"}}, WRITE]))

    vote = chosen(result, "vote")
    assert vote["notes"][-1] == "no answer could be extracted: the first proposal"
    assert vote["data"]["answers"] == [None, None]
    assert result["report"]["degraded"] == ["no answer could be extracted to vote on"]
    told = system_text(panel.asked("writer")[0])
    assert "I can't say." in told
    assert "Nor can I." not in told


async def test_a_vote_on_free_text_says_by_what_it_chose_and_may_end_the_run() -> None:
    panel = answering(ON_SPORT, ON_SLEEP, ON_SLEEP_TOO)
    stages = [{"propose": {"slots": ["a", "b", "c"]}}, {"vote": {"tie": "escalate"}}, WRITE]

    result = await panel.run(mixture(stages))

    vote = chosen(result, "vote")
    reason = "2 of 3 say nearly the same by their words, and the first of them is taken"
    assert (vote["text"], vote["notes"][-1]) == (ON_SLEEP, reason)
    assert (vote["data"]["votes"], result["report"]["ended_early"]) == (2, reason)
    assert result["report"]["degraded"] == [f"no short answers to count, as to an open question: {reason}"]


@pytest.mark.parametrize("compare", ["all", "pairs"])
async def test_one_proposal_alone_needs_no_judge_and_isnt_degraded(compare: str) -> None:
    panel = answering("Answer: 42", b=fails)

    result = await panel.run(mixture([PROPOSE, {"judge": {"slot": "m", "compare": compare}}]))

    assert (panel.asked("m"), result["messages"][-1].text) == ([], "Answer: 42")
    assert result["report"]["degraded"] == []


async def test_a_judge_without_a_judgement_is_reported() -> None:
    result = await Panel({"m": says(Ranking="no")}).run(mixture([PROPOSE, {"judge": {"slot": "m"}}]))

    assert result["report"]["degraded"] == ["judge gave no judgement: the first live proposals are kept"]


async def test_nobody_ranks_one_proposal_alone() -> None:
    panel = answering("Answer: 42", b=fails)

    await panel.run(mixture([PROPOSE, {"rank": {"slots": ["m", "c"]}}, WRITE]))

    assert panel.asked("m") == panel.asked("c") == []


@pytest.mark.parametrize("of", ["answers", "conversation"])
async def test_who_scores_is_told_the_rubric(of: str) -> None:
    panel = Panel()
    scored = {"score": {"slots": ["m"], "of": of, "rubric": "brevity alone."}}
    stages = [scored, {"combine": {}}] if of == "conversation" else [PROPOSE, scored, {"accept": {}}, WRITE]

    await panel.run(mixture(stages))

    assert all("by this rubric: brevity alone. " in system_text(asked) for asked in panel.asked("m"))


async def test_every_sample_of_a_scorer_scores_every_answer_once() -> None:
    stages = [PROPOSE, {"score": {"slots": [{"model": "m", "samples": 2}]}}, {"accept": {}}, WRITE]

    result = await Panel().run(mixture(stages))

    scores = [one for one in result["records"] if one["kind"] == "score"]
    assert [(one["sample"], one["about"]) for one in sorted(scores, key=lambda one: one["sample"])] == [
        (0, "layer_1/a#0"), (1, "layer_1/b#0"), (2, "layer_1/a#0"), (3, "layer_1/b#0"),
    ]  # fmt: skip


async def test_a_jury_gives_the_mean_to_two_places_and_every_reason() -> None:
    panel = Panel({name: says(Scored={"score": n, "reasoning": name}) for name, n in (("a", 5), ("b", 7), ("c", 8))})
    stages = [{"score": {"slots": ["a", "b", "c"], "of": "conversation"}}, {"combine": {}}]

    combined = chosen(await panel.run(mixture(stages)), "combine")

    assert combined["notes"][-1] == "scores combined"
    assert (combined["data"]["score"], combined["data"]["median"], combined["data"]["spread"]) == (6.67, 7, 3)
    assert combined["data"]["reasons"] == {"a": "a", "b": "b", "c": "c"}


async def test_a_jury_without_a_score_is_reported() -> None:
    panel = Panel({"a": says(Scored="no"), "b": says(Scored="no")})
    stages = [PROPOSE, {"score": {"slots": ["a", "b"], "of": "conversation"}}, {"combine": {}}]

    result = await panel.run(mixture(stages))

    assert "no model gave a score" in result["report"]["degraded"]
