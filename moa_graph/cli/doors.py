"""What a run shows: progress on stderr, the answer on stdout, and what it cost."""

from __future__ import annotations

import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

from rich.console import Console

from moa_graph.calls.events import Event
from moa_graph.cli.answer import AnswerOutput, EventLines, MarkdownAnswer, PlainAnswer, WholeAsJSON
from moa_graph.cli.progress import LiveProgress, PlainProgress, Progress, say
from moa_graph.cli.tally import Tally, counted, money
from moa_graph.report import Report
from moa_graph.runs import Outcome

__all__ = ["Door", "open_door"]


class Door:
    """Shows one run.

    Args:
        err: Where progress goes.
        output: Writes the answer.
        shared: Whether both are the same terminal, on which only one of them can be drawn at a time.
        headline: Said when the run begins: before that, whatever goes wrong is all that is said.
    """

    def __init__(self, err: Console, output: AnswerOutput, *, shared: bool, headline: str | None = None) -> None:
        self.tally = Tally()
        self._err = err
        self._output = output
        self._headline = headline
        live = _draws(err)
        self._progress: Progress = LiveProgress(err, self.tally, shared=shared) if live else PlainProgress(err)

    def say(self, text: str) -> None:
        """Writes a line to stderr."""
        say(self._err, text)

    def event(self, event: Event) -> None:
        """Shows what the run tells."""
        if event["type"] == "run_started" and self._headline is not None:
            self.say(self._headline)
        self.tally.note(event)
        self._progress.note(event)
        self._output.event(event)

    def token(self, text: str) -> None:
        """Writes what came of the answer."""
        self.tally.answer_begun()
        self._progress.make_room()
        self._output.add(text)

    def finish(self, outcome: Outcome) -> None:
        """Writes the rest of the answer, and what it cost."""
        self._progress.make_room()
        try:
            self._output.finish(outcome)
        finally:
            self._progress.stop()
            for line in _footer(outcome.report):
                self.say(line)

    def leave(self) -> None:
        """Leaves everything as it is: the run has ended without an answer."""
        self.tally.stopped()
        with suppress(OSError):  # that nothing can be written may be what ended the run
            self._output.leave()
        self._progress.stop()

    def say_cost_so_far(self) -> None:
        """What was spent until a person stopped the run."""
        spent = self.tally.spent()
        cut = self.tally.in_flight
        open_calls = f"; {counted(cut, 'call')} cut off, whose cost isn't known" if cut else ""
        made = f"{counted(spent.calls, 'call')}, {counted(spent.tokens, 'token')}, {spent.price()}"
        self.say(f"stopped: {made} so far{open_calls}")


def open_door(
    headline: str | None = None, *, mark: str | None = None, as_json: bool = False, events: bool = False
) -> Door:
    """The door that fits what stdout and stderr are.

    Args:
        headline: Said when the run begins.
        mark: Stands before an answer that leaves the terminal on which the headline is read.
        as_json: Whether stdout gets one JSON object.
        events: Whether stdout gets the events.
    """
    err, out = _console(sys.stderr), _console(sys.stdout)
    whole = WholeAsJSON(sys.stdout, mark)
    if events:
        output: AnswerOutput = EventLines(sys.stdout, whole if as_json else None)
    elif as_json:
        output = whole
    elif _draws(out) and (mark is None or err.is_terminal):
        output = MarkdownAnswer(out)
    else:
        output = PlainAnswer(sys.stdout, None if sys.stdout.isatty() and sys.stderr.isatty() else mark)
    return Door(err, output, shared=_draws(out) and _draws(err), headline=headline)


def _console(stream: TextIO) -> Console:
    """A console that takes for a terminal what is one, whatever the environment says, so that pipes stay plain.

    Half a character that a model may write is shown as a question mark.
    """
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    return Console(file=stream, force_terminal=stream.isatty())


def _draws(console: Console) -> bool:
    """Whether lines on it can be drawn over."""
    return console.is_terminal and not console.is_dumb_terminal


def _footer(report: Report) -> list[str]:
    """What the run cost, and what is less than described."""
    parts = [counted(report["calls"], "call"), f"{report['seconds']:.1f} s", _tokens(report), _cost(report)]
    if report["hits"]:
        parts.insert(1, f"{report['hits']:,} from the store")
    if report["simulated"]:
        parts.append("simulated")
    lines = [", ".join(parts)]
    if report["ended_early"]:
        lines.append(f"ended early: {report['ended_early']}")
    return lines + [f"degraded: {reason}" for reason in report["degraded"]]


def _tokens(report: Report) -> str:
    text = counted(report["usage"]["input"] + report["usage"]["output"], "token")
    return text if report["usage_complete"] else f"{text} known"


def _cost(report: Report) -> str:
    if report["cost"] is None:
        known = f" (at least {money(report['known_cost'])})" if report["known_cost"] else ""
        return f"cost unknown{known}"
    return ("about " if report["estimated"] else "") + money(report["cost"])
