"""A proposal of which the beginning is enough, so that the next stage need not wait for its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessageChunk

from moa_graph.views import CHARACTERS_PER_TOKEN, visible_text

__all__ = ["FirstTokens"]


class FirstTokens(AsyncCallbackHandler):
    """Reads along while a proposal is streamed.

    Args:
        enough: Tokens of visible text, by the usual number of characters a token.
        tell: Told True when so many have come, and False when the stream begins anew after that.
    """

    run_inline = True

    def __init__(self, enough: int, tell: Callable[[bool], None]) -> None:
        self.text = ""
        self.enough = False
        self._characters = enough * CHARACTERS_PER_TOKEN
        self._tell = tell

    async def on_llm_new_token(self, token: str | list[str | dict[str, Any]], **_: Any) -> None:
        """Takes in what the new token adds."""
        self.text += token if isinstance(token, str) else str(AIMessageChunk(content=token).text)
        if not self.enough and len(visible_text(self.text)) >= self._characters:
            self.enough = True
            self._tell(True)

    def begin_again(self, _: str) -> None:
        """The next attempt starts from nothing."""
        if self.enough:
            self._tell(False)
        self.text, self.enough = "", False

    def finish(self) -> None:
        """The text is whole."""
