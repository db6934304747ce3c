"""Every stage that asks gives its slot's role to the model; every stage that chooses says why, and by what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models_for_tests import Asked
from tests.systems.panel import Panel, references, says, system_text

pytestmark = pytest.mark.virtual_clock

ROLE = "You are a careful chemist."
PROPOSE: dict[str, Any] = {"propose": {"slots": ["a", "b"]}}
WRITE: dict[str, Any] = {"aggregate": {"slot": "writer"}}
PLAYED: dict[str, Any] = {"model": "m", "role": ROLE}

WITH_A_ROLE: dict[str, list[Any]] = {
    "propose": [{"propose": {"slots": [PLAYED, "b"]}}, WRITE],
    "aggregate": [PROPOSE, {"aggregate": {"slot": PLAYED}}],
    "judge": [PROPOSE, {"judge": {"slot": PLAYED}}],
    "judge in pairs": [PROPOSE, {"judge": {"slot": PLAYED, "compare": "pairs"}}],
    "rank": [PROPOSE, {"rank": {"slots": [PLAYED, "c"]}}, WRITE],
    "analyse": [PROPOSE, {"analyse": {"slot": PLAYED}}, WRITE],
    "moderate": [PROPOSE, {"moderate": {"slot": PLAYED}}, WRITE],
    "critique": [
        PROPOSE,
        {"critique": {"slots": [PLAYED]}},
        {"refine": {"slots": ["a", "b"], "view": "critiques"}},
        WRITE,
    ],
    "critique of its own answer": [
        {"propose": {"slots": ["m", "b"]}},
        {"critique": {"slots": [PLAYED]}},
        {"refine": {"slots": ["m", "b"], "view": "critiques"}},
        WRITE,
    ],
    "refine": [PROPOSE, {"refine": {"slots": [PLAYED, "b"]}}, WRITE],
    "score": [PROPOSE, {"score": {"slots": [PLAYED]}}, {"accept": {}}, WRITE],
    "score of the conversation": [{"score": {"slots": [PLAYED], "of": "conversation"}}, {"combine": {}}],
    "residual": [PROPOSE, WRITE, PROPOSE, WRITE, {"residual": {"slot": PLAYED}}],
    "additions": [PROPOSE, WRITE, PROPOSE, {"additions": {"slot": PLAYED}}, {"incorporate": {"slot": "writer"}}],
    "incorporate": [PROPOSE, WRITE, PROPOSE, {"additions": {"slot": "writer"}}, {"incorporate": {"slot": PLAYED}}],
    "route": [
        {
            "route": {
                "slot": PLAYED,
                "default": "hard",
                "routes": {
                    "easy": {"when": "sums", "stages": [{"aggregate": {"slot": "a"}}]},
                    "hard": {"when": "the rest", "stages": [{"aggregate": {"slot": "b"}}]},
                },
            }
        }
    ],
}
"""What is asked of ``m`` -> the stages."""


def mixture(stages: list[Any]) -> dict[str, Any]:
    return {"models": dict.fromkeys(["a", "b", "c", "m", "writer"]), "stages": stages}


@pytest.mark.parametrize("what", WITH_A_ROLE)
async def test_a_slots_role_is_what_its_model_is_told(what: str) -> None:
    panel = Panel()

    await panel.run(mixture(WITH_A_ROLE[what]))

    with_role = [asked for asked in panel.asked("m") if ROLE in system_text(asked)]
    assert with_role
    # The model also proposes, without a role, where it is to criticise its own answer.
    assert len(with_role) == len(panel.asked("m")) - (2 if what == "critique of its own answer" else 0)
    assert not any(ROLE in system_text(asked) for name in ("a", "b", "writer") for asked in panel.asked(name))


def chosen(result: dict[str, Any], stage: str) -> dict[str, Any]:
    """The first record of what a stage chose."""
    found = [one for one in result["records"] if one["kind"] == "choice" and one["stage"] == stage]
    return dict(found[0])


async def test_a_vote_says_how_it_was_counted() -> None:
    panel = Panel({"a": says("Answer: 42"), "b": says("Answer: 41"), "c": says("Answer: 42")})

    vote = chosen(await panel.run(mixture([{"propose": {"slots": ["a", "b", "c"]}}, {"vote": {}}])), "vote")

    assert vote["notes"][-1] == "2 of 3 came to 42"
    assert (vote["data"]["answers"], vote["data"]["votes"]) == (["42", "41", "42"], 2)
    assert vote["data"]["tied"] is False


async def test_a_stop_says_what_it_compared() -> None:
    said = "Answer: 42\nConfidence: 0.9"
    panel = Panel({"a": says(said), "b": says(said), "c": says("Answer: 41\nConfidence: 0.8")})
    stop = {"stop": {"votes": 2, "confidence": 0.8}}

    stopped = chosen(await panel.run(mixture([{"propose": {"slots": ["a", "b", "c"]}}, stop, WRITE])), "stop")

    assert stopped["notes"][-1] == "2 of 3 agree on 42"
    assert {name: stopped["data"][name] for name in ("votes", "asked", "confident")} == {
        "votes": 2,
        "asked": 3,
        "confident": True,
    }


async def test_an_accepted_answer_says_its_score_and_every_mean() -> None:
    scores = iter([9, 3])
    panel = Panel({"m": says(Scored=lambda _: {"score": next(scores)})})

    result = await panel.run(mixture([PROPOSE, {"score": {"slots": ["m"]}}, {"accept": {"score": 8}}, WRITE]))

    accepted = chosen(result, "accept")
    assert accepted["notes"][-1] == "a score of 9.0 is enough" == result["report"]["ended_early"]
    assert accepted["data"] == {"layer_1/a#0": 9.0, "layer_1/b#0": 3.0}


async def test_a_judge_says_the_whole_order_though_one_goes_on() -> None:
    def picks_b(asked: Asked) -> dict[str, Any]:
        return {"ranking": [references(asked).index("b's answer") + 1]}

    panel = Panel({"m": says(Ranking=picks_b)})

    result = await panel.run(mixture([PROPOSE, {"judge": {"slot": "m"}}]))

    judged = chosen(result, "judge")
    assert judged["notes"][-1] == "chosen by the judge"
    assert judged["data"] == {"order": ["layer_1/b#0", "layer_1/a#0"]}


async def test_a_judge_that_fails_leaves_its_choice_marked_as_not_judged() -> None:
    result = await Panel({"m": says(Ranking="no")}).run(mixture([PROPOSE, {"judge": {"slot": "m"}}]))

    assert chosen(result, "judge")["notes"][-1] == "not judged"


@pytest.mark.parametrize(
    ("decision", "text", "note"),
    [
        ({"stop": False, "answer": "both"}, "both", "what all rounds together allow"),
        ({"stop": True}, "second", "the round brought nothing new"),
    ],
)
async def test_a_residual_says_whether_the_round_was_of_use(decision: dict[str, Any], text: str, note: str) -> None:
    panel = Panel({"writer": says("first", "second"), "m": says(Improvement=decision)})

    result = await panel.run(mixture([PROPOSE, WRITE, PROPOSE, WRITE, {"residual": {"slot": "m", "patience": 2}}]))

    residual = chosen(result, "residual")
    assert (residual["text"], residual["notes"][-1]) == (text, note)
    assert residual["data"] == {"stop": decision["stop"]}
    assert "answer of round 2" in system_text(panel.asked("m")[-1]).lower()


async def test_the_most_different_say_among_how_many_they_are() -> None:
    stages = [{"propose": {"slots": ["a", "b", "c"]}}, {"diverse": {"keep": 2}}, WRITE]

    assert chosen(await Panel().run(mixture(stages)), "diverse")["notes"][-1] == "among the 2 most different"


@pytest.mark.parametrize(("threshold", "told"), [(None, "name the way"), (0.5, "probability from 0 to 1")])
async def test_a_router_is_asked_for_a_route_or_for_odds(threshold: float | None, told: str) -> None:
    route = {**WITH_A_ROLE["route"][0]["route"], "threshold": threshold}
    panel = Panel()

    await panel.run(mixture([{"route": route}]))

    assert told in system_text(panel.asked("m")[0])


async def test_debaters_are_told_that_others_answers_follow_or_that_there_were_none() -> None:
    def fails(_: Any) -> Any:
        raise ConnectionResetError("gone")

    debate = mixture([PROPOSE, {"refine": {"slots": ["a", "b"]}}, {"refine": {"slots": ["a", "b"]}}, WRITE])
    together, alone = Panel(), Panel({"b": fails})

    await together.run(debate)
    await alone.run(debate)

    said = {
        panel: [one.text for one in panel.asked("a")[-1].messages if one.type == "human"] for panel in (together, alone)
    }
    assert "b's answer" in said[together][1]
    assert said[alone][1] == said[alone][2]
    assert "b's answer" not in "".join(said[alone])
    assert said[together][2] != said[alone][2]


@pytest.mark.parametrize(("within", "agree"), [(2.0, True), (1.9, False)])
async def test_a_jury_agrees_up_to_the_spread_that_is_named(within: float, agree: bool) -> None:
    panel = Panel({"a": says(Scored={"score": 5, "reasoning": "größer"}), "b": says(Scored={"score": 7})})
    stages = [{"score": {"slots": ["a", "b"], "of": "conversation"}}, {"combine": {"agreement_within": within}}]

    combined = chosen(await panel.run(mixture(stages)), "combine")

    assert combined["data"]["agree"] is agree
    assert "größer" in combined["text"]
