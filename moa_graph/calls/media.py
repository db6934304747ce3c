"""Images and files: shown to the models that take them, told in words to the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from moa_graph.calls.failures import Diagnosis
from moa_graph.calls.mend import Attempt
from moa_graph.models.catalogue import Member
from moa_graph.views import Prompt

__all__ = ["holds_media", "readable_by", "without_media"]

_TAKEN_BY = {
    "image": "image_inputs",
    "image_url": "image_inputs",
    "audio": "audio_inputs",
    "input_audio": "audio_inputs",
    "video": "video_inputs",
    "file": "pdf_inputs",
    "document": "pdf_inputs",
}
"""Type of a content block, in LangChain's and the providers' words -> the entry of a model's profile."""


def holds_media(messages: Iterable[BaseMessage]) -> bool:
    """Whether there is anything but text, of which nobody knows beforehand how many tokens it takes."""
    return any(
        isinstance(block, dict) and block.get("type") in _TAKEN_BY
        for message in messages
        if not isinstance(message.content, str)
        for block in message.content
    )


def readable_by(member: Member, prompt: Prompt) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt with a note in place of what the model can't be shown, and what to say of that in its record.

    A model whose profile isn't known is shown everything, but for what another model thought before its answers.
    """
    prompt = _without_others_thoughts(prompt, member)
    if all(isinstance(message.content, str) for message in prompt.conversation):
        return prompt, ()
    profile = member.chat_model(streaming=False).model.profile
    if profile is None:
        return prompt, ()
    left_out: dict[str, None] = {}
    conversation = tuple(_readable(message, profile, left_out) for message in prompt.conversation)
    if not left_out:
        return prompt, ()
    notes = tuple(f"it wasn't shown a part of type {kind}: it takes none" for kind in left_out)
    return replace(prompt, conversation=conversation), notes


_REFUSES_MEDIA = re.compile(r"image|vision|multi-?modal|mmproj|audio|video|\bpdf\b", re.IGNORECASE)
"""In the words of a server whose model turns out to read text alone."""


def without_media(attempt: Attempt, diagnosis: Diagnosis) -> Attempt | None:
    """The attempt with a note in place of each image and file, where its server refuses them; None where it doesn't.

    What a model reads isn't known of every one: such a model is shown everything first.
    """
    if diagnosis.kind not in ("bad_request", "server", "not_served") or not _REFUSES_MEDIA.search(diagnosis.message):
        return None
    left_out: dict[str, None] = {}
    conversation = tuple(_readable(message, {}, left_out) for message in attempt.prompt.conversation)
    if not left_out:
        return None
    notes = (f"it wasn't shown a part of type {kind}: its server refuses it" for kind in left_out)
    return attempt.changed(*notes, prompt=replace(attempt.prompt, conversation=conversation))


def _without_others_thoughts(prompt: Prompt, member: Member) -> Prompt:
    """Earlier answers of a mixture as plain text, unless the model wrote them itself: foreign blocks are refused."""
    said = [_plain(message, member) for message in prompt.conversation]
    changed = any(one is not before for one, before in zip(said, prompt.conversation, strict=True))
    return replace(prompt, conversation=tuple(said)) if changed else prompt


def _plain(message: BaseMessage, member: Member) -> BaseMessage:
    written = message.response_metadata if isinstance(message, AIMessage) else {}
    if "mixture" not in written or member.reference in (written.get("writer"), written.get("model_name")):
        return message
    if isinstance(message.content, str) and not message.additional_kwargs:
        return message
    return message.model_copy(update={"content": str(message.text), "additional_kwargs": {}})


def _readable(message: BaseMessage, profile: Mapping[str, Any], left_out: dict[str, None]) -> BaseMessage:
    if isinstance(message.content, str):
        return message
    content = [_block(block, profile, left_out) for block in message.content]
    return message if content == message.content else message.model_copy(update={"content": content})


def _block(block: str | dict[str, Any], profile: Mapping[str, Any], left_out: dict[str, None]) -> str | dict[str, Any]:
    kind = block.get("type", "") if isinstance(block, dict) else ""
    if kind not in _TAKEN_BY or profile.get(_TAKEN_BY[kind]):
        return block
    left_out[kind] = None
    return {"type": "text", "text": f"[Here stands a part of type {kind}, which you can't be shown.]"}
