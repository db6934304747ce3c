"""The answer's tokens on their way to whoever watches the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk
from langgraph.graph.message import push_message

from moa_graph.calls.events import Writer
from moa_graph.views import VisibleStream

__all__ = ["AnswerStream"]


class AnswerStream(AsyncCallbackHandler):
    """Sends the visible tokens of an answer to ``stream_mode="messages"``, under the final message's id.

    It is given to the model's call as a callback, so a model streams only where LangChain finds that somebody watches.
    An answer that begins anew after its first token takes a new id, and a ``reset`` event names the old one.

    Args:
        mixture: Name of the mixture, for the event.
        stage: Name of the stage that writes.
        write: Where events go.
        begin: Called at each attempt's first token.
    """

    run_inline = True

    def __init__(self, mixture: str, stage: str, write: Writer, begin: Callable[[], None] | None = None) -> None:
        self.message_id = f"moa-{uuid4()}"
        self.text = ""
        self._calls = False
        self._visible = VisibleStream()
        self._mixture = mixture
        self._stage = stage
        self._write = write
        self._begin = begin

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self.text) or self._calls

    async def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        **_: Any,
    ) -> None:
        """Passes on what the new token adds."""
        if self._begin is not None and not self.begun:
            self._begin()
        text = token if isinstance(token, str) else str(AIMessageChunk(content=token).text)
        self.text += text
        self._send(self._visible.feed(text))
        calls = getattr(getattr(chunk, "message", None), "tool_call_chunks", None)
        if calls:
            self._calls = True
            push_message(AIMessageChunk(content="", id=self.message_id, tool_call_chunks=calls), state_key=None)

    def begin_again(self, reason: str) -> None:
        """The next attempt starts from nothing; watchers are told if they have seen anything of this one."""
        if self._visible.shown or self._calls:
            self._write(
                {
                    "type": "reset",
                    "mixture": self._mixture,
                    "stage": self._stage,
                    "message_id": self.message_id,
                    "reason": reason,
                }
            )
            self.message_id = f"moa-{uuid4()}"
        self.text = ""
        self._calls = False
        self._visible = VisibleStream()

    def finish(self) -> None:
        """Passes on what was held back."""
        if self.text:
            self._send(self._visible.finish())

    def _send(self, added: str | None) -> None:
        if added is None:
            whole = self.text
            self.begin_again("what came before was the model's reasoning")
            self.text = whole
            self._send(self._visible.feed(whole))
        elif added:
            push_message(AIMessageChunk(content=added, id=self.message_id), state_key=None)
