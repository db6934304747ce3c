"""Why a call gave nothing: errors of any SDK, and answers that are none, told in one vocabulary.

SDKs are recognised by what their errors carry (a status, a body, headers), not by their classes, so that none
of them has to be imported and the next major version of one isn't met with silence. See Fielding et al., RFC
9110, sections 10.2.3 and 15, for the statuses and for ``Retry-After``.
"""

from __future__ import annotations

import math
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage

from moa_graph.errors import redact
from moa_graph.state import Failure, FailureKind, Usage
from moa_graph.views import visible_text

__all__ = ["Diagnosis", "classify", "is_truncated", "judge", "usage_of"]

LONGEST_MESSAGE = 500
"""Characters of a provider's words that are kept."""


@dataclass(frozen=True)
class Diagnosis:
    """What went wrong with one call, and what may help.

    Args:
        kind: One of the failure kinds that a record can bear.
        message: The provider's own words, without keys, in at most 500 characters.
        retryable: Whether the same request may succeed later.
        retry_after: Seconds that the provider asks to wait first; None if it doesn't say.
        refused_parameter: The setting (``temperature``, ``top_p``, ``seed``, ``stop`` or ``max_tokens``) that
            the model doesn't take, so that the request may succeed without it.
        limit: The model's context window in tokens, where the provider names it.
    """

    kind: FailureKind
    message: str
    retryable: bool = False
    retry_after: float | None = None
    refused_parameter: str | None = None
    limit: int | None = None

    def record(self) -> Failure:
        """The part of this that a record keeps."""
        return {"kind": self.kind, "message": self.message}


def classify(error: BaseException) -> Diagnosis:
    """What ``error``, raised by a chat model, means for the call that met it.

    Never retried: 400, 401, 402, 403, 404, 422 and exhausted quotas. Retried: 408, 409, 429, 5xx, broken
    connections, timeouts, and bodies that can't be read.
    """
    words = _words(error)
    status = _status(error)
    overflowed = isinstance(error, ContextOverflowError) or status == 413
    if overflowed or (status != 429 and _OVERFLOW.search(words)):
        return Diagnosis("context_overflow", _message(status, words), limit=_limit(words))
    if status is not None:
        return _from_status(error, status, words)
    return _from_class(error, words)


def _from_status(error: BaseException, status: int, words: str) -> Diagnosis:
    message = _message(status, words)
    if status == 402 or "insufficient_quota" in _codes(error):
        return Diagnosis("rate_limited", message)
    if status < 500 and (_REFUSED.search(words) or _codes(error) & _REFUSAL_CODES):
        return Diagnosis("refused", message)
    if status in (401, 403) or (status == 400 and _BAD_KEY.search(words)):
        return Diagnosis("auth", message)
    if status == 404:
        hint = ". If this model is served no longer, name another: substitute={old: new}."
        return Diagnosis("bad_request", message.rstrip(".") + hint)
    if status == 408:
        return Diagnosis("timeout", message, retryable=True, retry_after=_retry_after(error))
    if status == 429:
        return Diagnosis("rate_limited", message, retryable=True, retry_after=_retry_after(error))
    if status in (409, 425) or status >= 500:
        return Diagnosis("server", message, retryable=True, retry_after=_retry_after(error))
    return Diagnosis("bad_request", message, refused_parameter=_refused_parameter(error, words))


def _from_class(error: BaseException, words: str) -> Diagnosis:
    names = {base.__name__ for link in _chain(error) for base in type(link).__mro__}
    message = _message(None, words)
    if names & _TIMEOUTS:
        return Diagnosis("timeout", message, retryable=True)
    if names & _CONNECTIONS or type(error) is OSError:
        return Diagnosis("connection", message, retryable=True)
    if "No generation" in words:  # LangChain's words for a stream that ended without a single chunk
        return Diagnosis("empty", message)
    return Diagnosis("server", message, retryable=bool(names & _UNREADABLE))


def judge(message: AIMessage) -> Diagnosis | None:
    """Why ``message`` is no answer (refused or empty), or None if it is one."""
    refusal = _refusal(message)
    if refusal is not None:
        return Diagnosis("refused", _message(None, refusal))
    if visible_text(message.text) or message.tool_calls or message.invalid_tool_calls:
        return None
    if is_truncated(message):
        return Diagnosis("empty", "All output tokens were spent before the first word: raise max_tokens.")
    return Diagnosis("empty", "The model gave an empty answer.")


def is_truncated(message: AIMessage) -> bool:
    """Whether the answer stopped because the model had no output tokens left."""
    incomplete = message.response_metadata.get("incomplete_details") or {}
    return bool(_endings(message) & _TRUNCATIONS) or incomplete.get("reason") == "max_output_tokens"


def usage_of(message: AIMessage) -> Usage | None:
    """Tokens that the provider counted for ``message``; None if it didn't say."""
    usage = message.usage_metadata
    if not usage or not (usage["input_tokens"] or usage["output_tokens"]):
        return None
    cached = usage.get("input_token_details", {}).get("cache_read") or 0
    return {"input": usage["input_tokens"], "output": usage["output_tokens"], "cached": cached}


def _refusal(message: AIMessage) -> str | None:
    if refusal := message.additional_kwargs.get("refusal"):
        return str(refusal)
    for block in message.content if isinstance(message.content, list) else ():
        if isinstance(block, dict) and block.get("type") == "refusal":
            return str(block.get("refusal") or "refused")
    if reasons := _endings(message) & _REFUSALS:
        return f"The provider stopped the answer ({', '.join(sorted(reasons))})."
    return None


def _endings(message: AIMessage) -> set[str]:
    """Every word that providers use for why an answer ended, in lower case."""
    metadata = message.response_metadata
    named = [metadata.get(name) for name in ("finish_reason", "stop_reason", "done_reason")]
    named.append((metadata.get("prompt_feedback") or {}).get("block_reason"))
    return {str(getattr(reason, "name", reason)).lower() for reason in named if reason}


_TRUNCATIONS = {"length", "max_tokens", "model_length"}
_REFUSALS = {"content_filter", "refusal", "safety", "prohibited_content", "blocklist", "spii", "recitation"}
_REFUSAL_CODES = {"content_filter", "content_policy_violation", "moderation"}
_REFUSED = re.compile(r"input was flagged|content (management )?policy|content_filter", re.IGNORECASE)
_BAD_KEY = re.compile(r"API[ _]key not valid|API_KEY_INVALID|invalid API key", re.IGNORECASE)

# Names, since a thing is called the same in openai, anthropic, httpx, httpx2, aiohttp and LangChain.
_TIMEOUTS = {"TimeoutError", "APITimeoutError", "TimeoutException", "ModelTimeoutError"}
_CONNECTIONS = {
    *("ConnectionError", "APIConnectionError", "TransportError", "ClientError", "ModelConnectionError"),
    *(
        socket.gaierror.__name__,
        ssl.SSLError.__name__,
        EOFError.__name__,
        "EndOfStream",
        "BrokenResourceError",
    ),
}
_UNREADABLE = {
    *("ValueError", "APIResponseValidationError", "ContentTypeError"),
    *("DecodingError", "TypeError", "KeyError", "IndexError", "AttributeError"),
}

_OVERFLOW = re.compile(
    r"context[_ ](length|window|limit)|maximum (number of|input) tokens|prompt is too long|max_seq_len"
    r"|input token count|`inputs` tokens \+|too many (input )?tokens in",
    re.IGNORECASE,
)
_LIMITS = (
    re.compile(r"(?:>|<=) (\d+)"),
    re.compile(r"(?:context (?:length|window)(?: \w+){1,4}|max_seq_len|tokens allowed) \(?(\d+)"),
    re.compile(r"Limit (\d+)"),
)


def _limit(words: str) -> int | None:
    found = (limit.search(words.replace(",", "")) for limit in _LIMITS)
    return next((int(limit[1]) for limit in found if limit), None)


def _message(status: int | None, words: str) -> str:
    text = redact(" ".join(words.split()) or "no reason given")
    text = text if status is None else f"HTTP {status}: {text}"
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it was raised from."""
    link: BaseException | None = error
    for _ in range(5):
        if link is None:
            return
        yield link
        link = link.__cause__


def _body(error: BaseException) -> Mapping[str, Any]:
    """The innermost object that describes the error, as the provider sent it."""
    candidates = [getattr(error, "body", None), getattr(error, "details", None), *error.args[:1]]
    found = next((body for body in candidates if isinstance(body, Mapping)), {})
    while isinstance(found.get("error"), Mapping):
        found = found["error"]
    return found


def _words(error: BaseException) -> str:
    """The provider's words, followed by the cause where the SDK's own words say nothing."""
    for link in _chain(error):
        if message := _body(link).get("message"):
            return str(message)
    texts = [str(getattr(link, "message", None) or link) or type(link).__name__ for link in _chain(error)]
    return ": ".join(text.rstrip(".") for index, text in enumerate(texts) if text not in texts[:index])


def _codes(error: BaseException) -> set[str]:
    bodies = [_body(link) for link in _chain(error)]
    return {str(body[name]) for body in bodies for name in ("code", "type", "status") if body.get(name)}


_STATUS_OF_CODE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "overloaded_error": 529,
}
"""Statuses of errors that arrive inside a response of status 200, as they do in streams."""


def _status(error: BaseException) -> int | None:
    for link in _chain(error):
        response = getattr(link, "response", None)
        candidates = [getattr(link, name, None) for name in ("status_code", "code", "status")]
        candidates += [getattr(response, "status_code", None), _body(link).get("code")]
        for status in candidates:
            if str(status).isdigit() and 400 <= int(str(status)) < 600:
                return int(str(status))
    known = [_STATUS_OF_CODE[code] for code in _codes(error) if code in _STATUS_OF_CODE]
    return max(known, default=None)


def _retry_after(error: BaseException) -> float | None:
    """Seconds to wait: ``retry-after-ms``, ``Retry-After`` as seconds or date, or Google's ``retryDelay``."""
    for link in _chain(error):
        headers = getattr(getattr(link, "response", link), "headers", None) or {}
        for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
            if (seconds := _seconds(headers.get(name) or headers.get(name.title()), unit)) is not None:
                return seconds
        if delay := re.search(r"retryDelay\W+(\d+(?:\.\d+)?)s", str(getattr(link, "details", ""))):
            return float(delay[1])
    return None


def _seconds(value: Any, unit: float) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value) * unit
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


_PARAMETERS = {
    "top_p": r"top_p|topP",
    "temperature": r"temperature",
    "seed": r"(?:random_)?seed",
    "stop": r"stop_sequences|stopSequences|[`'\"]stop[`'\"]|\bstop(?=[ :])",
    "max_tokens": r"max_(?:completion_|output_)?tokens|maxOutputTokens",
}
_UNSUPPORTED = re.compile(
    r"unsupported|not (?:supported|permitted|allowed)|un(?:recognized|known|expected)|deprecated"
    r"|does(?:n't| not) support|only the default|cannot both be|extra[_ ](?:inputs|forbidden)",
    re.IGNORECASE,
)


def _refused_parameter(error: BaseException, words: str) -> str | None:
    named = next((str(body["param"]) for link in _chain(error) if (body := _body(link)).get("param")), "")
    if not (_UNSUPPORTED.search(words) or _codes(error) & {"unsupported_parameter", "unsupported_value"}):
        return None
    for text in (f"'{named}'", words):
        for parameter, pattern in _PARAMETERS.items():
            if re.search(pattern, text):
                return parameter
    return None
