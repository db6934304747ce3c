"""What is known by name: kinds of stage and presets, this package's own and those that other packages bring.

Another package names a module of its own in its metadata, and importing that module registers what is in it, as pytest
and inspect_ai find their plugins:

    [project.entry-points.moa_graph]
    verifiers = "moa_verifiers"

Such modules are imported when a name is looked up that this package doesn't have itself, or when all names are listed.
One that fails costs nothing but what is in it: the others are there, and a warning says what went wrong.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from moa_graph.errors import MixtureError
from moa_graph.secrets import redact

__all__ = ["ENTRY_POINTS", "KINDS", "PRESETS", "PluginWarning", "Registry", "failed_plugins", "preset"]

ENTRY_POINTS = "moa_graph"
"""The group of entry points under which other packages name their modules."""

T = TypeVar("T")


class PluginWarning(UserWarning):
    """Another package's stages and presets couldn't be imported."""


class Registry(Generic[T]):
    """Things by their names, which mustn't clash.

    Args:
        what: What they are, for errors.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._known: dict[str, T] = {}

    def add(self, name: str, thing: T) -> None:
        """Makes ``thing`` known as ``name``. A module that is imported again may register its own again.

        Raises:
            MixtureError: Something else has this name. Of this package's own and another's, its own has it.
        """
        there = self._known.get(name, thing)
        if _home(there) != _home(thing):
            problem = f"two {self._what} are called {name!r}: {_written(there)} and {_written(thing)}. Rename one."
            if _is_own(there) or not _is_own(thing):
                raise MixtureError(problem)
            warnings.warn(problem, PluginWarning, stacklevel=3)
        self._known[name] = thing

    def get(self, name: str) -> T | None:
        """What is called ``name``; other packages are imported only if none of this one's is."""
        if name not in self._known:
            import_plugins()
        return self._known.get(name)

    def all(self) -> Mapping[str, T]:
        """Everything that is known, those of other packages too, by name."""
        import_plugins()
        return dict(sorted(self._known.items()))


def _home(thing: Any) -> tuple[str, str]:
    return thing.__module__, thing.__qualname__


def _written(thing: Any) -> str:
    return ".".join(_home(thing))


def _is_own(thing: Any) -> bool:
    return _home(thing)[0].startswith("moa_graph.")


KINDS: Registry[Any] = Registry("kinds of stage")
"""Classes of stages by their kinds."""

PRESETS: Registry[Callable[[], Any]] = Registry("presets")
"""Functions that make mixtures, by the mixtures' names."""

MakerT = TypeVar("MakerT", bound=Callable[[], Any])


def preset(make: MakerT) -> MakerT:
    """Makes a mixture known under its function's name, with hyphens; usable as a decorator, from any package.

    Args:
        make: Gives a :class:`moa_graph.Mixture` or its plain data. Its docstring is the page that people read: the
            first line stands in lists.

    Raises:
        MixtureError: Another preset has this name.
    """
    PRESETS.add(make.__name__.replace("_", "-"), make)
    return make


_lock = threading.RLock()
_imported: set[EntryPoint] = set()
_failed: dict[str, str] = {}


def import_plugins() -> None:
    """Imports the modules that installed packages name, each once."""
    with _lock:
        for point in entry_points(group=ENTRY_POINTS):
            if point not in _imported:
                _imported.add(point)
                _import(point)


def _import(point: EntryPoint) -> None:
    try:
        point.load()
    except Exception as error:
        package = point.dist.name if point.dist is not None else point.value
        _failed[package] = redact(f"{type(error).__name__}: {error}")
        warnings.warn(
            f"the stages and presets of {package} ({point.value}) couldn't be imported: {_failed[package]}",
            PluginWarning,
            stacklevel=2,
        )


def failed_plugins() -> Mapping[str, str]:
    """Packages whose stages and presets couldn't be imported, with the reason."""
    return dict(_failed)
