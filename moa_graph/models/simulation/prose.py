"""The wording of simulated answers."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence

from moa_graph.models.simulation.draws import Draws
from moa_graph.models.simulation.problems import Problem
from moa_graph.models.simulation.reading import merged_sentences

__all__ = ["CHARACTERS_A_TOKEN", "free_text", "solved_text", "synthesis", "topic_of", "voted_text"]

CHARACTERS_A_TOKEN = 4
"""As simulated models count them."""

LONGEST_TOPIC = 120
SENTENCES_OF_FREE_TEXT = 4
SENTENCES_OF_ONE_REFERENCE = 3
LONGEST_SENTENCE = 240
LONGEST_SYNTHESIS = 1_200

_SUMS = (
    "Working it out: {question} = {answer}.",
    "{question} comes to {answer}.",
    "Step by step, {question} = {answer}.",
)
_FACTS = ("As far as I know it is {answer}.", "I take it to be {answer}.", "That would be {answer}.")
_OPENINGS = (
    "This is a simulated answer by {name}; no real model was asked.",
    "{name} speaking, a simulated model, so what follows was not thought through.",
    "Simulated text by {name}, standing in for a real model.",
)
_FIRST_POINTS = (
    'You asked: "{topic}".',
    'The request was "{topic}".',
    'On "{topic}" a real model would now go into detail.',
)
_SECOND_POINTS = (
    "I would start from what is settled and say where it stops.",
    "I would name the main parts and how they hang together.",
    "I would set the common view against its strongest objection.",
    "I would give one worked example and what it leaves out.",
    "I would separate what is measured from what is guessed.",
    "I would list the choices and what each of them costs.",
)
_THIRD_POINTS = (
    "A short answer would serve better than a long one here.",
    "The details depend on what it is for.",
    "Two sources should be checked before relying on it.",
    "The order of the steps matters more than their number.",
    "Most of the disagreement is about words.",
)
_FURTHER_POINTS = (_SECOND_POINTS, _THIRD_POINTS)

_SYNTHESIS = "Simulated synthesis by"
_FRAME = re.compile(rf"{_SYNTHESIS}[^\n]*\n\n(.*)\n\n\(made from responses \w+\)", re.DOTALL)


def topic_of(question: str) -> str:
    """``question`` in one line short enough to be quoted."""
    line = " ".join(question.split())
    return line if len(line) <= LONGEST_TOPIC else line[: LONGEST_TOPIC - 3].rstrip() + "..."


def solved_text(problem: Problem, answer: str, draws: Draws) -> str:
    """An answer to a problem with a known answer, ending in a line that states it."""
    wordings = _SUMS if problem.task == "arithmetic" else _FACTS
    working = draws.pick(wordings, "wording", problem.question).format(question=problem.question, answer=answer)
    return f"{working}\n\nAnswer: {answer}"


def free_text(name: str, question: str, draws: Draws, fewest_tokens: int = 0) -> str:
    """An answer to what can't be computed: it says that it is simulated, by whom, and about what.

    Args:
        name: Who answers.
        question: What is asked.
        draws: Choose the wording.
        fewest_tokens: It goes on, point by point, until it has so many.
    """
    topic = topic_of(question)
    parts = itertools.chain((_OPENINGS, _FIRST_POINTS, _SECOND_POINTS, _THIRD_POINTS), itertools.cycle(_FURTHER_POINTS))
    text = ""
    for number, wordings in enumerate(parts):
        if number >= SENTENCES_OF_FREE_TEXT and len(text) >= fewest_tokens * CHARACTERS_A_TOKEN:
            break
        sentence = draws.pick(wordings, "wording", number, topic).format(name=name, topic=topic)
        text += f" Point {number}: {sentence}" if number >= SENTENCES_OF_FREE_TEXT else f" {sentence}"
    return text.lstrip()


def voted_text(answer: str, votes: int, total: int) -> str:
    """An answer taken from the plurality of the references."""
    rest = "the others differ" if votes < total else "none differs"
    return f"{votes} of {total} responses come to {answer}; {rest}.\n\nAnswer: {answer}"


def synthesis(name: str, question: str, references: Sequence[str]) -> str:
    """A text made of what the references say; a change anywhere in them changes it."""
    said = [_unframed(reference) for reference in references]
    body = " ".join(merged_sentences(said, SENTENCES_OF_ONE_REFERENCE, LONGEST_SENTENCE))[:LONGEST_SYNTHESIS]
    mark = hashlib.sha256("\x00".join(references).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    heading = f'{_SYNTHESIS} {name} of {len(references)} responses on "{topic_of(question)}".'
    return f"{heading}\n\n{body}\n\n(made from responses {mark})"


def _unframed(text: str) -> str:
    """``text`` without the first and last line that a synthesis puts around what it says."""
    framed = _FRAME.fullmatch(text)
    return framed[1] if framed else text
