"""A strategy as a mixture: a description that ``create_moa`` and ``moa ask`` take unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moa_graph.errors import MixtureError
from moa_graph.evaluation.recordings import Recordings
from moa_graph.evaluation.strategies import AnyStrategy, Strategy, TaggedStrategy
from moa_graph.mixture import Mixture

__all__ = ["mixture_for", "ways_for", "words_for"]


def mixture_for(strategy: AnyStrategy, recordings: Recordings, models: Mapping[str, str] | None = None) -> Mixture:
    """The mixture that does what ``strategy`` did on the recordings, call by call, with the same prompts.

    Args:
        strategy: What to do.
        recordings: The recordings that it was found on.
        models: Model as recorded -> ``provider:name`` to ask; default: the recorded answers.

    Raises:
        MixtureError: Answers were compared in a way that a description can't express.
    """
    recorded = Path(recordings.file).resolve()
    named: dict[str, Any] = {}
    for column in strategy.models:
        model = recordings.models[column]
        price = recordings.prices[model]
        reference = (models or {}).get(model, f"recorded:{recorded}#{model}")
        named[_node_name(model)] = {"model": reference, "price": {"input": price.input, "output": price.output}}
    extract = _extract(recordings)
    if isinstance(strategy, Strategy):
        stages = _stages(strategy, recordings, extract)
    else:
        stages = [{"by_tag": _by_tag(strategy, recordings, extract)}]
    return Mixture.from_data({"name": "tuned", "models": named, "stages": stages})


def _by_tag(strategy: TaggedStrategy, recordings: Recordings, extract: str) -> dict[str, Any]:
    """A branch for each different strategy; the first is the default, for recorded tags that aren't named too."""
    tags = sorted({tag for tag in recordings.tags if tag is not None} | {tag for tag, _ in strategy.by_tag})
    routes = {
        f"way-{number}": {
            "tags": [tag for tag in tags if strategy.of(tag) == part],
            "stages": _stages(part, recordings, extract),
        }
        for number, part in enumerate(strategy.parts, start=1)
    }
    return {"routes": routes, "default": next(iter(routes))}


def _stages(strategy: Strategy, recordings: Recordings, extract: str) -> list[dict[str, Any]]:
    names = [_node_name(recordings.models[column]) for column in strategy.models]
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


def ways_for(strategy: AnyStrategy, models: tuple[str, ...]) -> list[str]:
    """The strategy for each group of tags, a sentence each; one sentence where tags don't matter."""
    if isinstance(strategy, Strategy):
        return [words_for(strategy, models)]
    told = []
    for part in (*strategy.parts[1:], strategy.default):
        tags = [", ".join(tag for tag, own in strategy.by_tag if own == part)]
        others = ["prompts of any other tag, or of none"] if part == strategy.default else []
        told.append(f"{' and '.join(filter(None, tags + others))}: {words_for(part, models)}")
    return told


def words_for(strategy: AnyStrategy, models: tuple[str, ...]) -> str:
    """The strategy in one sentence."""
    if isinstance(strategy, TaggedStrategy):
        return "; ".join(ways_for(strategy, models))
    names = [models[column] for column in strategy.models]
    if strategy.kind == "single":
        return f"{names[0]} alone"
    if strategy.kind == "vote":
        return f"the plurality of {', '.join(names)}"
    count = strategy.votes
    between = names[count:-1]
    later = f", then {', '.join(between)}{' one after another' if len(between) > 1 else ''}," if between else ""
    return f"{' and '.join(names[:count])} side by side{later} until {count} agree; else {names[-1]} decides"
