"""Answers of several texts are read the same way, which follows from the texts and from the question's choices."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import re
from pathlib import Path

import pytest

from moa_graph.extract import choice, extractor, number, read_answers

DATA = Path(__file__).parents[2] / "shared" / "data" / "zeroeval_gsm8k" / "gsm8k.jsonl.gz"

needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} isn't there")

TOGETHER: dict[str, tuple[list[str], str, list[str | None]]] = {
    "numbers": (["It is 1.", "I get 2", "So it is 2.0."], "number", ["1", "2", "2"]),
    "letters": (["B)", "(B) 18 apples", "**Answer:** A"], "choice", ["B", "B", "A"]),
    "small letters": (["Answer: B)", "**B**", "(b)"], "choice", ["B", "B", "B"]),
    "letters in JSON": (['{"answer": "B", "confidence": 0.9}', '{"answer": "B) 18"}'], "choice", ["B", "B"]),
    "words": (["Paris", "The answer is Paris.", "**Answer:** the city of Rome"], "short text", ["paris", "paris"]),
    "yes and no": (["Yes, because it rains.", "yes", "No."], "short text", ["yes", "yes", "no"]),
    "equations": (["Answer: 17 + 3 = 20", "\\boxed{20}"], "number", ["20", "20"]),
    "words within sentences": (
        ["It takes 3 days, so the answer is Tuesday.", "Tuesday"],
        "short text",
        ["tuesday"] * 2,
    ),
    "one that gives up": (["#### 7", "I can't say."], "number", ["7", None]),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_texts_are_read_by_what_they_look_like(case: str) -> None:
    texts, by, values = TOGETHER[case]

    found = read_answers(texts, "auto")

    assert found.by == by
    assert list(found.values)[: len(values)] == values


def test_choices_that_the_question_lists_are_looked_for_in_prose() -> None:
    texts = ["I'd go with B, since 18 is more than 3.", "Surely it's B: 18."]

    assert read_answers(texts, "auto", "Which is it?\nA) 3\nB) 18").values == ("B", "B")
    assert read_answers(texts, "auto", "How many?").by == "number"


@pytest.mark.parametrize(
    "listed",
    [
        "A) London\nB) Paris\nC) Rome",
        "A. London\nB. Paris\nC. Rome",
        "(A) London (B) Paris (C) Rome",
        "a) London\nb) Paris\nc) Rome",
        "- **A:** London\n- **B:** Paris\n- **C:** Rome",
    ],
)
def test_a_choices_own_words_stand_for_its_letter(listed: str) -> None:
    texts = ["Paris", "The answer is b) Paris.", "**Answer:** Paris", "London is large, but the answer is Rome."]

    found = read_answers(texts, "auto", f"Which is the capital of France?\n{listed}")

    assert (found.by, found.values) == ("choice", ("B", "B", "B", "C"))


def test_parts_of_a_question_are_no_choices() -> None:
    found = read_answers(["12", "Answer: 12"], "auto", "Let f be (a) linear and (b) odd. What is f(3) + f(5)?")

    assert (found.by, found.values) == ("number", ("12", "12"))


@pytest.mark.parametrize("text", ["upgrade to Python3.11", "encode it as utf8", "see row B12", "<<9721bb463102>>"])
def test_numbers_inside_words_are_no_answers(text: str) -> None:
    assert number(text) is None
    assert number(f"There are 7 in all: {text}") == "7"


def test_an_essay_has_no_short_answer() -> None:
    essays = [
        "Paris has about 2.1 million people. It lies on the Seine.\n\nFew cities are visited more often.",
        "Founded in the 3rd century BC, Paris grew on an island.\n\nToday it is known for its museums.",
    ]

    assert read_answers(essays, "auto").by == "similarity"
    assert extractor("auto")("The answer is (C).") == "C"


FORMS = (
    '{{"reasoning": {text}, "answer": "{letter}"}}',
    '{{"reasoning": {text}, "answer": "{letter}) {value}"}}',
    "{text}\n\nAnswer: {letter}",
    "{text}\n\n**Answer:** ({letter}) {value}",
    "{text} So the answer is {letter}.",
    "{text}\n\n({letter}) {value}",
    "{letter}",
    "{letter}. {value}",
    "{text}\n\nI'd choose {letter}.",
)
"""How models state a choice."""


def recorded_choices(count: int) -> list[tuple[str, str, list[str]]]:
    """Questions with choices, their right letters, and texts each: recorded reasoning, the choice in many forms."""
    made = []
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        for line in itertools.islice(lines, count):
            entry = json.loads(line)
            values = [number(text) for text in entry["outputs"].values()]
            offered = sorted({value for value in [*values[:6], number(entry["answer"])] if value is not None})[:5]
            letters = dict(zip(offered, "ABCDE", strict=False))
            listed = "\n".join(f"{letter}) {value}" for value, letter in letters.items())
            texts = [
                stated(text, letters[value], value)
                for text, value in zip(entry["outputs"].values(), values, strict=True)
                if value is not None and value in letters
            ]
            right = letters.get(number(entry["answer"]) or "")
            if right is not None and len(letters) > 1:
                made.append((f"{entry['question']}\n{listed}", right, texts))
    return made


def stated(recorded: str, letter: str, value: str) -> str:
    """A recorded text whose answer is a choice."""
    found = re.search(r'"reasoning"\s*:\s*"((?:[^"\\]|\\.)*)"', recorded)
    text = found[1].replace("\\n", "\n") if found else "Let me see."
    form = FORMS[hashlib.sha256(recorded.encode()).digest()[0] % len(FORMS)]
    return form.format(text=json.dumps(text) if form.startswith("{{") else text, letter=letter, value=value)


@needs_data
def test_on_recorded_choices_auto_reads_at_least_what_choice_reads() -> None:
    made = recorded_choices(220)
    panels = [(question, right, texts[start : start + 3]) for question, right, texts in made for start in (0, 3, 6)]
    panels = [panel for panel in panels if panel[2]]
    assert len(panels) > 150

    auto = [
        sum(value == right for value in read_answers(texts, "auto", question).values)
        for question, right, texts in panels
    ]
    told = [sum(choice(text) == right for text in texts) for _, right, texts in panels]
    alone = sum(extractor("auto")(text) == right for _, right, texts in panels for text in texts)

    assert all(ours >= theirs for ours, theirs in zip(auto, told, strict=True))
    assert sum(told) > 0.6 * sum(len(texts) for _, _, texts in panels)
    assert alone >= sum(told)


@needs_data
def test_on_recorded_numbers_auto_reads_what_number_reads() -> None:
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        entries = [json.loads(line) for line in itertools.islice(lines, 250)]
    differing = 0
    for entry in entries:
        texts = list(entry["outputs"].values())[:3]
        differing += list(read_answers(texts, "auto", entry["question"]).values) != [number(text) for text in texts]

    assert differing == 0
