"""Keys and passwords, blanked wherever somebody may read what held them: errors, records, traces, stored calls."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

__all__ = ["redact", "without_credentials", "without_secrets"]

_KEY_VARIABLE = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD)$")
_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|tgp|lsv2|gsk|xai)[-_][\w*-]{8,}|(?<=Bearer )\S+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without anything that is, or looks like, a key.

    Args:
        text: What somebody may read.
        secrets: Keys that don't stand in the environment.
    """
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    for name, value in os.environ.items():
        if len(value) >= 8 and _KEY_VARIABLE.search(name):
            text = text.replace(value, "[redacted]")
    return _LOOKS_LIKE_A_KEY.sub("[redacted]", text)


_SECRET_NAME = re.compile(
    r"(?:^|_)(?:(?:api)?keys?|secrets?|passwords?|passphrase|credentials?|auth|authorization|bearer"
    r"|(?<!bos_)(?<!eos_)(?<!pad_)(?<!start_)(?<!stop_)(?<!end_)token)$"
)
"""Special tokens of a vocabulary (``stop_token``) change the answer, so they belong to the key."""

_HEADERS_NAME = re.compile(r"(?:^|_)(?:headers?|cookies?)$")
_WORD_STARTS = re.compile(r"-|(?<=[a-z0-9])(?=[A-Z])")


def without_secrets(value: Any) -> Any:
    """``value`` without what is named like a key, token, password, header or cookie, at any depth.

    A mapping under a key's name is kept and looked into: it describes something, such as a field of a JSON
    Schema, and leaving it out would make different calls equal. Headers and cookies are left out in any form.
    """
    if isinstance(value, Mapping):
        return {name: without_secrets(inner) for name, inner in value.items() if not _is_secret(str(name), inner)}
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return value


def _is_secret(name: str, value: Any) -> bool:
    words = _WORD_STARTS.sub("_", name).lower()
    if _HEADERS_NAME.search(words):
        return True
    return _SECRET_NAME.search(words) is not None and not isinstance(value, Mapping)


def without_credentials(url: str) -> str:
    """``url`` without the user and password that may stand before its host."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
