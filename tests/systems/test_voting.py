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
from moa_graph.models.simulation.known_answers import find_problem
from tests.systems.panel import QUESTION, Panel, says, system_text


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
    result = await answer_of(voting("a", "b", extract="number"), a="I don't know.", b="Nor do I.")

    assert result["messages"][-1].text == "I don't know."
    assert result["report"]["degraded"] == ["no answer could be extracted to vote on"]


ON_SLEEP = "Sleep well: keep the same hours, leave screens alone at night, and sleep in a dark and quiet room."
ON_SLEEP_TOO = "Sleep well: keep the same hours, leave screens alone at night, and sleep in a quiet, dark room."
ON_SPORT = "Move more. Walk to work, take the stairs, and find a sport that you enjoy with people whom you like."
ON_FOOD = "Eat what grows, seldom too much, and mostly in company; then much else comes right by itself."


async def test_free_text_is_compared_as_a_whole_and_the_report_says_so() -> None:
    result = await answer_of(voting("a", "b", "c"), a=ON_SPORT, b=ON_SLEEP, c=ON_SLEEP_TOO)

    assert result["messages"][-1].text == ON_SLEEP
    told = "2 of 3 say nearly the same by their words, and the first of them is taken"
    assert result["report"]["degraded"] == [f"no short answers to count, as to an open question: {told}"]


async def test_of_free_texts_that_all_differ_the_most_typical_is_taken() -> None:
    result = await answer_of(voting("a", "b", "c", tie="abstain"), a=ON_FOOD, b=ON_SPORT, c=ON_SLEEP)

    [reason] = result["report"]["degraded"]
    taken = "the response whose words are most like the others' is taken"
    assert reason == f"no short answers to count, as to an open question: {taken}"
    assert result["messages"][-1].text in (ON_FOOD, ON_SPORT, ON_SLEEP)


async def test_two_letters_beat_one() -> None:
    for vote in ("vote", "debate"):
        panel = Panel({"a": says("A)", delay=0), "b": says("B)", delay=0), "c": says("B)", delay=0)})
        rounds = [{"propose": {"slots": ["a", "b", "c"]}}, {"refine": {"slots": ["a", "b", "c"]}}][
            : 1 + (vote == "debate")
        ]

        result = await panel.run({"models": dict.fromkeys("abc"), "stages": [*rounds, {"vote": {}}]})

        assert result["messages"][-1].text == "B)"
        assert result["report"]["degraded"] == []


@pytest.mark.parametrize("answer", ["B)", "(B)", "The answer is B.", "42", "Paris", "yes", '{"answer": "B"}'])
@pytest.mark.parametrize(("preset", "calls"), [("ice", 3), ("pyramid-moa", 2)])
async def test_agreement_on_any_short_answer_ends_the_run(preset: str, calls: int, answer: str) -> None:
    names = Panel().mixture(preset).models
    panel = Panel({name: says(answer, delay=0) for name in names})

    result = await panel.run(preset)

    assert result["report"]["calls"] == calls
    assert result["messages"][-1].text == answer


LAST_LINE = 'end with a line "Answer: " and that answer alone'


@pytest.mark.virtual_clock
@pytest.mark.parametrize("preset", ["vote", "debate", "ice", "pyramid-moa"])
async def test_proposers_are_told_to_end_with_a_line_that_can_be_read(preset: str) -> None:
    panel = Panel()

    result = await panel.run(preset)

    proposing = {record["slot"] for record in result["records"] if record["kind"] == "proposal"}
    for name in proposing:
        for asked in panel.asked(name):
            # Pyramid's strong model writes the answer itself.
            assert LAST_LINE in system_text(asked)


@pytest.mark.virtual_clock
async def test_what_proposers_are_told_may_be_left_out_and_ends_where_a_model_writes_anew() -> None:
    silent, written = Panel(), Panel()
    quiet = {"stop": {"tell": False}}
    await silent.run({"models": {"a": None, "w": None}, "stages": [{"propose": {"slots": ["a"]}}, quiet, WRITE]})
    await written.run(
        {"models": {"a": None, "w": None}, "stages": [{"propose": {"slots": ["a"]}}, WRITE, {"vote": {}}]}
    )

    assert [system_text(asked) for asked in (silent.asked("a")[0], written.asked("a")[0])] == ["", ""]


WRITE = {"aggregate": {"slot": "w"}}


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("a", "b", "calls"),
    [
        ("42\nConfidence: 0.9", "42\nConfidence: 80%", 2),
        ("42\nConfidence: 0.9", "42\nConfidence: 0.6", 3),
        ('{"answer": 42, "confidence": 0.9}', "42\n**Confidence:** 1", 2),
        ("42", "42\nConfidence: 1", 3),
    ],
)
async def test_a_stop_that_wants_confidence_asks_for_it(a: str, b: str, calls: int) -> None:
    panel = Panel({"a": says(a, delay=0), "b": says(b, delay=0)})
    stages = [{"propose": {"slots": ["a", "b"]}}, {"stop": {"confidence": 0.8}}, WRITE]

    result = await panel.run({"models": dict.fromkeys("abw"), "stages": stages})

    assert result["report"]["calls"] == calls
    assert 'a line "Confidence: "' in system_text(panel.asked("a")[0])


@pytest.mark.virtual_clock
async def test_how_answers_are_read_may_be_said_when_the_graph_is_made() -> None:
    panel = Panel({"a": says("It is A, by step 3"), "b": says("It is B, by step 3"), "c": says("It is B, by step 2")})
    mixture = panel.mixture(voting("a", "b", "c"))

    by_choice = await create_moa(mixture, extract="choice").compile().ainvoke(QUESTION)
    by_function = await create_moa(mixture, extract=lambda text: text[-1]).compile().ainvoke(QUESTION)

    assert by_choice["messages"][-1].text == "It is B, by step 3"
    assert by_function["messages"][-1].text == "It is A, by step 3"
    with pytest.raises(MixtureError, match="extract: it has no stage that counts answers, such as vote or stop"):
        create_moa("moa-lite", extract="choice", simulate=True)
    with pytest.raises(
        MixtureError, match="'letter' isn't an extractor; there are auto, choice, exact, number and json:"
    ):
        create_moa("vote", extract="letter", simulate=True)


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
