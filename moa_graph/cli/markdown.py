"""An answer on a terminal: Markdown that is drawn while it comes."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions
from rich.markdown import Markdown
from rich.segment import Segment

from moa_graph.calls.events import Event
from moa_graph.cli.beside import Alone
from moa_graph.cli.printable import printable
from moa_graph.cli.redrawing import COLUMNS_KEPT_FREE, RedrawnLines
from moa_graph.runs import Outcome

__all__ = ["MarkdownAnswer", "MarkdownStream", "blocks_of"]


class MarkdownStream:
    """Blocks that are whole are written once, so that they scroll as any text; the last one is drawn over and over.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_block = ""
        self._blocks = 0
        self._live: RedrawnLines | None = None

    def add(self, text: str) -> None:
        """Draws what came."""
        *whole, self._last_block = blocks_of(self._last_block + text)
        for block in whole:
            self._print(block)
        self._drawing().update(_Block(self._last_block, cut=True))

    def end(self) -> None:
        """Writes the last block for good."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._last_block.strip():
            self._print(self._last_block)
        self._last_block = ""

    def _drawing(self) -> RedrawnLines:
        if self._live is None:
            self._live = RedrawnLines(
                console=self._console, spare=COLUMNS_KEPT_FREE, refresh_per_second=12, transient=True
            )
            self._live.start()
        return self._live

    def _print(self, text: str) -> None:
        if self._blocks:
            self._console.print()
        width = max(self._console.width - COLUMNS_KEPT_FREE, 1)
        self._console.print(_Block(text, cut=False), end="", width=width)
        self._blocks += 1


class MarkdownAnswer:
    """Draws what comes as Markdown.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stream = MarkdownStream(console)
        self._shown = ""

    def event(self, event: Event) -> None:
        """Says where the answer begins anew."""
        if event["type"] == "reset":
            self._drop(event["reason"])

    def add(self, text: str) -> None:
        """Draws what came."""
        self._shown += text
        self._stream.add(printable(text))

    def finish(self, outcome: Outcome, alone: Alone | None = None) -> None:
        """Draws the rest for good."""
        if not outcome.answer.startswith(self._shown):
            self._drop("another answer took its place")
        self._stream.add(printable(outcome.answer[len(self._shown) :]))
        self._stream.end()

    def leave(self) -> None:
        """Leaves what came."""
        self._stream.end()

    def _drop(self, reason: str) -> None:
        if self._shown:
            self._stream.end()
            self._console.print(f"({printable(reason)}: the answer restarts)", style="dim", markup=False)
            self._stream, self._shown = MarkdownStream(self._console), ""


class _Block:
    """One block, without the empty lines that it is drawn with; at most the end of it that the terminal has room for.

    Args:
        text: Its Markdown.
        cut: Whether it may not be higher than the terminal.
    """

    def __init__(self, text: str, *, cut: bool) -> None:
        self._text = text
        self._cut = cut

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        lines = console.render_lines(Markdown(self._text), options.update(height=None), pad=False)
        while lines and _is_empty(lines[0]):
            lines.pop(0)
        while lines and _is_empty(lines[-1]):
            lines.pop()
        for line in lines[-(console.height - 1) :] if self._cut else lines:
            yield from line
            yield Segment.line()


def _is_empty(line: list[Segment]) -> bool:
    """Whether nothing can be seen: an empty line of a box of code can, by its background."""
    return not any(segment.text.strip() or (segment.style and segment.style.bgcolor) for segment in line)


def blocks_of(text: str) -> list[str]:
    """A Markdown text's outermost blocks; the last one may go on."""
    starts = sorted({token.map[0] for token in Markdown(text).parsed if token.level == 0 and token.map})
    lines = text.split("\n")
    cuts = [0, *starts[1:]]
    ends = [*starts[1:], len(lines)]
    return [
        "\n".join(lines[start:end]) + ("\n" if end < len(lines) else "") for start, end in zip(cuts, ends, strict=True)
    ]
