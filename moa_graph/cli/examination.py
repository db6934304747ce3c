"""What ``moa doctor`` finds out."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from moa_graph import detection
from moa_graph.casts.cast import Cast
from moa_graph.cli.building import HOW_TO_USE_REAL_MODELS, everything_is_simulated
from moa_graph.cli.casting import find_cast
from moa_graph.cli.probe import most_dollars, probe, probed_members
from moa_graph.cli.saying import say
from moa_graph.cli.served import Availability, served_models
from moa_graph.description import Price
from moa_graph.detection import KEY_VARIABLES, LocalServer, detect, look_for_servers
from moa_graph.errors import ServerSilent, ServerUnusable
from moa_graph.graph import create_moa, load_mixture
from moa_graph.mixture import Mixture
from moa_graph.models.catalogue import Member
from moa_graph.models.reference import PROVIDERS
from moa_graph.secrets import redact

__all__ = ["Findings", "examine"]

Say = Callable[[str], None]

OPTIONAL = {"uvicorn": ("server", "moa simulate"), "matplotlib": ("draw", "moa show --format png")}
"""Packages that a command needs: the extra that brings them, and the command."""


@dataclass
class Findings:
    """What is there, and what to do about what isn't.

    Args:
        mixture: Name of the mixture that was looked at.
        why: Why it is this one.
        keys: Key variable to whether it is set.
        servers: A row for each place where a local server may be.
        models: A row for each model: name, reference, whether it is served, price, window.
        packages: A row for each package that a command needs: its name, and how it is installed.
        problems: What would make a run fail, each with what to do.
        notes: What is less than it could be, each with what to do.
    """

    mixture: str
    why: str
    keys: dict[str, bool]
    servers: list[list[str]]
    models: list[list[str]] = field(default_factory=list)
    packages: list[list[str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def examine(
    named: str | None, cast: str | None = None, tell_price: Callable[[str], None] | None = None
) -> Findings:
    """Looks at a mixture and everything that a run of it needs.

    Args:
        named: A preset's name or a file; None is the mixture that would run.
        cast: Whose models play its parts; None goes by MOA_CAST and the keys that are set.
        tell_price: Tells what asking each model costs before that is done; None asks no model.

    Raises:
        MoaError: There is no such mixture.
    """
    servers: list[LocalServer] = []
    try:
        servers = look_for_servers()
        mixture, why = (load_mixture(named), "named by --mixture or MOA_MIXTURE") if named else detect(servers)
        played_by = await _cast(mixture, cast)
    except (ServerSilent, ServerUnusable) as error:
        return Findings(
            named or "none",
            "no mixture can be run: see the problem below",
            _keys(()),
            _server_rows(servers),
            packages=_package_rows(),
            problems=[redact(str(error))],
        )
    graph = create_moa(mixture, cast=played_by)
    plan = graph.plan
    members = {member.name: member for bound in plan.stages for slot in bound.slots for member in slot.members}
    found = Findings(plan.mixture, why, _keys(members.values()), _server_rows(servers), packages=_package_rows())
    served = await served_models([member for member in members.values() if member.missing_key() is None])
    found.models = [_row(member, served.get(name, Availability(None))) for name, member in members.items()]
    found.problems = [*_missing(members.values()), *_retired(members, served), *_refused(served)]
    found.notes = [*graph.casting.notes, *_unknown(members.values(), served)]
    if tell_price is not None:
        await _probe(found, members, tell_price)
    if plan.simulated:
        found.notes.append(f"the models are simulated: {_how_to_ask_real_ones(mixture, named)}")
    return found


async def _cast(mixture: Mixture, wanted: str | None) -> str | Cast | None:
    """Who would play in a run of the mixture; where that is nobody real, who would if the first key were set."""
    if everything_is_simulated():
        return wanted
    found = await asyncio.to_thread(find_cast, mixture, wanted, say)
    return wanted if found.simulated else found.cast


async def _probe(found: Findings, members: Mapping[str, Member], tell_price: Say) -> None:
    """Asks each model, and puts what came of it in the place of what its provider's list says."""
    asked = probed_members(members.values())
    dollars = most_dollars(asked)
    price = "an unknown price" if dollars is None else f"at most ${dollars:.6f}"
    tell_price(f"asking {len(asked)} models one tiny question, for {price}")
    probed = await probe(asked)
    for row, member in zip(found.models, members.values(), strict=True):
        if (one := probed.get(member.reference)) is not None:
            row[2] = one.told
    failed = {reference: one.failure for reference, one in probed.items() if one.failure is not None}
    found.problems += [f"{reference}: {failure.kind}: {failure.message}" for reference, failure in failed.items()]


def _how_to_ask_real_ones(mixture: Mixture, named: str | None) -> str:
    """What would have real models asked: that a mixture names simulated ones, no key changes."""
    remedies = []
    if create_moa(mixture, simulate=False).plan.simulated:
        remedies.append(
            f"{mixture.name} names them so; write models of a provider in their place (PROVIDER:NAME)"
            if named
            else HOW_TO_USE_REAL_MODELS
        )
    if everything_is_simulated():
        remedies.append("leave out MOA_SIMULATE")
    return ", and ".join(remedies)


def _keys(members: Iterable[Member]) -> dict[str, bool]:
    """The keys that are wanted, and whatever other provider's is there."""
    wanted = [*KEY_VARIABLES, *(member.key_variable for member in members if member.key_variable is not None)]
    known = {provider.key_variable for provider in PROVIDERS.values() if provider.key_variable is not None}
    there = sorted(name for name in known if os.environ.get(name))
    return {name: bool(os.environ.get(name)) for name in [*wanted, *there]}


def _server_rows(answering: Sequence[LocalServer]) -> list[list[str]]:
    found = {server.name: server for server in answering}
    return [
        [
            name,
            f"port {port}",
            f"serves {', '.join(found[name].models) or 'no model'}" if name in found else "no answer",
        ]
        for name, port in detection.SERVERS.items()
    ]


def _row(member: Member, served: Availability) -> list[str]:
    window = f"{member.window:,}" if member.window else "unknown"
    return [member.name, member.reference, _served(member, served), _price(member.price), window]


def _missing(members: Iterable[Member]) -> list[str]:
    """Keys and packages that aren't there."""
    keys = _names_by(members, Member.missing_key)
    packages = _names_by(members, Member.missing_package)
    return [
        *(f"{key} is not set, for {names}: set it, or try the mixture with --simulate" for key, names in keys.items()),
        *(f"a package is missing, for {names}: pip install {package}" for package, names in packages.items()),
    ]


def _retired(members: Mapping[str, Member], served: Mapping[str, Availability]) -> list[str]:
    return [
        f"{name}: {members[name].reference} is not served.{found.told} Use another instead: "
        f"--substitute {members[name].reference}=PROVIDER:MODEL, or cast the mixture again: --cast auto "
        "(see: moa models)"
        for name, found in served.items()
        if found.yes is False
    ]


def _refused(served: Mapping[str, Availability]) -> list[str]:
    """What a run would meet too: each once, though several models stand there."""
    return list(dict.fromkeys(found.told for found in served.values() if found.problem))


def _unknown(members: Iterable[Member], served: Mapping[str, Availability]) -> list[str]:
    """What isn't known, and what that means."""
    prices = [member.name for member in members if member.price is None]
    windows = [member.name for member in members if member.window is None]
    open_questions = [found for found in served.values() if found.yes is None and found.told and not found.problem]
    notes = list(dict.fromkeys(found.told for found in open_questions))
    if prices:
        notes.append(
            f"the price of {', '.join(prices)} is unknown, so costs can't be reported and --usd can't limit them: "
            "set price: {input: ..., output: ...} in models"
        )
    if windows:
        notes.append(
            f"the window of {', '.join(windows)} is unknown, so long prompts can't be fitted: set window in models"
        )
    return notes


def _names_by(members: Iterable[Member], what: Callable[[Member], str | None]) -> dict[str, str]:
    """What members lack, and the names of those that lack it."""
    found: dict[str, list[str]] = {}
    for member in members:
        if (lacking := what(member)) is not None:
            found.setdefault(lacking, []).append(member.name)
    return {lacking: ", ".join(names) for lacking, names in found.items()}


def _served(member: Member, served: Availability) -> str:
    if member.provider in ("sim", "recorded"):
        return "needs no server"
    return {True: "yes", False: "no", None: "not checked"}[served.yes]


def _price(price: Price | None) -> str:
    return f"{price.input:g} / {price.output:g}" if price else "unknown"


def _package_rows() -> list[list[str]]:
    rows = []
    for package, (extra, command) in OPTIONAL.items():
        there = importlib.util.find_spec(package) is not None
        rows.append([package, "installed" if there else f'for {command}: pip install "moa-graph[{extra}]"'])
    return rows
