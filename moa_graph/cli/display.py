"""What a run shows: progress on stderr, the answer on stdout, and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

from rich.console import Console

from moa_graph.calls.events import Event
from moa_graph.cli.answer import AnswerOutput, EventLines, PlainAnswer, WholeAsJSON
from moa_graph.cli.beside import Alone, compared
from moa_graph.cli.panel import in_short, whole
from moa_graph.cli.printable import printable
from moa_graph.cli.progress import LiveProgress, PlainProgress, Progress, say
from moa_graph.cli.tally import Tally, counted, money
from moa_graph.report import Report
from moa_graph.runs import Outcome
from moa_graph.state import Record

__all__ = ["RunDisplay", "open_display"]


class RunDisplay:
    """Shows one run.

    Args:
        err: Where progress goes.
        output: Writes the answer.
        shared: Whether both are the same terminal, on which only one of them can be drawn at a time.
        headline: Said when the run begins: before that, whatever goes wrong is all that is said.
        show_proposals: Whether what the models answered is shown before the answer, which then waits for its end.
    """

    def __init__(
        self,
        err: Console,
        output: AnswerOutput,
        *,
        shared: bool,
        headline: str | None = None,
        show_proposals: bool = False,
    ) -> None:
        self.tally = Tally()
        self._err = err
        self._output = output
        self._headline = headline
        self._show_proposals = show_proposals
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
        if not self._show_proposals:
            self._progress.make_room()
            self._output.add(text)

    def finish(self, outcome: Outcome, alone: Alone | None = None) -> None:
        """Writes the rest of the answer, who answered what, and what it cost.

        Args:
            outcome: What the run gave.
            alone: What one model gave beside it.
        """
        if self._show_proposals:
            self._progress.stop()
            self._tell_all(outcome.records)
        self._progress.make_room()
        try:
            self._output.finish(outcome, alone)
        finally:
            self._progress.stop()
            if not self._show_proposals and self._err.is_terminal:
                self._tell_in_short(outcome.records)
            for line in _footer(outcome.report):
                self.say(line)
            if alone is not None:
                self._tell_alone(outcome, alone)

    def _tell_all(self, records: Sequence[Record]) -> None:
        for headline, text in whole(records):
            self._err.print(printable(headline), style="bold", markup=False, highlight=False)
            if text:
                self._err.print(printable(text), markup=False, highlight=False, soft_wrap=not self._err.is_terminal)
            self._err.print()

    def _tell_in_short(self, records: Sequence[Record]) -> None:
        lines = in_short(records, self._err.width)
        if lines:
            self._err.print()
        for line in lines:
            self._err.print(
                printable(line), style="dim", markup=False, highlight=False, no_wrap=True, overflow="ellipsis"
            )

    def _tell_alone(self, outcome: Outcome, alone: Alone) -> None:
        """The answer of one model beside the mixture's, and what each took."""
        self._err.print()
        self._err.print(f"{alone.model} alone:", style="bold", markup=False, highlight=False)
        text = alone.failure or (alone.outcome.answer if alone.outcome else "")
        self._err.print(printable(text), markup=False, highlight=False, soft_wrap=not self._err.is_terminal)
        self._err.print()
        width = self._err.width - 1 if self._err.is_terminal else None
        for line in compared(outcome.report, alone, width):
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
        open_calls = f"; {counted(cut, 'call')} cut off, at unknown cost" if cut else ""
        made = f"{counted(spent.calls, 'call')}, {counted(spent.tokens, 'token')}, {spent.price()}"
        self.say(f"stopped: {made} so far{open_calls}")


def open_display(
    headline: str | None = None,
    *,
    mark: str | None = None,
    as_json: bool = False,
    events: bool = False,
    show_proposals: bool = False,
) -> RunDisplay:
    """The display that fits what stdout and stderr are.

    Args:
        headline: Said when the run begins.
        mark: Stands before an answer that leaves the terminal on which the headline is read.
        as_json: Whether stdout gets one JSON object.
        events: Whether stdout gets the events.
        show_proposals: Whether what the models answered is shown whole.
    """
    err, out = _console(sys.stderr), _console(sys.stdout)
    whole = WholeAsJSON(sys.stdout, mark)
    if events:
        output: AnswerOutput = EventLines(sys.stdout, whole if as_json else None)
    elif as_json:
        output = whole
    elif _draws(out) and (mark is None or err.is_terminal):
        from moa_graph.cli.markdown import MarkdownAnswer

        output = MarkdownAnswer(out)
    else:
        output = PlainAnswer(sys.stdout, None if sys.stdout.isatty() and sys.stderr.isatty() else mark)
    shared = _draws(out) and _draws(err)
    return RunDisplay(err, output, shared=shared, headline=headline, show_proposals=show_proposals)


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
    if reasoning := report["usage"].get("reasoning"):
        text += f" ({reasoning:,} of them reasoning)"
    return text if report["usage_complete"] else f"{text} known"


def _cost(report: Report) -> str:
    if report["cost"] is None:
        known = f" (at least {money(report['known_cost'])})" if report["known_cost"] else ""
        return f"cost unknown{known}"
    return ("about " if report["estimated"] else "") + money(report["cost"])
