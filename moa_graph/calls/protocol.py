"""The answer's tokens as events of LangChain's streaming protocol: ``message-start``, ``content-block-*``.

Graphs that are read with ``stream_events(version="v3")``, LangGraph's server and its current React hook want these in
place of message chunks. LangGraph sends them for models that it sees streaming; an answer that a mixture makes of what
its model streams has to tell them itself.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import LLMResult
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler
from langgraph.config import get_config

__all__ = ["ProtocolEvents", "streaming_chunks"]


class _Watching(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Says that somebody watches, so that LangChain has the model stream."""

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        """Takes nothing out of what a model streams."""
        return output

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Takes nothing out of what a model streams."""
        return output


def streaming_chunks(callbacks: BaseCallbackManager) -> None:
    """Has a model called with ``callbacks`` stream chunks to who reads along, rather than events to who watches."""
    watched = False
    for name in ("handlers", "inheritable_handlers"):
        handlers = getattr(callbacks, name)
        kept = [one for one in handlers if not isinstance(one, _V2StreamingCallbackHandler)]
        watched = watched or len(kept) < len(handlers)
        setattr(callbacks, name, kept)
    if watched:
        callbacks.add_handler(_Watching(), inherit=False)


class ProtocolEvents:
    """Tells one message as it is written: nothing where nobody reads the protocol.

    Args:
        message_id: Identity of the message.
    """

    def __init__(self, message_id: str) -> None:
        self._id = message_id
        self._run = uuid4()
        self._watchers: list[Any] | None = None
        self._blocks: dict[Any, dict[str, Any]] = {}
        self._ended = False

    def add(self, chunk: AIMessageChunk) -> bool:
        """Tells what a chunk adds, text or pieces of tool calls; False where nobody reads the protocol."""
        if not self._open():
            return False
        if text := str(chunk.text):
            block = self._block("text", {"type": "text", "text": ""})
            block["text"] += text
            self._delta(block, {"type": "text-delta", "text": text})
        for piece in chunk.tool_call_chunks:
            fresh = {"type": "tool_call_chunk", "id": piece.get("id"), "name": piece.get("name"), "args": ""}
            block = self._block(("call", piece.get("index")), fresh)
            block |= {name: piece[name] for name in ("id", "name") if piece.get(name)}
            if args := piece.get("args"):
                block["args"] += args
                self._delta(block, {"type": "tool-call-delta", "args": args})
        return True

    def think(self, text: str) -> bool:
        """Tells more of the model's reasoning; False where nobody reads the protocol."""
        if not self._open():
            return False
        if not text:
            return True
        block = self._block("reasoning", {"type": "reasoning", "reasoning": ""})
        block["reasoning"] += text
        self._delta(block, {"type": "reasoning-delta", "reasoning": text})
        return True

    def end(self) -> None:
        """The message is whole, or dropped."""
        if not self._watchers or self._ended:
            return
        self._ended = True
        for block in self._blocks.values():
            content = {name: value for name, value in block.items() if name != "place"}
            self._tell({"event": "content-block-finish", "index": block["place"], "content": _finished(content)})
        self._tell({"event": "message-finish"})
        for watcher in self._watchers:
            watcher.on_llm_end(LLMResult(generations=[]), run_id=self._run)

    def _open(self) -> bool:
        if self._watchers is None:
            self._watchers = _watchers()
            for watcher in self._watchers:
                metadata = dict(get_config().get("metadata") or {})
                watcher.on_chat_model_start({}, [[]], run_id=self._run, tags=[], metadata=metadata)
                getattr(watcher, "seen", set[str]()).add(self._id)  # LangGraph tells what nobody has seen
            self._tell({"event": "message-start", "role": "ai", "id": self._id})
        return bool(self._watchers)

    def _block(self, key: Any, fresh: dict[str, Any]) -> dict[str, Any]:
        if key not in self._blocks:
            self._blocks[key] = {**fresh, "place": len(self._blocks)}
            self._tell({"event": "content-block-start", "index": self._blocks[key]["place"], "content": fresh})
        return self._blocks[key]

    def _delta(self, block: dict[str, Any], delta: dict[str, Any]) -> None:
        self._tell({"event": "content-block-delta", "index": block["place"], "delta": delta})

    def _tell(self, event: dict[str, Any]) -> None:
        for watcher in self._watchers or ():
            watcher.on_stream_event({**event, "message_id": self._id}, run_id=self._run)


def _watchers() -> list[Any]:
    callbacks: Any = get_config().get("callbacks")
    handlers: Sequence[Any] = getattr(callbacks, "handlers", None) or (callbacks if isinstance(callbacks, list) else ())
    return [one for one in handlers if isinstance(one, _V2StreamingCallbackHandler)]


def _finished(block: dict[str, Any]) -> dict[str, Any]:
    """A block as it is in the whole message."""
    if block["type"] != "tool_call_chunk":
        return block
    try:
        arguments = json.loads(block["args"] or "{}")
    except ValueError:
        return {**block, "type": "invalid_tool_call", "error": "the arguments aren't JSON"}
    return {"type": "tool_call", "id": block["id"], "name": block["name"], "args": arguments}
