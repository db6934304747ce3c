"""Does a certificate still hold on new traffic? Bets may be checked after every prompt, for as long as you like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from moa_graph.errors import InputError
from moa_graph.evaluation.betting import Wager
from moa_graph.evaluation.certificate import unseen_tags
from moa_graph.evaluation.few_labels import chain_of
from moa_graph.evaluation.recordings import UNKNOWN, Recordings
from moa_graph.evaluation.strategies import AnyStrategy, Strategy, TaggedStrategy, play_tagged

__all__ = ["Watched", "strategy_of", "watch"]


@dataclass(frozen=True)
class Watched:
    """What new traffic says of a certificate.

    Args:
        state: ``holds`` once new prompts alone prove it again, ``broken`` once they prove it false, else ``undecided``.
        duels: Rival -> prompts, wins, losses and e-values, for and against.
        unlabelled: Places of disagreements that nobody labelled: they aren't counted, and wait for a label.
        refused: Tags that the certificate has never seen; their prompts aren't counted.
        left_out: How many prompts those are, and prompts without a tag where every prompt that tested had one.
        enough: E-values from which a duel is decided: that the promise holds, and that it is broken.
    """

    state: Literal["holds", "broken", "undecided"]
    duels: Mapping[str, Mapping[str, float]]
    unlabelled: tuple[int, ...]
    refused: tuple[str, ...]
    left_out: int
    enough: tuple[float, float]


def watch(certificate: Mapping[str, Any], recordings: Recordings) -> Watched:
    """Tests a certificate's strategy on new prompts, in the order in which they came.

    A rival's duel stops at its first disagreement without a label: leaving prompts out by what was answered would bias
    it, so what came after waits too.

    Args:
        certificate: As ``moa tune`` wrote it.
        recordings: Answers of its models to new prompts.

    Raises:
        InputError: It certifies nothing, or models are missing.
    """
    _check(certificate)
    chain = certificate["chain"]
    names = list(dict.fromkeys([*_models_of(chain), *(duel["rival"] for duel in certificate["rivals"])]))
    recordings = recordings.of_models(names)
    strategy = strategy_of(certificate, recordings)
    refused = unseen_tags(certificate, recordings)
    unknown: set[str | None] = {*refused, *([None] if _all_were_tagged(certificate) else [])}
    places = [place for place in range(len(recordings)) if recordings.tags[place] not in unknown]
    given = play_tagged(strategy, recordings.answers, recordings.costs, recordings.tags).answers[0]
    margin, level = certificate["margin"] / 100, 1 - certificate["confidence"]
    duels: dict[str, dict[str, float]] = {}
    waiting: set[int] = set()
    decisions = []
    rivals = [recordings.models.index(duel["rival"]) for duel in certificate["rivals"]]
    enough = (1 / level, len(rivals) / level)
    for rival in rivals:
        wager = Wager(margin, level / len(rivals))
        answers = recordings.answers[:, rival]
        open_places = [place for place in places if given[place] != answers[place]]
        waiting |= {place for place in open_places if recordings.right[place] == UNKNOWN}
        for place in places:
            if given[place] != answers[place] and recordings.right[place] == UNKNOWN:
                break
            right = recordings.right[place]
            wager.see(
                int(given[place] == right) - int(answers[place] == right) if given[place] != answers[place] else 0
            )
        decisions.append((wager.e_value >= enough[0], wager.e_value_against >= enough[1]))
        duels[recordings.models[rival]] = {
            "prompts": wager.prompts,
            "wins": wager.wins,
            "losses": wager.losses,
            "e_for": wager.e_value,
            "e_against": wager.e_value_against,
        }
    state: Literal["holds", "broken", "undecided"] = "undecided"
    if any(against for _, against in decisions):
        state = "broken"
    elif all(kept for kept, _ in decisions):
        state = "holds"
    return Watched(
        state, duels, tuple(sorted(waiting)), tuple(refused), left_out=len(recordings) - len(places), enough=enough
    )


def _check(certificate: Any) -> None:
    """Raises InputError where there is no promise to watch."""
    if not isinstance(certificate, Mapping) or not {"certified", "chain", "rivals", "tags"} <= certificate.keys():
        raise InputError("that isn't a certificate: give the .certificate.json that moa tune wrote beside a mixture")
    if not certificate["certified"] or certificate["chain"] is None:
        raise InputError("the certificate certifies nothing that could be watched")


def _all_were_tagged(certificate: Mapping[str, Any]) -> bool:
    """Whether every prompt that tested had a tag."""
    tags = certificate["tags"]
    return bool(tags) and sum(tag["prompts"] for tag in tags.values()) == certificate["prompts"]


def strategy_of(certificate: Mapping[str, Any], recordings: Recordings) -> AnyStrategy:
    """A certificate's strategy on recorded answers of its models.

    Raises:
        InputError: It certifies nothing, or a model is missing.
    """
    chain = certificate.get("chain")
    if chain is None:
        raise InputError("the certificate certifies nothing")
    if missing := [name for name in _models_of(chain) if name not in recordings.models]:
        raise InputError(f"{recordings.file} has no answers of {', '.join(missing)}")
    if chain["kind"] == "by_tag":
        own = tuple((tag, _strategy(part, recordings)) for tag, part in chain["by_tag"].items())
        return TaggedStrategy(_strategy(chain["default"], recordings), own)
    return _strategy(chain, recordings)


def _models_of(chain: Mapping[str, Any]) -> list[str]:
    if chain["kind"] == "by_tag":
        return [name for part in (chain["default"], *chain["by_tag"].values()) for name in _models_of(part)]
    return [str(name) for name in chain["models"]]


def _strategy(chain: Mapping[str, Any], recordings: Recordings) -> Strategy:
    if chain["kind"] == "vote":
        return Strategy("vote", tuple(recordings.models.index(name) for name in chain["models"]))
    return chain_of(chain["models"], chain["votes"], recordings)
