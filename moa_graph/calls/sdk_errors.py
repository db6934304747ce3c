"""What the errors of model SDKs carry: status, codes, words, and how long to wait.

SDKs are known by what their errors carry, not by their classes, so that none of them has to be imported and the
next major version of one isn't met with silence.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = [
    "class_names_of",
    "codes_of",
    "is_about_all_models",
    "parameter_of",
    "retry_after_of",
    "status_of",
    "words_of",
]

LONGEST_CHAIN = 5
"""Causes of causes that are looked at."""

_STATUSES = {
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
    "ModelInvalidRequestError": 400,
    "ModelAuthenticationError": 401,
    "ModelPermissionDeniedError": 403,
    "ModelNotFoundError": 404,
    "ModelRateLimitError": 429,
    "ModelAPIError": 500,
}
"""Of the codes of errors that come inside a response of status 200, and of LangChain's classes of errors."""

_IS_ABOUT_BYTES = "HttpProcessingError"
"""aiohttp's base of complaints about what can't be read, which bear a status that no server sent."""

_SCOPES_ABOVE_A_MODEL = {"account", "global", "ip", "key", "org", "organization", "project", "user", "workspace"}

_PARAMETERS = {
    "top_p": r"top_p|topP",
    "temperature": r"temperature",
    "seed": r"(?:random_)?seed",
    "stop": r"stop_sequences|stopSequences|[`'\"]stop[`'\"]|\bstop(?=[ :])",
    "max_tokens": r"max_(?:completion_|output_)?tokens|maxOutputTokens",
    "reasoning": r"reasoning|thinking|\beffort\b|budget_tokens",
}


def class_names_of(error: BaseException) -> set[str]:
    """Names of the classes of ``error`` and of what it was raised from, their bases included."""
    return {base.__name__ for link in _chain(error) for base in type(link).__mro__}


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error has or stands for; None if it came before any response."""
    for link in _chain(error):
        if _is_about_bytes(link) or _is_about_bytes(link.__cause__):
            continue
        response = getattr(link, "response", None)
        candidates = [getattr(link, name, None) for name in ("status_code", "code", "status")]
        candidates += [getattr(response, "status_code", None), _body(link).get("code")]
        for status in candidates:
            if str(status).isdigit() and 400 <= int(str(status)) < 600:
                return int(str(status))
    named = codes_of(error) | class_names_of(error)
    return max((_STATUSES[name] for name in named if name in _STATUSES), default=None)


def _is_about_bytes(error: BaseException | None) -> bool:
    return _IS_ABOUT_BYTES in {base.__name__ for base in type(error).__mro__}


def codes_of(error: BaseException) -> set[str]:
    """The words that a provider's program would read: code, type and status of the error."""
    bodies = [_body(link) for link in _chain(error)]
    return {str(body[name]) for body in bodies for name in ("code", "type", "status") if body.get(name)}


def words_of(error: BaseException) -> str:
    """The provider's words, or the SDK's, followed by those of the cause."""
    for link in _chain(error):
        if message := _body(link).get("message"):
            return str(message)
    texts = [str(getattr(link, "message", None) or link) or type(link).__name__ for link in _chain(error)]
    return ": ".join(text.rstrip(".") for index, text in enumerate(texts) if text not in texts[:index])


def parameter_of(error: BaseException, words: str) -> str | None:
    """The setting that an error is about: where it names a parameter that one, otherwise the first in ``words``."""
    named = [str(body["param"]) for link in _chain(error) if (body := _body(link)).get("param")]
    text = f"'{named[0]}'" if named else words
    return next((name for name, pattern in _PARAMETERS.items() if re.search(pattern, text)), None)


def is_about_all_models(error: BaseException) -> bool:
    """Whether a refusal's headers say that the limit is the account's or the address's, not one model's."""
    for link in _chain(error):
        headers = {str(name).lower(): str(value).lower() for name, value in _headers(link).items()}
        if headers.get("x-ratelimit-global") == "true" or headers.get("x-ratelimit-scope") in _SCOPES_ABOVE_A_MODEL:
            return True
    return False


def retry_after_of(error: BaseException) -> float | None:
    """Seconds that a provider asks to wait; None if it doesn't.

    It says so in ``retry-after-ms``, in ``Retry-After`` as seconds or as a date (RFC 9110, section 10.2.3), or, if it
    is Google, in the body's ``retryDelay``.
    """
    for link in _chain(error):
        headers = _headers(link)
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


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it was raised from."""
    link: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if link is None:
            return
        yield link
        link = link.__cause__


def _headers(error: BaseException) -> Mapping[str, Any]:
    headers = getattr(getattr(error, "response", error), "headers", None)
    return headers if isinstance(headers, Mapping) else {}


def _body(error: BaseException) -> Mapping[str, Any]:
    """The innermost object that describes the error, as the provider sent it."""
    candidates = [getattr(error, "body", None), getattr(error, "details", None), *error.args[:1]]
    found = next((body for body in candidates if isinstance(body, Mapping)), {})
    while isinstance(found.get("error"), Mapping):
        found = found["error"]
    return found
