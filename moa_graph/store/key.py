"""What makes two model calls the same call: all that the answer depends on, and nothing secret or random.

Where a call was made is no part of that. The same question to the same model is one call in every stage, slot and
mixture, so what was paid for once is found again after a slot was renamed or moved.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, ToolMessage

from moa_graph.errors import MixtureError
from moa_graph.secrets import without_credentials, without_secrets

__all__ = ["CallIdentity", "message_record"]

KEY_VERSION = 2
"""Part of every key: raised when a field's meaning changes, so that no old entry is taken for a new one."""

_RANDOM_BLOCK_ID = "lc_"
"""How the ids begin that LangChain makes up for content blocks, anew in every run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CallIdentity:
    """One model call, told from every other by its :attr:`key`.

    Args:
        model: Reference of the model, ``provider:name``.
        messages: What the model is sent, as :func:`message_record` gives it.
        parameters: Temperature, max_tokens, tool choice and whatever else the request holds. Those that are
            None count as not given; those named like keys, tokens and headers are left out of the key.
        base_url: Address of the server, if not the provider's own.
        tools: Schemas of the tools that the model may call.
        response_format: Schema or mode that the answer must follow.
        number: Which one it is, from 0, among equal calls of one turn: six samples of one prompt are six entries.
        stage: Name of the stage that asks. This and the next two are for messages and :attr:`key_in_version_1`.
        slot: Name of the slot in its stage.
        sample: Index of the sample in its slot.
    """

    model: str
    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    base_url: str | None = field(default=None, repr=False)
    tools: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    response_format: Any = field(default=None, repr=False)
    number: int = 0
    stage: str = ""
    slot: str = ""
    sample: int = 0

    @cached_property
    def content(self) -> str:
        """What equal calls have in common: the hash of all but their number.

        Raises:
            MixtureError: A field holds something that isn't plain JSON, so that equal calls can't be told.
        """
        return self._hash({"version": KEY_VERSION, **self._fields(), "response_format": self.response_format})

    @cached_property
    def key(self) -> str:
        """The hash that the call is stored under. Raises as :attr:`content` does."""
        return hashlib.sha256(f"{self.content}#{self.number}".encode("ascii")).hexdigest()

    @cached_property
    def key_in_version_1(self) -> str:
        """What versions before 0.2 stored the call under, so that their files are still read."""
        place = {"stage": self.stage, "slot": self.slot, "sample": self.sample}
        return self._hash({"version": 1, **self._fields(), **place, "response_format": None})

    def _fields(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "base_url": self.base_url and without_credentials(self.base_url),
            "parameters": without_secrets({k: v for k, v in self.parameters.items() if v is not None}),
            "messages": self.messages,
            "tools": self.tools,
        }

    def _hash(self, fields: Mapping[str, Any]) -> str:
        canonical = json.dumps(_canonical(fields, self.model), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def __str__(self) -> str:
        return f"stage {self.stage}, slot {self.slot}, sample {self.sample}, model {self.model}"


def _canonical(value: Any, where: str) -> Any:
    """``value`` as JSON, the same for equal values: 1.0 is written 1, tuples are lists, names are text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(name): _canonical(inner, f"{where}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
    kind = type(value).__name__
    raise MixtureError(f"{where}: a {kind} can't be part of a stored call; give plain JSON, or run without a store")


def message_record(message: BaseMessage) -> dict[str, Any]:
    """What a model reads of ``message``, as plain JSON; its id and metadata differ between runs."""
    record: dict[str, Any] = {"role": _role(message), "content": _content(message)}
    if message.name:
        record["name"] = message.name
    if isinstance(message, AIMessage):
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        if calls:
            record["tool_calls"] = [{part: call.get(part) for part in ("id", "name", "args")} for call in calls]
    if isinstance(message, ToolMessage):
        record["tool_call_id"] = message.tool_call_id
    return record


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    return message.type.removesuffix("MessageChunk").lower()


def _content(message: BaseMessage) -> str | list[Any]:
    if isinstance(message.content, str):
        return message.content
    return [_without_random_id(block) for block in message.content]


def _without_random_id(block: Any) -> Any:
    if isinstance(block, dict) and str(block.get("id", "")).startswith(_RANDOM_BLOCK_ID):
        return {name: value for name, value in block.items() if name != "id"}
    return block
