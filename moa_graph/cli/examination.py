"""What ``moa doctor`` finds out."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from moa_graph.cli.served import Served, served_models
from moa_graph.description import Price
from moa_graph.detection import KEY_VARIABLES, SERVERS, LocalServer, detect, look_for_servers
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
        packages: A row for each package: its name, and what it is for or how it is installed.
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
    mixture, why = (load_mixture(named), "named by --mixture or MOA_MIXTURE") if named else detect(servers=servers)
    plan = create_moa(mixture).plan
    members = {member.name: member for placed in plan.stages for seat in placed.site.seats for member in seat.members}
    found = Findings(plan.mixture, why, _keys(members.values()), _server_rows(servers))
    served = await served_models([member for member in members.values() if member.missing_key() is None])
    for member in members.values():
        _look_at(member, served.get(member.name, Served(None, "not checked")), found)
    _look_at_packages(members.values(), found)
    if plan.simulated:
        found.notes.append(
            f"the models are simulated: set {', '.join(KEY_VARIABLES[:-1])} or {KEY_VARIABLES[-1]}, start a local "
            "server, or leave out MOA_SIMULATE"
        )
    return found


def _keys(members: Sequence[Member] | object) -> dict[str, bool]:
    wanted = [*KEY_VARIABLES, *(member.key_variable for member in members if member.key_variable)]  # type: ignore[attr-defined]
    there = sorted({provider.key_variable for provider in PROVIDERS.values() if provider.key_variable} & set(os.environ))
    return {name: bool(os.environ.get(name)) for name in [*wanted, *there]}
