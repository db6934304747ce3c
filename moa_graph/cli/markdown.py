"""Markdown that is drawn while it comes."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

__all__ = ["MarkdownStream", "split_last_block"]


class MarkdownStream:
    """Blocks that are whole are written once, so that they scroll as any text; the last one is drawn over and over.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_block = ""
        self._blocks = 0
        self._live: Live | None = None

    def add(self, text: str) -> None:
        """Draws what came."""
        whole, self._last_block = split_last_block(self._last_block + text)
        if whole:
            self._print(whole)
        self._drawing().update(_LastLines(self._last_block))

    def end(self) -> None:
        """Writes the last block for good."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._last_block.strip():
            self._print(self._last_block)
        self._last_block = ""

    def _drawing(self) -> Live:
        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=12, transient=True)
            self._live.start()
        return self._live

    def _print(self, text: str) -> None:
        if self._blocks:
            self._console.print()
        self._console.print(Markdown(text))
        self._blocks += 1


class _LastLines:
    """The end of a block that may be higher than the terminal."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        lines = console.render_lines(Markdown(self._text), options.update(height=None), pad=False)
        for line in lines[-(console.height - 1) :]:
            yield from line
            yield Segment.line()


def split_last_block(text: str) -> tuple[str, str]:
    """Markdown's blocks that are whole, and the last one, which may go on."""
    starts = {token.map[0] for token in Markdown(text).parsed if token.level == 0 and token.map}
    if len(starts) < 2:
        return "", text
    lines = text.split("\n")
    last = max(starts)
    return "\n".join(lines[:last]) + "\n", "\n".join(lines[last:])
