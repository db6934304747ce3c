"""Messages of chat completions, as LangChain has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.content import InvalidToolCall
from langchain_core.messages.tool import ToolCall
from pydantic import Field

from moa_graph.server.openai.bodies import Fields
from moa_graph.server.openai.errors import refused

__all__ = ["ChatMessage", "conversation", "with_question"]


class ImageUrl(Fields):
    """A picture: in the data of its URL, or where the provider finds it."""

    url: str = Field(pattern=r"^(https?://|data:)")
    detail: Literal["auto", "low", "high", "original"] | None = None


class InputAudio(Fields):
    """Sound."""

    data: str
    format: Literal["wav", "mp3"]


class File(Fields):
    """A file in the message itself; none is kept here that an identity could name."""

    file_data: str
    filename: str | None = None


class ContentPart(Fields):
    """A part of a message's content."""

    type: Literal["text", "image_url", "input_audio", "file", "refusal"]
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | None = None
    input_audio: InputAudio | None = None
    file: File | None = None


class CalledFunction(Fields):
    """A function that was called."""

    name: str
    arguments: str = ""


class CalledCustomTool(Fields):
    """A tool that was called with a text of any kind."""

    name: str
    input: str = ""


class ToolCallField(Fields):
    """A tool call of an assistant's message: of a function, or of a custom tool."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: CalledFunction | None = None
    custom: CalledCustomTool | None = None

    def called(self, where: str) -> CalledFunction:
        """What was called; a custom tool's text stands as the argument ``input``.

        Raises:
            ApiError: 400, the field that the type names is missing.
        """
        if self.type == "function" and self.function is not None:
            return self.function
        if self.type == "custom" and self.custom is not None:
            return CalledFunction(name=self.custom.name, arguments=json.dumps({"input": self.custom.input}))
        place = f"{where}.{self.type}"
        raise refused(place, f"Missing required parameter: '{place}'.", "missing_required_parameter")


class ChatMessage(Fields):
    """One message. What an assistant was reported to have thought isn't read."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallField] | None = None
    function_call: CalledFunction | None = None
    tool_call_id: str | None = Field(default=None)


def conversation(messages: Sequence[ChatMessage]) -> list[BaseMessage]:
    """The conversation.

    Raises:
        ApiError: 400, a message can't stand where it stands.
    """
    return with_question(_MessageReader().read(messages))


def with_question(messages: list[BaseMessage]) -> list[BaseMessage]:
    """The conversation; where nobody asks anything, the last instruction is what is asked."""
    if messages and all(isinstance(message, SystemMessage) for message in messages):
        last = messages[-1]
        return [*messages[:-1], HumanMessage(content=last.content, name=last.name)]
    return messages


class _MessageReader:
    """Reads messages in their order: a tool's result belongs to a call before it."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}

    def read(self, messages: Sequence[ChatMessage]) -> list[BaseMessage]:
        return [self._message(f"messages[{index}]", message) for index, message in enumerate(messages)]

    def _message(self, where: str, message: ChatMessage) -> BaseMessage:
        match message.role:
            case "system" | "developer":
                return SystemMessage(content=_text(where, message))
            case "user":
                return HumanMessage(content=_content(where, message), name=message.name)
            case "assistant":
                return self._assistant(where, message)
            case "function":
                return self._result(f"{where}.name", f"call_{message.name}", _text(where, message))
        if message.tool_call_id is None:
            raise refused(f"{where}.tool_call_id", f"Missing required parameter: '{where}.tool_call_id'.")
        return self._result(f"{where}.tool_call_id", message.tool_call_id, _text(where, message))

    def _assistant(self, where: str, message: ChatMessage) -> AIMessage:
        calls = list(message.tool_calls or ())
        if message.function_call is not None and not calls:
            calls = [ToolCallField(id=f"call_{message.function_call.name}", function=message.function_call)]
        said = _text(where, message) if message.content else message.refusal or ""
        valid: list[ToolCall] = []
        invalid: list[InvalidToolCall] = []
        for index, call in enumerate(calls):
            called = call.called(f"{where}.tool_calls[{index}]")
            self._open[call.id] = called.name
            _sort_in(call.id, called, valid, invalid)
        return AIMessage(content=said, tool_calls=valid, invalid_tool_calls=invalid, name=message.name)

    def _result(self, where: str, identity: str, text: str) -> ToolMessage:
        if identity not in self._open:
            raise refused(where, f"Invalid value for '{where}': no message before it calls a tool as '{identity}'.")
        return ToolMessage(content=text, tool_call_id=identity, name=self._open[identity])


def _sort_in(identity: str, called: CalledFunction, valid: list[ToolCall], invalid: list[InvalidToolCall]) -> None:
    """A call whose arguments aren't a JSON object stays as its model wrote it."""
    try:
        arguments = json.loads(called.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if isinstance(arguments, dict):
        valid.append(ToolCall(name=called.name, args=arguments, id=identity, type="tool_call"))
    else:
        given, error = called.arguments, "the arguments aren't a JSON object"
        invalid.append(
            InvalidToolCall(name=called.name, args=given, id=identity, error=error, type="invalid_tool_call")
        )


def _text(where: str, message: ChatMessage) -> str:
    """The content of a message that holds text alone."""
    if isinstance(message.content, list):
        for index, part in enumerate(message.content):
            if part.type not in ("text", "refusal"):
                place = f"{where}.content[{index}].type"
                raise refused(place, f"Invalid value for '{place}': a message with this role may only contain text.")
        return "".join(part.text or part.refusal or "" for part in message.content)
    return message.content or ""


def _content(where: str, message: ChatMessage) -> str | list[str | dict[str, Any]]:
    """The content of a user's message, in parts where it holds more than text."""
    if not isinstance(message.content, list):
        return message.content or ""
    parts: list[str | dict[str, Any]] = []
    for index, part in enumerate(message.content):
        given = getattr(part, part.type)
        if given is None:
            place = f"{where}.content[{index}].{part.type}"
            raise refused(place, f"Missing required parameter: '{place}'.", "missing_required_parameter")
        parts.append(_block(part.type, given))
    if all(isinstance(part, dict) and part["type"] == "text" for part in parts):
        return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict))
    return parts


def _block(kind: str, given: str | Fields) -> dict[str, Any]:
    if isinstance(given, str):
        return {"type": "text", "text": given}
    return {"type": kind, kind: given.model_dump(exclude_none=True)}
