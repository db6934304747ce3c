"""What ``moa batch`` shows: how it goes while it runs, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from moa_graph.batch import Summary

__all__ = ["BatchProgress", "tell_summary"]

FAILURES_TOLD = 10
BARS = 10
WIDEST_BAR = 30


class BatchProgress:
    """A bar on a terminal; nothing but failures in a pipe.

    Args:
        quiet: Whether to show nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._told = 0
        self._quiet = quiet
        self._bar: Progress | None = None
        if self._console.is_terminal and not quiet:
            self._bar = Progress(
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[told]}"),
                console=self._console,
                expand=True,
            )
            self._task = self._bar.add_task("", total=None, told="")

    def update(self, summary: Summary) -> None:
        """Shows how it goes."""
        if self._bar is not None:
            done = summary.answered + summary.failed
            self._bar.update(self._task, total=summary.rows, completed=done, told=_figures(summary))

    def tell_failure(self, result: Mapping[str, Any]) -> None:
        """Tells of a row without an answer; only the first few, since the output tells of all."""
        self._told += 1
        if self._quiet or self._told > FAILURES_TOLD:
            return
        failure = result["failure"]
        which = "" if result["id"] is None else f"{result['id']}: "
        self._console.print(escape(f"failed: {which}{failure['message']}"), soft_wrap=True)
        if self._told == FAILURES_TOLD:
            self._console.print("further failures are told in the output only")

    def say(self, text: str) -> None:
        """Tells of a job at a provider."""
        if not self._quiet:
            self._console.print(escape(text), soft_wrap=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _figures(summary: Summary) -> str:
    """Dollars spent and foreseen, and failures."""
    spent = summary.usd if summary.spent is None else summary.spent
    foreseen = summary.foreseen(spent)
    dollars = f"${spent:.2f}" + (f" of about ${foreseen:.2f}" if foreseen else "")
    return dollars + (f", {summary.failed} failed" if summary.failed else "")


def tell_summary(summary: Summary) -> None:
    """What the batch came to, in a few lines on stderr."""
    console = Console(stderr=True, highlight=False)
    parts = [f"{summary.answered} answered"]
    parts += [f"{summary.failed} failed ({summary.bad} bad rows)"] if summary.failed else []
    parts += [f"{summary.repeated} repeated"] if summary.repeated else []
    parts += [f"{summary.left} left"] if summary.left else []
    parts += [f"{summary.degraded} degraded"] if summary.degraded else []
    console.print(", ".join(parts), soft_wrap=True)
    rate = summary.done_now / summary.seconds if summary.seconds else 0.0
    price = f"${summary.usd:.4f}" + ("" if summary.usd_complete else " and what isn't known")
    console.print(
        f"{summary.calls} calls, {summary.hits} from the store, {price}, {summary.seconds:.1f} s, {rate:.1f} rows/s",
        soft_wrap=True,
    )
    if summary.failures:
        kinds = ", ".join(f"{kind} {count}" for kind, count in summary.failures.most_common())
        console.print(f"failures by kind: {kinds}", soft_wrap=True)
    if summary.slowest_model is not None:
        model, seconds = summary.slowest_model
        console.print(f"slowest model: {escape(model)}, {seconds:.1f} s an answer", soft_wrap=True)
    if console.is_terminal and summary.latencies.count > 1:
        console.print(_picture("seconds a row", summary.latencies.bars(BARS), "{:.3g}"))
        if summary.costs.count > 1:
            console.print(_picture("US dollars a row", summary.costs.bars(BARS), "{:.2g}"))
    if summary.stopped:
        console.print(f"stopped: {escape(summary.stopped)}", soft_wrap=True)
    if summary.stopped or summary.left:
        console.print("Run the same command again to go on.")


def _picture(title: str, bars: list[tuple[float, float, int]], form: str) -> Table:
    """Bars of text, as wide as their counts."""
    table = Table.grid(padding=(0, 1))
    table.title, table.title_justify = title, "left"
    most = max(count for _, _, count in bars)
    for low, high, count in bars:
        bar = "█" * round(WIDEST_BAR * count / most) or ("▏" if count else "")
        table.add_row(f"{form.format(low)} to {form.format(high)}", bar, str(count))
    return table
