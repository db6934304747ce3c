"""What ``moa batch`` shows: how it goes while it runs, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from moa_graph.batch import Summary

__all__ = ["BatchProgress", "tell_summary"]

FAILURES_TOLD = 10
BARS = 10
WIDEST_BAR = 30
REFRESHES = 4
"""A second."""


class BatchProgress:
    """A bar and a line of figures on a terminal; nothing but failures in a pipe.

    Args:
        quiet: Whether to show nothing at all.
        console: Where to show it; default: stderr.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._told = 0
        self._quiet = quiet
        self._live: Live | None = None
        self._bar = Progress(BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn(), expand=True)
        self._task = self._bar.add_task("", total=None)
        self.last: Summary | None = None
        if self._console.is_terminal and not quiet:
            self._live = Live(self._bar, console=self._console, refresh_per_second=REFRESHES)

    def update(self, summary: Summary) -> None:
        """Shows how it goes."""
        self.last = summary
        if self._live is not None:
            self._bar.update(self._task, total=summary.rows, completed=summary.answered + summary.failed)
            figures = Text(" · ".join(_figures(summary, self._bar.tasks[0].elapsed or 0.0)), style="dim")
            self._live.update(Group(self._bar, figures))

    def tell_failure(self, result: Mapping[str, Any]) -> None:
        """Tells of a row without an answer; only the first few, since the output tells of all."""
        self._told += 1
        if self._quiet or self._told > FAILURES_TOLD:
            return
        failure = result["failure"]
        which = "" if result["id"] is None else f"{result['id']}: "
        self._console.print(escape(f"failed: {which}{failure['message']}"), soft_wrap=not self._console.is_terminal)
        if self._told == FAILURES_TOLD:
            self._console.print("further failures are only in the output")

    def say(self, text: str) -> None:
        """Tells of a job at a provider."""
        if not self._quiet:
            self._console.print(escape(text), soft_wrap=not self._console.is_terminal)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


def _figures(summary: Summary, seconds: float) -> Iterator[str]:
    """Rate, dollars spent and foreseen, failures by kind, and the slowest model.

    Args:
        summary: What the batch has done.
        seconds: How long this try has taken so far.
    """
    yield f"{summary.done_now / seconds if seconds else 0.0:.1f} rows/s"
    spent = summary.usd if summary.spent is None else summary.spent
    foreseen = summary.foreseen(spent)
    yield f"${spent:.2f}" + (f" of about ${foreseen:.2f}" if foreseen else "")
    if summary.failed:
        yield f"failed: {summary.failed}"
    if summary.failures:
        yield "failures of calls: " + _by_kind(summary)
    if summary.slowest_model is not None:
        yield "slowest: {}, {:.1f} s".format(*summary.slowest_model)


def _by_kind(summary: Summary) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in summary.failures.most_common())


def tell_summary(summary: Summary) -> None:
    """What the batch came to, in a few lines on stderr."""
    console = Console(stderr=True, highlight=False)
    whole_lines = not console.is_terminal
    parts = [f"{summary.answered} answered"]
    parts += [f"{summary.failed} failed ({summary.bad} bad rows)"] if summary.failed else []
    parts += [f"{summary.repeated} repeated"] if summary.repeated else []
    parts += [f"{summary.left} left"] if summary.left else []
    parts += [f"{summary.degraded} degraded"] if summary.degraded else []
    console.print(", ".join(parts), soft_wrap=whole_lines)
    rate = summary.done_now / summary.seconds if summary.seconds else 0.0
    price = f"${summary.usd:.4f}" + ("" if summary.usd_complete else " plus calls of unknown price")
    console.print(
        f"{summary.calls} calls, {summary.hits} from the store, {price}, {summary.seconds:.1f} s, {rate:.1f} rows/s",
        soft_wrap=True,
    )
    if summary.failures:
        console.print(f"failures by kind: {_by_kind(summary)}", soft_wrap=whole_lines)
    if summary.slowest_model is not None:
        model, seconds = summary.slowest_model
        console.print(f"slowest model: {escape(model)}, {seconds:.1f} s per answer", soft_wrap=whole_lines)
    if console.is_terminal and summary.latencies.count > 1:
        console.print(_picture("seconds per row", summary.latencies.bars(BARS), "{:.3g}"))
        if summary.costs.count > 1:
            console.print(_picture("US dollars per row", summary.costs.bars(BARS), "{:.2g}"))
    if summary.stopped:
        console.print(f"stopped: {escape(summary.stopped)}", soft_wrap=whole_lines)
    if summary.stopped or summary.left:
        console.print("Run the same command again to continue.")


def _picture(title: str, bars: list[tuple[float, float, int]], number: str) -> Table:
    """Bars of text, as wide as their counts."""
    table = Table.grid(padding=(0, 1))
    table.title, table.title_justify = title, "left"
    most = max(count for _, _, count in bars)
    for low, high, count in bars:
        bar = "█" * round(WIDEST_BAR * count / most) or ("▏" if count else "")
        table.add_row(f"{number.format(low)} to {number.format(high)}", bar, str(count))
    return table
