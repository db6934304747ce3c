"""The wording of simulated answers: sums and a few known questions are answered, and of all else is said what would
happen with keys.
"""

from __future__ import annotations

from moa_graph.models.simulation.draws import Draws
from moa_graph.models.simulation.known_answers import Problem

__all__ = ["CHARACTERS_A_TOKEN", "own_text", "solved_text", "synthesis", "topic_of", "voted_text"]

CHARACTERS_A_TOKEN = 4
"""As simulated models count them."""

LONGEST_TOPIC = 120

_SUMS = (
    "Working it out: {question} = {answer}.",
    "{question} comes to {answer}.",
    "Step by step, {question} = {answer}.",
)
_FACTS = ("As far as I know it is {answer}.", "I take it to be {answer}.", "That would be {answer}.")
_BREAK = "  \n"
"""Ends a line in Markdown too."""

_NOBODY_ASKED = "Simulated: no real model was asked."
_HOW_TO_ASK = "Set a provider's key or start Ollama (see: moa doctor); only sums are answered without."


def topic_of(question: str) -> str:
    """``question`` in one line short enough to be quoted."""
    line = " ".join(question.split())
    return line if len(line) <= LONGEST_TOPIC else line[: LONGEST_TOPIC - 3].rstrip() + "..."


def solved_text(problem: Problem, answer: str, draws: Draws) -> str:
    """An answer to a problem with a known answer, ending in a line that states it."""
    wordings = _SUMS if problem.task == "arithmetic" else _FACTS
    working = draws.pick(wordings, "wording", problem.question).format(question=problem.question, answer=answer)
    return f"{working}\n\nAnswer: {answer}"


def own_text(name: str, question: str, fewest_tokens: int = 0) -> str:
    """What stands in the place of an answer that can't be computed: three lines that say what a model would do.

    Args:
        name: Who answers.
        question: What is asked.
        fewest_tokens: Further lines follow until there are so many.
    """
    would = f'With keys, {name} would now give its own answer to: "{topic_of(question)}"'
    return _lengthened(_BREAK.join((_NOBODY_ASKED, would, _HOW_TO_ASK)), fewest_tokens)


def _lengthened(text: str, fewest_tokens: int) -> str:
    """The text with as many further lines as make it so long."""
    number = len(text.splitlines())
    while len(text) < fewest_tokens * CHARACTERS_A_TOKEN:
        number += 1
        text += f"{_BREAK}Line {number} makes this simulated answer as long as its profile says."
    return text


def voted_text(answer: str, votes: int, total: int) -> str:
    """An answer taken from the plurality of the references."""
    rest = "the others differ" if votes < total else "none differs"
    return f"{votes} of {total} responses come to {answer}; {rest}.\n\nAnswer: {answer}"


def synthesis(name: str, references: int, fewest_tokens: int = 0) -> str:
    """What stands in the place of a text that is written from references which come to no answer.

    Args:
        name: Who writes.
        references: How many it is shown.
        fewest_tokens: Further lines follow until there are so many.
    """
    them = "1 response" if references == 1 else f"{references} responses"
    would = f"With keys, {name} would now read {them} and write one answer from what they say."
    return _lengthened(_BREAK.join((_NOBODY_ASKED, would, _HOW_TO_ASK)), fewest_tokens)
