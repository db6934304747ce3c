"""What a model is shown of other models' answers: numbered, unnamed, fenced and fitted to its window.

References enter a system message: appended to the one that is there, otherwise put before the conversation. The
user's turns stay untouched, unless the references are wanted behind the last of them. A reference is untrusted text,
so each stands between fence lines with a delimiter that is derived from a hash of all of them: equal references give
equal prompts, yet none of them can know its own fence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from moa_graph.fences import delimiter, fence, read_references

__all__ = [
    "CHARACTERS_PER_TOKEN",
    "MESSAGE_BYTES",
    "Prompt",
    "appended",
    "cut_middle",
    "fence",
    "fit",
    "read_references",
    "with_system_prompt",
]

CHARACTERS_PER_TOKEN = 4
"""The usual estimate for English text. Estimates are marked as such wherever they are shown."""

MEDIA_CHARACTERS = 4_000
"""What an image or a file counts for: about a thousand tokens, however long its encoding is."""

MESSAGE_BYTES = 16
"""Room for the tokens that a chat template puts around each message."""

SHORTEST_REFERENCE = 200
"""Characters below which a reference isn't cut further, but left out."""

FENCE_CHARACTERS = 80
"""Room for the two fence lines of a reference."""

_CUT = "\n[... left out ...]\n"


def cut_middle(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters: head and tail kept, with a note that something is left out between."""
    if len(text) <= limit:
        return text
    kept = max(limit - len(_CUT), 0)
    head = (kept + 1) // 2
    return text[:head] + _CUT[: limit - kept] + text[len(text) - (kept - head) :]


def appended(content: str | list[str | dict[Any, Any]], added: str) -> str | list[str | dict[Any, Any]]:
    """A message's content with ``added`` after a blank line; blocks, such as those with cache marks, stay blocks."""
    return f"{content}\n\n{added}" if isinstance(content, str) else [*content, {"type": "text", "text": added}]


def fit(references: Sequence[str], characters: int) -> tuple[str, ...]:
    """``references`` in at most ``characters`` together: the longest are cut first, to one common length.

    References that would be left with less than 200 characters each are left out, from the last.
    """
    kept = list(references)
    while kept and sum(map(len, kept)) > characters and len(kept) * SHORTEST_REFERENCE > characters:
        kept.pop()
    if sum(map(len, kept)) <= characters:
        return tuple(kept)
    longest = _common_length(kept, characters)
    return tuple(cut_middle(text, longest) for text in kept)


def _common_length(texts: Sequence[str], characters: int) -> int:
    """The largest length L for which cutting every text to L makes them fit."""
    remaining, lengths = characters, sorted(map(len, texts))
    for index, length in enumerate(lengths):
        share = remaining // (len(lengths) - index)
        if length > share:
            return share
        remaining -= length
    return lengths[-1]


def _append_to_last_question(conversation: list[BaseMessage], added: str) -> None:
    questions = [index for index, message in enumerate(conversation) if isinstance(message, HumanMessage)]
    if not questions:
        conversation.append(HumanMessage(added))
        return
    last = conversation[questions[-1]]
    conversation[questions[-1]] = last.model_copy(update={"content": appended(last.content, added)})


def _with_system_text(conversation: list[BaseMessage], added: str) -> list[BaseMessage]:
    first, *rest = conversation
    if isinstance(first, SystemMessage):
        return [first.model_copy(update={"content": appended(first.content, added)}), *rest]
    return [SystemMessage(added), first, *rest]


def with_system_prompt(text: str | None, messages: Sequence[BaseMessage]) -> tuple[BaseMessage, ...]:
    """``messages`` with a system prompt in front of the system message that they begin with, if they do."""
    if not text:
        return tuple(messages)
    first, *rest = messages or (None,)
    if isinstance(first, SystemMessage):
        content = first.content
        before = f"{text}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": text}, *content]
        return (first.model_copy(update={"content": before}), *rest)
    return (SystemMessage(text), *messages)


@dataclass(frozen=True)
class Prompt:
    """A conversation, and what a model is told and shown beside it.

    Args:
        conversation: The user's turns and the answers to them, with a system message in front or without.
        instruction: What to do, and what to do with the references. Not added where ``references`` was given empty.
        references: Other models' answers; None for a prompt that is about no references.
        title: What a reference is called in its fence.
        own: What the references are compared with, by default the model's own earlier answers, oldest first.
        own_title: What each of those is called in its fence.
        history: Turns of a discussion among models about the user's last message, which follow on the conversation; the
            references and the instruction about them are then the turn after these.
        alone: What is said in that turn where no reference is left.
        correction: Turns after all others: an answer that can't be used, and what is wrong with it.
        role: Instruction that only this slot is given.
        format_instructions: What the model is told of the format of its answer; None for free text.
        tools: Tools that the model may call, in OpenAI's format.
        after: Whether the references and the instruction about them stand behind the text of the user's last message,
            after a line that ends it, so that all before that line stays the same from layer to layer and a provider's
            prefix cache holds; otherwise they stand in the system message.
    """

    conversation: tuple[BaseMessage, ...]
    instruction: str = ""
    references: tuple[str, ...] | None = None
    title: str = "response"
    own: tuple[str, ...] = ()
    own_title: str = "your own answer"
    history: tuple[BaseMessage, ...] = ()
    alone: str = ""
    correction: tuple[BaseMessage, ...] = ()
    role: str | None = None
    format_instructions: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    after: bool = False

    @property
    def told(self) -> tuple[object, ...]:
        """All that stands beside the conversation, but for tools."""
        shown = (self.references, self.title, self.own, self.own_title)
        return self.instruction, *shown, self.role, self.format_instructions, self.after

    def messages(self) -> list[BaseMessage]:
        """What the model is sent (Wang et al. 2024, arXiv 2406.04692, section 2.2)."""
        return list(self._messages)

    @cached_property
    def _messages(self) -> list[BaseMessage]:
        told = [self.role] if self.role else []
        conversation, fences = [*self.conversation, *self.history], self._fences()
        if self.history:
            conversation.append(HumanMessage("\n\n".join([self.instruction, *fences]) if fences else self.alone))
        elif fences and self.after:
            ended = f"<<end of question | {delimiter(self._fenced_texts())}>>"
            _append_to_last_question(conversation, "\n\n".join([ended, self.instruction, *fences]))
        elif fences:
            told.append("\n\n".join([self.instruction, *fences]))
        elif self.references is None and self.instruction:
            told.append(self.instruction)
        if self.format_instructions:
            told.append(self.format_instructions)
        conversation += self.correction
        return _with_system_text(conversation, "\n\n".join(told)) if told else conversation

    def _fences(self) -> list[str]:
        return [fence(texts, title, beside=self._fenced_texts()) for texts, title in self._shown() if texts]

    def _fenced_texts(self) -> list[str]:
        return [text for texts, _ in self._shown() for text in texts]

    def _shown(self) -> list[tuple[tuple[str, ...], str]]:
        return [(self.own, self.own_title), (self.references or (), self.title)]

    @property
    def _turns(self) -> tuple[BaseMessage, ...]:
        return (*self.conversation, *self.history, *self.correction)

    @cached_property
    def characters(self) -> int:
        """Length of all that is sent."""
        shown = sum(len(text) + FENCE_CHARACTERS for text in self._fenced_texts())
        said = sum(_length(message) for message in self._turns)
        told = len(self.instruction) + len(self.role or "") + len(self.format_instructions or "")
        ended = FENCE_CHARACTERS if self.after else 0
        return said + shown + told + ended + (len(str(self.tools)) if self.tools else 0)

    @cached_property
    def bytes(self) -> int:
        """An upper bound of its tokens. A format is sent twice: in words, and as a response format or a tool."""
        sent = (part for message in self._messages for part in (message.content, getattr(message, "tool_calls", "")))
        return sum(map(_bytes, (*sent, self.format_instructions, self.tools))) + MESSAGE_BYTES * len(self._messages)

    def fitted(self, characters: int) -> Prompt:
        """This prompt in about ``characters``, as far as that goes without touching the user's last turn.

        References are cut first, the longest before the others; then the oldest turns are left out; then references.
        """
        if self.characters <= characters:
            return self
        fewest = min(len(self.references or ()), 1) * (SHORTEST_REFERENCE + FENCE_CHARACTERS)
        turns = self._with_fewer_turns(characters - fewest)
        if not turns.references:
            return turns
        room = characters - self._without_references(turns) - FENCE_CHARACTERS * len(turns.references)
        return replace(turns, references=fit(turns.references, max(room, 0)))

    def _with_fewer_turns(self, characters: int) -> Prompt:
        """Without the oldest turns of the discussion, then of the conversation, as far as that must be."""
        shorter = self
        while self._without_references(shorter) > characters and len(shorter.history) > 2:
            shorter = replace(shorter, history=shorter.history[2:])
        while self._without_references(shorter) > characters and _second_turn(shorter.conversation):
            shorter = replace(shorter, conversation=_without_first_turn(shorter.conversation))
        return shorter

    @staticmethod
    def _without_references(prompt: Prompt) -> int:
        return replace(prompt, references=()).characters


def _second_turn(conversation: Sequence[BaseMessage]) -> int | None:
    """Where the second user's turn begins; None where there is only one left."""
    turns = [index for index, message in enumerate(conversation) if isinstance(message, HumanMessage)]
    return turns[1] if len(turns) > 1 else None


def _without_first_turn(conversation: tuple[BaseMessage, ...]) -> tuple[BaseMessage, ...]:
    kept = conversation[:1] if isinstance(conversation[0], SystemMessage) else ()
    return (*kept, *conversation[_second_turn(conversation) or 0 :])


def _bytes(content: Any) -> int:
    return len(str(content or "").encode("utf-8", "replace"))


def _length(message: BaseMessage) -> int:
    """Characters that a message counts for."""
    calls = len(str(message.tool_calls)) if isinstance(message, AIMessage) and message.tool_calls else 0
    if isinstance(message.content, str):
        return len(message.content) + calls
    texts = [block if isinstance(block, str) else block.get("text") for block in message.content]
    return sum(len(text) if isinstance(text, str) else MEDIA_CHARACTERS for text in texts) + calls
