"""``POST /v1/responses``, streamed and not; nothing is kept from one request to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moa_graph.runs import Outcome
from moa_graph.server.openai.responses_answer import Resource
from moa_graph.server.openai.responses_events import ResponseEvents
from moa_graph.server.openai.responses_request import ResponseAsked, read_response
from moa_graph.server.openai.runner import Run

__all__ = ["Responses"]


class Responses:
    """The Responses protocol."""

    def read(self, data: Mapping[str, Any], most_choices: int) -> ResponseAsked:
        """What a body asks for; raises ApiError as :func:`read_response`. There is one answer always."""
        return read_response(data)

    def teller(self, wanted: ResponseAsked, run: Run) -> ResponseEvents:
        """Writes the events of a response."""
        return ResponseEvents(_resource(wanted), run.left_out, summary=wanted.summary)

    def body(self, wanted: ResponseAsked, run: Run, outcomes: Sequence[Outcome]) -> bytes:
        """A response."""
        return _resource(wanted).body(outcomes[0], run.left_out, summary=wanted.summary)


def _resource(wanted: ResponseAsked) -> Resource:
    return Resource(wanted.asked.model, wanted.echo)
