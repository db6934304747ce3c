"""What can be evaluated: a model, a vote among several of its samples, a preset, or a mixture's file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from moa_graph.graph import load_mixture
from moa_graph.mixture import Mixture

__all__ = ["file_name", "mixture_of_candidate", "sampled"]

_SAMPLED = re.compile(r"(.+:.+)\*([2-9]|[1-9]\d+)")


def sampled(model: str, samples: int) -> str:
    """Self-consistency as a candidate: the plurality of ``samples`` answers from one model."""
    return f"{model}*{samples}"


def mixture_of_candidate(candidate: str, *, max_tokens: int | None = None, extract: str | None = None) -> Mixture:
    """The mixture of a candidate; ``provider:name`` is that model alone, ``provider:name*5`` a vote of five samples.

    Args:
        candidate: ``provider:name``, ``provider:name*SAMPLES``, a preset's name, or a file's path.
        max_tokens: Limit for a single model's answer.
        extract: How to extract what samples vote on, as in a stage's ``extract``; by default it is detected.

    Raises:
        MixtureError: It can't be read, or can't work.
    """
    if ":" not in candidate or Path(candidate).exists():
        return load_mixture(candidate)
    several = _SAMPLED.fullmatch(candidate)
    slot: dict[str, Any] = {"model": several[1] if several else candidate}
    if max_tokens:
        slot["max_tokens"] = max_tokens
    if several is None:
        return Mixture.from_data({"name": candidate, "stages": [{"aggregate": {"slot": slot, "view": "none"}}]})
    asked = {"propose": {"slots": [{**slot, "samples": int(several[2])}], "may_fail": True}}
    vote = {"vote": {"tell": False, **({"extract": extract} if extract else {})}}
    return Mixture.from_data({"name": candidate, "stages": [asked, vote]})


def file_name(candidate: str) -> str:
    """A name for a candidate's files."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in candidate)
