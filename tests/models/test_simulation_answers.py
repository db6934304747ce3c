from __future__ import annotations

import random
from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moa_graph.models.simulation import (
    STOCK_PROFILES,
    Profile,
    SimulatedFault,
    SimulatedRequest,
    bundled_problems,
    complete,
    count_tokens,
    profile_named,
)
from moa_graph.models.simulation.reading import final_answer
from tests.models.simulation_requests import answer_to, instant, request, shown, text_of

questions = st.one_of(
    st.sampled_from([problem.question for problem in bundled_problems()]),
    st.builds("What is {} * {}?".format, st.integers(0, 999), st.integers(0, 999)),
    st.text(max_size=80),
)
profiles = st.builds(
    lambda name, skill, correlation: instant(name, skill={"any": skill}, correlation=correlation),
    st.sampled_from(["ash", "birch", "cedar"]),
    st.floats(0, 1),
    st.floats(0, 1),
)


@given(profiles, questions, st.integers(0, 5), st.integers(0, 3))
def test_the_same_request_gets_the_same_answer(profile: Profile, question: str, seed: int, sample: int) -> None:
    first = complete(profile, request(question, seed=seed), sample)
    again = complete(profile.model_copy(deep=True), request(question, seed=seed), sample)
    assert first == again


@given(profiles, st.lists(questions, min_size=2, max_size=8, unique=True), st.randoms(use_true_random=False))
def test_answers_do_not_depend_on_the_order_of_requests(
    profile: Profile, asked: list[str], order: random.Random
) -> None:
    in_order = {question: complete(profile, request(question)) for question in asked}
    order.shuffle(asked)
    assert {question: complete(profile, request(question)) for question in asked} == in_order


@given(st.integers(0, 800), st.text(max_size=80))
def test_an_answer_to_what_cannot_be_computed_is_as_long_as_the_profile_says(tokens: int, question: str) -> None:
    asked = request(f"Tell me about {question}")
    answer = complete(instant("ash", fewest_tokens=tokens), asked)
    usual = complete(instant("ash"), asked)
    assert max(tokens, usual.completion_tokens) <= answer.completion_tokens <= max(tokens + 40, usual.completion_tokens)
    assert (answer.content or "").startswith(usual.content or "")


def numbers_asked(count: int) -> list[SimulatedRequest]:
    return [request(f"What is {number} + {number * 7}?") for number in range(100, 100 + count)]


def right_answers(profile: Profile, count: int) -> list[bool]:
    expected = (str(number * 8) for number in range(100, 100 + count))
    asked = numbers_asked(count)
    return [final_answer(text_of(one, profile)) == right for one, right in zip(asked, expected, strict=True)]


@pytest.mark.parametrize("skill", [0.0, 0.3, 0.7, 0.95, 1.0])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_a_skill_is_the_share_of_right_answers(skill: float, correlation: float) -> None:
    count = 2_000
    profile = instant(skill={"arithmetic": skill}, correlation=correlation)
    share = sum(right_answers(profile, count)) / count
    assert abs(share - skill) <= 4 * sqrt(skill * (1 - skill) / count)


def test_models_of_correlation_one_give_the_same_wrong_answers() -> None:
    ash, birch = (instant(name, skill={"any": 0.5}, correlation=1) for name in ("ash", "birch"))
    answers = [[final_answer(text_of(one, model)) for one in numbers_asked(300)] for model in (ash, birch)]
    assert answers[0] == answers[1]
    assert 100 < sum(right_answers(ash, 300)) < 200


def test_models_of_correlation_zero_err_independently() -> None:
    ash, birch = (instant(name, skill={"any": 0.5}, correlation=0) for name in ("ash", "birch"))
    agree = [one == other for one, other in zip(right_answers(ash, 1000), right_answers(birch, 1000), strict=True)]
    assert abs(sum(agree) / 1000 - 0.5) < 4 * sqrt(0.25 / 1000)


def test_stock_profiles_never_err_in_arithmetic() -> None:
    assert all(all(right_answers(profile, 50)) for profile in STOCK_PROFILES.values())


@pytest.mark.parametrize("problem", bundled_problems(), ids=lambda problem: problem.question)
def test_every_bundled_question_is_answered_by_who_knows_it_and_missed_by_who_does_not(problem) -> None:  # type: ignore[no-untyped-def]
    asked = request(f"Please tell me: {problem.question} Be brief.")
    assert final_answer(text_of(asked, instant(skill={"any": 1}))) == problem.answer
    assert final_answer(text_of(asked, instant(skill={"any": 0}))) in problem.wrong


def test_samples_and_seeds_vary_the_draws_and_temperature_zero_stills_them() -> None:
    profile = instant(skill={"any": 0.5}, correlation=0)
    by_sample = {text_of(request(), profile, sample) for sample in range(12)}
    by_seed = {text_of(request(seed=seed), profile) for seed in range(12)}
    at_zero = {text_of(request(seed=seed, temperature=0), profile, seed) for seed in range(12)}
    assert len(by_sample) > 2
    assert len(by_seed) > 2
    assert len(at_zero) == 1


def test_free_text_says_that_it_is_simulated_who_speaks_and_about_what() -> None:
    question = "How should we plan the autumn release?"
    texts = {name: text_of(request(question), profile_named(name)) for name in ("swift", "careful", "elm")}
    for name, text in texts.items():
        assert text.startswith("Simulated: no real model was asked.")
        assert len(text.splitlines()) == 3
        assert name in text
        assert "the autumn release" in text
    assert len(set(texts.values())) == 3


def test_an_unknown_name_is_a_model_of_its_own() -> None:
    one, other = profile_named("sim:larch"), profile_named("rowan")
    assert (one.name, other.name) == ("larch", "rowan")
    assert one.seed != other.seed
    assert profile_named("larch") == one


def test_an_aggregator_takes_the_plurality_of_the_final_answers() -> None:
    text = text_of(shown("It is 5.\nAnswer: 5", "Answer: **411**", r"So \boxed{411.0}"))
    assert final_answer(text) == "411"


def test_an_aggregator_that_is_shown_only_wrong_answers_is_wrong() -> None:
    assert final_answer(text_of(shown("Answer: 5", "Answer: 6", "Answer: 6"), instant(skill={"any": 1}))) == "6"


def test_a_tie_goes_to_the_first_reference() -> None:
    assert final_answer(text_of(shown("Answer: 7", "Answer: 8"))) == "7"


def test_references_are_also_found_in_the_user_message() -> None:
    system_message = shown("Answer: 5", "Answer: 5", question="Which is best?").messages[0]
    asked = request(f"{system_message['content']}\n\nWhat is 1 + 1?")
    assert final_answer(text_of(asked)) == "5"


def test_unmarked_answers_are_read_where_the_question_is_known() -> None:
    assert final_answer(text_of(shown("I get 412", "so 5 and then 412.", "411"))) == "412"
    capitals = shown("Surely Lyon.", "Lyon it is", "Paris", question="What is the capital of France?")
    assert final_answer(text_of(capitals)) == "Lyon"


def test_what_is_written_from_references_without_an_answer_says_what_a_model_would_do() -> None:
    text = text_of(shown("The sea is wide.", "The sea is salt in 7 ways.", question="Why?"))
    assert len(text.splitlines()) == 3
    assert text.startswith("Simulated: no real model was asked.")
    assert "tester would now read 2 responses and write one answer from what they say" in text
    assert "sea" not in text


def test_stop_sequences_end_the_answer() -> None:
    assert text_of(request(stop="Answer")).endswith("411.\n\n")
    assert "411" not in text_of(request(stop=["nowhere", "411"]))


def test_max_tokens_cut_the_answer_and_say_so() -> None:
    answer = answer_to(request(max_tokens=2))
    assert (answer.finish_reason, answer.completion_tokens) == ("length", 2)
    assert count_tokens(answer.content or "") == 2
    assert answer_to(request(max_completion_tokens=500)).finish_reason == "stop"


def test_usage_is_counted_at_four_characters_a_token() -> None:
    answer = answer_to(request("x" * 41, system="y" * 40))
    assert answer.prompt_tokens == 21
    assert answer.completion_tokens == -(-len(answer.content or "") // 4)


def test_a_prompt_beyond_the_window_is_refused_in_openai_s_words() -> None:
    profile = instant(window=100)
    with pytest.raises(SimulatedFault, match="maximum context length is 100 tokens") as refused:
        complete(profile, request("word " * 100))
    assert (refused.value.status_code, refused.value.code) == (400, "context_length_exceeded")
    with pytest.raises(SimulatedFault, match="99 in the completion"):
        complete(profile, request(max_tokens=99))
    assert complete(profile, request(max_tokens=50)).finish_reason == "stop"


def test_several_models_do_not_word_an_answer_alike() -> None:
    wordings = Counter(text_of(request(), instant(name)) for name in map(str, range(20)))
    assert len(wordings) > 1
