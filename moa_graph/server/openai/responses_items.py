"""Input items of the Responses protocol, as LangChain has messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.content import InvalidToolCall
from langchain_core.messages.tool import ToolCall
from pydantic import Field

from moa_graph.server.openai.bodies import Fields, read
from moa_graph.server.openai.chat_messages import with_question
from moa_graph.server.openai.errors import refused, within

__all__ = ["ItemReader", "conversation_of"]

DROPPED = frozenset({"reasoning", "compaction"})
"""What models thought before is no part of the conversation."""


class ItemPart(Fields):
    """A part of a message's content."""

    type: Literal["input_text", "output_text", "text", "refusal", "input_image", "input_file", "summary_text"]
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = Field(default=None, pattern=r"^(https?://|data:)")
    detail: Literal["auto", "low", "high", "original"] | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class MessageItem(Fields):
    """A message."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ItemPart]


class CallItem(Fields):
    """A function that the assistant called."""

    call_id: str = Field(min_length=1)
    name: str
    arguments: str


class OutputItem(Fields):
    """What came of a call."""

    call_id: str = Field(min_length=1)
    output: str | list[ItemPart]


class ItemReader:
    """Reads items in their order.

    Args:
        instructions: What the system message says, before all items.
    """

    def __init__(self, instructions: str | None = None) -> None:
        self.messages: list[BaseMessage] = [SystemMessage(content=instructions)] if instructions else []
        self.left_out: dict[str, str] = {}
        self._called: dict[str, str] = {}

    def add(self, where: str, item: Any) -> None:
        """Takes in one item.

        Raises:
            ApiError: 400, it can't stand where it stands.
        """
        if not isinstance(item, Mapping):
            raise refused(where, f"Invalid value for '{where}': an item must be an object.")
        kind = item.get("type", "message" if "role" in item else None)
        with within(where):
            match kind:
                case "message":
                    self._message(where, read(MessageItem, item))
                case "function_call":
                    self._call(read(CallItem, item))
                case "function_call_output":
                    self._output(where, read(OutputItem, item))
                case "item_reference":
                    raise refused("type", "This server stores no items to refer to: send them in full.")
                case str():
                    if kind not in DROPPED:
                        self.left_out[where] = f"items of type {kind} aren't supported"
                case _:
                    raise refused("type", "Missing required parameter: 'type'.", "missing_required_parameter")

    def _message(self, where: str, item: MessageItem) -> None:
        content = _content(where, item.content)
        match item.role:
            case "user":
                self.messages.append(HumanMessage(content=content))
            case "assistant":
                self.messages.append(AIMessage(content=_text(content)))
            case _:
                self.messages.append(SystemMessage(content=_text(content)))

    def _call(self, item: CallItem) -> None:
        """Calls that follow each other are one message, as providers expect."""
        self._called[item.call_id] = item.name
        last = self.messages[-1] if self.messages else None
        before = last if isinstance(last, AIMessage) else AIMessage(content="")
        valid, invalid = list(before.tool_calls), list(before.invalid_tool_calls)
        try:
            arguments = json.loads(item.arguments or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if isinstance(arguments, dict):
            valid.append(ToolCall(name=item.name, args=arguments, id=item.call_id, type="tool_call"))
        else:
            invalid.append(
                InvalidToolCall(
                    name=item.name,
                    args=item.arguments,
                    id=item.call_id,
                    error="the arguments aren't a JSON object",
                    type="invalid_tool_call",
                )
            )
        message = AIMessage(content=before.content, tool_calls=valid, invalid_tool_calls=invalid)
        self.messages[len(self.messages) - (before is last) :] = [message]

    def _output(self, where: str, item: OutputItem) -> None:
        if item.call_id not in self._called:
            place = f"{where}.call_id"
            raise refused(place, f"Invalid value for '{place}': no earlier item calls a function with this id.")
        text = _text(_content(where, item.output))
        self.messages.append(ToolMessage(content=text, tool_call_id=item.call_id, name=self._called[item.call_id]))


def conversation_of(given: str | Sequence[Any], instructions: str | None) -> ItemReader:
    """The conversation that ``input`` and ``instructions`` hold.

    Raises:
        ApiError: 400, an item can't stand where it stands.
    """
    conversation = ItemReader(instructions)
    if isinstance(given, str):
        conversation.messages.append(HumanMessage(content=given))
    else:
        for index, item in enumerate(given):
            conversation.add(f"input[{index}]", item)
    conversation.messages = with_question(conversation.messages)
    return conversation


def _content(where: str, content: str | list[ItemPart]) -> str | list[str | dict[str, Any]]:
    if isinstance(content, str):
        return content
    parts: list[str | dict[str, Any]] = [
        _block(f"{where}.content[{index}]", part) for index, part in enumerate(content)
    ]
    if all(isinstance(part, dict) and part["type"] == "text" for part in parts):
        return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict))
    return parts


def _block(where: str, part: ItemPart) -> dict[str, Any]:
    """A part in the format of chat completions, which LangChain's models take."""
    if part.file_id is not None or part.file_url is not None:
        field = "file_id" if part.file_id is not None else "file_url"
        raise refused(f"{where}.{field}", "This server neither stores nor fetches files: send the data in the message.")
    match part.type:
        case "input_image":
            _needed(where, "image_url", part.image_url)
            image = {"url": part.image_url, "detail": part.detail}
            return {"type": "image_url", "image_url": {name: value for name, value in image.items() if value}}
        case "input_file":
            _needed(where, "file_data", part.file_data)
            return {"type": "file", "file": {"file_data": part.file_data, "filename": part.filename or "file"}}
        case "refusal":
            _needed(where, "refusal", part.refusal)
            return {"type": "text", "text": part.refusal}
    _needed(where, "text", part.text)
    return {"type": "text", "text": part.text}


def _needed(where: str, field: str, given: str | None) -> None:
    if given is None:
        place = f"{where}.{field}"
        raise refused(place, f"Missing required parameter: '{place}'.", "missing_required_parameter")


def _text(content: str | list[str | dict[str, Any]]) -> str:
    """The text of a message that holds text alone; of what else there is, only its kind."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text") or f"({part['type']})") for part in content if isinstance(part, dict))
