"""How alike texts are: by embeddings where there are some, by TF-IDF otherwise."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

__all__ = [
    "Similarity",
    "Vector",
    "most_diverse",
    "nearness",
    "similarities",
    "tf_idf",
    "two_clusters",
    "unit_vector",
]

_WORD = re.compile(r"\w+")

K = TypeVar("K", bound=Hashable)

Vector = Mapping[K, float]
"""A vector without its zeros."""

Similarity = Sequence[Sequence[float]]
"""The cosine of each pair of texts, from -1 to 1."""

SAME = 0.999
"""Cosine from which two texts are the same for a clustering."""


def tf_idf(texts: Sequence[str]) -> list[Vector[str]]:
    """Unit vectors of words, each weighted by how rare it is among the texts (smoothed inverse document frequency)."""
    counted = [Counter(word.casefold() for word in _WORD.findall(text)) for text in texts]
    documents = Counter(word for counts in counted for word in counts)
    weights = {word: math.log((1 + len(texts)) / (1 + found)) + 1 for word, found in documents.items()}
    return [unit_vector({word: count * weights[word] for word, count in counts.items()}) for counts in counted]


def similarities(vectors: Sequence[Vector[K]]) -> list[list[float]]:
    """Cosines of all pairs of unit vectors."""
    return [[_dot(left, right) for right in vectors] for left in vectors]


def most_diverse(alike: Similarity, count: int) -> list[int]:
    """Indexes of the ``count`` most different texts.

    Starts from the one least like the others, and adds each time the one whose largest similarity to those chosen is
    smallest (RMoA, arXiv 2505.24442). Ties go to the earliest.
    """
    everyone = range(len(alike))
    if count >= len(alike):
        return list(everyone)
    chosen = [min(everyone, key=lambda one: sum(alike[one]) - alike[one][one])]
    while len(chosen) < count:
        rest = [one for one in everyone if one not in chosen]
        chosen.append(min(rest, key=lambda one: max(alike[one][other] for other in chosen)))
    return sorted(chosen)


def two_clusters(alike: Similarity) -> tuple[list[int], list[int]]:
    """Two groups of texts, the larger one first; of equal ones, that of the first text.

    Grows from the two texts that are least alike: each other text joins the group that it is more like on average,
    until nothing moves any more. Fewer than three texts are one group, and so are texts that are all the same.
    """
    everyone = list(range(len(alike)))
    pairs = [(one, other) for one in everyone for other in everyone[one + 1 :]]
    if len(everyone) < 3 or min(alike[one][other] for one, other in pairs) >= SAME:
        return everyone, []
    left, right = min(pairs, key=lambda pair: alike[pair[0]][pair[1]])
    groups = _regrouped(alike, ({left}, {right}))
    for _ in everyone:
        moved = _regrouped(alike, groups)
        if moved == groups or not all(moved):
            break
        groups = moved
    larger, smaller = sorted(groups, key=lambda group: (-len(group), min(group)))
    return sorted(larger), sorted(smaller)


def nearness(alike: Similarity, kept: Sequence[int], left_out: Sequence[int]) -> float:
    """How near the texts of one group come to another: their greatest likeness to a text of it, as a share of the
    likeness that each of that other group has to its nearest one.

    Args:
        alike: The texts' similarities.
        kept: The other group.
        left_out: The one group.
    """
    own = [max((alike[one][other] for other in kept if other != one), default=1.0) for one in kept]
    usual = sum(own) / len(own)
    nearest = max(alike[one][other] for one in left_out for other in kept)
    return nearest / usual if usual > 0 else 1.0


def _regrouped(alike: Similarity, groups: tuple[set[int], set[int]]) -> tuple[set[int], set[int]]:
    moved: tuple[set[int], set[int]] = (set(), set())
    for one in range(len(alike)):
        to_first, to_second = (_likeness(alike[one], one, group) for group in groups)
        moved[to_second > to_first].add(one)
    return moved


def _likeness(alike_to: Sequence[float], one: int, group: set[int]) -> float:
    """How much a text is like the others of a group on average; one that is alone in its group stays there."""
    others = group - {one}
    return sum(alike_to[other] for other in others) / len(others) if others else math.inf


def unit_vector(vector: Vector[K]) -> Vector[K]:
    """The vector of length 1 in the same direction; one of zeros stays as it is."""
    length = math.sqrt(sum(value * value for value in vector.values()))
    return {word: value / length for word, value in vector.items()} if length else vector


def _dot(left: Vector[K], right: Vector[K]) -> float:
    if len(right) < len(left):
        left, right = right, left
    return sum(value * right.get(word, 0.0) for word, value in left.items())
