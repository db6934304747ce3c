"""Why a call gave nothing: errors of any SDK, and answers that are none, told in one vocabulary.

What a status means follows RFC 9110, section 15; what helps against it, the documentation of the providers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage

from moa_graph.calls.patience import LONGEST_HOLD, HeldBack
from moa_graph.calls.sdk_errors import (
    class_names_of,
    codes_of,
    is_about_all_models,
    parameter_of,
    retry_after_of,
    status_of,
    words_of,
)
from moa_graph.errors import RunFailed
from moa_graph.models.tidy import tidy_count
from moa_graph.secrets import redact
from moa_graph.state import Failure, FailureKind, Usage
from moa_graph.visible import visible_text

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
        begun: Whether a part of an answer had come, so that it may be billed.
        everywhere: Whether the provider says that it refuses calls to its other models too.
        error: What was raised, without keys in its words; None where an answer came that is none.
        unbilled: Whether the provider turned the request away, which nobody bills.
    """

    kind: FailureKind
    message: str
    retryable: bool = False
    retry_after: float | None = None
    refused_parameter: str | None = None
    limit: int | None = None
    begun: bool = False
    out_of_room: bool = False
    everywhere: bool = False
    error: BaseException | None = field(default=None, repr=False, compare=False)
    unbilled: bool = False

    @property
    def is_throttled(self) -> bool:
        """Whether other calls had better wait as well."""
        return self.kind == "rate_limited" and (self.retryable or self.retry_after is not None)

    def as_error(self) -> BaseException:
        """What to raise where nothing can stand in for the answer: the provider's own error, if there was one."""
        if self.error is not None:
            return self.error
        return TimeoutError(self.message) if self.kind == "timeout" else RunFailed(f"no answer: {self.message}")

    def record(self) -> Failure:
        """The part of this that a record keeps."""
        return {"kind": self.kind, "message": self.message}


def classify(error: BaseException, key_variable: str | None = None, secrets: Iterable[str] = ()) -> Diagnosis:
    """What ``error``, raised by a chat model, means for the call that met it.

    Never retried: 400, 401, 402, 403, 404, 410, 422, exhausted quotas, and whatever the provider asks to wait more than
    five minutes for. Retried: 408, 409, 429, 5xx, broken connections, timeouts, and bodies that can't be read.

    Args:
        error: What was raised.
        key_variable: Environment variable that the key came from, named where the key is refused.
        secrets: What the model knows and nobody may read, though the error repeats it.
    """
    diagnosis = replace(
        _diagnosis(error, secrets), error=_presentable(error, secrets), unbilled=status_of(error) is not None
    )
    if diagnosis.kind != "auth" or key_variable is None:
        return diagnosis
    return replace(diagnosis, message=f"{diagnosis.message.rstrip('.')}. The key came from {key_variable}.")


def _presentable(error: BaseException, secrets: Iterable[str]) -> BaseException:
    """The error itself, with keys blanked in its words."""
    secrets = tuple(secrets)
    error.args = tuple(redact(one, secrets) if isinstance(one, str) else one for one in error.args)
    if isinstance(message := getattr(error, "message", None), str):
        error.message = redact(message, secrets)  # type: ignore[attr-defined]  # SDKs' errors have it
    return error


def _diagnosis(error: BaseException, secrets: Iterable[str]) -> Diagnosis:
    if isinstance(error, HeldBack):
        return Diagnosis("rate_limited", str(error))
    words = redact(words_of(error), secrets)
    status = status_of(error)
    overflowed = isinstance(error, ContextOverflowError) or status == 413
    if overflowed or (status != 429 and _OVERFLOW.search(words)):
        return Diagnosis("context_overflow", _message(status, words), limit=_limit(words))
    if status is not None:
        return _from_status(error, status, words)
    return _from_class(error, words)


def _from_status(error: BaseException, status: int, words: str) -> Diagnosis:
    message = _message(status, words)
    if status == 402 or "insufficient_quota" in codes_of(error):
        return Diagnosis("rate_limited", message)
    if status < 500 and (_REFUSED.search(words) or codes_of(error) & _REFUSAL_CODES):
        return Diagnosis("refused", message)
    if status in (401, 403) or (status == 400 and _BAD_KEY.search(words)):
        return Diagnosis("auth", message)
    if status in (404, 410) or (status < 500 and _is_not_served(error, words)):
        about_address = status == 404 and "model" not in words.casefold()
        remedy = f"{_CHECK_ADDRESS} {_NAME_ANOTHER}" if about_address else _NAME_ANOTHER
        return Diagnosis("not_served", f"{message.rstrip('.')}. {remedy}")
    if status in _TRANSIENT or status >= 500:
        wait = retry_after_of(error)
        return Diagnosis(
            _TRANSIENT.get(status, "server"),
            message,
            retryable=wait is None or wait <= LONGEST_HOLD,
            retry_after=wait,
            everywhere=status == 429 and is_about_all_models(error),
        )
    return Diagnosis("bad_request", message, refused_parameter=_refused_parameter(error, words))


def _is_not_served(error: BaseException, words: str) -> bool:
    """Whether a refusal is about the model: Together's and OpenRouter's come as 400, others' as 403."""
    return bool(codes_of(error) & _NOT_SERVED_CODES) or _NOT_SERVED.search(words) is not None


def _from_class(error: BaseException, words: str) -> Diagnosis:
    names = class_names_of(error)
    message = _message(None, words)
    if names & _TIMEOUTS:
        return Diagnosis("timeout", message, retryable=True)
    if names & _CONNECTIONS or type(error) is OSError:
        return Diagnosis("connection", message, retryable=True, begun=bool(_STOPPED_IN_THE_BODY.search(words)))
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
        told = "All output tokens were spent before the first word: raise max_tokens, or lower reasoning."
        return Diagnosis("empty", told, out_of_room=True)
    if "<think" in message.text.lower():
        return Diagnosis("empty", "The answer ended in the middle of its reasoning.", out_of_room=True)
    return Diagnosis("empty", "The model gave an empty answer.")


def is_truncated(message: AIMessage) -> bool:
    """Whether the answer stopped because the model had no output tokens left."""
    incomplete = _mapping(message.response_metadata.get("incomplete_details"))
    return bool(_endings(message) & _TRUNCATIONS) or incomplete.get("reason") == "max_output_tokens"


def usage_of(message: AIMessage) -> Usage | None:
    """Tokens that the provider counted for ``message``; None if it didn't say, or nothing that can be so."""
    usage = _mapping(message.usage_metadata)
    # What comes from LangChain's cache may have a usage without tokens.
    read, written = tidy_count(usage.get("input_tokens")), tidy_count(usage.get("output_tokens"))
    if read is None or written is None or not (read or written):
        return None
    cached = tidy_count(_mapping(usage.get("input_token_details")).get("cache_read")) or 0
    reasoning = tidy_count(_mapping(usage.get("output_token_details")).get("reasoning")) or 0
    if reasoning and usage.get("total_tokens") == read + written + reasoning:
        written += reasoning  # as xAI counts
    counted: Usage = {"input": read, "output": written, "cached": min(cached, read)}
    return {**counted, "reasoning": min(reasoning, written)} if reasoning else counted


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, (dict, Mapping)) else {}


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
    named.append(_mapping(metadata.get("prompt_feedback")).get("block_reason"))
    return {str(getattr(reason, "name", reason)).lower() for reason in named if reason}


_TRANSIENT: dict[int, FailureKind] = {408: "timeout", 409: "server", 425: "server", 429: "rate_limited"}
_NOT_SERVED_CODES = {
    "model_not_available", "model_not_found", "dedicated_endpoint_not_running", "model_decommissioned",
}  # fmt: skip
_NOT_SERVED = re.compile(
    r"non-serverless model|no endpoints found|not a valid model id|dedicated endpoint for .{1,200} is not running"
    r"|model[`'\"\s].{0,200}(?:does not exist|not found|decommissioned|(?:been|is) (?:retired|deprecated|shut ?down))",
    re.IGNORECASE | re.DOTALL,
)
_CHECK_ADDRESS = "If base_url is an address of your own, check it: most end in /v1."
_NAME_ANOTHER = (
    "If this model is no longer served, name another with substitute={old: new} (--substitute OLD=NEW), or have the "
    "mixture cast anew with --cast auto; `moa models` lists what is served."
)

_TRUNCATIONS = {"length", "max_tokens", "model_length"}
_REFUSALS = {"content_filter", "refusal", "safety", "prohibited_content", "blocklist", "spii", "recitation"}
_REFUSAL_CODES = {"content_filter", "content_policy_violation", "moderation"}
_REFUSED = re.compile(r"input was flagged|content (management )?policy|content_filter", re.IGNORECASE)
_BAD_KEY = re.compile(r"API[ _]key not valid|API_KEY_INVALID|invalid API key", re.IGNORECASE)

# Names, since a thing is called the same in openai, anthropic, httpx, httpx2, aiohttp and LangChain.
_TIMEOUTS = {"TimeoutError", "APITimeoutError", "TimeoutException", "ModelTimeoutError"}
_CONNECTIONS = {
    *("ConnectionError", "APIConnectionError", "ModelConnectionError", "TransportError", "ClientError"),
    *("gaierror", "SSLError", "EOFError", "EndOfStream", "BrokenResourceError"),
}
_STOPPED_IN_THE_BODY = re.compile(r"complete message body|payload is not completed|IncompleteRead", re.IGNORECASE)
_UNREADABLE = {
    *("ValueError", "APIResponseValidationError", "ContentTypeError", "DecodingError"),
    *("TypeError", "KeyError", "IndexError", "AttributeError"),
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


_UNSUPPORTED = re.compile(
    r"unsupported|not (?:supported|permitted|allowed)|un(?:recognized|known|expected)|deprecated"
    r"|does(?:n't| not) support|only the default|cannot both be|extra[_ ](?:inputs|forbidden)",
    re.IGNORECASE,
)


def _refused_parameter(error: BaseException, words: str) -> str | None:
    if _UNSUPPORTED.search(words) or codes_of(error) & {"unsupported_parameter", "unsupported_value"}:
        return parameter_of(error, words)
    return None
