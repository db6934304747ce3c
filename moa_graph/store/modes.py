"""The store: whether a call's answer comes from a backend or from its model."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Literal, Self, TypeVar, get_args

from moa_graph.errors import MixtureError, MoaError, StoreMiss
from moa_graph.store.backend import Backend
from moa_graph.store.entry import Entry, checked, sealed
from moa_graph.store.flights import Flights
from moa_graph.store.key import CallIdentity

__all__ = ["Missing", "Mode", "Store", "check_mode"]

Mode = Literal["off", "cache", "record", "replay"]
Missing = Literal["call", "fail"]
T = TypeVar("T")

_DAMAGE = (ValueError, TypeError, KeyError, RecursionError)
"""What reading a damaged entry ends in, be the backend ours or the user's."""

_log = logging.getLogger(__name__)


class Store:
    """Answers model calls from stored entries, or stores what the model answers, as its mode says.

    ==========  ==============================================================================================
    ``off``     Every call is made; nothing is read or stored.
    ``cache``   A call that is stored, and not older than ``ttl``, is not made; any other is made and stored.
    ``record``  Every call is made and stored, in place of an earlier entry.
    ``replay``  A stored call is not made; one that is missing is made (``missing="call"``) or is an error
                (``"fail"``). Nothing is stored: a recording stays as it was recorded.
    ==========  ==============================================================================================

    In every mode but ``off``, equal calls in flight at once on one event loop are one call.

    Args:
        backend: Where entries are kept. The store closes it.
        mode: As above.
        ttl: Age in seconds from which a cached entry counts as missing; default: never.
        missing: What a replay does about a call that was never recorded.
        clock: Gives the UNIX time in seconds.

    Attributes:
        unwritten: Why the last answer couldn't be stored; None if it could.

    Raises:
        MixtureError: An argument is out of its bounds.
    """

    def __init__(
        self,
        backend: Backend,
        mode: Mode = "cache",
        *,
        ttl: float | None = None,
        missing: Missing = "fail",
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_mode(mode, ttl, missing)
        self.backend = backend
        self.mode = mode
        self.ttl = ttl
        self.missing = missing
        self.unwritten: str | None = None
        self._clock = clock
        self._flights = Flights()

    @property
    def reads(self) -> bool:
        """Whether calls are answered from what is stored."""
        return self.mode in ("cache", "replay")

    async def find(self, identity: CallIdentity) -> Entry | None:
        """What is stored of a call, where the mode reads what is stored. No call is made, and none is waited for."""
        try:
            return await self._stored(identity) if self.reads else None
        except OSError:
            return None  # the call that is made instead tells of it

    async def once(
        self,
        identity: CallIdentity,
        call: Callable[[], Awaitable[tuple[T, Entry | None]]],
        restore: Callable[[Entry], T],
    ) -> tuple[T, bool]:
        """The reply to a call: stored, shared with an equal call in flight, or fresh.

        A stored or shared reply is a hit: it costs this caller nothing. Of those that share a fresh reply
        exactly one has no hit, so that its cost is counted once, also when the caller that began the call was
        cancelled.

        Args:
            identity: The call.
            call: Makes it. Returns the reply and the entry to store; None for a reply that isn't a whole
                success. Runs in the context of the caller that came first, and goes on if that is cancelled
                while others wait.
            restore: Makes a reply from an entry.

        Returns:
            The reply, not to be changed since others may hold it, and whether it was a hit.

        Raises:
            StoreMiss: Replaying, and the call was never recorded.
            MixtureError: The call can't have a key: see :attr:`CallIdentity.key`.
            Exception: Whatever ``call`` raises.
        """
        if self.mode == "off":
            reply, _ = await call()
            return reply, False

        async def answer() -> tuple[T, bool]:
            entry = await self._recorded(identity)
            if entry is not None:
                return restore(entry), True
            return await self._call_and_store(identity, call), False

        (reply, was_stored), first = await self._flights.join(identity.key, answer)
        return reply, was_stored or not first

    async def _recorded(self, identity: CallIdentity) -> Entry | None:
        """The entry that answers the call; None if the call is to be made.

        Raises:
            StoreMiss: There is none, and it may not be made.
        """
        if not self.reads:
            return None
        must_hit = self.mode == "replay" and self.missing == "fail"
        try:
            entry = await self._stored(identity)
        except MoaError:
            raise
        except Exception as error:
            state = "is damaged" if isinstance(error, _DAMAGE) else "can't be read"
            if must_hit:
                raise StoreMiss(f"The recorded call for {identity} {state} ({error}): record it again") from error
            _log.warning("the stored call of %s %s, so the model is called: %s", identity, state, error)
            return None
        if entry is None and must_hit:
            raise StoreMiss(
                f"No recorded call for {identity}. It was never recorded, or what it is asked has changed: "
                "record again, or replay with missing=call."
            )
        return entry

    async def _stored(self, identity: CallIdentity) -> Entry | None:
        """What the backend has of the call, from this version or an earlier one, unless that is too old."""
        entry = await self._entry(identity.key) or await self._entry(identity.key_in_version_1)
        return entry if entry is not None and self._is_fresh(entry) else None

    async def _entry(self, key: str) -> Entry | None:
        return checked(key, await self.backend.get(key))

    def _is_fresh(self, entry: Entry) -> bool:
        return self.ttl is None or self._clock() - entry["created"] < self.ttl

    async def _call_and_store(self, identity: CallIdentity, call: Callable[[], Awaitable[tuple[T, Entry | None]]]) -> T:
        reply, entry = await call()
        if entry is not None and self.mode != "replay":
            try:
                await self.backend.put(identity.key, sealed(identity.key, entry))
                self.unwritten = None
            except Exception as error:
                # Whatever the backend raises, the answer is paid for: losing it too would help nobody.
                known = self.unwritten == str(error)  # a full disk would be told of with every call
                _log.log(
                    logging.DEBUG if known else logging.WARNING, "the call of %s is not stored: %s", identity, error
                )
                self.unwritten = str(error)
        return reply

    async def aclose(self) -> None:
        """Closes the backend."""
        await self.backend.aclose()

    def close(self) -> None:
        """Has the backend closed soon after, where there is no event loop to wait in."""
        self.backend.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def check_mode(mode: str, ttl: float | None, missing: str) -> None:
    """Refuses what :class:`Store` can't be made with, with a MixtureError."""
    if mode not in get_args(Mode):
        raise MixtureError(f"store: mode {mode!r} is unknown; it is one of {', '.join(get_args(Mode))}")
    if missing not in get_args(Missing):
        raise MixtureError(f"store: missing={missing!r} is unknown; it is one of {', '.join(get_args(Missing))}")
    if ttl is not None and mode != "cache":
        raise MixtureError(f"store: ttl is for mode cache, and the mode is {mode}; leave it out")
    if ttl is not None and not ttl > 0:
        raise MixtureError(f"store: ttl is {ttl} seconds; it must be more than 0, or left out for no limit")
