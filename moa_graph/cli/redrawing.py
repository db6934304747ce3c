"""Lines that are drawn over and over, on a terminal that may become narrower meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment

__all__ = ["COLUMNS_KEPT_FREE", "RedrawnLines"]

COLUMNS_KEPT_FREE = 2
"""For the ``^C`` that a terminal writes behind the last line: it may not begin a new one."""


class RedrawnLines(Live):
    """Rich's live lines, drawn over even where the terminal has broken them in two.

    A terminal that becomes narrower breaks the lines that it shows. Rich goes up by the lines that it has drawn, and
    would leave standing what it doesn't reach. Terminals that cut lines off in place of breaking them (xterm, screen)
    lose as many rows above.

    Args:
        spare: Columns at the right that stay free.
        settings: As of rich's ``Live``.
    """

    def __init__(self, *, spare: int = 0, **settings: Any) -> None:
        self._spare = spare
        self._widths: list[int] = []
        super().__init__(**settings)

    def get_renderable(self) -> RenderableType:
        """What is to be drawn, and then measured."""
        return _Measured(super().get_renderable(), self._spare, self._widths)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Goes up to the first row of what was drawn, before anything else is."""
        rows = sum(max(width - 1, 0) // self.console.width for width in self._widths)
        up = Control(*((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * rows)
        return super().process_renderables([up, *renderables] if rows else renderables)


class _Measured:
    """Notes how wide the lines are that it draws.

    Args:
        drawn: What is drawn.
        spare: Columns at the right that stay free.
        widths: Where the width of each line goes, in columns.
    """

    def __init__(self, drawn: RenderableType, spare: int, widths: list[int]) -> None:
        self._drawn = drawn
        self._spare = spare
        self._widths = widths

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        room = max(1, options.max_width - self._spare)
        lines = console.render_lines(self._drawn, options.update(width=room, height=None), pad=False)
        self._widths[:] = [Segment.get_line_length(line) for line in lines[: options.size.height]]
        for line in lines:
            yield from line
            yield Segment.line()
