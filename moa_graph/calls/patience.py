"""How long a call waits at a gate: its own time, and what is raised where that would be in vain."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ENDLESS", "LONGEST_HOLD", "Clock", "HeldBack"]

LONGEST_HOLD = 300.0
"""Seconds for which a refusal holds other calls back at most; then one of them finds out whether it still stands."""


class Clock(Protocol):
    """A call's own time, which stands still while our own limits hold the call back."""

    def pause(self) -> None:
        """It stands still."""

    def resume(self) -> None:
        """It goes on."""

    def ends_within(self, seconds: float) -> bool:
        """Whether the call's time is up before so many seconds are over."""


class _Endless:
    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def ends_within(self, seconds: float) -> bool:
        return False


ENDLESS: Clock = _Endless()
"""Of a call that has no limit."""


class HeldBack(Exception):
    """A call that wasn't sent, since its provider had refused others.

    Args:
        seconds: For which the provider asked that nothing is sent.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not sent: the provider refuses calls, and asked to wait {seconds:.0f} s more")
