"""Extractors give equal answers one form, and nothing where a text has no answer."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moa_graph.extract import choice, extractor, number

NUMBERS = {
    "#### 1,234": "1234",
    "It costs $1,234.50": "1234.5",
    "She pays 18 dollars.": "18",
    "That is 25%": "25",
    "Answer: -$5": "-5",
    "The balance is $-5": "-5",
    "Answer: +7": "7",
    "Answer: .50": "0.5",
    "Answer: 1e3": "1000",
    "Answer: -0.0": "0",
    "Answer: 0." + "0" * 5000: "0",
    "a text that was cut at $30,00": "3000",
    "one of 1,2,3": "3",
    "\\boxed{1{,}234}": "1234",
    "Answer: 1,00,000 rupees": "100000",
    '{"reasoning": "so the answer is 9 more", "answer": "7 eggs", "confidence": 0.9}': "7",
    "**Answer**: 42 apples (see step 3)": "42",
    "**Answer:** 42 apples (see step 3)": "42",
    "Answer:\n\n**42** apples": "42",
    "The answer is 5. No: the answer is 6, by step 2.": "6",
    "So $\\boxed{5}$, as 6 + 1 = 7 says": "5",
}


@pytest.mark.parametrize(("text", "answer"), NUMBERS.items())
def test_a_number_is_found_where_it_is_stated_and_written_plainly(text: str, answer: str) -> None:
    assert number(text) == answer


EQUATIONS = {
    "The answer is 17 + 3 = 20.": "20",
    "**Answer**: 17 apples + 3 apples = 20 apples (see step 4)": "20",
    "\\boxed{17 + 3 = 20}": "20",
    "Answer: (2 + 3) * 4 = 20": "20",
    "The answer is x = 20, y = 30": "20",
    "The answer is 17 + 3 = 20. Check: 20 - 3 = 17.": "20",
    "Answer: 20 (20 - 3 = 17)": "20",
    "Answer: 20, since 20 - 3 = 17": "20",
    "Answer: 20 because 20 - 3 = 17": "20",
    '{"answer": "17 + 3 = 20", "check": "20 - 3 = 17"}': "20",
}


@pytest.mark.parametrize(("text", "answer"), EQUATIONS.items())
def test_of_a_stated_equation_the_result_is_the_answer(text: str, answer: str) -> None:
    assert number(text) == answer


FRACTIONS = {
    "Answer: 1/2": "0.5",
    "\\boxed{\\frac{1}{2}}": "0.5",
    "The answer is $-\\dfrac{1}{2}$": "-0.5",
    "Answer: 1/3": "1/3",
    "Answer: 2/6 of it": "1/3",
    "Answer: 6/3": "2",
    "Answer: 1 1/2 cups": "1.5",
    "\\boxed{-1\\frac{1}{2}}": "-1.5",
    "She eats 3/4.": "0.75",
    "On 10/12/2024": "2024",
}


@pytest.mark.parametrize(("text", "answer"), FRACTIONS.items())
def test_a_fraction_is_a_decimal_where_that_is_exact(text: str, answer: str) -> None:
    assert number(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so 10-4 leaves 6-2", "2"),
        ("so 10 - 4 leaves 6 -2", "2"),
        ("it is $10-$4", "4"),
        ("as for COVID-19", "19"),
        ("(3)-2", "2"),
        ("x = -2", "-2"),
        ("it falls to −2", "-2"),
    ],
)
def test_a_minus_between_numbers_is_no_sign(text: str, answer: str) -> None:
    assert number(text) == answer


@pytest.mark.parametrize("text", ["", "I don't know.", "Answer: none", "1/0", "1e999999999", "0." + "1" * 5000])
def test_no_number_is_made_up(text: str) -> None:
    assert number(text) is None


STATED = [
    "{}",
    "It is {}.",
    "Answer: {}",
    "**Answer**: {} apples (see step 3)",
    "**Final answer:** {}",
    "The answer is {}. I checked it in 2 ways.",
    "The answer is 17 + 3 = {}.",
    "#### {}",
    "Step 1: 2 + 2 = 4\n\nSo \\boxed{{{}}} in 3 steps.",
    '{{"answer": {}, "confidence": 0.9}}',
    '{{"answer": "{}"}}',
]


@pytest.mark.parametrize("phrasing", STATED)
@given(stated=st.integers(-(10**50), 10**50))
def test_whatever_integer_is_stated_is_given_back(phrasing: str, stated: int) -> None:
    assert number(phrasing.format(stated)) == str(stated)
    assert number(phrasing.format(f"{stated:,}")) == str(stated)
    assert number(phrasing.format(f"{stated}.00")) == str(stated)


@given(over=st.integers(-1000, 1000), under=st.integers(1, 1000), factor=st.integers(1, 9))
def test_equal_fractions_have_one_form_of_the_same_value(over: int, under: int, factor: int) -> None:
    plain = number(f"Answer: {over}/{under}")

    assert plain is not None
    assert Fraction(plain) == Fraction(over, under)
    assert number(f"\\boxed{{\\frac{{{over * factor}}}{{{under * factor}}}}}") == plain


@given(st.text("0123456789-+−$,./=()\\{} eEAIB:*\n", max_size=60))
def test_a_number_that_was_found_is_found_again_in_what_was_found(text: str) -> None:
    found = number(text)

    assert found is None or number(found) == found


CHOICES = {
    "Answer: C": "C",
    "**Answer**: C": "C",
    "**Answer:** C": "C",
    "**Answer**: C. I checked": "C",
    "Answer:\n\n**(C)** A cat": "C",
    "the answer is (C)": "C",
    "The answer is option C, as A cat is a mammal": "C",
    "\\boxed{C}": "C",
    "\\boxed{\\text{(C)}}": "C",
    '{"answer": "C", "why": "I checked"}': "C",
    '{"choice": "C"}': "C",
    "The correct option is B because I checked it": "B",
    "The correct choice is (B), as I explained.": "B",
    "Answer: I think it is C": "C",
    "B is right. A cat is a mammal.": "B",
    "Answer: A": "A",
    "Answer: I": "I",
    "Answer: A, because I checked": "A",
    "The answer is A because a cat is a mammal": "A",
    "The answer is A) a cat": "A",
    "A is correct.": "A",
    "The answer is B, not A": "B",
    "The answer is C. The answer is not B.": "C",
    "The answer is not option B but (C)": "C",
    "Answer: neither (A) nor (B), but D": "D",
}


@pytest.mark.parametrize(("text", "letter"), CHOICES.items())
def test_a_labelled_letter_is_the_choice(text: str, letter: str) -> None:
    assert choice(text) == letter


MARKED = {
    "It is (A).": "A",
    "I think it is **B**, I am sure": "B",
    "I would take option A here": "A",
    "I compared them.\n\nA": "A",
    "I compared them.\n\nB) A cat": "B",
    "C. A cat is a mammal, I think": "C",
    "It can't be (A).\nSo I take (B).": "B",
    "A) a dog\nB) a cat\n\nI take (B)": "B",
    "I'd say it's D": "D",
    "A": "A",
    "I": "I",
    "(I)": "I",
    "It must be A.": "A",
}


@pytest.mark.parametrize(("text", "letter"), MARKED.items())
def test_without_a_label_a_letter_that_is_set_off_is_the_choice(text: str, letter: str) -> None:
    assert choice(text) == letter


SMALL = {
    "(b)": "B",
    "b)": "B",
    "b.": "B",
    "**b**": "B",
    "b": "B",
    "b) Paris": "B",
    "(b) Paris, since it is the capital": "B",
    "Answer: b": "B",
    "Answer: (b)": "B",
    "**Answer:** (a) Plan C": "A",
    "The correct answer is (c).": "C",
    "The answer is b) Paris.": "B",
    "\\boxed{b}": "B",
    "\\boxed{\\text{(b)}}": "B",
    '{"answer": "b"}': "B",
    "Let me see.\n\n(b)": "B",
}


@pytest.mark.parametrize(("text", "letter"), SMALL.items())
def test_a_small_letter_is_the_choice_where_it_can_be_nothing_else(text: str, letter: str) -> None:
    assert choice(text) == letter


@pytest.mark.parametrize(
    "text",
    [
        "Answer: a cat",
        "The answer is a matter of taste.",
        "Compare f(a) with f(b).",
        "a) 3 apples\nb) 4 pears",
        "See (a) and (b) above.",
        "We let b be the base.",
    ],
)
def test_a_small_letter_in_prose_is_no_choice(text: str) -> None:
    assert choice(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I don't know.",
        "Nor do I.",
        "A cat is a mammal.",
        "Answer: A cat",
        "Answer: I can't tell",
        "I'm sure that I, too, am right",
        "Answer: B or C",
        "Answer: A or B",
        "It is (A) or (B)",
        "Neither A nor B is right",
        "The answer is not B",
        "The answer is not (B)",
        "Answer: it isn't **B**",
        "A) a dog\nB) a cat\nC) a cow\n\nI can't tell",
        "At 37 °C in Washington, D.C., in C++",
    ],
)
def test_a_word_or_a_doubt_is_no_choice(text: str) -> None:
    assert choice(text) is None


CHOSEN = [
    "{}",
    "({})",
    "Answer: {}",
    "**Answer**: {}. I checked",
    "I think that the answer is ({}), as I said.",
    "The correct option is {} because I checked it",
    "A cat? I checked.\n\\boxed{{{}}}",
    '{{"answer": "{}"}}',
]


@pytest.mark.parametrize("phrasing", CHOSEN)
@pytest.mark.parametrize("letter", "ABCDEFGHIJ")
def test_whatever_letter_is_stated_is_given_back(phrasing: str, letter: str) -> None:
    assert choice(phrasing.format(letter)) == letter


@given(st.lists(st.sampled_from(["I", "A", "a", "think", "cat", "checked", "am", "it"])))
def test_words_alone_make_no_choice(words: list[str]) -> None:
    assert choice(" ".join([*words, "indeed"])) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [("4", "4.0"), ("4", '"4.00"'), ("1200", '"$1,200.00"'), ("[1, 2.0]", "[1.0, 2]"), ('{"x": 1e1}', '{"x": 10}')],
)
def test_numbers_in_json_are_compared_as_numbers(one: str, other: str) -> None:
    read = extractor("json:answer")

    assert read(f'{{"answer": {one}}}') == read(f'So: {{"answer": {other}, "why": 3}}') is not None


@pytest.mark.parametrize(
    ("value", "answer"),
    [("4.50", "4.5"), ('"4 eggs"', "4 eggs"), ("true", "True"), ("null", None), ('"90%"', "90%"), ("[2, 1]", None)],
)
def test_a_field_that_is_no_number_is_left_as_it_is(value: str, answer: str | None) -> None:
    assert extractor("json:answer")(f'{{"answer": {value}}}') == (answer if value != "[2, 1]" else '["2", "1"]')


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200))
def test_a_number_in_json_keeps_its_value(value: float) -> None:
    found = extractor("json:answer")(f'{{"answer": {value!r}}}')

    assert found is not None
    assert math.isclose(float(found), value, rel_tol=1e-15)


@pytest.mark.parametrize("spec", ["number", "choice", "exact", "json:answer"])
@pytest.mark.parametrize(
    "piece", ["answer: ", "(", "((=", "\\boxed{", '{"answer":', "not (", "**", "1,", "1/", "- ", "\n("]
)
@pytest.mark.timeout(20)
def test_a_hostile_text_is_read_in_good_time(spec: str, piece: str) -> None:
    extractor(spec)(piece * (20_000 // len(piece)))
