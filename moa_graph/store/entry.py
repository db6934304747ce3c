"""An entry of the store: the answer of one model call, as plain JSON."""

from __future__ import annotations

import hashlib
import json
import math
import time
from typing import Any, NotRequired, cast

from langchain_core.messages import AIMessage
from typing_extensions import TypedDict

from moa_graph.secrets import without_secrets
from moa_graph.usage import Usage

__all__ = ["DamagedEntry", "Entry", "checked", "entry_of", "message_of", "sealed"]

_STORED_METADATA = ("finish_reason", "model_name", "model_provider")
"""Of the response's metadata; the rest is headers, fingerprints and times of one request."""


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

    check: NotRequired[str]
    """Checksum of the rest and of its key. Who edits an entry by hand takes it out."""


class DamagedEntry(ValueError):
    """What a backend gave is not what was put there."""


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


def sealed(key: str, entry: Entry) -> Entry:
    """``entry`` with the checksum by which :func:`checked` finds damage."""
    return {**entry, "check": _checksum(key, entry)}


def checked(key: str, found: Any) -> Entry | None:
    """What a backend gave for ``key`` as the entry that was put there; None if there is none.

    Raises:
        DamagedEntry: It is something else.
    """
    if found is None:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("message"), dict):
        raise DamagedEntry("it isn't an entry")
    if not _is_time(found.get("created")):
        raise DamagedEntry("it doesn't say when it was created")
    if "check" in found and found["check"] != _checksum(key, found):
        raise DamagedEntry("its checksum doesn't fit (an entry edited by hand has to leave out `check`)")
    try:
        message_of(cast(Entry, found))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DamagedEntry("it doesn't hold a message") from error
    return cast(Entry, found)


def _checksum(key: str, entry: Any) -> str:
    rest = {name: value for name, value in entry.items() if name != "check"}
    text = json.dumps([key, rest], sort_keys=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=8).hexdigest()


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def message_of(entry: Entry) -> AIMessage:
    """The answer as a message, without an id."""
    return AIMessage(**entry["message"])
