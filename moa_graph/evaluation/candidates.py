"""What can be evaluated: a model, a preset, a file of a mixture."""

from __future__ import annotations

from pathlib import Path

from moa_graph.graph import load_mixture
from moa_graph.mixture import Mixture

__all__ = ["file_name", "mixture_of_candidate"]


def mixture_of_candidate(candidate: str, *, max_tokens: int | None = None) -> Mixture:
    """The mixture of a candidate; ``provider:name`` is that model alone.

    Args:
        candidate: ``provider:name``, a preset's name, or a file's path.
        max_tokens: Of a single model's answer.

    Raises:
        MixtureError: It can't be read or can't work.
    """
    if ":" in candidate and not Path(candidate).exists():
        slot = {"model": candidate, **({"max_tokens": max_tokens} if max_tokens else {})}
        return Mixture.from_data({"name": candidate, "stages": [{"aggregate": {"slot": slot, "view": "none"}}]})
    return load_mixture(candidate)


def file_name(candidate: str) -> str:
    """A name for a candidate's files."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in candidate)
