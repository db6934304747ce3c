"""What reads along while a model streams: the answer on its way to whoever watches, or a proposal's beginning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessageChunk, ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk
from langgraph.graph.message import push_message

from moa_graph.calls.events import StreamWriter
from moa_graph.calls.protocol import ProtocolEvents
from moa_graph.calls.thoughts import thought_as_text, thought_in, thoughts_alone
from moa_graph.views import CHARACTERS_PER_TOKEN
from moa_graph.visible import VisibleStream

__all__ = ["AnswerStream", "FirstTokens", "LiveText", "StreamReader"]


def _do_nothing() -> None:
    """Nobody waits to be told."""


class StreamReader(AsyncCallbackHandler):
    """Keeps what has been streamed of one answer. It is given to the model's call as a callback."""

    run_inline = True

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.came = 0
        """Characters that have come, reasoning included."""
        self.noticed: Callable[[], None] = _do_nothing
        """Called at each token, one of reasoning too."""

    @property
    def text(self) -> str:
        """What has come so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    async def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        **_: Any,
    ) -> None:
        """Takes in what LangChain tells of a new token."""
        text = token if isinstance(token, str) else str(AIMessageChunk(content=token).text)
        message = getattr(chunk, "message", None)
        if isinstance(message, AIMessageChunk) and (message.additional_kwargs or not isinstance(message.content, str)):
            thoughts = thoughts_alone(message)
            if thoughts is not None:
                self.think(thoughts)
        self.read(text, getattr(message, "tool_call_chunks", None) or ())

    def read_together(self, text: str, calls: Sequence[ToolCallChunk], thought: str) -> None:
        """Takes in what arrived at one moment: reasoning beside the answer, and more of the answer itself."""
        if thought:
            self.think(thought_as_text(thought))
            self.noticed()
        if text or calls:
            self.read(text, calls)

    def think(self, thoughts: AIMessageChunk) -> None:
        """Takes in more of the reasoning that the model tells beside its answer."""
        self.came += len(thought_in(thoughts))

    def read(self, text: str, calls: Sequence[ToolCallChunk] = ()) -> None:
        """Takes in more of the answer."""
        self.came += len(text)
        self.noticed()
        if text:
            self._pieces.append(text)

    def begin_again(self, reason: str) -> None:
        """The next attempt starts from nothing; ``reason`` says why."""
        self._pieces = []
        self.came = 0

    def finish(self) -> None:
        """The text is whole."""


class AnswerStream(StreamReader):
    """Sends an answer's visible tokens, and the reasoning beside it, to ``stream_mode="messages"`` as they come.

    They bear the final message's id.

    A model streams only where LangChain finds that somebody watches. An answer that begins anew after its first token
    takes a new id, and a ``reset`` event names the old one.

    Args:
        mixture: Name of the mixture, for the event.
        stage: Name of the stage that writes.
        write: Where events go.
        begin: Called at each attempt's first token.
    """

    def __init__(self, mixture: str, stage: str, write: StreamWriter, begin: Callable[[], None]) -> None:
        super().__init__()
        self.message_id = f"moa-{uuid4()}"
        self._events = ProtocolEvents(self.message_id)
        self._calls = False
        self._thought = False
        self._visible = VisibleStream()
        self._mixture = mixture
        self._stage = stage
        self._write = write
        self._begin = begin

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self._pieces) or self._calls

    def read(self, text: str, calls: Sequence[ToolCallChunk] = ()) -> None:
        """Passes on what of the new text is visible, and the tools that are called."""
        if not self.begun:
            self._begin()
        super().read(text)
        self._send(self._visible.feed(text))
        if calls:
            self._calls = True
            self._push(AIMessageChunk(content="", id=self.message_id, tool_call_chunks=list(calls)))

    def think(self, thoughts: AIMessageChunk) -> None:
        """Passes reasoning on: as its provider gave it, or as the protocol that is read has it."""
        super().think(thoughts)
        self._thought = True
        if not self._events.think(thought_in(thoughts)):
            push_message(thoughts.model_copy(update={"id": self.message_id}), state_key=None)

    def begin_again(self, reason: str) -> None:
        """The next attempt starts from nothing; watchers are told if they have seen anything of this one."""
        if self._visible.length or self._calls or self._thought:
            self._write(
                {
                    "type": "reset",
                    "mixture": self._mixture,
                    "stage": self._stage,
                    "message_id": self.message_id,
                    "reason": reason,
                }
            )
            self._events.end()
            self.message_id = f"moa-{uuid4()}"
            self._events = ProtocolEvents(self.message_id)
        super().begin_again(reason)
        self._calls = self._thought = False
        self._visible = VisibleStream()

    def finish(self) -> None:
        """Passes on what was held back."""
        if self._pieces:
            self._send(self._visible.finish())
        self._events.end()

    def _send(self, added: str | None) -> None:
        if added is None:
            whole, came = self.text, self.came
            self.begin_again("what came before was the model's reasoning")
            self._pieces, self.came = [whole], came
            self._send(self._visible.feed(whole))
        elif added:
            self._push(AIMessageChunk(content=added, id=self.message_id))

    def _push(self, chunk: AIMessageChunk) -> None:
        """Sends a chunk to whoever watches, in the form that is read there."""
        if not self._events.add(chunk):
            push_message(chunk, state_key=None)


class FirstTokens(StreamReader):
    """Waits for the beginning of a proposal, where that is enough for the next stage to begin.

    Args:
        enough: Tokens of visible text, by the usual number of characters a token.
        tell: Told True when so many have come, and False when the stream begins anew after that.
    """

    def __init__(self, enough: int, tell: Callable[[bool], None]) -> None:
        super().__init__()
        self.enough = False
        self._characters = enough * CHARACTERS_PER_TOKEN
        self._tell = tell
        self._visible = VisibleStream()

    def read(self, text: str, calls: Sequence[ToolCallChunk] = ()) -> None:
        """Looks whether it is enough by now."""
        super().read(text)
        if not self.enough and self._visible.feed(text) is None:
            self._visible = VisibleStream()
            self._visible.feed(self.text)
        if not self.enough and self._visible.length >= self._characters:
            self.enough = True
            self._tell(True)

    def begin_again(self, reason: str) -> None:
        """The beginning isn't there any more."""
        super().begin_again(reason)
        self._visible = VisibleStream()
        if self.enough:
            self._tell(False)
        self.enough = False


class LiveText(StreamReader):
    """Tells the visible text of a record while it is written, as ``record_text`` events.

    Args:
        mixture: Name of the mixture.
        where: Stage, slot and sample.
        write: Where events go.
    """

    def __init__(self, mixture: str, where: tuple[str, str, int], write: StreamWriter) -> None:
        super().__init__()
        self._mixture = mixture
        self._where = where
        self._write = write
        self._visible = VisibleStream()

    def read(self, text: str, calls: Sequence[ToolCallChunk] = ()) -> None:
        """Tells what it adds; all of it anew, where what came before was the model's reasoning."""
        super().read(text)
        self._tell(self._visible.feed(text))

    def begin_again(self, reason: str) -> None:
        """What was told counts no longer."""
        super().begin_again(reason)
        if self._visible.length:
            self._tell_of("", begins=True)
        self._visible = VisibleStream()

    def finish(self) -> None:
        """Tells what was held back."""
        if self._pieces:
            self._tell(self._visible.finish())

    def _tell(self, added: str | None) -> None:
        if added is None:
            self._visible = VisibleStream()
            self._tell_of(self._visible.feed(self.text) or "", begins=True)
        elif added:
            self._tell_of(added, begins=self._visible.has_begun_now)

    def _tell_of(self, added: str, *, begins: bool) -> None:
        stage, slot, sample = self._where
        told = {"type": "record_text", "mixture": self._mixture, "stage": stage, "slot": slot, "sample": sample}
        self._write({**told, "text": added, "begins": begins})
