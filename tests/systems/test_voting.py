"""Votes count what they should, and gain what independence allows."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from moa_graph import Mixture, MixtureError, create_moa
from moa_graph.extract import number
from moa_graph.models.simulated import SimulatedChatModel
from moa_graph.models.simulation import Latency, Profile
from moa_graph.models.simulation.problems import find_problem
from tests.systems.panel import Panel, says


def voting(*slots: Any, **vote: Any) -> dict[str, Any]:
    names = dict.fromkeys(slot if isinstance(slot, str) else slot["model"] for slot in slots)
    return {"models": names, "stages": [{"propose": {"slots": list(slots)}}, {"vote": vote}]}


async def answer_of(vote: dict[str, Any], **texts: str) -> dict[str, Any]:
    return await Panel({name: says(text, delay=0) for name, text in texts.items()}).run(vote)


async def test_a_tie_goes_to_the_first_configured_whoever_answers_first() -> None:
    panel = Panel({"slow": says("It is 1.", delay=0.05), "quick": says("It is 2.", delay=0)})

    result = await panel.run(voting("slow", "quick"))

    assert result["messages"][-1].text == "It is 1."
    assert result["report"]["degraded"] == []


async def test_the_first_configured_of_those_that_won_is_the_answer() -> None:
    result = await answer_of(voting("a", "b", "c"), a="It is 1.", b="I get 2", c="So it is 2.0.")

    assert result["messages"][-1].text == "I get 2"


async def test_a_tie_may_escalate_to_a_stage_that_decides() -> None:
    panel = Panel({"a": says("1", delay=0), "b": says("2", delay=0), "strong": says("It is 2.", delay=0)})
    data = voting("a", "b", tie="escalate")

    result = await panel.run(
        {
            "models": {**data["models"], "strong": None},
            "stages": [*data["stages"], {"aggregate": {"slot": "strong", "view": "none"}}],
        }
    )

    assert result["messages"][-1].text == "It is 2."
    assert len(panel.asked("strong")) == 1


async def test_where_nothing_can_be_extracted_the_first_proposal_stands_and_the_report_says_so() -> None:
    result = await answer_of(voting("a", "b"), a="I don't know.", b="Nor do I.")

    assert result["messages"][-1].text == "I don't know."
    assert result["report"]["degraded"] == ["no answer could be extracted to vote on"]


@pytest.mark.parametrize(
    ("extract", "a", "b", "c"),
    [
        ("number", "$1,200.00 in all", "Answer: 7", '{"reasoning": "x 9", "answer": "7 eggs"}'),
        ("choice", "It is (A).", "Answer: B", "The answer is B, not A"),
        ("exact", "Paris", "Rome", " rome. "),
        ("json:verdict", '{"verdict": "yes"}', '{"verdict": "no"}', 'So: {"verdict": "no", "why": "yes"}'),
    ],
)
async def test_votes_by_each_extractor(extract: str, a: str, b: str, c: str) -> None:
    result = await answer_of(voting("a", "b", "c", extract=extract), a=a, b=b, c=c)

    assert result["messages"][-1].text == b


async def test_votes_by_a_function() -> None:
    def last_word(text: str) -> str | None:
        return text.rsplit(maxsplit=1)[-1] if text.strip() else None

    result = await answer_of(voting("a", "b", "c", extract=last_word), a="it is red", b="no, blue", c="clearly blue")

    assert result["messages"][-1].text == "no, blue"


def test_a_function_can_be_used_and_not_written() -> None:
    mixture = Mixture.from_data({"stages": [{"propose": {"slots": ["sim:a"]}}, {"vote": {"extract": str.strip}}]})

    with pytest.raises(MixtureError, match="is a function, which can't be written: name an extractor"):
        mixture.to_text()


QUESTIONS, MEMBERS, SKILL = 400, 5, 0.7


def members(correlation: float) -> list[SimulatedChatModel]:
    """Models of equal skill that take no time."""
    profiles = [
        Profile(
            name=f"m{number}",
            seed=number,
            latency=Latency(first_token=0, sigma=0, tokens_a_second=None),
            skill={"any": SKILL},
            correlation=correlation,
        )
        for number in range(MEMBERS)
    ]
    return [SimulatedChatModel(model=profile.name, simulation=profile) for profile in profiles]


def sums() -> dict[str, str]:
    """Questions and their answers; what one gets by a slip is the answer to none."""
    draw, answers = random.Random(5), dict[str, str]()
    while len(answers) < QUESTIONS:
        problem = find_problem(f"What is {draw.randrange(100, 1000)} * {draw.randrange(100, 1000)}?")
        assert problem is not None
        if not {problem.answer, *problem.wrong} & set(answers.values()):
            answers[f"What is {problem.question}?"] = problem.answer
    return answers


async def right_of_a_vote(correlation: float) -> tuple[float, float]:
    """Share of questions that a vote on right or wrong gets right, and that its first member does."""
    asked = sums()
    right = set(asked.values())

    def is_right(text: str) -> str:
        return str(number(text) in right)

    stages = [{"propose": {"slots": members(correlation)}}, {"vote": {"extract": is_right}}]
    graph = create_moa({"stages": stages}).compile()
    results = await graph.abatch([{"messages": [("user", question)]} for question in asked], {"max_concurrency": 50})
    pairs = list(zip(asked.values(), results, strict=True))
    voted = sum(number(result["messages"][-1].text) == answer for answer, result in pairs)
    alone = sum(number(result["records"][0]["text"]) == answer for answer, result in pairs)
    return voted / QUESTIONS, alone / QUESTIONS


def within_99_percent(seen: float, expected: float) -> bool:
    return abs(seen - expected) <= 2.576 * math.sqrt(expected * (1 - expected) / QUESTIONS)


async def test_a_vote_of_independent_models_gains_what_the_binomial_predicts() -> None:
    voted, alone = await right_of_a_vote(correlation=0)

    three_of_five = sum(math.comb(5, right) * SKILL**right * (1 - SKILL) ** (5 - right) for right in (3, 4, 5))
    assert three_of_five == pytest.approx(0.83692)
    assert within_99_percent(alone, SKILL)
    assert within_99_percent(voted, three_of_five)


async def test_a_vote_of_models_that_err_together_gains_nothing() -> None:
    voted, alone = await right_of_a_vote(correlation=1)

    assert voted == alone
    assert within_99_percent(alone, SKILL)
