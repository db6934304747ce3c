"""One measurement in a fresh process on the clients' core."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from benchmarks.processes import CLIENT, pin_to_core, processes

__all__ = ["apart"]

Result = TypeVar("Result")


def apart(
    function: Callable[..., Coroutine[Any, Any, Result]], *arguments: Any, variables: Mapping[str, str] | None = None
) -> Result:
    """What ``function`` gives, run in a process of its own.

    Args:
        function: A module's coroutine function.
        arguments: What it is called with.
        variables: Environment variables to add.
    """
    context = processes()
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(there, dict(variables or {}), function, arguments))
    process.start()
    there.close()
    try:
        result: Result = here.recv()
    except EOFError:
        raise RuntimeError(f"{function.__module__} failed: its traceback stands above") from None
    finally:
        process.join()
    return result


def _run(
    pipe: Connection,
    variables: Mapping[str, str],
    function: Callable[..., Coroutine[Any, Any, object]],
    arguments: tuple[Any, ...],
) -> None:
    os.environ.update(variables)
    pin_to_core(CLIENT)
    pipe.send(asyncio.run(function(*arguments)))
