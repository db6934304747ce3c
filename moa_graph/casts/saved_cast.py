"""The cast that a person has saved, and the one that was chosen from the providers' lists within the last day."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from moa_graph.casts.cast import Cast
from moa_graph.casts.listing import ListEndpoint
from moa_graph.errors import MixtureError

__all__ = ["FOLDER_VARIABLE", "Kept", "folder", "keep", "kept_cast", "save", "saved_cast"]

FOLDER_VARIABLE = "MOA_CONFIG_DIR"

KEPT_FOR = timedelta(days=1)
"""Time for which a choice from the providers' lists holds."""

FAILURE_KEPT_FOR = timedelta(hours=1)
"""Time for which a provider that didn't give its list isn't asked again."""


class Kept:
    """What is known of the lists of some places.

    Args:
        cast: The choice that was made from them; None where they couldn't be had.
    """

    def __init__(self, cast: Cast | None) -> None:
        self.cast = cast


def folder() -> Path:
    """The folder of the user's configuration; MOA_CONFIG_DIR names another."""
    import click

    return Path(os.environ.get(FOLDER_VARIABLE) or click.get_app_dir("moa-graph"))


def saved_cast() -> Cast | None:
    """The cast that ``moa models --cast --save`` wrote; None if there is none.

    Raises:
        MixtureError: The file is there and can't work.
    """
    path = folder() / "cast.yaml"
    return Cast.from_file(path) if path.is_file() else None


def save(cast: Cast) -> Path:
    """Writes a cast to the user's configuration.

    Raises:
        MixtureError: It can't be written.
    """
    path = folder() / "cast.yaml"
    try:
        _write(path, cast.to_text())
    except OSError as error:
        raise MixtureError(f"{path} can't be written: {error.strerror}") from error
    return path


def kept_cast(places: Sequence[ListEndpoint]) -> Kept | None:
    """What was chosen from the lists of these places within the last day; None if they weren't asked."""
    try:
        kept = json.loads((folder() / "kept.json").read_text(encoding="utf-8"))
        age = datetime.now(UTC) - datetime.fromisoformat(kept["at"])
        cast = None if kept["cast"] is None else Cast.from_data(kept["cast"])
        same = kept["places"] == _identity(places)
    except (OSError, ValueError, KeyError, TypeError, MixtureError):
        return None
    holds = timedelta() <= age < (KEPT_FOR if cast else FAILURE_KEPT_FOR)
    return Kept(cast) if same and holds else None


def keep(places: Sequence[ListEndpoint], cast: Cast | None) -> None:
    """Keeps a choice for a day; where nothing can be written, nothing is kept."""
    data: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(),
        "places": _identity(places),
        "cast": None if cast is None else cast.model_dump(mode="json", exclude_defaults=True),
    }
    with suppress(OSError):
        _write(folder() / "kept.json", json.dumps(data, indent=1))


def _identity(places: Sequence[ListEndpoint]) -> list[list[str]]:
    return sorted([place.provider, place.base_url] for place in places)


def _write(path: Path, text: str) -> None:
    """Writes a whole file or none: another process may be reading it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as new:
        new.write(text)
    Path(new.name).replace(path)
