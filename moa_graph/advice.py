"""What the stages before the last gave, travelling with the conversation through a loop of tool calls.

The message that calls tools bears it in its ``response_metadata`` as the graph gives it: the next call of the same turn
goes by it and asks the panel nothing. Doors take it off before anybody else reads the message, and keep it elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import TypeAdapter, ValidationError

from moa_graph.state import Record, live

__all__ = ["ADVICE", "find_advice", "opens_a_turn", "redacted", "with_advice"]

ADVICE = "advice"
"""Name of the entry in a message's ``response_metadata``."""

WRITTEN = frozenset({"data", "given", "notes", "reasoning", "text", "tool_calls"})
"""What of a record holds a model's words."""


def with_advice(mixture: str, messages: Sequence[AnyMessage], records: Sequence[Record]) -> dict[str, Any]:
    """The entry of a message's metadata that holds what the panel gave.

    Args:
        mixture: Name of the mixture.
        messages: The conversation that it was about.
        records: The panel's records.
    """
    return {ADVICE: {"for": _audience(mixture, messages), "records": live(records)}}


def redacted(record: Record, redact: Callable[[str], str]) -> Record:
    """``record`` with ``redact`` applied to all that its model wrote."""
    written = {name: _each_text(value, redact) for name, value in record.items() if name in WRITTEN}
    return cast(Record, {**record, **written})


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _each_text(inner, change) for name, inner in value.items()}
    return [_each_text(inner, change) for inner in value] if isinstance(value, list | tuple) else value


def find_advice(
    mixture: str,
    messages: Sequence[AnyMessage],
    stages: Sequence[str],
    advise: Literal["user_turn", "first_call", "every_call"],
) -> list[Record]:
    """The panel's records that a conversation holds; none where the panel is to be asked.

    Advice for another mixture, or given under another system message, is somebody else's: agents pass conversations on
    to each other.

    Args:
        mixture: Name of the mixture.
        messages: The conversation.
        stages: Names of its stages.
        advise: When the panel is asked.
    """
    audience = _audience(mixture, messages)
    for message in reversed(messages if advise != "every_call" else ()):
        if advise == "user_turn" and opens_a_turn(message):
            break
        records = (
            _records_for(audience, message.response_metadata.get(ADVICE)) if isinstance(message, AIMessage) else []
        )
        if records and all(record["stage"] in stages for record in records):
            return [{**record, "seconds": 0.0} for record in records]
    return []


def _records_for(audience: str, advice: Any) -> list[Record]:
    """The records of an entry for ``audience``; none where it holds something else, as a message from outside may."""
    if not isinstance(advice, Mapping) or advice.get("for") != audience:
        return []
    try:
        _records().validate_python(advice.get("records"), strict=True)
    except ValidationError:
        return []
    return cast(list[Record], advice["records"])


@cache
def _records() -> TypeAdapter[list[Record]]:
    """Made when first needed: it takes some milliseconds."""
    return TypeAdapter(list[Record])


def opens_a_turn(message: BaseMessage) -> bool:
    """Whether a user's turn begins with a message: a summary of the conversation so far, in a user's name, is none."""
    return isinstance(message, HumanMessage) and message.additional_kwargs.get("lc_source") != "summarization"


def _audience(mixture: str, messages: Sequence[AnyMessage]) -> str:
    told = [message.text for message in messages if isinstance(message, SystemMessage)]
    return hashlib.sha256("\x00".join([mixture, *told]).encode("utf-8", "surrogatepass")).hexdigest()[:16]
