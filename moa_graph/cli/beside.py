"""One model alone beside a mixture, so that a person sees what the mixture adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moa_graph.cli.choice import MixtureChoice
from moa_graph.cli.columns import columns
from moa_graph.cli.tally import counted, money
from moa_graph.errors import MissingKey, MoaError
from moa_graph.graph import MoaGraph, create_moa
from moa_graph.mixture import Mixture
from moa_graph.report import Report
from moa_graph.runs import Outcome, run
from moa_graph.secrets import redact
from moa_graph.store import Store

__all__ = ["Alone", "Beside", "beside", "compared"]


@dataclass(frozen=True)
class Alone:
    """What the model gave.

    Args:
        model: As the person named it.
        outcome: Its answer and what that cost; None if it gave none.
        failure: Why it gave none.
    """

    model: str
    outcome: Outcome | None
    failure: str | None = None

    def as_data(self) -> dict[str, Any]:
        """What ``--json`` tells of it."""
        if self.outcome is None:
            return {"model": self.model, "answer": None, "failure": self.failure}
        return {"model": self.model, "answer": self.outcome.answer, "report": self.outcome.report}


@dataclass(frozen=True)
class Beside:
    """The model that is asked as well.

    Args:
        model: As the person named it.
        graph: Asks it, and nobody else.
    """

    model: str
    graph: MoaGraph

    async def ask(self, messages: Sequence[Any]) -> Alone:
        """Asks it what the mixture was asked. After the mixture, so that neither has to wait for the other."""
        try:
            return Alone(self.model, await run(self.graph.compile(), messages))
        except MoaError as error:
            return Alone(self.model, None, redact(str(error)))


def beside(
    model: str, mixture: Mixture, choice: MixtureChoice, store: Store | None, called: str | None = None
) -> Beside:
    """The model beside a mixture, with the same settings if the mixture names it.

    Args:
        model: A name from the mixture's models, or ``provider:name``.
        mixture: The one that is asked, with a model for every part.
        choice: What was chosen on the command line.
        store: What calls are kept in.
        called: As the person named it; default: ``model``.

    Raises:
        MixtureError: There is no such model.
        MissingKey: Its key isn't in the environment.
    """
    slot = {"model": model, "temperature": choice.temperature, "max_tokens": choice.max_tokens}
    alone = Mixture.from_data({"name": model, "models": mixture.models, "stages": [{"aggregate": {"slot": slot}}]})
    graph = create_moa(alone, simulate=choice.simulate or None, store=store)
    for member in graph.plan.members.values():
        if (variable := member.missing_key()) is not None:
            raise MissingKey(f"--beside {called or model}: {variable} is not set: set it, or leave --beside out")
    return Beside(called or model, graph)


def compared(mixture: Report, alone: Alone, width: int | None) -> list[str]:
    """A line for the mixture and one for the model alone: time, calls, tokens and dollars.

    Args:
        mixture: What the mixture did.
        alone: What the model did.
        width: Columns that there are; None is as many as are wanted.
    """
    reports = [(mixture["mixture"], mixture)]
    if alone.outcome is not None:
        reports.append((f"{alone.model} alone", alone.outcome.report))
    return columns([(name, *_figures(report)) for name, report in reports], width=width)


def _figures(report: Report) -> tuple[str, str, str, str]:
    usage = report["usage"]
    cost = "cost unknown" if report["cost"] is None else money(report["cost"])
    tokens = counted(usage["input"] + usage["output"], "token")
    return f"{report['seconds']:.1f} s", counted(report["calls"], "call"), tokens, cost
