"""The last node of a graph: it alone writes the answer, however it came about, and the report."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import get_runtime

from moa_graph.advice import redacted, with_advice
from moa_graph.errors import RunFailed
from moa_graph.fences import without_fences
from moa_graph.options import Options
from moa_graph.report import make_report
from moa_graph.stage_kit.bound import BoundStage
from moa_graph.stage_kit.plan import Plan
from moa_graph.state import CHOICE, MoaState, Record, Turn, ill_formed, live, of_stage

__all__ = ["Finish"]


_REMEDY = "; `moa models --cast --save` chooses models that are served, --substitute OLD=NEW names others"


class Finish:
    """Closes a turn with its answer.

    The answer is what the last stage wrote. Where it has written nothing, it is the last synthesis, else the aggregator
    model's own proposal, else the first live one; the report then says that the answer is degraded.

    Args:
        plan: The stages of the graph.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def __call__(self, state: MoaState, config: RunnableConfig) -> dict[str, Any]:
        """Writes the answer and the report."""
        runtime = get_runtime()
        options = self._plan.options_of(runtime)
        record, degraded = self._answer(state, options)
        degraded = [*self._thinned(state), *degraded]
        self._refuse_if_degraded([*state["turn"].get("degraded", []), *degraded], options)
        turn: Turn = {
            **state["turn"],
            "status": "answered",
            "degraded": [*state["turn"].get("degraded", []), *degraded],
        }
        names = [bound.name for bound in self._plan.taken(turn)]
        report = make_report({**state, "turn": turn}, self._plan.mixture, names)
        given = record.get("given") or {}
        message = AIMessage(
            given.get("content") or without_fences(record["text"]).strip(),
            additional_kwargs=given.get("additional_kwargs") or {},
            id=record.get("message_id") or f"moa-{uuid4()}",
            tool_calls=record.get("tool_calls", []),
            response_metadata={
                "model_name": record["model"],
                "mixture": self._plan.mixture,
                "degraded": turn["degraded"],
                "finish_reason": _finish_reason(record),
                **self._advice(record, state, options),
            },
        )
        runtime.stream_writer({"type": "run_finished", "mixture": self._plan.mixture, "report": report})
        return {"messages": [message], "report": report, "turn": {**turn, "answer": message.id}}

    def _refuse_if_degraded(self, degraded: list[str], options: Options) -> None:
        """Raises RunFailed where the caller would rather have an error than less than what the mixture describes."""
        if degraded and options.answer.on_degraded == "raise":
            raise RunFailed(f"{self._plan.mixture}: the answer would be degraded: {'; '.join(degraded)}")

    def _advice(self, record: Record, state: MoaState, options: Options) -> dict[str, Any]:
        """What the panel gave, where later calls go by it: those of this turn if tools are called, or all of them.

        Every such answer bears it, so that it outlives those that are summarized.
        """
        advise = options.answer.advise
        later = advise == "first_call" or (advise == "user_turn" and bool(record.get("tool_calls")))
        if not later:
            return {}
        panel = [bound.name for bound in self._plan.taken(state["turn"]) if not bound.is_last]
        records = [one for one in state["records"] if one["stage"] in panel]
        redact = options.answer.redact
        kept = records if redact is None else [redacted(one, redact) for one in records]
        return with_advice(self._plan.mixture, state["messages"], kept) if records else {}

    def _answer(self, state: MoaState, options: Options) -> tuple[Record, list[str]]:
        """The record whose text is the answer, and why it is less than the mixture describes."""
        path = self._plan.taken(state["turn"])
        answering = [bound for bound in path if bound.stage.answers]
        shortened = self._missing_layers(path, state)
        for bound in reversed(answering):
            if written := bound.given(state["records"]):
                ended = state["turn"].get("end") is not None and bound.stage.may_end() == "finish"
                instead = f"{path[-1].name} gave no answer: this is {bound.name}'s"
                return _best(written), shortened if ended or bound is path[-1] else [*shortened, instead]
        own = ill_formed(of_stage(state["records"], path[-1].name))
        if own is not None and own["failure"] is not None and options.answer.response_format is not None:
            return own, [*shortened, f"the answer doesn't fit its response format: {own['failure']['message']}"]
        record = self._next_best(state, path, options)
        return record, [
            *shortened,
            f"no model could write the answer: this is {record['slot']}'s own, of {record['stage']}",
        ]

    def _next_best(self, state: MoaState, path: list[BoundStage], options: Options) -> Record:
        """The aggregator model's own latest proposal, else the first live one of the latest stage that has any."""
        proposals = [live(of_stage(state["records"], bound.name)) for bound in reversed(path) if bound.stage.proposes]
        writers = {
            self._plan.members_of(slot, bound, options)[0].reference
            for bound in path
            if bound.stage.answers
            for slot in bound.slots
        }
        own = [record for stage in proposals for record in stage if record["model"] in writers]
        first = [record for stage in proposals for record in stage]
        candidates = own or first or [record for bound in path for record in bound.given(state["records"])]
        if not candidates:
            raise RunFailed(f"{self._plan.mixture}: no stage gave an answer. Ask again, or change its models.")
        return candidates[0]

    def _thinned(self, state: MoaState) -> list[str]:
        """Stages in which most models failed, or one fallback stands for several."""
        told = []
        for bound in self._plan.taken(state["turn"]):
            records = [one for one in of_stage(state["records"], bound.name) if not _was_cut(one)]
            failed = [one for one in records if one["failure"] is not None]
            kinds = ", ".join(dict.fromkeys(one["failure"]["kind"] for one in failed if one["failure"]))
            gone = sum(one["failure"] is not None and one["failure"]["kind"] == "not_served" for one in failed)
            if len(records) > 1 and (2 * len(failed) > len(records) or 2 * gone >= len(records)):
                told.append(
                    f"{bound.name}: {len(failed)} of {len(records)} answers failed ({kinds}){_REMEDY if gone else ''}"
                )
            told += self._stand_ins(bound, records)
        return told

    @staticmethod
    def _stand_ins(bound: BoundStage, records: list[Record]) -> list[str]:
        """Models that answered in place of several slots' own."""
        own = {slot.name: slot.members[0].reference for slot in bound.slots}
        places: dict[str, set[str]] = {}
        for record in live(records):
            if record["slot"] in own and record["model"] != own[record["slot"]]:
                places.setdefault(record["model"], set()).add(record["slot"])
        return [
            f"{bound.name}: {model} answered in place of {', '.join(sorted(slots))}"
            for model, slots in places.items()
            if len(slots) > 1
        ]

    def _missing_layers(self, path: list[BoundStage], state: MoaState) -> list[str]:
        """Stages that had too few live proposals to be shown to the next one."""
        short, most = [], 0
        for bound in path:
            if bound.stage.proposes and state["turn"].get("end") is None:
                found = len(live(of_stage(state["records"], bound.name)))
                instead = "an earlier layer's were used" if most >= self._plan.min_live else "the turn went on without"
                if found < self._plan.min_live:
                    short.append(f"{bound.name} gave {found} live proposal(s): {instead}")
                most = max(most, found)
        return short


def _finish_reason(record: Record) -> str:
    """Why the answer ended, in OpenAI's words."""
    if record.get("tool_calls"):
        return "tool_calls"
    return "length" if record.get("truncated") else "stop"


def _best(written: list[Record]) -> Record:
    """The first of several that were chosen, the last of several that were written."""
    return written[0] if written[0]["kind"] == CHOICE else written[-1]


def _was_cut(record: Record) -> bool:
    """Whether a record failed only since nobody waited for it any more."""
    return record["failure"] is not None and record["failure"]["kind"] == "cut"
