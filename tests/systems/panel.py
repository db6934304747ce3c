"""Systems over scripted models: what each model says, how it decides, and what it was shown.

panel = Panel({"llama-70b": says("42"), "deepseek": says("41", Ranking={"ranking": [2, 1, 3]})})
result = await panel.run("ranker")
assert panel.shown("deepseek") == [...]
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from moa_graph import Mixture, create_moa
from moa_graph.casts.casting import named_models
from moa_graph.presets import load_preset
from moa_graph.views import read_references
from tests.models_for_tests import Asked, Reply, ScriptedModel, scripted

__all__ = ["DECISIONS", "QUESTION", "Panel", "form_asked", "references", "says", "system_text"]

QUESTION = {"messages": [("user", "What is six times seven?")]}

DECISIONS: Mapping[str, Mapping[str, Any]] = {
    "Ranking": {"ranking": [1, 2, 3]},
    "Comparison": {"best": 1},
    "Ranks": {"ranking": [1, 2]},
    "Analysis": {"consensus": ["six times seven"]},
    "Moderation": {"ranking": [1, 2], "stop": False},
    "Improvement": {"stop": False, "answer": "better"},
    "Added": {"additions": ["a new fact"], "stop": False},
    "Scored": {"score": 5, "reasoning": "middling"},
    "Odds": {"probability": 0.9},
    "Decision": {"route": "hard"},
}
"""What a model decides by default, by the name of the form that it is asked for: always to go on."""

PLAYERS = {
    "strong-1": "llama-70b",
    "strong-2": "qwen-72b",
    "strong-3": "deepseek",
    "strong-4": "qwen-coder",
    "cheap-1": "llama-8b",
    "cheap-2": "qwen-7b",
    "writer": "deepseek",
    "judge": "qwen-72b",
}
"""Part to the model that plays it."""

OTHERWISE = {
    "ranker": {"judge": "deepseek"},
    "rank-then-fuse": {"strong-2": "deepseek", "strong-3": "qwen-72b", "judge": "deepseek"},
    "router": {"cheap-1": "qwen-7b"},
    "frontier": {"frontier-1": "claude", "frontier-2": "gpt", "frontier-3": "gemini"},
}
"""Preset to parts that others play in it."""

_FORM = re.compile(r'"title": "(\w+)", "type": "object"')


def system_text(asked: Asked) -> str:
    """What a model was told in its system message."""
    return "\n".join(message.text for message in asked.messages if message.type == "system")


def references(asked: Asked) -> list[str]:
    """The other models' texts that a model was shown."""
    return read_references(system_text(asked))


def form_asked(asked: Asked) -> str | None:
    """The name of the form that an answer must have."""
    found = _FORM.findall(system_text(asked))
    return found[-1] if found else None


def says(*texts: str, delay: float = 1.0, **decisions: Any) -> Callable[[Asked], Reply]:
    """A script: the texts one after another where free text is asked for, the last one from then on; else decisions.

    A decision is what the form of its name is filled with, or a text in its place, or a function of what is asked.
    """
    given = iter(texts)
    last = ["an answer"]

    def reply(asked: Asked) -> Reply:
        form = form_asked(asked)
        if form is None:
            last[0] = next(given, last[0])
            return Reply(last[0], delay=delay)
        decision = {**DECISIONS, **decisions}[form]
        if callable(decision):
            decision = decision(asked)
        return Reply(decision if isinstance(decision, str) else json.dumps(decision), delay=delay)

    return reply


def described(preset: str) -> dict[str, Any]:
    """A preset's data with the names of this panel's models in the places of its parts."""
    players = PLAYERS | OTHERWISE.get(preset, {})

    def spelt(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: spelt(value) for key, value in part.items()}
        if isinstance(part, list):
            return [spelt(value) for value in part]
        return players.get(part, part) if isinstance(part, str) else part

    mixture = load_preset(preset)
    data = spelt(mixture.to_data())
    named = [*mixture.models, *(players.get(name, name) for name in named_models(mixture))]
    return {**data, "models": {name: {"model": f"sim:{name}"} for name in named}}


class Panel:
    """Scripted models under the names that a preset gives its own.

    Args:
        scripts: Name of a model to what it does; the others say their own name.
    """

    def __init__(self, scripts: Mapping[str, Callable[[Asked], Reply]] | None = None) -> None:
        self._scripts = dict(scripts or {})
        self.models: dict[str, ScriptedModel] = {}

    def model(self, name: str) -> ScriptedModel:
        """The model called ``name``."""
        if name not in self.models:
            self.models[name] = scripted(name, self._scripts.get(name, says(f"{name}'s answer")))
        return self.models[name]

    def mixture(self, preset: str | Mapping[str, Any]) -> Mixture:
        """A preset, or stages by their data, over this panel's models."""
        data = described(preset) if isinstance(preset, str) else dict(preset)
        return Mixture.from_data({**data, "models": {name: {"model": self.model(name)} for name in data["models"]}})

    async def run(self, preset: str | Mapping[str, Any]) -> dict[str, Any]:
        """The result of one question."""
        result: dict[str, Any] = await create_moa(self.mixture(preset)).compile().ainvoke(QUESTION)
        return result

    def asked(self, name: str) -> list[Asked]:
        """The requests to a model."""
        return list(self.model(name).journal.asked)

    @property
    def widths(self) -> list[int]:
        """How many requests began at the same time, in the order of time."""
        began = Counter(asked.at for model in self.models.values() for asked in model.journal.asked)
        return [began[at] for at in sorted(began)]
