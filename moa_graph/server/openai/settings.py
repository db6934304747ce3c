"""How a server behaves: who may ask, how much, and from where."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moa_graph.errors import OptionsError

__all__ = ["KEYS_VARIABLE", "ClientKey", "Settings", "is_loopback", "read_keys"]

KEYS_VARIABLE = "MOA_API_KEYS"

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class ClientKey:
    """A key that clients bring, of which only the hash is kept.

    Args:
        name: Who has it: shown in logs and metrics.
        digest: SHA-256 of the key.
    """

    name: str
    digest: bytes

    @classmethod
    def of(cls, secret: str, name: str | None = None) -> ClientKey:
        """A key; without a name it is called by the beginning of its hash."""
        digest = hashlib.sha256(secret.encode()).digest()
        return cls(name or f"key-{digest.hex()[:8]}", digest)

    @property
    def owner(self) -> str:
        """What spending is kept under: it can't be turned back into the key."""
        return self.digest.hex()[:32]


@dataclass(frozen=True)
class Settings:
    """What an operator decides.

    Args:
        keys: Keys of which requests must bring one; none: everybody may ask, which takes a loopback address.
        hosts: Host names that requests may be addressed to, ``*`` for any.
        origins: Origins of other sites' pages that may ask, ``*`` for any.
        concurrency: Runs that go on at once for one key.
        queue: Requests of one key that may wait for a run to end.
        usd_per_day: US dollars that one key may spend in a day, by UTC.
        spending: File that the day's spending is kept in.
        most_bytes: Bytes that a request's body may have.
        most_choices: The largest ``n`` that is served: each choice is a run of its own.
        page: Whether the page is served.
        page_path: Where it is.
        log_prompts: Whether the log holds what was asked.
        quiet: Seconds of silence after which a stream gets a comment.
        drain: Seconds that runs are given to end when the server is stopped.
    """

    keys: tuple[ClientKey, ...] = ()
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    origins: tuple[str, ...] = ()
    concurrency: int = 64
    queue: int = 1000
    usd_per_day: float | None = None
    spending: Path | None = None
    most_bytes: int = 32 * MEGABYTE
    most_choices: int = 1
    page: bool = True
    page_path: str = "/"
    log_prompts: bool = False
    quiet: float = 10.0
    drain: float = 30.0

    def key_of(self, secret: str | None) -> ClientKey | None:
        """The key that a secret is. Every key is compared in constant time, whichever fits."""
        digest = hashlib.sha256((secret or "").encode()).digest()
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def read_keys(text: str) -> tuple[ClientKey, ...]:
    """The keys in the variable's text: ``key``, or ``name=key``, between commas.

    Raises:
        OptionsError: A key is empty, or two have one name.
    """
    keys: list[ClientKey] = []
    for number, entry in enumerate((part.strip() for part in text.split(",")), start=1):
        if not entry:
            continue
        name, equals, secret = entry.partition("=")
        key = ClientKey.of(secret.strip(), name.strip()) if equals and name.strip() else ClientKey.of(entry)
        if equals and not secret.strip():
            raise OptionsError(f"{KEYS_VARIABLE}: entry {number} has a name but no key: write name=key")
        if key.name in [other.name for other in keys]:
            raise OptionsError(f"{KEYS_VARIABLE}: two keys are called {key.name}: give each its own name")
        keys.append(key)
    return tuple(keys)


def is_loopback(host: str) -> bool:
    """Whether an address reaches nobody but this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_of(host: str, named: Sequence[str]) -> tuple[str, ...]:
    """The host names that are answered to: the loopback ones, the address's own and those that were named.

    Args:
        host: Address that is listened on. One that stands for every interface leaves the names open, unless some are
            named: keys are asked for there anyway.
        named: Further names.
    """
    every_interface = host in ("0.0.0.0", "::", "")
    own = () if every_interface else (host,)
    if every_interface and not named:
        return ("*",)
    return tuple(dict.fromkeys((*Settings.hosts, *own, *named)))
