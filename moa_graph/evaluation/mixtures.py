"""A strategy as a mixture: a description that ``create_moa`` and ``moa ask`` take as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moa_graph.errors import MixtureError
from moa_graph.evaluation.recordings import Recordings
from moa_graph.evaluation.strategies import Strategy
from moa_graph.mixture import Mixture

__all__ = ["mixture_for", "words_for"]


def mixture_for(strategy: Strategy, recordings: Recordings, models: Mapping[str, str] | None = None) -> Mixture:
    """The mixture that does what ``strategy`` did on the recordings, call by call: models are told nothing further.

    Args:
        strategy: What to do.
        recordings: Where its models stand.
        models: Model as recorded -> ``provider:name`` to ask; default: the recorded answers.

    Raises:
        MixtureError: Answers were compared by something that can't be written in a description.
    """
    recorded = Path(recordings.file).resolve()
    names = [_node_name(recordings.models[column]) for column in strategy.models]
    named: dict[str, Any] = {}
    for name, column in zip(names, strategy.models, strict=True):
        model = recordings.models[column]
        price = recordings.prices[model]
        reference = (models or {}).get(model, f"recorded:{recorded}#{model}")
        named[name] = {"model": reference, "price": {"input": price.input, "output": price.output}}
    stages = _stages(strategy, names, _extract(recordings))
    return Mixture.from_data({"name": "tuned", "models": named, "stages": stages})


def _stages(strategy: Strategy, names: list[str], extract: str) -> list[dict[str, Any]]:
    if strategy.kind == "single":
        return [{"aggregate": {"slot": names[0], "view": "none"}}]
    if strategy.kind == "vote":
        return [{"propose": {"slots": names, "may_fail": True}}, {"vote": {"extract": extract, "tell": False}}]
    stages: list[dict[str, Any]] = []
    first, others = names[: strategy.votes], names[strategy.votes : -1]
    for asked in (first, *([name] for name in others)):
        stages.append({"propose": {"slots": asked, "view": "none", "may_fail": True}})
        stages.append({"stop": {"votes": strategy.votes, "over": "all", "extract": extract, "tell": False}})
    return [*stages, {"aggregate": {"slot": names[-1], "view": "none"}}]


def _extract(recordings: Recordings) -> str:
    spec = recordings.grade
    if isinstance(spec, str) and (spec in ("number", "choice", "exact") or spec.startswith("json:")):
        return spec
    raise MixtureError(f"{spec}: a mixture's stages compare answers by number, choice, exact or json:FIELD")


def _node_name(model: str) -> str:
    return model.replace(":", "-").replace("|", "-")


def words_for(strategy: Strategy, models: tuple[str, ...]) -> str:
    """The strategy in one sentence."""
    names = [models[column] for column in strategy.models]
    if strategy.kind == "single":
        return f"{names[0]} alone"
    if strategy.kind == "vote":
        return f"the plurality of {', '.join(names)}"
    count = strategy.votes
    later = f", then {', '.join(names[count:-1])} one after another," if names[count:-1] else ""
    return f"{' and '.join(names[:count])} side by side{later} until {count} agree; else {names[-1]} decides"
