"""A certificate as plain JSON, to keep beside its mixture: what it promises, and what it doesn't."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from moa_graph.evaluation.mixtures import ways_for, words_for
from moa_graph.evaluation.recordings import UNKNOWN, Recordings
from moa_graph.evaluation.strategies import AnyStrategy, TaggedStrategy, play_tagged
from moa_graph.evaluation.tuning import Tested, Tuned

__all__ = ["certificate_of", "promise", "unseen_tags"]

LEAST_OF_A_TAG = 30
"""Fewer prompts than this say next to nothing about a tag's gap."""

NOT_COVERED = (
    "Other kinds of prompts: certificates from one half of a benchmark's subjects were false for the other half in "
    "most cases, and nothing in the answers gave warning. It holds for prompts drawn like those of the test.",
    "Other versions of the models, other prices, other parameters or instructions than those recorded.",
    "Single tags: the promise is about the whole mix of prompts; a tag's own gap is an estimate.",
)


def promise(tuned: Tuned, margin: float, confidence: float) -> str:
    """The certificate in one sentence."""
    if tuned.chosen is None:
        return tuned.reason
    chosen = tuned.chosen
    rivals = "every single model" if len(tuned.rivals) > 1 else tuned.rivals[0]
    ways = ways_for(chosen.strategy, tuned.test.models)
    strategy = ways[0] if len(ways) == 1 else f"by the prompt's tag, one of {len(ways)} ways"
    return (
        f"{strategy}: not worse than {rivals} by more than {margin * 100:g} "
        f"point(s) with confidence {confidence:g}, on prompts drawn like these, at {chosen.cost_share:.1%} of the "
        f"dollars of {tuned.best}"
    )


def certificate_of(tuned: Tuned, margin: float, confidence: float, mixture: Mapping[str, Any] | None) -> dict[str, Any]:
    """The certificate for a tuning run; if no strategy was chosen, it says so and why.

    Args:
        tuned: The outcome of the search and its tests.
        margin: The margin used in tuning, as a share.
        confidence: The confidence used in tuning.
        mixture: The certified description.
    """
    test, chosen = tuned.test, tuned.chosen
    return {
        "certified": chosen is not None,
        "helps": tuned.helps,
        "promise": promise(tuned, margin, confidence),
        "reason": tuned.reason,
        "margin": margin * 100,
        "confidence": confidence,
        "cost_share": None if chosen is None else chosen.cost_share,
        "dollars": None if chosen is None else chosen.dollars,
        "accuracy": None if chosen is None else chosen.accuracy,
        "best": tuned.best,
        "strategy": None if chosen is None else words_for(chosen.strategy, test.models),
        "ways": [] if chosen is None else ways_for(chosen.strategy, test.models),
        "chain": None if chosen is None else _chain(chosen.strategy, test.models),
        "rivals": [] if chosen is None else [_duel(duel) for duel in chosen.duels],
        "tested": [_tested(one, test) for one in tuned.tested],
        "singles": _singles(test),
        "labels": tuned.labels,
        "prompts": len(test),
        "order_found_on": tuned.method,
        "strategies": tuned.strategies,
        "tags": _tags(test, chosen, tuned.best),
        "models": list(test.models),
        "prices": {model: price.model_dump(exclude_none=True) for model, price in test.prices.items()},
        "price_source": test.prices.source,
        "input_tokens_counted": test.prices.counts_input,
        "grade": test.grade if isinstance(test.grade, str) else getattr(test.grade, "__name__", "function"),
        "prompts_hash": test.digest(),
        "day": datetime.now(UTC).date().isoformat(),
        "not_covered": list(NOT_COVERED),
        "mixture": None if mixture is None else dict(mixture),
    }


def unseen_tags(certificate: Mapping[str, Any], recordings: Recordings) -> list[str]:
    """Tags of ``recordings`` that the certificate doesn't cover."""
    seen = set(certificate["tags"])
    return sorted({str(tag) for tag in recordings.tags if tag is not None} - seen) if seen else []


def _chain(strategy: AnyStrategy, models: Sequence[str]) -> dict[str, Any]:
    """The strategy as ``moa tune --watch`` reads it."""
    if isinstance(strategy, TaggedStrategy):
        own = {tag: _chain(part, models) for tag, part in strategy.by_tag}
        return {"kind": "by_tag", "default": _chain(strategy.default, models), "by_tag": own}
    return {"kind": strategy.kind, "models": [models[column] for column in strategy.models], "votes": strategy.votes}


def _duel(duel: Any) -> dict[str, Any]:
    return {
        "rival": duel.rival,
        "wins": duel.wins,
        "losses": duel.losses,
        "p": duel.p,
        "difference": [100 * duel.low, 100 * duel.high],
    }


def _tested(one: Tested, test: Recordings) -> dict[str, Any]:
    return {
        "strategy": words_for(one.strategy, test.models),
        "ways": len(ways_for(one.strategy, test.models)),
        "passed": one.passed,
        "accuracy": one.accuracy,
        "cost_share": one.cost_share,
        "largest_p": max((duel.p for duel in one.duels), default=None),
    }


def _singles(test: Recordings) -> dict[str, Any]:
    right = (test.right == test.answers.T).mean(axis=1)
    whole = bool((test.right != UNKNOWN).all())
    return {
        model: {"accuracy": float(right[column]) if whole else None, "dollars": float(test.costs[:, column].mean())}
        for column, model in enumerate(test.models)
    }


def _tags(test: Recordings, chosen: Tested | None, best: str) -> dict[str, Any]:
    """The mix of prompts by tag, with each tag's gap to the best single model, in points."""
    counted = Counter(tag for tag in test.tags if tag is not None)
    if chosen is None or not counted or (test.right == UNKNOWN).any():
        return {tag: {"prompts": count, "gap": None} for tag, count in counted.items()}
    right = play_tagged(chosen.strategy, test.answers, test.costs, test.tags).answers[0] == test.right
    gap = right.astype(float) - (test.answers[:, test.models.index(best)] == test.right)
    tags = np.array([str(tag) for tag in test.tags])
    return {
        tag: {"prompts": count, "gap": float(100 * gap[tags == tag].mean()), "too_few": count < LEAST_OF_A_TAG}
        for tag, count in sorted(counted.items())
    }
