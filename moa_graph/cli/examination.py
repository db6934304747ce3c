"""What ``moa doctor`` finds out."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from moa_graph import detection
from moa_graph.cli.served import Served, served_models
from moa_graph.description import Price
from moa_graph.detection import KEY_VARIABLES, LocalServer, detect, look_for_servers
from moa_graph.graph import create_moa, load_mixture
from moa_graph.models.catalogue import Member
from moa_graph.models.reference import PROVIDERS

__all__ = ["Findings", "examine"]

OPTIONAL = {"uvicorn": ("server", "moa simulate"), "matplotlib": ("draw", "moa show --form png")}
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


async def examine(named: str | None) -> Findings:
    """Looks at a mixture and everything that a run of it needs.

    Args:
        named: A preset's name or a file; None is the mixture that would run.

    Raises:
        MoaError: There is no such mixture.
    """
    servers = look_for_servers()
    mixture, why = (load_mixture(named), "named by --mixture or MOA_MIXTURE") if named else detect(servers)
    plan = create_moa(mixture).plan
    members = {member.name: member for placed in plan.stages for seat in placed.site.seats for member in seat.members}
    found = Findings(plan.mixture, why, _keys(members.values()), _server_rows(servers), packages=_package_rows())
    served = await served_models([member for member in members.values() if member.missing_key() is None])
    for member in members.values():
        _look_at(member, served.get(member.name, Served(None)), found)
    if plan.simulated:
        found.notes.append(
            f"the models are simulated: set {', '.join(KEY_VARIABLES[:-1])} or {KEY_VARIABLES[-1]}, start a local "
            "server, or leave out MOA_SIMULATE"
        )
    return found


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


def _look_at(member: Member, served: Served, found: Findings) -> None:
    """Adds a model's row, and what is wrong with it."""
    missing = member.missing_key()
    window = f"{member.window:,}" if member.window else "unknown"
    found.models.append([member.name, member.reference, _served(member, served), _price(member.price), window])
    if missing:
        found.problems.append(f"{member.name}: {missing} is not set: set it, or try the mixture with --simulate")
    if package := member.missing_package():
        found.problems.append(f"{member.name}: a package is missing: pip install {package}")
    if served.yes is False:
        found.problems.append(
            f"{member.name}: {member.reference} is not served.{served.told} Ask another in its place: "
            f"--substitute {member.reference}=PROVIDER:MODEL"
        )
    elif served.told and served.told not in found.notes:
        found.notes.append(served.told)
    if member.price is None:
        found.notes.append(
            f"{member.name}: its price isn't known, so costs can't be told and --usd can't limit them: "
            "set price: {input: ..., output: ...} in models"
        )
    if member.window is None:
        found.notes.append(
            f"{member.name}: its window isn't known, so long prompts aren't fitted: set window in models"
        )


def _served(member: Member, served: Served) -> str:
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
