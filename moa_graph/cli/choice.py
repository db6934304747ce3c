"""What ``ask`` and ``chat`` let a person choose: the mixture, its models, its limits and its store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import click

__all__ = ["MixtureChoice", "choice_options", "names", "pairs"]


@dataclass(frozen=True)
class MixtureChoice:
    """What was chosen on the command line; None or empty where nothing was.

    Args:
        mixture: A preset's name or a file's path.
        cast: Who plays the mixture's parts: a provider's name, ``auto`` or a file.
        on: Name or address of a server of one's own, whose models are asked.
        models: Their names there.
        on_key: Whether that server is sent OpenAI's key.
        simulate: Whether simulated stand-ins take every model's place.
        aggregator: The model that writes the answer.
        reference_models: The models that answer side by side.
        rounds: Times that these answer before the aggregator writes: the paper's layers less one.
        temperature: Of every model.
        max_tokens: Of every model's answer.
        settings: Path of a field of the description, and its value in this run.
        substitute: Model to the one asked in its place.
        extract: How votes and stops read answers.
        store: File that calls are kept in.
        mode: What the store is used for: cache, record or replay.
        missing: What a replay does with a call that was never recorded.
        timeout: Most time for one answer of a model.
        limits: Run-time options by name: deadline, usd, calls, quorum, prompt_tag.
        beside: One model that is asked as well.
    """

    mixture: str | None = None
    cast: str | None = None
    on: str | None = None
    models: tuple[str, ...] = ()
    on_key: bool = False
    simulate: bool = False
    aggregator: str | None = None
    reference_models: tuple[str, ...] = ()
    rounds: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    settings: tuple[tuple[str, str], ...] = ()
    substitute: tuple[tuple[str, str], ...] = ()
    extract: str | None = None
    store: str | None = None
    mode: str = "cache"
    missing: str = "fail"
    timeout: str | None = None
    deadline: str | None = None
    usd: float | None = None
    calls: int | None = None
    quorum: int | None = None
    prompt_tag: str | None = None
    beside: str | None = None

    def limits(self) -> dict[str, Any]:
        """The run-time options that were chosen."""
        chosen = {name: getattr(self, name) for name in ("deadline", "usd", "calls", "quorum", "prompt_tag")}
        return {name: value for name, value in chosen.items() if value is not None}


def _listed(context: click.Context, option: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """An option that may be repeated, and may hold several models between commas."""
    parts = [[part.strip() for part in value.split(",") if part.strip()] for value in values]
    for value, named in zip(values, parts, strict=True):
        if not named:
            raise _no_model(value)
    return tuple(part for named in parts for part in named)


def _model(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise _no_model(value)
    return value


def _no_model(value: str) -> click.BadParameter:
    return click.BadParameter(f"{value!r} names no model: write a name or provider:name, or leave the option out.")


def names(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in (value or "").split(",") if name.strip())


def pairs(context: click.Context, option: click.Parameter, values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Options of the form ``NAME=VALUE``."""
    given = [tuple(part.strip() for part in value.partition("=")[::2]) for value in values]
    if not all(old and new for old, new in given):
        raise click.BadParameter(f"write {option.metavar}, such as {_EXAMPLES[str(option.name)]}.")
    return tuple((old, new) for old, new in given)


_EXAMPLES = {
    "substitute": "together:old/model=together:new/model",
    "settings": "stages.0.propose.quorum=2",
}

_OPTIONS = (
    click.option(
        "-m", "--mixture", envvar="MOA_MIXTURE", metavar="NAME|FILE", show_envvar=True,
        help="A preset (see: moa presets) or a file that describes a mixture. Default: what `moa doctor` finds.",
    ),
    click.option(
        "--cast", metavar="NAME|FILE",
        help="The models that play the mixture's parts: a provider such as openai, several joined by +, auto, or a "
        "file (see: moa models --cast). [env var: MOA_CAST]",
    ),
    click.option(
        "--on", metavar="URL|NAME",
        help="Any mixture on a server of your own: an address, or ollama, vllm, lmstudio, llamacpp.",
    ),
    click.option(
        "--models", multiple=True, callback=_listed, metavar="NAME,...",
        help="The models on that server, the strongest first; default: up to three that can chat.",
    ),
    click.option(
        "--on-key", is_flag=True, help="Send OPENAI_API_KEY to that server; otherwise no key is sent there."
    ),
    click.option("--simulate", is_flag=True, help="Simulated models instead of all models. [env var: MOA_SIMULATE]"),
    click.option(
        "--aggregator", callback=_model, metavar="MODEL",
        help="The model that writes the answer: a name or provider:name.",
    ),
    click.option(
        "--reference-models", "--proposers", multiple=True, callback=_listed, metavar="MODEL,...",
        help="The models that answer side by side; recorded:FILE#MODEL takes recorded answers. May be repeated.",
    ),
    click.option("--rounds", type=click.IntRange(0), help="How many times they answer before the aggregator writes."),
    click.option("--temperature", type=click.FloatRange(0, 2), help="Temperature of every model."),
    click.option("--max-tokens", type=click.IntRange(1), help="Maximum tokens of every model's answer."),
    click.option(
        "--set", "settings", multiple=True, callback=pairs, metavar="FIELD=VALUE",
        help="Another value in the description, as in stages.0.propose.quorum=2. May be repeated.",
    ),
    click.option(
        "--substitute", multiple=True, callback=pairs, metavar="OLD=NEW",
        help="A replacement for a model that is no longer served. May be repeated.",
    ),
    click.option(
        "--extract", metavar="auto|number|choice|exact|json:FIELD",
        help="How votes and stops read answers. Default: as the mixture says, or as the answers suggest.",
    ),
    click.option("--timeout", metavar="TIME", help="Time limit for one model's answer: 90, 90s or 10m."),
    click.option("--deadline", metavar="TIME", help="Time limit for the whole answer: 90, 90s or 1.5m."),
    click.option("--usd", type=click.FloatRange(0, min_open=True), help="Budget in US dollars for an answer."),
    click.option("--calls", type=click.IntRange(1), help="Limit of model requests for an answer, retries included."),
    click.option("--quorum", type=click.IntRange(1), help="Number of live proposals at which a layer stops waiting."),
    click.option(
        "--prompt-tag", metavar="TAG",
        help="The prompt's tag, for mixtures that branch by it (see: moa tune).",
    ),
    click.option("--store", metavar="FILE", help="Store calls in a .sqlite or .jsonl file, and pay for none twice."),
    click.option("--record", "mode", flag_value="record", help="Make every call, and store it."),
    click.option("--replay", "mode", flag_value="replay", help="Take calls only from the store; store nothing new."),
    click.option(
        "--missing", type=click.Choice(["call", "fail"]), default="fail", show_default=True,
        help="What a replay does with a call that was never recorded.",
    ),
)  # fmt: skip


def choice_options(command: Callable[..., Any] | None = None, *, without: Collection[str] = ()) -> Callable[..., Any]:
    """Gives a command these options; it receives them as ``choice``.

    Args:
        command: The command; None gives the decorator.
        without: Names of options that the command doesn't have, or has in a meaning of its own.
    """
    if command is None:
        return functools.partial(choice_options, without=without)
    names = MixtureChoice.__dataclass_fields__.keys() - set(without)

    @functools.wraps(command)
    def with_choice(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in list(given) if name in names}
        if "mode" in chosen:
            chosen["mode"] = chosen["mode"] or "cache"
        return command(choice=MixtureChoice(**chosen), **given)

    for option in reversed(_OPTIONS):
        with_choice = option(with_choice)
    parameters: list[click.Parameter] = with_choice.__click_params__  # type: ignore[attr-defined]  # click sets it
    parameters[:] = [one for one in parameters if one.name not in without or one not in parameters[-len(_OPTIONS) :]]
    return with_choice
