"""Reads a run's options from the context and the configuration that it is given, among much that isn't ours.

Hosts put what they like into a context: who is asking, in which thread. Parent graphs have a context of their own. So
what isn't ours is passed over, and only a name that is nearly one of ours is told to be a misspelling. Under the key
``moa`` everything is ours: there, whatever isn't known is refused. LangGraph's server itself leaves out what a graph's
schema doesn't name, so that it is the one place where a misspelling is told on every host.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, cast

from pydantic import Field, create_model

from moa_graph.errors import OptionsError
from moa_graph.options import Options

__all__ = ["NAMESPACE", "check_names", "context_class", "read_options"]

NAMESPACE = "moa"
"""The key under which a context, or ``config["configurable"]``, holds options and nothing else."""

NEARLY = 0.8
"""How alike two names are of which one is taken for a misspelling of the other, from 0 to 1."""

OF_HOSTS = frozenset({"token"})
"""Names that hosts use for something else, though they are nearly names of ours, where they hold a text."""

_CONTEXT_CLASS = "__moa_context_class__"
_UNCHOSEN = "__moa_unchosen__"


class _AmongOthers:
    """Makes options of a context that may hold whatever a host has put into it."""

    model_fields: ClassVar[Mapping[str, Any]]

    def __init__(self, **given: Any) -> None:
        known = type(self).model_fields
        for name, value in given.items():
            if name not in known and (meant := _misspelt(name, value, known)):
                raise OptionsError(f"run-time options: {name}: there is no such option; did you mean {meant}?")
        super().__init__(**{name: value for name, value in given.items() if name in known})


def _misspelt(name: str, value: Any, known: Mapping[str, Any]) -> str | None:
    if name in OF_HOSTS and isinstance(value, str):
        return None
    return next(iter(get_close_matches(name, [one for one in known if one != NAMESPACE], 1, NEARLY)), None)


def check_names(context: Any) -> None:
    """Raises OptionsError where a context has a key that isn't text, from which LangGraph can make nothing."""
    odd = [name for name in context if not isinstance(name, str)] if isinstance(context, Mapping) else []
    if odd:
        raise OptionsError(
            f"run-time options: {odd[0]!r} isn't the name of an option: names are text, such as 'proposers'"
        )


def context_class(kind: type[Options]) -> type[Options]:
    """What a mixture's graph takes for its context: its options, those under a key of their own, and anything else.

    Args:
        kind: The mixture's own class, which keeps what is made here: a cache would outlive the mixture.
    """
    if (known := vars(kind).get(_CONTEXT_CLASS)) is not None:
        return cast("type[Options]", known)
    described = Field(
        default=None, title="Options", description="The same options under a key of their own, where all must be known."
    )
    bases: Any = (_AmongOthers, kind)
    fields: Any = {NAMESPACE: (kind | None, described)}
    made: Any = create_model("Options", __base__=bases, __module__=__name__, **fields)
    setattr(kind, _CONTEXT_CLASS, made)
    return cast("type[Options]", made)


def read_options(
    kind: type[Options],
    context: Any,
    *,
    root: bool,
    usual: Options | None = None,
    configurable: Mapping[str, Any] | None = None,
    mixture: str = "",
) -> Options:
    """The options of a run: what its context says, over its configuration, over those of the graph.

    Of a parent graph's context, an instance of the mixture's own class counts, and what stands under the key ``moa``,
    or ``moa:NAME`` for the mixture of that name alone: the rest is about something else.

    Args:
        kind: The mixture's own class.
        context: What LangGraph hands to the node.
        root: Whether the mixture's graph was itself invoked, rather than by a parent graph.
        usual: Options of every run of this graph.
        configurable: The configuration's own keys.
        mixture: Name of the mixture.

    Raises:
        OptionsError: A choice is unknown or out of its bounds.
    """
    own = _own(kind, context, root=root)
    layers = [usual, *_namespaced(configurable, mixture), own, *_namespaced(context, mixture)]
    chosen = [one for one in layers if one is not None]
    if len(chosen) == 1 and type(chosen[0]) in (kind, context_class(kind)):
        return cast(Options, chosen[0])
    if not chosen:
        return _unchosen(kind)
    merged: dict[str, Any] = {}
    for layer in chosen:
        merged |= _given(layer)
    options = kind(**merged)
    return options if own is None else options.with_answer(own.answer)


def _own(kind: type[Options], context: Any, *, root: bool) -> Options | None:
    """What the context says at its top."""
    if isinstance(context, kind):
        return context
    if not root or context is None:
        return None
    if isinstance(context, Options):
        return kind(**_given(context)).with_answer(context.answer)
    if not isinstance(context, Mapping):
        raise OptionsError(f"run-time options: {context!r} isn't a mapping of options to values")
    return context_class(kind)(**context)


def _namespaced(holder: Any, mixture: str) -> list[Any]:
    """What a context or a configuration holds under our keys: for any mixture, and for this one."""
    if isinstance(holder, Mapping):
        found = [holder.get(NAMESPACE), holder.get(f"{NAMESPACE}:{mixture}")]
    else:
        found = [getattr(holder, NAMESPACE, None)]
    for one in found:
        if one is not None and not isinstance(one, Mapping | Options):
            raise OptionsError(f"run-time options: {NAMESPACE}: {one!r} isn't a mapping of options to values")
    return [one for one in found if one is not None]


def _given(layer: Options | Mapping[str, Any]) -> dict[str, Any]:
    """The choices that were made."""
    if isinstance(layer, Mapping):
        return dict(layer)
    return {name: getattr(layer, name) for name in layer.model_fields_set if name != NAMESPACE}


def _unchosen(kind: type[Options]) -> Options:
    """The options of a run that chooses nothing, which every node asks for."""
    if (known := vars(kind).get(_UNCHOSEN)) is not None:
        return cast(Options, known)
    made = kind()
    setattr(kind, _UNCHOSEN, made)
    return made
