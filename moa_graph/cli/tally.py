"""What a run's events say so far: where each slot stands, and what was spent."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from moa_graph.calls.events import CallFinished, CallStarted, Event, RecordFinished

__all__ = ["SlotLine", "SpentSoFar", "Tally", "counted", "money", "short_name"]


@dataclass
class SlotLine:
    """Where one slot of one stage stands.

    Args:
        stage: Name of its stage.
        slot: Its name.
        state: A few words: what it is doing, or what became of it.
        began: When its first request went out, by the tally's clock.
        seconds: How long it took; None while it is at work.
        calls: Its requests that ended.
        asked: Answers that it was asked for.
        given: Answers that it has given, or failed to give.
    """

    stage: str
    slot: str
    state: str = "waiting"
    began: float | None = None
    seconds: float | None = None
    calls: list[CallFinished] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)
    given: dict[int, RecordFinished] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether every answer that it was asked for is there or has failed."""
        return bool(self.given) and len(self.given) == len(self.asked)


@dataclass(frozen=True)
class SpentSoFar:
    """What calls have cost so far.

    Args:
        calls: Requests that were made, without those that a store answered.
        tokens: Of prompts and answers, as far as known.
        dollars: As far as known.
        complete: Whether no part is unknown.
        estimated: Whether a part is estimated.
    """

    calls: int
    tokens: int
    dollars: float
    complete: bool
    estimated: bool

    @classmethod
    def on(cls, calls: Iterable[CallFinished]) -> SpentSoFar:
        """The sum of what these calls cost."""
        calls = list(calls)
        usages = [call["usage"] for call in calls if call["usage"] is not None]
        return cls(
            calls=sum(not call["hit"] for call in calls),
            tokens=sum(usage["input"] + usage["output"] for usage in usages),
            dollars=sum(call["cost"] or 0.0 for call in calls),
            complete=all(call["cost"] is not None for call in calls),
            estimated=any(call["estimated"] for call in calls),
        )

    def price(self) -> str:
        """The dollars as a person reads them; what isn't known is said so."""
        if self.complete:
            return ("~" if self.estimated else "") + money(self.dollars)
        return f"{money(self.dollars)} + ?" if self.dollars else "?"


class Tally:
    """Follows one run by its events.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.began = clock()
        self.lines: dict[tuple[str, str], SlotLine] = {}
        self.closed: set[str] = set()
        self._calls: list[CallFinished] = []
        self._in_flight: set[tuple[str, str, int]] = set()

    def note(self, event: Event) -> None:
        """Takes in what an event says."""
        if event["type"] == "run_started":
            self.lines = {
                (stage, slot): SlotLine(stage, slot) for stage, slots in event["stages"].items() for slot in slots
            }
        elif event["type"] == "call_started":
            self._started(event)
        elif event["type"] == "call_finished":
            self._ended(event)
        elif event["type"] == "record_finished":
            self._given(event)
        elif event["type"] == "stage_finished":
            self.closed.add(event["stage"])

    def answer_begun(self) -> None:
        """Takes in that the answer's first tokens have come."""
        self._name_open_calls("writing")

    def stopped(self) -> None:
        """Takes in that no more events come."""
        self._name_open_calls("stopped")

    def spent(self) -> SpentSoFar:
        """What the run has cost so far, without the calls in flight."""
        return SpentSoFar.on(self._calls)

    @property
    def calls(self) -> list[CallFinished]:
        """The requests that ended."""
        return list(self._calls)

    @property
    def in_flight(self) -> int:
        """Requests that went out and haven't ended."""
        return len(self._in_flight)

    def seconds(self, line: SlotLine) -> float | None:
        """How long a slot took, or has been at work."""
        return line.seconds if line.began is None or line.seconds is not None else self.clock() - line.began

    def line(self, stage: str, slot: str) -> SlotLine:
        """The line of a slot."""
        return self.lines.setdefault((stage, slot), SlotLine(stage, slot))

    def _name_open_calls(self, state: str) -> None:
        for stage, slot, _ in self._in_flight:
            self.line(stage, slot).state = state

    def _started(self, event: CallStarted) -> None:
        line = self.line(event["stage"], event["slot"])
        line.began = self.clock() if line.began is None else line.began
        line.asked.add(event["sample"])
        line.seconds = None
        line.state = "asking" if event["attempt"] == 1 else f"asking, attempt {event['attempt']}"
        self._in_flight.add((event["stage"], event["slot"], event["sample"]))

    def _ended(self, event: CallFinished) -> None:
        self._in_flight.discard((event["stage"], event["slot"], event["sample"]))
        self._calls.append(event)
        line = self.line(event["stage"], event["slot"])
        line.calls.append(event)
        if event["failure"] is not None:
            line.state = f"{event['failure']['kind']}, trying again"

    def _given(self, event: RecordFinished) -> None:
        line = self.line(event["stage"], event["slot"])
        line.asked.add(event["sample"])
        line.given[event["sample"]] = event
        line.state = _outcome(line)
        if line.is_over:
            line.seconds = max(record["seconds"] for record in line.given.values())


def _outcome(line: SlotLine) -> str:
    """What became of a slot's answers."""
    live = sum(record["status"] == "live" for record in line.given.values())
    failures = [record["failure"]["kind"] for record in line.given.values() if record["failure"] is not None]
    if len(line.asked) > 1:
        return ", ".join([f"{live} of {len(line.asked)} answered", *dict.fromkeys(failures)])
    if failures:
        return "cut" if failures == ["cut"] else f"failed: {failures[0]}"
    if all(call["hit"] for call in line.calls):
        return "stored"
    others = dict.fromkeys(record["model"] for record in line.given.values() if _is_another(record["model"], line.slot))
    return f"answered by {', '.join(map(short_name, others))}" if others else "answered"


def _is_another(model: str, slot: str) -> bool:
    """Whether a slot's name doesn't tell already which model answered: a part's doesn't, nor one whose fallback did."""
    return bool(_PART.fullmatch(slot)) and not model.startswith("sim:")


def short_name(model: str) -> str:
    """A model's reference without its provider and its maker's account."""
    return model.partition(":")[2].rpartition("/")[2]


_PART = re.compile(r"(?:strong|cheap|frontier)-\d+(?:-\d+)?|writer|judge")


def money(dollars: float) -> str:
    """US dollars with two digits that say something."""
    if dollars == 0:
        return "$0"
    digits = max(2, 1 - math.floor(math.log10(dollars)))
    return f"${dollars:.{digits}f}"


def counted(number: int, one: str) -> str:
    """``number`` of something, as a person writes it."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"
