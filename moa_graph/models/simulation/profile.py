"""Who a simulated model is: speed, skill, price, window and faults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from moa_graph.description import Description, Price, Seconds
from moa_graph.errors import MixtureError
from moa_graph.models.simulation.draws import seed_of
from moa_graph.models.simulation.faults import Fault

__all__ = ["STOCK_PROFILES", "Latency", "Profile", "load_profiles", "profile_named"]

Probability = Annotated[float, Field(ge=0, le=1)]

DEFAULT_SKILL = {"arithmetic": 1.0}
DEFAULT_SKILL_ELSEWHERE = 0.85


class Latency(Description):
    """How long answers take: a log-normal wait for the first token, then a steady stream."""

    first_token: Seconds = Field(default=0.12, description="Median seconds until the first token.")
    sigma: float = Field(default=0.3, ge=0, description="Spread of that wait; 0: always the median.")
    tokens_a_second: float | None = Field(default=1_200, gt=0, description="None: the whole answer at once.")


class Profile(Description):
    """One simulated model."""

    name: str = Field(min_length=1)
    seed: int = Field(description="Seeds every draw; default: derived from the name.")
    latency: Latency = Latency()
    skill: dict[str, Probability] = Field(
        default_factory=dict,
        description="Task -> share of right answers; `any` stands for tasks not named. Tasks: arithmetic, "
        "geography, science, history, language, sums.",
    )
    correlation: Probability = Field(
        default=0.2,
        description="Share of questions on which it draws with all the other models; at 1, equal skills "
        "err on the same questions with the same wrong answers.",
    )
    price: Price = Price(input=0, output=0)
    fewest_tokens: int = Field(
        default=0, ge=0, le=100_000, description="Of an answer to what it can't compute: it is written at such length."
    )
    window: int = Field(default=128_000, ge=1, description="Most tokens of prompt and answer together.")
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _seed_from_name(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("seed") is None and isinstance(value.get("name"), str):
            return {**value, "seed": seed_of(value["name"])}
        return value

    def skill_at(self, task: str) -> float:
        """The probability that an answer to a question of this ``task`` is right."""
        elsewhere = self.skill.get("any", DEFAULT_SKILL.get(task, DEFAULT_SKILL_ELSEWHERE))
        return self.skill.get(task, elsewhere)


def _stock(name: str, first_token: float, tokens_a_second: float | None, **fields: Any) -> Profile:
    latency = Latency(first_token=first_token, tokens_a_second=tokens_a_second, sigma=0.3 if first_token else 0)
    return Profile.model_validate({"name": name, "latency": latency, **fields})


STOCK_PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        _stock("swift", 0.05, 1_500, skill={"any": 0.7, "arithmetic": 1.0}),
        _stock("steady", 0.12, 1_200, skill={"any": 0.85, "arithmetic": 1.0}),
        _stock("careful", 0.25, 900, skill={"any": 0.95, "arithmetic": 1.0}),
        _stock("broad", 0.15, 1_200, skill={"any": 0.8, "geography": 0.98, "history": 0.95, "arithmetic": 1.0}),
        _stock("echo", 0.08, 1_500, skill={"any": 0.7, "arithmetic": 1.0}, correlation=1.0),
        _stock("instant", 0, None, skill={"any": 1.0}),
    )
}
"""Profiles that need no file. ``echo`` errs where others err; ``instant`` takes no time and never errs."""


def profile_named(name: str, profiles: Mapping[str, Profile] | None = None) -> Profile:
    """The profile that a model's name stands for.

    Args:
        name: With or without ``sim:``.
        profiles: Looked at first; then come the stock profiles, then a default one with a seed of its own.
    """
    name = name.removeprefix("sim:")
    if profiles and name in profiles:
        return profiles[name]
    return STOCK_PROFILES.get(name) or Profile.model_validate({"name": name})


def load_profiles(path: str | Path) -> dict[str, Profile]:
    """The profiles in a YAML or JSON file: a mapping of model name to the fields of :class:`Profile`.

    Raises:
        MixtureError: The file can't be read, or a field of it can't work; the message names file and field.
    """
    try:
        written = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MixtureError(f"{path}: can't be read as YAML or JSON: {error}") from error
    if not isinstance(written, dict) or not all(
        fields is None or isinstance(fields, dict) for fields in written.values()
    ):
        raise MixtureError(f"{path}: write a mapping of model name to its fields, such as `fast: {{seed: 1}}`.")
    return {str(name): _profile(path, str(name), fields or {}) for name, fields in written.items()}


def _profile(path: str | Path, name: str, fields: Mapping[str, Any]) -> Profile:
    try:
        return Profile.model_validate({"name": name, **fields})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, (name, *problem["loc"])))
        raise MixtureError(f"{path}: {where}: {problem['msg']}") from error
