"""A row of a batch's input: one conversation to answer, read from plain data and checked before money is spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import convert_to_messages

__all__ = ["BadRow", "Row", "id_of", "row_of"]

OPENAI_FIELDS = frozenset({"custom_id", "method", "url", "body"})
"""What a line of OpenAI's batch format holds."""

OPENAI_ADDRESS = "/v1/chat/completions"

ABOUT_THE_REQUEST = frozenset({"model", "messages", "moa", "n", "stream"})
"""Fields of a body that don't concern the answer: the others go to the model that writes it."""

WITHOUT_EFFECT = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
)
"""Fields of a body about bookkeeping and caching: an answer is the same without them."""

_PROMPTS = ("prompt", "question", "instruction", "text")
_IDS = ("id", "question_id", "idx", "custom_id")
_READ = frozenset({"id", "messages", "options"})


@dataclass(frozen=True)
class Row:
    """One conversation to answer.

    Args:
        id: Identifies the answer; unique in a batch.
        place: Number of the row in the input, from 0.
        messages: The conversation, as OpenAI writes messages.
        later: The user's further turns, each sent once the one before is answered.
        options: Run-time options of this row only.
        asked: Parameters for the model that writes the answer, by OpenAI's names: ``temperature``, ``tools``.
        source: The row's other columns, for formats that repeat them.
        brought_id: Whether the id is its own, rather than a hash of its content.
        where: File and line, or file and row.
    """

    id: str
    place: int
    messages: tuple[dict[str, Any], ...]
    later: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    brought_id: bool = False
    where: str = ""


@dataclass(frozen=True)
class BadRow:
    """An unusable row.

    Args:
        where: File and line, or file and row.
        reason: What is wrong with it.
        place: Number of the row in the input, from 0.
        id: Its own id, where that could be read.
    """

    where: str
    reason: str
    place: int
    id: str | None = None


def row_of(data: Any, place: int, where: str = "") -> Row:
    """The row that plain data describes.

    Args:
        data: A mapping with ``prompt`` (or ``question``, ``instruction``, ``text``), ``turns`` or ``messages``, and
            perhaps ``id`` (or ``question_id``, ``idx``) and ``options``; or a line of OpenAI's batch format.
        place: Number of the row in the input, from 0.
        where: File and line, or file and row.

    Raises:
        ValueError: It is unusable; the message says why.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"a row is an object with prompt or messages, not {type(data).__name__}")
    asked: Mapping[str, Any] = {}
    if data.keys() >= {"custom_id", "body"}:
        asked = _asked_by_openai(data)
        data = _from_openai(data)
    messages, later = _conversation(data)
    options = data.get("options")
    if options is not None and not isinstance(options, Mapping):
        raise ValueError('options must be an object of run-time options, such as {"quorum": 2}')
    given = id_of(data)
    identity = given if given is not None else hash_of([*messages, *later], options)
    source = {str(name): value for name, value in data.items() if name not in _READ}
    return Row(
        identity, place, tuple(messages), tuple(later), dict(options or {}), asked, source, given is not None, where
    )


def id_of(data: Any) -> str | None:
    """The id that a row has; None where it has none.

    Raises:
        ValueError: It can't be an id.
    """
    if not isinstance(data, Mapping):
        return None
    given = next((data[name] for name in _IDS if data.get(name) not in (None, "")), None)
    if given is not None and (isinstance(given, bool) or not isinstance(given, str | int)):
        raise ValueError(f"id must be text or a whole number, not {given!r}")
    return None if given is None else str(given)


def hash_of(messages: list[Any], options: Mapping[str, Any] | None) -> str:
    """The identity of a row without an id: a hash of its content."""
    content = json.dumps([messages, options or {}], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(content.encode("ascii")).hexdigest()[:32]


def _from_openai(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of OpenAI's batch format as a row."""
    if unknown := line.keys() - OPENAI_FIELDS:
        raise ValueError(f"OpenAI's batch format has no {', '.join(sorted(map(str, unknown)))}")
    if (url := line.get("url", OPENAI_ADDRESS)) != OPENAI_ADDRESS:
        raise ValueError(f"url is {url!r}; only {OPENAI_ADDRESS} can be answered")
    body = line["body"]
    if not isinstance(body, Mapping):
        raise ValueError("body must be an object, like a request to chat completions")
    if body.get("stream") or body.get("n") not in (None, 1):
        raise ValueError("body: a batch has one whole answer for each line: leave out stream and n")
    return {"id": line["custom_id"], "messages": body.get("messages"), "options": body.get("moa")}


def _asked_by_openai(line: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a line of OpenAI's batch format, for the model that writes the answer."""
    body = line["body"]
    if not isinstance(body, Mapping):
        return {}
    left_out = ABOUT_THE_REQUEST | WITHOUT_EFFECT
    return {str(name): value for name, value in body.items() if name not in left_out and value is not None}


def _conversation(data: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """The messages of a row, and the user's turns that come later."""
    given = data.get("messages")
    if given is not None:
        return _messages(given), []
    turns = data.get("turns")
    if turns is None:
        prompt = next((data[name] for name in _PROMPTS if data.get(name) is not None), None)
        if prompt is None:
            raise ValueError("neither prompt nor messages is given")
        turns = [prompt]
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) and turn.strip() for turn in turns):
        raise ValueError("prompt must be non-empty text")
    first, *later = turns
    return [{"role": "user", "content": first}], later


def _messages(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str) and given.lstrip().startswith("["):  # CSV holds them as JSON
        try:
            given = json.loads(given)
        except ValueError as error:
            raise ValueError(f"messages isn't valid JSON: {error}") from None
    if not isinstance(given, list | tuple) or not given:
        raise ValueError("messages must be a non-empty list of messages")
    messages = [_message(message) for message in given]
    try:
        convert_to_messages(messages)
    except (ValueError, NotImplementedError, KeyError, TypeError) as error:
        raise ValueError(f"messages: {str(error).partition('For troubleshooting')[0].strip()}") from None
    return messages


def _message(message: Any) -> dict[str, Any]:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise ValueError(f"messages: {message!r:.80} needs a role and content")
    return {str(name): value for name, value in message.items() if value is not None}
