"""Several things at the same time, of which none outlives the others' failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

__all__ = ["side_by_side"]

Result = TypeVar("Result")


async def side_by_side(work: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Runs coroutines at the same time; all of them have ended when this ends.

    Args:
        work: What to run.

    Returns:
        Their results, in the same order.

    Raises:
        BaseException: What the first one to fail raised, as it would have come from that one alone. The others are
            cancelled.
    """
    if len(work) == 1:
        return [await work[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
