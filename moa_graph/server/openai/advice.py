"""The panel's advice in a loop of tool calls, though the server keeps no conversations.

Clients send the whole conversation with every call of a loop, so the conversation up to the user's last message says
which turn it is. What the panel gave in that turn is kept under the hash of it for a while, and put back where
:mod:`moa_graph.advice` looks for it. Where it is no longer there, the panel is simply asked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from moa_graph.advice import ADVICE
from moa_graph.chat_model.shelf import Shelf

__all__ = ["AdviceShelf"]


class AdviceShelf:
    """What panels gave in turns that called tools.

    Args:
        shelf: Where it is kept; by default, in memory of its own.
    """

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf or Shelf()

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
        if ADVICE in message.response_metadata:
            self._shelf.put(turn, orjson.dumps(message.response_metadata[ADVICE], default=str))

    def given(self, turn: str, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The conversation, with the turn's advice at the first answer in it that called tools."""
        start = _after_last_user(messages)
        calling = next((i for i in range(start, len(messages)) if isinstance(messages[i], AIMessage)), None)
        found = None if calling is None else self._shelf.get(turn)
        if calling is None or found is None:
            return list(messages)
        advised = messages[calling].model_copy(update={"response_metadata": {ADVICE: orjson.loads(found)}})
        return [*messages[:calling], advised, *messages[calling + 1 :]]


def _after_last_user(messages: Sequence[BaseMessage]) -> int:
    """Where the answers to the user's last message begin."""
    return max((i + 1 for i, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
