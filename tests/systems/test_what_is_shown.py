"""What the models of each system are shown, in which order, and what they are not shown."""

from __future__ import annotations

from typing import Any

import pytest

from moa_graph.stage_kit.selection import shuffled
from moa_graph.stages.propose import drawn
from moa_graph.state import Record
from moa_graph.views import read_references
from tests.models_for_tests import Asked
from tests.systems.panel import Panel, references, says, system_text

pytestmark = pytest.mark.virtual_clock

TRIO = ["llama-70b", "qwen-72b", "deepseek"]


def texts(name: str) -> tuple[str, ...]:
    return tuple(f"{name}, text {number}" for number in range(1, 20))


def trio(**deepseek: Any) -> Panel:
    """Three models, each of whose texts is like no other."""
    return Panel({name: says(*texts(name), **(deepseek if name == "deepseek" else {})) for name in TRIO})


def shown(panel: Panel, name: str, number: int) -> list[str]:
    """The fenced texts in one request to a model, its own among them."""
    return references(panel.asked(name)[number])


FIRST = [f"{name}, text 1" for name in TRIO]


def by_content(*written: str, salt: str = "") -> list[str]:
    return [record["text"] for record in shuffled([a_record(text) for text in written], salt)]


def a_record(text: str) -> Record:
    return {"text": text}  # type: ignore[typeddict-item]


async def test_every_first_answer_is_given_to_the_question_alone() -> None:
    panel = trio()

    await panel.run("ranker")

    for name in TRIO:
        assert [(message.type, message.text) for message in panel.asked(name)[0].messages] == [
            ("human", "What is six times seven?")
        ]


async def test_a_judge_sees_all_proposals_unnamed_and_in_an_order_that_comes_from_their_texts() -> None:
    panel = trio()

    await panel.run("ranker")

    judged = panel.asked("deepseek")[1]
    assert references(judged) == by_content(*FIRST) != FIRST
    assert not any(f"<<{name}" in system_text(judged) for name in TRIO)


async def test_pairs_are_judged_in_both_orders() -> None:
    panel = trio()

    await panel.run(
        {
            "models": dict.fromkeys(TRIO),
            "stages": [{"propose": {"slots": TRIO}}, {"judge": {"slot": "deepseek", "compare": "pairs"}}],
        }
    )

    pairs = [tuple(references(asked)) for asked in panel.asked("deepseek")[1:]]
    assert len(set(pairs)) == 6
    assert {pair[::-1] for pair in pairs} == set(pairs)


async def test_rank_then_fuse_shows_the_writer_the_best_three_best_first() -> None:
    panel = Panel({"qwen-72b": says("third", "fourth"), "llama-70b": says("first"), "deepseek": says("second")})
    unshuffled = by_content("first", "second", "third", "fourth")
    ranking = [unshuffled.index(text) + 1 for text in ("fourth", "second", "first", "third")]
    panel = Panel(
        {
            "qwen-72b": says("third", "fourth"),
            "llama-70b": says("first"),
            "deepseek": says("second", Ranking={"ranking": ranking}),
        }
    )

    await panel.run("rank-then-fuse")

    assert shown(panel, "deepseek", 2) == ["fourth", "second", "first"]


async def test_a_council_member_evaluates_all_answers_its_own_among_them() -> None:
    panel = trio()

    await panel.run("council")

    for name in TRIO:
        assert shown(panel, name, 1) == by_content(*FIRST)
        assert "First evaluate each response by its number" in system_text(panel.asked(name)[1])


async def test_a_chairman_sees_names_answers_and_evaluations_with_the_ranks_outside_of_the_fence() -> None:
    def best_last(asked: Asked) -> dict[str, Any]:
        return {"ranking": [3, 2, 1], "evaluation": "Response 3 is the best of all."}

    panel = Panel({name: says(*texts(name), Ranks=best_last) for name in TRIO})

    await panel.run("council")

    chair = panel.asked("deepseek")[-1]
    answers = by_content(*FIRST)
    assert references(chair) == [*answers, *["Response 3 is the best of all."] * 3]
    outside = system_text(chair).split("<<")[0]
    names = [text.partition(",")[0] for text in answers]
    assert f"Response 1 is {names[0]}'s answer; the members ranked it 3, 3, 3." in outside
    assert f"Response 3 is {names[2]}'s answer; the members ranked it 1, 1, 1." in outside
    for number, name in enumerate(TRIO, start=4):
        assert f"Response {number} is {name}'s evaluation of responses 1 to 3." in outside


async def test_the_writer_of_a_fusion_sees_the_analysis_alone() -> None:
    panel = Panel({name: says(*texts(name)) for name in ("llama-70b", "deepseek")})
    panel._scripts["qwen-72b"] = says("its answer", Analysis={"consensus": ["all say 42"]})

    await panel.run("fusion")

    assert shown(panel, "qwen-72b", 1) == ["llama-70b, text 1", "its answer", "deepseek, text 1"]
    [analysis] = shown(panel, "deepseek", 1)
    assert "all say 42" in analysis
    assert "llama-70b, text 1" not in system_text(panel.asked("deepseek")[1])


async def test_a_debater_sees_its_own_history_and_the_others_last_answers() -> None:
    panel = trio()
    slots: list[dict[str, Any]] = [
        {"propose": {"slots": TRIO}},
        {"refine": {"slots": TRIO}},
        {"refine": {"slots": TRIO}},
    ]

    await panel.run({"models": dict.fromkeys(TRIO), "stages": [*slots, {"vote": {"extract": "exact"}}]})

    asked = panel.asked("qwen-72b")[2]
    assert [message.type for message in asked.messages] == ["human", "ai", "human", "ai", "human"]
    question, first, after_first, second, after_second = (message.text for message in asked.messages)
    assert [question, first, second] == ["What is six times seven?", "qwen-72b, text 1", "qwen-72b, text 2"]
    assert read_references(after_first) == ["llama-70b, text 1", "deepseek, text 1"]
    assert read_references(after_second) == ["llama-70b, text 2", "deepseek, text 2"]
    assert panel.asked("qwen-72b")[1].messages[-1].text == after_first


async def test_a_debaters_turns_hold_what_it_is_told_and_the_others_answers_and_no_question() -> None:
    panel = trio()

    await panel.run("debate")

    _, _, turn = panel.asked("qwen-72b")[1].messages[-3:]
    assert turn.text.startswith("Other models have answered the same query")
    assert "end of question" not in turn.text


async def test_debaters_are_told_how_their_answers_end_and_an_iterating_ensemble_to_criticise_in_words() -> None:
    debating, iterating = trio(), Panel({name: says(*map(str, range(9))) for name in TRIO})
    iterating._scripts["qwen-72b"] = says("11")

    await debating.run("debate")
    await iterating.run("ice")

    assert all("end with a line" in system_text(asked) for name in TRIO for asked in debating.asked(name))
    again = iterating.asked("qwen-72b")[1].messages[-1].text
    assert "First write a short critique of each response and of your own last answer" in again


async def test_attention_moa_shows_each_model_one_answer_at_a_time_and_then_what_was_said_of_its_own() -> None:
    panel = trio()

    await panel.run("attention-moa")

    of_own, *of_others = panel.asked("llama-70b")[1:4]
    assert references(of_own) == ["llama-70b, text 1"]
    assert "your own answer stands below" in system_text(of_own)
    assert [references(asked) for asked in of_others] == [["qwen-72b, text 1"], ["deepseek, text 1"]]
    for asked in of_others:
        assert "Compare the response with your own answer" in system_text(asked)
        assert "<<your own answer 1" in system_text(asked)
        assert "llama-70b, text 1" in system_text(asked)
    refining = system_text(panel.asked("llama-70b")[4])
    assert "llama-70b, text 1" in refining
    assert shown(panel, "llama-70b", 4) == ["llama-70b, text 2", "qwen-72b, text 2", "deepseek, text 2"]


async def test_attention_moa_sends_the_synthesis_alone_forward_and_shows_its_history_once() -> None:
    panel = trio()

    await panel.run("attention-moa")

    synthesis = "deepseek, text 6"
    assert shown(panel, "llama-70b", 5) == [synthesis]
    [*_, residual] = panel.asked("deepseek")
    history = references(residual)
    assert history[0] == synthesis
    assert len(history) == len(set(history)) == 2


async def test_the_history_of_three_layers_holds_what_the_residual_made_of_the_second_in_its_place() -> None:
    models = ["a", "b", "residual"]
    layer: list[dict[str, Any]] = [{"propose": {"slots": ["a"]}}, {"aggregate": {"slot": "b"}}]
    residual = {"residual": {"slot": "residual"}}
    panel = Panel({"b": says(*texts("b")), "residual": says(Improvement={"stop": False, "answer": "better"})})

    await panel.run({"models": dict.fromkeys(models), "stages": [*layer, *layer, residual, *layer, residual]})

    assert [references(asked) for asked in panel.asked("residual")] == [
        ["b, text 1", "b, text 2"],
        ["b, text 1", "better", "b, text 3"],
    ]


async def test_a_round_that_repeats_an_answer_is_no_new_line_of_the_history() -> None:
    layer: list[dict[str, Any]] = [{"propose": {"slots": ["a"]}}, {"aggregate": {"slot": "b"}}]
    panel = Panel({"b": says("the same"), "residual": says(Improvement={"stop": True})})

    await panel.run(
        {
            "models": dict.fromkeys(["a", "b", "residual"]),
            "stages": [*layer, *layer, {"residual": {"slot": "residual"}}],
        }
    )

    assert references(panel.asked("residual")[0]) == ["the same"]


async def test_rmoa_shows_the_most_different_answers_and_joins_what_they_add() -> None:
    panel = Panel(
        {
            "llama-70b": says("Six times seven is forty-two."),
            "qwen-72b": says(
                "Six times seven is forty two indeed.", Added={"additions": ["it is even"], "stop": False}
            ),
            "deepseek": says(
                "Multiply by repeated addition.", "the first synthesis", "a second answer", "the second synthesis"
            ),
        }
    )

    await panel.run("rmoa")

    assert shown(panel, "deepseek", 1) == ["Six times seven is forty-two.", "Multiply by repeated addition."]
    naming = panel.asked("qwen-72b")[2]
    told = system_text(naming)
    assert "<<response of last round 2" in told, "the two answers that went on from round 1"
    assert told.index("Six times seven is forty-two.") < told.index("<<response 1 ")
    assert told.index("<<response 1 ") < told.index("a second answer")
    assert "the first synthesis" not in told, "responses are compared with responses, as the paper does"
    incorporating = system_text(panel.asked("deepseek")[3])
    assert "<<addition 1" in incorporating
    assert "the first synthesis" in incorporating
    assert "it is even" in incorporating
    assert "repeated addition" not in incorporating


async def test_smoa_gives_each_its_role_and_passes_on_what_the_moderator_picked() -> None:
    panel = Panel({name: says(*texts(name)) for name in [*TRIO, "qwen-coder"]})
    answers = [f"{name}, text 1" for name in [*TRIO, "qwen-coder"]]
    order = by_content(*answers)
    picked = [order.index(answers[3]) + 1, order.index(answers[0]) + 1]
    panel._scripts["qwen-72b"] = says(*texts("qwen-72b"), Moderation={"ranking": picked, "stop": False})

    await panel.run("smoa")

    roles = {name: system_text(panel.asked(name)[0]) for name in [*TRIO, "qwen-coder"]}
    assert "as an expert" in roles["llama-70b"]
    assert "as a sceptic" in roles["qwen-72b"]
    assert "as a teacher" in roles["deepseek"]
    assert "as a practitioner" in roles["qwen-coder"]
    assert references(panel.asked("qwen-72b")[1]) == order
    assert shown(panel, "llama-70b", 1) == [answers[3], answers[0]]


async def test_rsa_shows_each_member_four_of_the_last_population_drawn_by_their_texts() -> None:
    panel = Panel({"deepseek": says(*texts("deepseek"))})

    result = await panel.run("rsa")

    step = [references(asked) for asked in panel.asked("deepseek")[16:32]]
    assert all(len(set(one)) == 4 for one in step)
    assert len({tuple(one) for one in step}) > 10
    # The script repeats itself from the 19th answer on, so the vote over the last population decides.
    assert result["report"]["calls"] == 48
    assert result["messages"][-1].text == "deepseek, text 19"


async def test_rsa_aggregates_its_last_population_where_a_vote_decides_nothing() -> None:
    panel = Panel({"deepseek": says(*(f"{word} {word}!" for word in map(str.__mul__, "abcdefgh" * 6, range(2, 50))))})

    await panel.run("rsa")

    assert len(panel.asked("deepseek")) == 49
    assert len(references(panel.asked("deepseek")[-1])) == 16


def test_another_population_is_drawn_from_otherwise() -> None:
    def places(prefix: str) -> list[list[str]]:
        records = [a_record(f"{prefix}{number}") for number in range(16)]
        return [[record["text"].removeprefix(prefix) for record in drawn(records, 4, f"m{m}")] for m in range(8)]

    assert places("x") != places("y")
    assert places("x") == places("x")


async def test_every_sample_is_in_just_one_window_and_the_synthesis_three_times_in_each_but_the_first() -> None:
    samples = tuple(f"sample {number}." for number in range(30))
    syntheses = tuple(f"synthesis {number}." for number in range(9))
    panel = Panel({"deepseek": says(*samples, *syntheses)})

    result = await panel.run("self-moa-seq")

    windows = [references(asked) for asked in panel.asked("deepseek")[30:]]
    assert windows[0] == list(samples[:6])
    for number, window in enumerate(windows[1:]):
        assert window == [syntheses[number]] * 3 + list(samples[6 + 3 * number : 9 + 3 * number])
    assert [text for window in windows for text in window if text.startswith("sample")] == list(samples)
    assert result["messages"][-1].text == syntheses[-1]


async def test_the_strong_model_of_a_pyramid_is_shown_no_draft() -> None:
    panel = Panel({"llama-8b": says("It is 41."), "qwen-7b": says("It is 43."), "deepseek": says("It is 42.")})

    result = await panel.run("pyramid-moa")

    [strong] = panel.asked("deepseek")
    assert [(message.type, message.text) for message in strong.messages] == [("human", "What is six times seven?")]
    assert result["messages"][-1].text == "It is 42."


async def test_a_cascade_scores_each_answer_alone_and_shows_the_dearer_model_none() -> None:
    panel = Panel({name: says(*texts(name)) for name in ("llama-8b", "llama-70b", "deepseek")})

    await panel.run("cascade")

    assert [references(asked) for asked in panel.asked("qwen-7b")] == [["llama-8b, text 1"], ["llama-70b, text 1"]]
    assert references(panel.asked("llama-70b")[0]) == references(panel.asked("deepseek")[0]) == []


async def test_a_jury_scores_the_users_text_by_the_rubric() -> None:
    panel = Panel()

    await panel.run("jury")

    [asked] = panel.asked("llama-70b")
    assert "by this rubric: correctness first" in system_text(asked)
    assert references(asked) == []


async def test_a_document_is_drafted_from_the_outline_and_written_from_the_drafts() -> None:
    panel = trio()

    await panel.run("document")

    assert "outline of what the user asks for" in system_text(panel.asked("llama-70b")[0])
    assert shown(panel, "deepseek", 1) == FIRST
    outline = "deepseek, text 2"
    assert shown(panel, "llama-70b", 1) == [outline]
    assert shown(panel, "deepseek", 3) == ["llama-70b, text 2", "qwen-72b, text 2", "deepseek, text 3"]


async def test_synthetic_data_is_scored_by_all_after_it_was_written_once() -> None:
    panel = trio()

    await panel.run("synthetic-data")

    written = "deepseek, text 2"
    assert [shown(panel, name, -1) for name in TRIO] == [[written]] * 3
