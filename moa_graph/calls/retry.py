"""How long to wait before a request is made again. Retrying happens in one place only, ``calls/call.py``."""

from __future__ import annotations

__all__ = ["wait_before"]

FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0


def wait_before(attempt: int, retry_after: float | None, spread: float) -> float:
    """Seconds to wait before a further attempt.

    What the provider asks for is kept to; otherwise the wait doubles each time, and ``spread`` keeps the slots of a
    stage from coming back all at once.

    Args:
        attempt: The further attempt, counted from 1.
        retry_after: Seconds that the provider asked to wait, if it did.
        spread: From 0 to 1: where between half of the wait and the whole of it.
    """
    if retry_after is not None:
        return retry_after
    wait: float = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
    return wait * (0.5 + spread / 2)
