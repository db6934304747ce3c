"""What the calls of one user turn may spend together, where an agent asks a mixture several times in it.

Each answer bears what its turn has spent so far, in its ``response_metadata``: it is kept with the
conversation, so it survives restarts, and the next call of the turn may spend only the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage
from typing_extensions import TypedDict

from moa_graph.advice import opens_a_turn
from moa_graph.errors import BudgetTooSmall
from moa_graph.graph import MoaGraph
from moa_graph.options import Options
from moa_graph.report import Report

__all__ = ["TURN", "TurnSpending", "spent_before", "with_report", "within_the_rest"]

TURN = "turn"
"""Name of the entry in a message's ``response_metadata``."""


class TurnSpending(TypedDict):
    """What a turn has spent so far, by the names of a budget's limits."""

    calls: int
    tokens: int
    usd: float
    deadline: float


NOTHING: TurnSpending = {"calls": 0, "tokens": 0, "usd": 0.0, "deadline": 0.0}


def spent_before(messages: Sequence[BaseMessage], mixture: str) -> TurnSpending:
    """What the turn that a conversation is in has spent on a mixture.

    Args:
        messages: The conversation.
        mixture: Name of the mixture.
    """
    for message in reversed(messages):
        if opens_a_turn(message):
            break
        said = message.response_metadata if isinstance(message, AIMessage) else {}
        if said.get("mixture") == mixture and isinstance(spent := said.get(TURN), dict):
            return cast(TurnSpending, {name: _counted(spent.get(name), none) for name, none in NOTHING.items()})
    return NOTHING


def _counted(said: Any, none: Any) -> Any:
    """What a message says was spent of one limit: messages come from outside, and say what they like."""
    is_number = isinstance(said, int | float) and not isinstance(said, bool)
    return type(none)(said) if is_number and 0 <= said < math.inf else none


def with_report(before: TurnSpending, report: Report) -> TurnSpending:
    """What the turn has spent after a further call."""
    return {
        "calls": before["calls"] + report["calls"],
        "tokens": before["tokens"] + report["usage"]["input"] + report["usage"]["output"],
        "usd": before["usd"] + report["known_cost"],
        "deadline": before["deadline"] + report["seconds"],
    }


def within_the_rest(options: Options, graph: MoaGraph, before: TurnSpending) -> Options:
    """The options of a call, limited to what its turn has left.

    Args:
        options: The call's own.
        graph: The mixture's graph.
        before: What the turn has spent.

    Raises:
        BudgetTooSmall: Nothing is left of the turn's budget.
    """
    budget = options.limit(graph.mixture.budget)
    left: dict[str, float] = {}
    for name, spent in before.items():
        limit = getattr(budget, name)
        if limit is None or not spent:
            continue
        left[name] = limit - spent
        if left[name] <= 0:
            raise BudgetTooSmall(
                f"{graph.mixture.name}: budget.{name}: this turn's calls have already spent {spent:g} of {limit:g}: "
                "the budget, or start a new turn"
            )
    return options.model_copy(update=left) if left else options
