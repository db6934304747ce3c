"""Chance without state: every draw is a hash of what it is about, so that no order of requests changes it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

__all__ = ["SHARED", "Draws", "seed_of"]

T = TypeVar("T")


def _hash(*parts: object) -> int:
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def seed_of(name: str) -> int:
    """The seed of a model that only has a name."""
    return _hash("seed", name) % 2**31


@dataclass(frozen=True, slots=True)
class Draws:
    """The draws behind one answer.

    Args:
        seed: Whose draws these are.
        variation: Tells one sample of the same question from another; equal variations draw equally.
    """

    seed: object
    variation: str = ""

    def uniform(self, *about: object) -> float:
        """A number in [0, 1)."""
        return (_hash(self.seed, self.variation, *about) >> 11) / 2**53

    def pick(self, options: Sequence[T], *about: object) -> T:
        """One of ``options``."""
        return options[int(self.uniform(*about) * len(options))]

    def log_normal(self, median: float, sigma: float, *about: object) -> float:
        """A positive number, half of the time above ``median``."""
        if median == 0 or sigma == 0:
            return median
        share = min(max(self.uniform(*about), 1e-9), 1 - 1e-9)
        return median * math.exp(sigma * NormalDist().inv_cdf(share))


SHARED = Draws("shared")
"""The draws that all models have in common; they are the same in every sample."""
