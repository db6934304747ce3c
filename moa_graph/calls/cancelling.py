"""Who has cancelled a call: the run around it, or its own model."""

from __future__ import annotations

import asyncio
from types import TracebackType

__all__ = ["CancelledFromOutside"]


class CancelledFromOutside:
    """A ``with`` block whose cancellation is certain: it ends as cancelled just when somebody outside has cancelled it.

    A model may answer its cancellation with an error or even an answer: the block ends as cancelled all the same. Or it
    cancels itself, as one does that gave up a task of its own: then it has failed, and the run around it goes on.

    Raises:
        RuntimeError: The body was cancelled by nobody but itself.
    """

    __slots__ = ("_before", "_task")

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "models are asked in tasks"
        self._task, self._before = task, task.cancelling()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        is_cancelled = isinstance(error, asyncio.CancelledError)
        from_outside = self._task.cancelling() > self._before
        if from_outside and not is_cancelled:
            raise asyncio.CancelledError
        if is_cancelled and not from_outside:
            raise RuntimeError("the model's call was cancelled from within") from None
