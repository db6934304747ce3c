"""An entry of the store: the answer of one model call, as plain JSON."""

from __future__ import annotations

import json
import time
from typing import Any

from langchain_core.messages import AIMessage
from typing_extensions import TypedDict

from moa_graph.store.secret_names import without_secrets

__all__ = ["Entry", "Usage", "entry_of", "message_of"]

_STORED_METADATA = ("finish_reason", "model_name", "model_provider")
"""Of the response's metadata; the rest is headers, fingerprints and times of one request."""


class Usage(TypedDict):
    """Tokens of one call."""

    input: int
    output: int
    cached: int
    """Part of ``input``."""


class Entry(TypedDict):
    """The answer of one model call."""

    text: str
    message: dict[str, Any]
    """What :func:`message_of` builds the message from."""

    usage: Usage | None
    """None where the provider didn't say."""

    model: str
    """Reference of the model that answered: the slot's own, or a fallback."""

    created: float
    """UNIX time in seconds."""


def entry_of(message: AIMessage, *, model: str, usage: Usage | None, created: float | None = None) -> Entry:
    """The entry for a whole answer.

    The message's id, headers and keys are not part of it; nor is what isn't plain JSON among its
    ``additional_kwargs``, such as a parsed object, which is read from the content again.

    Args:
        message: The answer.
        model: Reference of the model that gave it.
        usage: Tokens that it took; None where the provider didn't say.
        created: UNIX time in seconds; default: now.
    """
    metadata = message.response_metadata
    record = {
        "content": message.content,
        "tool_calls": message.tool_calls,
        "invalid_tool_calls": message.invalid_tool_calls,
        "usage_metadata": message.usage_metadata,
        "response_metadata": {name: metadata[name] for name in _STORED_METADATA if name in metadata},
        "additional_kwargs": {
            name: value for name, value in without_secrets(message.additional_kwargs).items() if _is_plain_json(value)
        },
    }
    return Entry(
        text=str(message.text),
        message=json.loads(json.dumps(record)),
        usage=usage,
        model=model,
        created=time.time() if created is None else created,
    )


def _is_plain_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def message_of(entry: Entry) -> AIMessage:
    """The answer as a message, without an id."""
    return AIMessage(**entry["message"])
