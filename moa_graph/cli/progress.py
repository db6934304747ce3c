"""How a run goes, on stderr: plain lines, or on a terminal a live line for each slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from moa_graph.calls.events import Event, RecordFinished
from moa_graph.cli.printable import printable
from moa_graph.cli.redrawing import COLUMNS_KEPT_FREE, RedrawnLines
from moa_graph.cli.tally import SlotLine, SpentSoFar, Tally, counted, short_name

__all__ = ["LiveProgress", "PlainProgress", "Progress", "say"]

ROWS_KEPT_FREE = 3
"""Of the terminal's height, for the line above and the prompt below."""

GAP = 2
"""Columns between two cells."""

NARROW = 32
"""Columns below which there is no room for anything but a slot's name and its state."""

STYLES = {
    "asking": "cyan",
    "cut": "yellow",
    "failed": "red",
    "not": "dim",
    "stopped": "yellow",
    "waiting": "dim",
    "writing": "cyan",
}
"""By a state's first word; any other is green."""


class Progress(ABC):
    """Shows how a run goes.

    While the answer is written it may have the same screen, so lines wait until that is over.

    Args:
        console: Where the lines go.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._held: list[str] | None = None

    @abstractmethod
    def note(self, event: Event) -> None:
        """Shows what an event changed."""

    def make_room(self) -> None:
        """The answer is being written."""
        if self._held is None:
            self._held = []

    def stop(self) -> None:
        """Shows what waited, and no more than that; what was shown stays."""
        for line in self._held or []:
            say(self._console, line)
        self._held = None

    def _say(self, text: str) -> None:
        if self._held is None:
            say(self._console, text)
        else:
            self._held.append(text)


class PlainProgress(Progress):
    """A line for everything that ended."""

    def note(self, event: Event) -> None:
        """Writes a line where a slot has its answer or has failed, or a stage ended the run early."""
        if event["type"] == "record_finished":
            self._say(_told(event))
        elif event["type"] == "stage_finished" and event["end"]:
            self._say(f"{event['stage']}: the run ends here, since {event['end']}")


class LiveProgress(Progress):
    """A line for each slot that changes as the run goes on.

    Args:
        console: The terminal.
        tally: What the run's events say so far.
        shared: Whether the answer is drawn on the same terminal: then the lines end where it begins.
    """

    def __init__(self, console: Console, tally: Tally, *, shared: bool = False) -> None:
        super().__init__(console)
        self._tally = tally
        self._shared = shared
        self._over = False
        self._after: list[tuple[str, str]] = []
        self._live = RedrawnLines(
            console=console,
            get_renderable=self.table,
            spare=COLUMNS_KEPT_FREE,
            refresh_per_second=8,
            redirect_stdout=False,
        )

    def note(self, event: Event) -> None:
        """Begins with the run's first event; later ones are in the tally, which is drawn over and over.

        Why a slot failed has no room in its line, and is written above.
        """
        if not self._over:
            self._live.start()
        if event["type"] == "record_finished" and event["failure"] is not None:
            self._say(_told(event))

    def make_room(self) -> None:
        """Leaves the lines as they are where the answer is drawn below them."""
        if self._shared:
            self._end()
            super().make_room()

    def stop(self) -> None:
        """Leaves the lines as they are now, whatever may still come."""
        self._end()
        if rows := [self._row(self._tally.lines[key]) for key in self._after]:
            self._after = []
            self._console.print(_fitted(rows, self._console.width - COLUMNS_KEPT_FREE))
        super().stop()

    def _end(self) -> None:
        """Leaves the lines; one whose slot still writes the answer comes after it."""
        if not self._over:
            self._over = True
            self._after = [key for key, line in self._tally.lines.items() if line.state == "writing"]
            self._live.stop()

    def table(self) -> Table:
        """The slots' lines; where they don't all fit, a stage that isn't at work is one line."""
        lines = list(self._tally.lines.values())
        folded = len(lines) > self._console.height - ROWS_KEPT_FREE
        rows = []
        for stage in dict.fromkeys(line.stage for line in lines):
            of_stage = [line for line in lines if line.stage == stage]
            if folded and not self._at_work(of_stage):
                rows.append(self._summary(stage, of_stage))
            else:
                rows += [self._row(line) for line in of_stage if not (self._over and line.state == "writing")]
        return _fitted(rows, self._console.width - COLUMNS_KEPT_FREE)

    def _at_work(self, lines: list[SlotLine]) -> bool:
        return lines[0].stage not in self._tally.closed and any(line.began is not None for line in lines)

    def _row(self, line: SlotLine) -> tuple[Text, ...]:
        name = line.stage if line.stage == line.slot else f"{line.stage}/{line.slot}"
        state = "not asked" if line.began is None and line.stage in self._tally.closed else line.state
        return self._cells(name, state, self._tally.seconds(line), SpentSoFar.on(line.calls))

    def _summary(self, stage: str, lines: list[SlotLine]) -> tuple[Text, ...]:
        answered = sum(line.is_over and not line.state.startswith("failed") for line in lines)
        state = f"{answered} of {len(lines)} answered" if stage in self._tally.closed else "waiting"
        taken = [seconds for line in lines if (seconds := self._tally.seconds(line)) is not None]
        spent = SpentSoFar.on(call for line in lines for call in line.calls)
        return self._cells(stage, state, max(taken, default=None), spent)

    @staticmethod
    def _cells(name: str, state: str, seconds: float | None, spent: SpentSoFar) -> tuple[Text, ...]:
        style = _style(state)
        ended = spent.calls > 0
        return (
            Text(printable(name)),
            Text(state, style=style),
            Text("" if seconds is None else f"{seconds:.1f} s", style="dim"),
            Text(counted(spent.tokens, "token") if ended and (spent.tokens or spent.complete) else "", style="dim"),
            Text(spent.price() if ended else "", style="dim"),
        )


def _fitted(rows: Sequence[tuple[Text, ...]], width: int) -> Table:
    """Rows as wide as there is room: first costs are left out, then tokens, then names lose their beginnings.

    Args:
        rows: Name, state, seconds, tokens and cost.
        width: Columns of the terminal.
    """
    widths = [max((cell.cell_len for cell in column), default=0) for column in zip(*rows, strict=True)]
    columns = len(widths)
    fewest = 3 if width >= NARROW else 2
    while columns > fewest and sum(widths[:columns]) + GAP * (columns - 1) > width:
        columns -= 1
    table = Table.grid(padding=(0, GAP, 0, 0), expand=False)
    figures = sum(widths[2:columns]) + GAP * max(columns - 2, 0)
    state = min(widths[1], max(width - figures - GAP - min(widths[0], max(width // 3, 9)), 1)) if widths else 0
    name = min(widths[0], max(width - figures - GAP - state, 1)) if widths else 0
    table.add_column(no_wrap=True, width=name)
    table.add_column(no_wrap=True, overflow="ellipsis", width=state)
    for _ in range(2, columns):
        table.add_column(justify="right", no_wrap=True)
    for row in rows:
        text = row[0].plain
        shown = Text(text if len(text) <= name else f"…{text[len(text) - name + 1 :]}", style=row[0].style)
        table.add_row(shown, *row[1:columns])
    return table


def say(console: Console, text: str) -> None:
    """Writes a line that is no answer: whole into a file, and broken between words on a terminal."""
    console.print(printable(text), style="dim", markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _style(state: str) -> str:
    first = state.partition(" ")[0].strip(",:")
    return "yellow" if "trying on" in state else STYLES.get(first, "green")


def _told(record: RecordFinished) -> str:
    """What one slot gave."""
    name = record["stage"] if record["stage"] == record["slot"] else f"{record['stage']}/{record['slot']}"
    sample = f" (sample {record['sample'] + 1})" if record["sample"] else ""
    failure = record["failure"]
    if failure is not None:
        return f"{name}{sample}: {failure['kind']}: {failure['message']}"
    usage = record["usage"]
    tokens = counted(usage["input"] + usage["output"], "token") if usage else "tokens unknown"
    cost = f", ${record['cost']:.6f}".rstrip("0").rstrip(".") if record["cost"] is not None else ", cost unknown"
    notes = "".join(f"; {note}" for note in record["notes"])
    model = short_name(record["model"])
    by = "" if record["model"].startswith("sim:") or model == record["slot"] else f" by {model}"
    return f"{name}{sample}: answered{by} in {record['seconds']:.1f} s, {tokens}{cost}{notes}"
