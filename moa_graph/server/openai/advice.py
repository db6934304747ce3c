"""The panel's advice in a loop of tool calls, though the server keeps no conversations.

Clients send the whole conversation with every call of a loop, so the conversation up to the user's last message says
which turn it is. What the panel gave in that turn is kept under the hash of it for a while, and put back where
:mod:`moa_graph.advice` looks for it. Where it is no longer there, the panel is simply asked again.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from moa_graph.advice import ADVICE

__all__ = ["AdviceShelf"]

MOST_BYTES = 64_000_000
LONGEST = 3600.0
"""Seconds without use after which a turn's advice is dropped."""


class AdviceShelf:
    """What panels gave in turns that called tools; the least lately used goes first.

    Args:
        most_bytes: Bytes of advice that are kept at once.
        clock: Seconds that pass.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._size = 0
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    @staticmethod
    def turn_of(owner: str, model: str, options: Mapping[str, Any], messages: Sequence[BaseMessage]) -> str:
        """The name of a user's turn.

        Args:
            owner: Whose key the request bears: nobody is given another's advice.
            model: The mixture that is asked.
            options: Its run-time options.
            messages: The conversation.
        """
        told = [[message.type, message.content] for message in messages[: _after_last_user(messages)]]
        named = orjson.dumps([owner, model, options, told], option=orjson.OPT_SORT_KEYS, default=str)
        return hashlib.sha256(named).hexdigest()

    def put(self, turn: str, message: AIMessage) -> None:
        """Keeps the advice that an answer bears, if it bears any."""
        if ADVICE not in message.response_metadata:
            return
        advice = orjson.dumps(message.response_metadata[ADVICE], default=str)
        self._drop(turn)
        self._kept[turn] = (self._clock(), advice)
        self._size += len(advice)
        while self._kept and (self._size > self._most_bytes or self._is_old(next(iter(self._kept)))):
            self._drop(next(iter(self._kept)))

    def given(self, turn: str, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The conversation, with the turn's advice at the first answer in it that called tools."""
        found = self._kept.get(turn)
        start = _after_last_user(messages)
        calling = next((i for i in range(start, len(messages)) if isinstance(messages[i], AIMessage)), None)
        if found is None or calling is None or self._is_old(turn):
            return list(messages)
        self._kept.move_to_end(turn)
        self._kept[turn] = (self._clock(), found[1])
        advised = messages[calling].model_copy(update={"response_metadata": {ADVICE: orjson.loads(found[1])}})
        return [*messages[:calling], advised, *messages[calling + 1 :]]

    def _is_old(self, turn: str) -> bool:
        return self._clock() - self._kept[turn][0] > LONGEST

    def _drop(self, turn: str) -> None:
        if turn in self._kept:
            self._size -= len(self._kept.pop(turn)[1])


def _after_last_user(messages: Sequence[BaseMessage]) -> int:
    """Where the answers to the user's last message begin."""
    return max((i + 1 for i, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
