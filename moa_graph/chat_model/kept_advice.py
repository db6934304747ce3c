"""Where the panel's advice is kept for the rest of a turn, so that no message holds texts that nobody looks for there.

Middleware that redacts an answer reads its content alone. So the message that calls tools bears no more than a
reference. The advice itself is kept with the agent's thread, among the writes of the step that asked for it: there it
outlives a restart, is encrypted where the thread is, and is deleted with it. It is kept in this process's memory too,
for a while, which is all there is where no checkpointer keeps the conversation.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig, ensure_config
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.constants import CONFIG_KEY_CHECKPOINTER
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from moa_graph.advice import ADVICE, opens_a_turn
from moa_graph.chat_model.shelf import Shelf
from moa_graph.secrets import redact

__all__ = ["AdviceKeeper"]

_log = logging.getLogger(__name__)

_STEPS = "checkpoint_map"
"""Of a node's configuration: the checkpoints of the graphs around it, by their namespaces.

LangGraph has no public name for it, and what it makes public (``ExecutionInfo``) is about the innermost graph. Where it
is missing, advice is kept in memory alone.
"""

_CHANNEL = "moa_advice"
"""No channel of any graph: LangGraph leaves writes alone that belong to none of its tasks."""

_SHELF = Shelf()
"""Of the whole process, since hosts make a chat model anew for each request. Names are digests of the contents."""


class AdviceReference(TypedDict):
    """What a message bears in place of advice."""

    kept: str
    """Digest of the advice."""
    step: str | None
    """Identity of the checkpoint whose step asked for it; None outside of a thread."""


_REFERENCE = TypeAdapter(AdviceReference)


@dataclass(frozen=True)
class AdviceKeeper:
    """Takes advice off one call's answer, and puts it back on its conversation.

    Args:
        advise: When the panel is asked.
        apart: Whether advice is taken off.
        thread: The agent's thread that the call is part of; None outside of one.
        known: References in the conversation, by the digest of what they refer to.
    """

    advise: Literal["user_turn", "first_call", "every_call"]
    apart: bool
    thread: _Thread | None
    known: dict[str, AdviceReference] = field(default_factory=dict)

    @classmethod
    def of_context(cls, advise: Literal["user_turn", "first_call", "every_call"], keep: str) -> Self:
        """That of the calling context."""
        return cls(advise, keep == "apart", _Thread.of_context())

    def put_back(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The conversation with the advice that its answers refer to, as far as it is still there."""
        missing = self._missing(messages)
        if self.thread is not None and not _in_a_loop():
            for reference in missing:
                _shelve_whole(reference, self.thread.read(reference))
        return [_advised(message) for message in messages]

    async def aput_back(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """As :meth:`put_back`."""
        missing = self._missing(messages)
        if self.thread is not None:
            for reference in missing:
                _shelve_whole(reference, await self.thread.aread(reference))
        return [_advised(message) for message in messages]

    def take_off(self, answer: BaseMessage) -> None:
        """Leaves a reference in the place of the advice that an answer bears."""
        content = _content_of(answer)
        if content is None or not self.apart:
            return
        reference, new = self._refer(content, within=not _in_a_loop())
        answer.response_metadata[ADVICE] = reference
        if new and self.thread is not None and not self.thread.write(reference, content):
            reference["step"] = None

    async def atake_off(self, answer: BaseMessage) -> None:
        """As :meth:`take_off`."""
        content = _content_of(answer)
        if content is None or not self.apart:
            return
        reference, new = self._refer(content)
        answer.response_metadata[ADVICE] = reference
        if new and self.thread is not None and not await self.thread.awrite(reference, content):
            reference["step"] = None

    def _refer(self, content: str, *, within: bool = True) -> tuple[AdviceReference, bool]:
        """The reference to ``content``, and whether the thread is to be given it; ``within`` tells whether it can."""
        digest = _digest(content)
        _shelve(digest, content)
        if digest in self.known:
            return self.known[digest], False
        step = self.thread.step if self.thread is not None and within else None
        return {"kept": digest, "step": step}, step is not None

    def _missing(self, messages: Sequence[BaseMessage]) -> list[AdviceReference]:
        """References to advice that the panel's next run would go by, and this process doesn't hold."""
        for message in reversed(messages if self.advise != "every_call" else ()):
            if self.advise == "user_turn" and opens_a_turn(message):
                break
            if (found := _reference_of(message)) is not None:
                self.known.setdefault(found["kept"], found)
        return [one for one in self.known.values() if one["step"] is not None and _SHELF.get(one["kept"]) is None]


@dataclass(frozen=True)
class _Thread:
    """An agent's thread, the checkpointer that keeps it, and the checkpoint whose step is running.

    A checkpointer that fails is told of in the log, and costs no answer: this process's memory has the advice as well,
    and where that is lost the panel is asked again.
    """

    saver: BaseCheckpointSaver[Any]
    identity: str
    step: str

    @classmethod
    def of_context(cls) -> Self | None:
        about = ensure_config().get("configurable", {})
        saver, identity, steps = about.get(CONFIG_KEY_CHECKPOINTER), about.get("thread_id"), about.get(_STEPS)
        step = steps.get("") if isinstance(steps, Mapping) else None
        if not isinstance(saver, BaseCheckpointSaver) or identity is None or not isinstance(step, str):
            return None
        return cls(saver, str(identity), step)

    def read(self, reference: AdviceReference) -> str | None:
        """What is kept for ``reference``; None where it isn't there, or can't be read."""
        try:
            return _written(self.saver.get_tuple(self._place(reference)), reference)
        except Exception as error:
            self._tell("read", error)
            return None

    async def aread(self, reference: AdviceReference) -> str | None:
        """As :meth:`read`."""
        try:
            return _written(await self.saver.aget_tuple(self._place(reference)), reference)
        except Exception as error:
            self._tell("read", error)
            return None

    def write(self, reference: AdviceReference, content: str) -> bool:
        """Keeps ``content``, and gives back whether that is done."""
        try:
            self.saver.put_writes(self._place(reference), [(_CHANNEL, content)], _task_of(reference))
        except Exception as error:
            self._tell("kept", error)
            return False
        return True

    async def awrite(self, reference: AdviceReference, content: str) -> bool:
        """As :meth:`write`."""
        try:
            await self.saver.aput_writes(self._place(reference), [(_CHANNEL, content)], _task_of(reference))
        except Exception as error:
            self._tell("kept", error)
            return False
        return True

    def _tell(self, what: str, error: Exception) -> None:
        problem = redact(f"{type(error).__name__}: {error}")
        _log.warning("The panel's advice can't be %s with the thread, so it is in memory alone: %s", what, problem)

    def _place(self, reference: AdviceReference) -> RunnableConfig:
        about = {"thread_id": self.identity, "checkpoint_ns": "", "checkpoint_id": reference["step"]}
        return {"configurable": about}


def _task_of(reference: AdviceReference) -> str:
    """The name that LangGraph's savers want of who writes; none of the graph's tasks has it."""
    return str(UUID(reference["kept"][:32]))


def _written(saved: CheckpointTuple | None, reference: AdviceReference) -> str | None:
    task = _task_of(reference)
    writes = (saved.pending_writes if saved is not None else None) or []
    found = next((value for by, channel, value in writes if (by, channel) == (task, _CHANNEL)), None)
    return found if isinstance(found, str) else None


def _content_of(answer: BaseMessage) -> str | None:
    """The advice that an answer bears, as JSON that is the same at every step of a loop."""
    advice = answer.response_metadata.get(ADVICE)
    if advice is None:
        return None
    records = [{**record, "seconds": 0.0} for record in advice["records"]]
    return json.dumps({**advice, "records": records}, default=str)


def _advised(message: BaseMessage) -> BaseMessage:
    reference = _reference_of(message)
    if reference is None:
        return message
    others = {name: value for name, value in message.response_metadata.items() if name != ADVICE}
    found = _SHELF.get(reference["kept"])
    advice = {} if found is None else {ADVICE: json.loads(found)}
    return message.model_copy(update={"response_metadata": {**others, **advice}})


def _reference_of(message: BaseMessage) -> AdviceReference | None:
    if not isinstance(message, AIMessage) or ADVICE not in message.response_metadata:
        return None
    try:
        return _REFERENCE.validate_python(message.response_metadata[ADVICE])
    except ValidationError:
        return None


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _shelve(digest: str, content: str) -> None:
    _SHELF.put(digest, content.encode("utf-8", "surrogatepass"))


def _shelve_whole(reference: AdviceReference, found: str | None) -> None:
    """Shelves what was found, unless it is damaged."""
    if found is not None and _digest(found) == reference["kept"]:
        _shelve(reference["kept"], found)


def _in_a_loop() -> bool:
    """Whether a checkpointer that runs on this thread's event loop would be waited for in vain."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
