"""What a run tells while it runs: records in LangGraph's ``custom`` stream, the same for CLI, server and library.

Every event is plain JSON with a ``type``, the ``mixture`` and, where it is about one, a ``stage``, ``slot`` and
``sample``. Texts are not repeated here: they are in the state's records and in the message stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from typing_extensions import TypedDict

from moa_graph.report import Report
from moa_graph.state import Failure, Usage

__all__ = [
    "CallFinished",
    "CallStarted",
    "Event",
    "RecordFinished",
    "RecordText",
    "Reset",
    "RunFinished",
    "RunStarted",
    "StageFinished",
    "StreamWriter",
]


class RunStarted(TypedDict):
    """A turn begins."""

    type: Literal["run_started"]
    mixture: str
    simulated: bool
    stages: dict[str, list[str]]
    """Stage name to the names of its slots, in order."""


class CallStarted(TypedDict):
    """A model request goes out; ``attempt`` counts from 1 over retries and fallbacks."""

    type: Literal["call_started"]
    mixture: str
    stage: str
    slot: str
    sample: int
    attempt: int
    model: str


class CallFinished(TypedDict):
    """A model request ended, well or not."""

    type: Literal["call_finished"]
    mixture: str
    stage: str
    slot: str
    sample: int
    attempt: int
    model: str
    status: Literal["live", "failed"]
    failure: Failure | None
    hit: bool
    usage: Usage | None
    cost: float | None
    estimated: bool
    seconds: float


class RecordText(TypedDict):
    """More of the text that a slot is writing; told only where somebody asks for it."""

    type: Literal["record_text"]
    mixture: str
    stage: str
    slot: str
    sample: int
    text: str
    begins: bool
    """Whether what came before, if anything did, is to be dropped."""


class RecordFinished(TypedDict):
    """A slot has its answer, or has failed for good."""

    type: Literal["record_finished"]
    mixture: str
    stage: str
    slot: str
    sample: int
    kind: str
    model: str
    status: Literal["live", "failed"]
    failure: Failure | None
    notes: list[str]
    usage: Usage | None
    cost: float | None
    seconds: float


class StageFinished(TypedDict):
    """A stage is closed: how many of its records hold an answer, and why the run ends with it, if it does."""

    type: Literal["stage_finished"]
    mixture: str
    stage: str
    live: int
    failed: int
    seconds: float
    end: str | None


class Reset(TypedDict):
    """The answer begins anew: drop the tokens that came under ``message_id``."""

    type: Literal["reset"]
    mixture: str
    stage: str
    message_id: str
    reason: str


class RunFinished(TypedDict):
    """The turn has its answer; ``report`` is the same as in the state."""

    type: Literal["run_finished"]
    mixture: str
    report: Report


Event = RunStarted | CallStarted | CallFinished | RecordText | RecordFinished | StageFinished | Reset | RunFinished

StreamWriter = Callable[[Any], None]
"""Where events go: LangGraph's stream writer."""
