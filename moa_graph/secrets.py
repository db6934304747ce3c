"""What is a key, a password or another secret, decided here for all of the package.

A secret is known by its value (a key from the environment), by its name (``api_key``, ``?sig=``) or by its looks
(``sk-...``). Its limits: a secret under a harmless name whose value looks like nothing in particular can't be told from
a setting; and of a key that a server repeats encrypted, reversed or in pieces, the pieces stay.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = [
    "could_be_a_key",
    "is_secret_in_url",
    "redact",
    "secrets_in",
    "shown",
    "without_credentials",
    "without_secrets",
]

BLANK = "[redacted]"

SHORTEST_IN_ENVIRONMENT = 8
"""Characters; a shorter value of a variable called KEY would blot out parts of words."""

_KEY_VARIABLE = re.compile(r"(^|_)(KEYS?|TOKEN|SECRET|PASSWORD|PASSWD|PWD|CREDENTIALS?)$")
_LOOKS_LIKE_A_KEY = re.compile(
    r"\b(?:sk|pk|rk|tgp|lsv2|gsk|xai|hf|ghp|github_pat|pplx|nvapi|AIza|AKIA|eyJ)(?:[-_]|(?<=AIza|AKIA)|(?<=eyJ))"
    r"[\w*-]{8,}|(?<=Bearer )[^\s\"']+|(?<=Basic )[A-Za-z0-9+/]{8,}=*"
)
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/\s@\"'<>]+@")
_SECRET_IN_QUERY = re.compile(
    r"(?<=[?&;#])((?:[\w.-]*[-_.])?(?:sig|signature|code|key|apikey|token|secret|password|passwd|pwd|credential))"
    r"=[^&#\s\"'<>]+",
    re.IGNORECASE,
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without anything that is, or looks like, a key.

    Values that are known are found as they are, URL-encoded, in base64 (of their own or within a longer text, such as
    ``user:key``), in hexadecimal digits, and escaped for JSON or HTML.

    Args:
        text: What somebody may read.
        secrets: Keys that don't stand in the environment, or not under a name that says what they are.
    """
    named = (
        value
        for name, value in os.environ.items()
        if len(value) >= SHORTEST_IN_ENVIRONMENT and _KEY_VARIABLE.search(name.upper())
    )
    for secret in dict.fromkeys((*secrets, *named)):
        text = _spellings(secret).sub(BLANK, text)
    text = _CREDENTIALS_IN_URL.sub(f"{BLANK}@", text)
    text = _SECRET_IN_QUERY.sub(rf"\1={BLANK}", text)
    return _LOOKS_LIKE_A_KEY.sub(BLANK, text)


@lru_cache(maxsize=64)
def _spellings(secret: str) -> re.Pattern[str]:
    """Finds a secret in whatever way a server may have written it."""
    as_bytes = secret.encode("utf-8", "surrogatepass")
    found = ["".join(map(_character, secret))]
    if len(as_bytes) >= SHORTEST_IN_ENVIRONMENT:
        found += [_in_base64(as_bytes, offset) for offset in range(3)]
        found.append(as_bytes.hex())
    return re.compile("|".join(found), re.IGNORECASE)


def _character(character: str) -> str:
    """A pattern for one character, escaped in the ways of URLs, JSON and HTML, also twice."""
    if character.isalnum():
        return character
    written = [re.escape(character), rf"\\+{re.escape(character)}"]
    if ord(character) < 0x10000:
        written += [rf"\\+u{ord(character):04x}", f"&#0*{ord(character)};", f"&#x0*{ord(character):x};"]
    percents = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    written += [percents, *({"&": ["&amp;"], "<": ["&lt;"], ">": ["&gt;"], '"': ["&quot;"]}.get(character, []))]
    return f"(?:{'|'.join(written)})"


def _in_base64(secret: bytes, offset: int) -> str:
    """A pattern for the characters that a secret determines where ``offset`` bytes of a group of three precede it."""
    encoded = base64.b64encode(b"\0" * offset + secret).decode("ascii").rstrip("=")
    certain = encoded[(0, 2, 3)[offset] : (offset + len(secret)) * 8 // 6]
    either = {"+": "(?:[+-]|%2b)", "/": r"(?:[/_]|%2f|\\/)"}  # in URLs base64 has an alphabet of its own
    return "".join(either.get(one, one) for one in certain) + r"[A-Za-z0-9+/_-]{0,2}(?:=|%3d){0,2}"


def could_be_a_key(name: str) -> bool:
    """Whether what should be the name of an environment variable may be a key that was pasted in its place."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or _LOOKS_LIKE_A_KEY.search(name):
        return True
    return any(len(word) >= 16 and re.search(r"\d", word) and re.search(r"[A-Za-z]", word) for word in name.split("_"))


_SECRET_NAME = re.compile(
    r"(?:^|_)(?:(?:api)?keys?|secrets?|passwords?|passwd|pwd|passphrase|credentials?|auth|authorization|bearer"
    r"|(?<!bos_)(?<!eos_)(?<!pad_)(?<!start_)(?<!stop_)(?<!end_)token)$"
)
"""Special tokens of a vocabulary (``stop_token``) change the answer, so they belong to the key."""

_SECRET_NAME_IN_URL = re.compile(r"(?:^|_)(?:sig|signature|code)$")
"""Elsewhere these are names of harmless things as well."""

_HEADERS_NAME = re.compile(r"(?:^|_)(?:headers?|cookies?)$")
_QUERY_NAME = re.compile(r"(?:^|_)query$")
_WORD_STARTS = re.compile(r"[-.]|(?<=[a-z0-9])(?=[A-Z])")


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


def shown(value: Any) -> Any:
    """``value`` as a ``repr`` may show it: names stay; secrets and what headers and queries hold are blanked.

    Args:
        value: Plain data.
    """
    if isinstance(value, Mapping):
        return {
            name: _blanked(inner) if _is_secret(str(name), inner) or _is_query(str(name), inner) else shown(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(map(shown, value)) if type(value) in (list, tuple) else value
    return redact(value) if isinstance(value, str) else value


def _is_query(name: str, value: Any) -> bool:
    """Whether it holds parameters of a URL: a secret among them may have any name, such as ``code``."""
    return isinstance(value, Mapping) and _QUERY_NAME.search(_in_words(name)) is not None


def _blanked(value: Any) -> Any:
    return dict.fromkeys(value, BLANK) if isinstance(value, Mapping) else BLANK


def secrets_in(value: Any, where: str = "") -> Iterator[str]:
    """Where plain data holds a secret: by its name, at any depth, in a URL, or by its looks.

    Headers are looked into one by one, since many are harmless.

    Args:
        value: Plain data.
        where: The path to it.

    Yields:
        The path of each, such as ``extra_body.auth.password``.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            place = f"{where}.{name}" if where else str(name)
            headers = isinstance(inner, Mapping) and _HEADERS_NAME.search(_in_words(str(name)))
            if _is_query(str(name), inner):
                yield from (f"{place}.{one}" for one in inner if is_secret_in_url(str(one)) and one != "code")
            elif not headers and _is_secret(str(name), inner) and not _only_counts(str(name), inner):
                yield place
            else:
                yield from secrets_in(inner, place)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from secrets_in(inner, f"{where}.{index}" if where else str(index))
    elif isinstance(value, str) and "://" in value:
        yield from _secrets_in_url(value, where)
    elif isinstance(value, str) and _LOOKS_LIKE_A_KEY.search(value):
        yield where or "it"


def _only_counts(name: str, value: Any) -> bool:
    """Whether it is a number or a switch, such as ``first_token``; a password may be a number all the same."""
    return value is None or isinstance(value, bool) or (isinstance(value, int | float) and "pass" not in name.lower())


def _secrets_in_url(url: str, where: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    if "@" in parts.netloc:
        yield where or "the part before its host"
    for name, value in (*parse_qsl(parts.query), *parse_qsl(parts.fragment)):
        if is_secret_in_url(name) or _LOOKS_LIKE_A_KEY.search(value):
            yield f"{where}: {name}" if where else name


def _in_words(name: str) -> str:
    return _WORD_STARTS.sub("_", name).lower()


def _is_secret(name: str, value: Any) -> bool:
    words = _in_words(name)
    if _HEADERS_NAME.search(words):
        return True
    return _SECRET_NAME.search(words) is not None and not isinstance(value, Mapping)


def is_secret_in_url(name: str) -> bool:
    """Whether a parameter of a URL's query holds a secret, such as ``sig`` or ``api-key``."""
    return _is_secret(name, None) or _SECRET_NAME_IN_URL.search(_in_words(name)) is not None


def without_credentials(url: str) -> str:
    """``url`` without the user and password that may stand before its host, and without secrets in its query."""
    parts = urlsplit(url)
    query = parts.query
    if any(is_secret_in_url(name) for name, _ in parse_qsl(query)):
        kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if not is_secret_in_url(name)]
        query = urlencode(kept)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))
