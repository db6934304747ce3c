"""What all requests for one answer share, whichever of them gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from moa_graph.calls.budget import Balance
from moa_graph.calls.ledger import Ledger
from moa_graph.calls.node_context import NodeContext
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.streams import AnswerStream, FirstTokens, LiveText, StreamReader

__all__ = ["Answering"]


def _do_nothing() -> None:
    """Nobody waits to be told."""


@dataclass(frozen=True)
class Answering:
    """What all requests for one answer share.

    Args:
        request: What is asked.
        node: What the calls of its node share.
        ledger: Where the requests are noted.
        balance: What is left of the answer's grant.
        reader: Reads along while the answer is streamed; None for one that comes whole.
        sent: Called when a request has gone out.
    """

    request: AnswerRequest
    node: NodeContext
    ledger: Ledger
    balance: Balance
    reader: StreamReader | None = None
    sent: Callable[[], None] = _do_nothing

    @classmethod
    def of(
        cls,
        request: AnswerRequest,
        node: NodeContext,
        ledger: Ledger,
        balance: Balance,
        *,
        sent: Callable[[], None] = _do_nothing,
        begun: Callable[[], None] = _do_nothing,
    ) -> Self:
        """With a reader, where somebody watches the answer or the next stage waits for its beginning.

        Args:
            request: What is asked.
            node: What the calls of its node share.
            ledger: Where the requests are noted.
            balance: What is left of the answer's grant.
            sent: Called when a request has gone out.
            begun: Called at the first token of each request whose answer is watched.
        """
        reader: StreamReader | None = None
        if request.answers:
            reader = AnswerStream(node.mixture, request.stage, node.write, begun)
        elif request.first_tokens is not None:
            tell = partial(node.round.count_beginning, request.record)
            reader = FirstTokens(request.first_tokens, tell)
        elif request.live and request.together is None:
            reader = LiveText(node.mixture, (request.stage, request.slot, request.sample), node.write)
        return cls(request, node, ledger, balance, reader, sent)

    @property
    def streamed(self) -> str:
        """What has come so far of an answer that is streamed."""
        return self.reader.text if self.reader is not None else ""

    @property
    def written(self) -> int:
        """Characters that have come of an answer that is streamed, reasoning included."""
        return self.reader.came if self.reader is not None else 0

    def begin_again(self, reason: str) -> None:
        """What was streamed counts no longer."""
        if self.reader is not None:
            self.reader.begin_again(reason)
