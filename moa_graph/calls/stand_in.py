"""Handlers that are told less than others: each has a stand-in, which passes on what it is told, some of it altered.

LangChain and instruments look for handlers by their classes, so that a stand-in passes for its handler's class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar

from langchain_core.callbacks import BaseCallbackHandler

__all__ = ["StandIn", "Told", "behind", "stand_in"]

Told = tuple[tuple[Any, ...], dict[str, Any]]
"""What a handler's method is called with: positions and names."""


class StandIn:
    """A kind of stand-in: a subclass names the methods whose arguments it alters.

    Everything else goes to the handler, which keeps its own state.
    """

    ALTERED: ClassVar[dict[str, Callable[[Any, tuple[Any, ...], dict[str, Any]], Told]]] = {}
    """By method, from the stand-in and what it is told to what its handler is told."""

    OWN: ClassVar[frozenset[str]] = frozenset({"__class__", "__dict__", "copy_with_metadata_defaults", "handler"})
    """What a stand-in has of its own, beside the methods that it alters."""

    def __getattribute__(self, name: str) -> Any:
        kind: Any = type(self)
        if name in kind.OWN or name in kind.ALTERED:
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "handler"), name)

    def copy_with_metadata_defaults(self, **defaults: Any) -> BaseCallbackHandler:
        """LangChain copies LangSmith's tracer for each run."""
        handler: Any = object.__getattribute__(self, "handler")
        family: Any = next(base for base in type(self).__mro__ if StandIn in base.__bases__)
        own = {name: object.__getattribute__(self, name) for name in family.OWN - StandIn.OWN}
        return stand_in(family, handler.copy_with_metadata_defaults(**defaults), **own)


def stand_in(family: Any, handler: BaseCallbackHandler, **own: Any) -> BaseCallbackHandler:
    """What stands in for ``handler``.

    Args:
        family: The kind of stand-in, a subclass of ``StandIn``.
        handler: Who is told.
        own: Values of what the kind names in ``OWN``.
    """
    kind: Any = type(handler)
    made: BaseCallbackHandler = object.__new__(_class_of(family, kind))
    for name, value in {"handler": handler, **own}.items():
        object.__setattr__(made, name, value)
    return made


def behind(handler: BaseCallbackHandler, family: type[StandIn]) -> BaseCallbackHandler:
    """The handler that ``handler`` stands in for, if it is a stand-in of this kind."""
    stands_in: Any = handler
    own: BaseCallbackHandler = stands_in.handler if issubclass(type(handler), family) else handler
    return own


@lru_cache(maxsize=256)
def _class_of(family: Any, kind: Any) -> type[BaseCallbackHandler]:
    methods = {name: _passing_on(kind, name) for name in family.ALTERED if hasattr(kind, name)}
    made: type[BaseCallbackHandler] = type(kind.__name__, (family, kind), methods)
    return made


def _passing_on(kind: Any, name: str) -> Any:
    """A method that tells the handler what the stand-in's kind makes of what it is told."""
    if inspect.iscoroutinefunction(getattr(kind, name)):

        async def told_later(self: Any, *told: Any, **named: Any) -> Any:
            told, named = type(self).ALTERED[name](self, told, named)
            return await getattr(self.handler, name)(*told, **named)

        return told_later

    def told_now(self: Any, *told: Any, **named: Any) -> Any:
        told, named = type(self).ALTERED[name](self, told, named)
        return getattr(self.handler, name)(*told, **named)

    return told_now
