"""What runs did and cost: counted for the metrics, and put on the account of the key that asked."""

from __future__ import annotations

import time
from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from moa_graph.calls.events import CallFinished
from moa_graph.errors import MixtureError
from moa_graph.runs import Outcome, RunItem, Token
from moa_graph.server.openai.metrics import Metrics
from moa_graph.server.openai.mixtures import ServedMixture, ServedMixtures
from moa_graph.server.openai.spending import SpendingByKey

__all__ = ["Books", "check_prices"]

CHARACTERS_PER_TOKEN = 4
MILLION = 1_000_000


class Books:
    """Notes runs.

    Args:
        metrics: Where they are counted.
        spending: Where they are paid for; None where nobody's spending is limited.
    """

    def __init__(self, metrics: Metrics, spending: SpendingByKey | None = None) -> None:
        self.metrics = metrics
        self.spending = spending

    def open(self, served: ServedMixture, owner: str, messages: Sequence[BaseMessage]) -> BookedRun:
        """An entry for a run that begins.

        Args:
            served: The mixture.
            owner: Whose key it is asked with.
            messages: The conversation.
        """
        return BookedRun(self, served, owner, sum(len(str(message.content)) for message in messages))


class BookedRun:
    """One run in the books.

    Args:
        books: Where it stands.
        served: The mixture.
        owner: Whose key it is asked with.
        characters: Of the conversation.
    """

    def __init__(self, books: Books, served: ServedMixture, owner: str, characters: int) -> None:
        self._books = books
        self._served = served
        self._owner = owner
        self._characters = characters
        self._began = time.perf_counter()
        self._open: list[tuple[str, str, int, int, str]] = []
        self._answering = False
        self._end = "left"
        self._outcome: Outcome | None = None
        books.metrics.running.inc()

    def note(self, part: RunItem) -> None:
        """Takes in what the run tells."""
        if isinstance(part, Token):
            if part.is_answer:
                self._begin_answer()
        elif isinstance(part, Outcome):
            self._begin_answer()
            self._outcome = part
            self._end = "degraded" if part.report["degraded"] else "answered"
        elif part["type"] == "call_started":
            self._open.append((part["stage"], part["slot"], part["sample"], part["attempt"], part["model"]))
        elif part["type"] == "call_finished":
            self._finished(part)

    def failed(self) -> None:
        """The run ended with an error."""
        self._end = "failed"

    def close(self) -> None:
        """The run is over. A provider reads the prompt of a call that is cut, so that much of it is paid for."""
        for *_, model in self._open:
            self._pay(self._price_of_prompt(model))
        self._books.metrics.running.dec()
        self._books.metrics.run(self._served.id, self._end, self._outcome.report if self._outcome else None)

    def _begin_answer(self) -> None:
        if not self._answering:
            self._answering = True
            self._books.metrics.first_token(time.perf_counter() - self._began)

    def _finished(self, call: CallFinished) -> None:
        started = (call["stage"], call["slot"], call["sample"], call["attempt"], call["model"])
        if started in self._open:
            self._open.remove(started)
        self._books.metrics.call("hit" if call["hit"] else call["status"], None if call["hit"] else call["cost"])
        if not call["hit"]:
            self._pay(call["cost"])

    def _pay(self, usd: float | None) -> None:
        if usd and self._books.spending is not None:
            self._books.spending.add(self._owner, usd)

    def _price_of_prompt(self, model: str) -> float:
        members = self._served.graph.plan.members.values()
        price = next((member.price for member in members if member.reference == model), None)
        tokens = self._characters / CHARACTERS_PER_TOKEN
        return tokens * price.input / MILLION if price is not None else 0.0


def check_prices(mixtures: ServedMixtures) -> None:
    """Raises MixtureError where a day's dollars can't be limited, since a model's price isn't known."""
    for served in mixtures.served.values():
        for member in served.graph.plan.members.values():
            if member.price is None:
                raise MixtureError(
                    f"--usd-per-day: the price of {member.name} ({member.reference}) in {served.id} is unknown: set "
                    "price: {input: ..., output: ...} in its models, US dollars per million tokens"
                )
