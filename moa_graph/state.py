"""The graph's state: the conversation, and plain JSON about the present turn.

Everything outside ``messages`` is plain JSON, so that checkpoints, Studio's edits and other languages can read it.
Every channel has a reducer, so that nodes that run side by side may all write, and two mixtures can stand in one graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Annotated, Any, Literal, NotRequired

from langchain_core.messages import AnyMessage, ToolCall
from langgraph.graph.message import Messages, add_messages
from pydantic import ValidationError
from typing_extensions import TypedDict

from moa_graph.edits import checked_entries, checked_turn
from moa_graph.errors import InputError
from moa_graph.usage import Usage
from moa_graph.views import cut_middle

__all__ = [
    "CHOICE",
    "Call",
    "Failure",
    "FailureKind",
    "Grant",
    "Input",
    "MoaState",
    "Output",
    "Record",
    "Turn",
    "Usage",
    "ill_formed",
    "live",
    "of_stage",
    "shown_text",
]

FailureKind = Literal[
    "timeout",
    "rate_limited",
    "refused",
    "empty",
    "truncated",
    "cut",
    "over_budget",
    "context_overflow",
    "bad_request",
    "not_served",
    "auth",
    "server",
    "connection",
    "malformed",
]


_HELP = "For troubleshooting, visit:"

CHOICE = "choice"
"""The kind of the records that stand for what a stage chose, whatever its models' own records are called."""


class Failure(TypedDict):
    """Why a call gave nothing, in the provider's own words."""

    kind: FailureKind
    message: str


class Call(TypedDict):
    """One model request, as the ledger keeps it."""

    id: str
    record: str
    stage: str
    slot: str
    sample: int
    attempt: int
    order: list[int]
    """Place in the configured order: stage, slot, sample, attempt."""
    model: str
    provider: str
    status: Literal["live", "failed"]
    failure: Failure | None
    hit: bool
    usage: Usage | None
    cost: float | None
    """US dollars; None when the price or the usage is unknown."""
    estimated: bool
    """Whether usage and cost are estimates, as they are for calls that were cut off."""
    charged: Grant
    """What the call counts for in the budget: what was used, or what could have been where that isn't known."""
    started: float
    seconds: float
    equal: NotRequired[str]
    """Where a store is kept: which one it is among the turn's equal calls, as ``hash#number``."""


class Record(TypedDict):
    """What one slot gave for one sample: a success or a typed failure."""

    id: str
    kind: str
    stage: str
    slot: str
    sample: int
    order: list[int]
    """Place in the configured order: stage, slot, sample."""
    model: str
    status: Literal["live", "failed"]
    text: str
    """The whole answer; what other models are shown of it is :func:`shown_text`."""
    failure: Failure | None
    notes: list[str]
    """What a reader should know: truncated, references cut, parameters dropped, a fallback that answered."""
    usage: Usage | None
    cost: float | None
    started: float
    seconds: float
    message_id: NotRequired[str]
    """Identity of the message whose tokens were streamed, for records that may become the answer."""
    about: NotRequired[str]
    """Identity of the record that this one is about: what a critique criticises."""
    data: NotRequired[Any]
    """Structured content of a decision: a score, a ranking, a route."""
    given: NotRequired[dict[str, Any]]
    """Of the answer, what its provider gave beside its text: ``content`` in blocks, ``additional_kwargs``."""
    tool_calls: NotRequired[list[ToolCall]]
    """Tools that the answer calls, for records that may become the answer."""
    cap: NotRequired[int]
    """Most characters that other models are shown of a text that is longer."""
    reasoning: NotRequired[str]
    """What the model thought before it answered, where its settings say to keep that. Nobody else is shown it."""
    truncated: NotRequired[bool]
    """Whether the answer was cut off at its most tokens."""


class Grant(TypedDict):
    """A part of the budget: model requests, tokens, US dollars. None where there is no limit."""

    calls: int | None
    tokens: int | None
    usd: float | None


class Turn(TypedDict, total=False):
    """Where the present turn stands. Written by ``prepare``, joins and ``finish`` only, one at a time."""

    status: Literal["running", "answered"]
    opened_with: list[str]
    """Identities of the messages that this turn answers."""
    answer: str | None
    """Identity of the message that answered it."""
    active: float
    """Seconds spent so far, without the time in which a person was waited for."""
    time: float | None
    """Seconds that the stage which comes next may take."""
    grants: dict[str, Grant]
    """Record identity to grant, for the stage which comes next."""
    end: str | None
    """Why the turn goes straight to its answer."""
    routes: dict[str, str]
    """Name of each routing stage that has decided to the route that it takes."""
    degraded: list[str]
    """Why the answer is less than what the mixture describes."""
    resumed: bool
    simulated: bool
    advised: bool
    """Whether the records of all stages but the last came with the conversation, so that nobody is asked there."""
    must_write: bool
    """Whether an early end goes to the last stage: only it calls tools and follows the caller's response format."""


def merge_by_id(left: Sequence[Any] | None, right: Sequence[Any] | None) -> list[Any]:
    """Records or calls by identity, the later one's fields winning, in the configured order whatever came first."""
    merged: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in left or ()}
    for entry in checked_entries(right or (), merged):
        there_already = merged.get(entry["id"])
        merged[entry["id"]] = {**there_already, **entry} if there_already else entry
    return sorted(merged.values(), key=itemgetter("order"))


def add_conversation(left: Messages, right: Messages) -> Messages:
    """``add_messages``, whose complaints about what is no message become an ``InputError``."""
    if right is None:
        raise InputError("messages: give a list of messages, such as [('user', 'a question')]")
    try:
        return add_messages(left, right)
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        raise InputError(f"messages: {problem['loc'][0]}: {problem['msg']}") from None
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"messages: {str(error).partition(_HELP)[0].strip()}") from None


def merge_turn(left: Turn | None, right: Turn | None) -> Turn:
    """The fields of ``right`` over those of ``left``."""
    return {**(left or {}), **checked_turn(right or {})}  # type: ignore[typeddict-item]  # checked


def keep_last(left: Any, right: Any) -> Any:
    """The later value."""
    return right if right is not None else left


class Input(TypedDict):
    """All that a mixture needs: the conversation."""

    messages: Annotated[list[AnyMessage], add_conversation]


class Output(TypedDict):
    """What a run gives back: the conversation with its answer, the turn's records and its report."""

    messages: Annotated[list[AnyMessage], add_conversation]
    records: Annotated[list[Record], merge_by_id]
    report: Annotated[dict[str, Any], keep_last]


class MoaState(TypedDict):
    """The whole state of a mixture's graph."""

    messages: Annotated[list[AnyMessage], add_conversation]
    records: Annotated[list[Record], merge_by_id]
    ledger: Annotated[list[Call], merge_by_id]
    turn: Annotated[Turn, merge_turn]
    report: Annotated[dict[str, Any], keep_last]


def of_stage(records: Iterable[Record], stage: str) -> list[Record]:
    """The records of the stage with this name."""
    return [record for record in records if record["stage"] == stage]


def shown_text(record: Record) -> str:
    """What other models are shown of a record's text: head and tail where it is long."""
    return cut_middle(record["text"], record["cap"]) if "cap" in record else record["text"]


def ill_formed(records: Iterable[Record]) -> Record | None:
    """The last record whose answer only fails its response format: whoever reads it will say so."""
    found = [one for one in records if one["failure"] and one["failure"]["kind"] == "malformed" and one["text"]]
    return found[-1] if found else None


def live(records: Iterable[Record]) -> list[Record]:
    """The records that hold an answer."""
    return [record for record in records if record["status"] == "live"]
