"""Imports providers' packages on a thread: an event loop that did it would stand still for most of a second."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec

from moa_graph.models.clients import of_running_loop
from moa_graph.models.reference import COMPATIBLE, PROVIDERS

__all__ = ["imported"]


async def imported(providers: Iterable[str]) -> None:
    """Returns when the packages of ``providers`` are imported, as far as they can be.

    A package that is missing or broken is told of where a model of it is made.

    Args:
        providers: Their names.
    """
    for module in dict.fromkeys(_module_of(provider) for provider in providers):
        if module is None:
            continue
        under_way = of_running_loop().once((imported, module), partial(_start, module))
        if not under_way.done():
            await asyncio.shield(under_way)  # others wait for it as well


def _module_of(provider: str) -> str | None:
    package = PROVIDERS[provider].package if provider in PROVIDERS else None
    module = None if package is None else package.replace("-", "_")
    if module is not None and provider in COMPATIBLE and find_spec(module) is None:
        return "langchain_openai"
    return module


def _start(module: str) -> asyncio.Future[None]:
    if module not in sys.modules:
        return asyncio.create_task(asyncio.to_thread(_import, module))
    there = asyncio.get_running_loop().create_future()
    there.set_result(None)
    return there


def _import(module: str) -> None:
    with suppress(Exception):
        import_module(module)
