"""What goes to stdout: the answer as it comes, plain in a pipe; or JSON."""

from __future__ import annotations

import json
from typing import Any, Protocol, TextIO

from moa_graph.calls.events import Event
from moa_graph.cli.beside import Alone
from moa_graph.runs import Outcome

__all__ = ["AnswerBegunAnew", "AnswerOutput", "EventLines", "PlainAnswer", "WholeAsJSON"]


class AnswerBegunAnew(Exception):
    """A pipe can't take back what was written: what was dropped stands before the whole answer."""


class AnswerOutput(Protocol):
    """Writes to stdout while a run goes on."""

    def event(self, event: Event) -> None:
        """Takes in what the run tells."""

    def add(self, text: str) -> None:
        """Writes what came of the answer."""

    def finish(self, outcome: Outcome, alone: Alone | None = None) -> None:
        """Writes what is still missing."""

    def leave(self) -> None:
        """Leaves what is written: no more comes."""


class PlainAnswer:
    """Writes what comes, as it comes.

    Args:
        out: Where it goes.
        mark: A line that stands before the answer.
    """

    def __init__(self, out: TextIO, mark: str | None = None) -> None:
        self._out = out
        self._mark = mark
        self._written = ""
        self._dropped: str | None = None

    def event(self, event: Event) -> None:
        """Leaves an empty line between what is dropped and what comes."""
        if event["type"] == "reset":
            self._drop(event["reason"])

    def add(self, text: str) -> None:
        """Writes what came."""
        self._write(text)
        self._written += text

    def finish(self, outcome: Outcome, alone: Alone | None = None) -> None:
        """Writes what is still missing.

        Raises:
            AnswerBegunAnew: What was dropped stands before the answer.
        """
        if not outcome.answer.startswith(self._written):
            self._drop("another answer took its place")
        self._write(outcome.answer[len(self._written) :] + "\n")
        if self._dropped is not None:
            raise AnswerBegunAnew(self._dropped)

    def leave(self) -> None:
        """Ends the line that was begun."""
        if self._written:
            self._write("\n")

    def _drop(self, reason: str) -> None:
        if self._written:
            self._write("\n\n")
            self._written, self._dropped = "", reason

    def _write(self, text: str) -> None:
        if self._mark is not None:
            text, self._mark = f"{self._mark}\n{text}", None
        self._out.write(text)
        self._out.flush()


class WholeAsJSON:
    """Writes one JSON object when all is there.

    Args:
        out: Where it goes.
        mark: Why simulated models answer though nobody asked for them.
    """

    def __init__(self, out: TextIO, mark: str | None = None) -> None:
        self._out = out
        self._mark = mark

    def event(self, event: Event) -> None:
        """Nothing is written before the end."""

    def add(self, text: str) -> None:
        """Nothing is written before the end."""

    def finish(self, outcome: Outcome, alone: Alone | None = None) -> None:
        """Writes the object."""
        self._out.write(_as_json(outcome, self._mark, alone) + "\n")
        self._out.flush()

    def leave(self) -> None:
        """There is no half object."""


class EventLines:
    """Writes every event as a line of JSON.

    Args:
        out: Where they go.
        then: Writes something after the last event; None for nothing.
    """

    def __init__(self, out: TextIO, then: AnswerOutput | None = None) -> None:
        self._out = out
        self._then = then

    def event(self, event: Event) -> None:
        """Writes it."""
        self._out.write(json.dumps(event, ensure_ascii=False) + "\n")
        self._out.flush()

    def add(self, text: str) -> None:
        """The answer's tokens are no events."""

    def finish(self, outcome: Outcome, alone: Alone | None = None) -> None:
        """Writes what shall follow the last event."""
        if self._then is not None:
            self._then.finish(outcome, alone)

    def leave(self) -> None:
        """Every line is whole."""


def _as_json(outcome: Outcome, mark: str | None, alone: Alone | None) -> str:
    """The object of ``moa ask --json``.

    Args:
        outcome: What the run gave.
        mark: Why simulated models answered though nobody asked for them.
        alone: What one model gave beside it.
    """
    proposals = [record for record in outcome.records if record["kind"] == "proposal"]
    told: dict[str, Any] = {"answer": outcome.answer, "proposals": proposals, "report": outcome.report}
    if alone is not None:
        told["beside"] = alone.as_data()
    if mark is not None:
        told["simulated"] = mark
    return json.dumps(told, ensure_ascii=False)
