"""What all requests for one answer draw on, whichever of them gives it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from moa_graph.calls.budget import NOTHING, Purse
from moa_graph.calls.request import Request
from moa_graph.state import Grant

__all__ = ["Account"]


@dataclass(frozen=True)
class Account:
    """The grant that pays for an answer's requests, and the numbers that these bear in the turn."""

    purse: Purse
    numbers: Iterator[int]

    @classmethod
    def of(cls, request: Request, grants: Mapping[str, Grant] | None) -> Account:
        """The account of an answer that is asked for.

        Args:
            request: What is asked.
            grants: Record identity to grant; None where nothing is limited.
        """
        grant = None if grants is None else grants.get(request.record, NOTHING)
        return cls(Purse(grant), itertools.count(request.asked_before + 1))
