"""``sim:NAME``: a simulated model as a LangChain chat model, in this process and without a key."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, PrivateAttr, ValidationError, model_validator

from moa_graph.models.abilities import Abilities
from moa_graph.models.simulated_messages import chunks_of, result_of
from moa_graph.models.simulated_structure import structured
from moa_graph.models.simulation import (
    STOCK_PROFILES,
    Performance,
    Profile,
    SimulatedFault,
    SimulatedRequest,
    perform,
    profile_named,
)
from moa_graph.models.simulation.faults import (
    BrokenStreamFault,
    GarbledFault,
    HangFault,
    MalformedFault,
    ResetFault,
)

__all__ = ["SimulatedChatModel"]


class SimulatedChatModel(BaseChatModel):
    """A chat model that is simulated: it computes what it can and otherwise says that it is simulated.

    It is a pure function of the request. To draw several answers to one prompt, vary ``seed`` (a field, or a
    keyword of the call) or pass ``sample=0, 1, ...`` with the call. Only the profile's faults look at how
    often the model was asked.

    Args:
        model: A profile's name, with or without ``sim:``. Unknown names get a profile of their own.
        simulation: Overrides the profile that ``model`` names. (``profile`` is LangChain's word for what a
            model can do; it is filled from this.)

    Raises:
        SimulatedFault: On a call, an error answer of the provider, shaped like the SDKs' status errors.
        ConnectionError: On a call, a connection that breaks.
        json.JSONDecodeError: On a call, a body that is no JSON.
    """

    abilities: ClassVar[Abilities] = Abilities(takes_n=True, takes_response_format=True, takes_sample=True)

    model: str = "steady"
    simulation: Profile = STOCK_PROFILES["steady"]
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: list[str] | None = None
    seed: int | None = None
    n: int | None = None

    _numbers: Iterator[int] = PrivateAttr(default_factory=lambda: itertools.count(1))

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """``model`` and ``simulation`` stand for each other."""
        simulation = values.get("simulation")
        if simulation is None:
            simulation = profile_named(str(values.get("model", "steady")))
        simulation = Profile.model_validate(simulation)
        model = str(values.get("model", simulation.name)).removeprefix("sim:")
        return {**values, "model": model, "simulation": simulation}

    @property
    def _llm_type(self) -> str:
        return "simulated"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "simulation": self.simulation.model_dump(mode="json"),
            **self._settings(),
        }

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(max_input_tokens=self.simulation.window, tool_calling=True, structured_output=True)

    def _settings(self) -> dict[str, Any]:
        names = ("temperature", "max_tokens", "top_p", "stop", "seed", "n")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        return LangSmithParams(**{**params, "ls_provider": "sim", "ls_model_name": self.model})

    def _perform(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> Performance:
        asked = {**self._settings(), **{name: value for name, value in kwargs.items() if value is not None}}
        if stop is not None:
            asked["stop"] = stop
        sample = asked.pop("sample", 0)
        try:
            request = SimulatedRequest(
                **{**asked, "model": self.model, "messages": convert_to_openai_messages(messages)}
            )
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise SimulatedFault(400, f"Invalid value for '{where}': {problem['msg']}.", param=where) from error
        performance = perform(self.simulation, request, next(self._numbers), sample)
        if isinstance(performance.fault, ResetFault | GarbledFault):
            raise ConnectionResetError(f"simulated model {self.model}: connection reset by peer")
        return performance

    def _whole(self, performance: Performance) -> ChatResult:
        """The answer once its time has passed, unless it broke on the way."""
        match performance.fault:
            case BrokenStreamFault():
                raise ConnectionResetError(f"simulated model {self.model}: connection lost within the answer")
            case MalformedFault():
                raise json.JSONDecodeError("simulated malformed body", "{", 1)
        return result_of(performance, self.model)

    def _steps(self, performance: Performance) -> Iterator[tuple[float, ChatGenerationChunk]]:
        """The chunks of a streamed answer, each with the seconds to wait before it."""
        if isinstance(performance.fault, MalformedFault):
            raise json.JSONDecodeError("simulated malformed chunk", "{", 1)
        chunks = chunks_of(performance, self.model)
        if isinstance(performance.fault, BrokenStreamFault):
            yield from chunks[: int(len(chunks) * performance.fault.after)]
            raise ConnectionResetError(f"simulated model {self.model}: the stream stopped in the middle")
        yield from chunks

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        performance = self._perform(messages, stop, kwargs)
        self._refuse_to_hang(performance)
        time.sleep(performance.duration)
        return self._whole(performance)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        performance = self._perform(messages, stop, kwargs)
        await _hang_if_due(performance)
        await asyncio.sleep(performance.duration)
        return self._whole(performance)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        performance = self._perform(messages, stop, kwargs)
        self._refuse_to_hang(performance)
        for seconds, chunk in self._steps(performance):
            time.sleep(seconds)
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        performance = self._perform(messages, stop, kwargs)
        await _hang_if_due(performance)
        for seconds, chunk in self._steps(performance):
            await asyncio.sleep(seconds)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _refuse_to_hang(self, performance: Performance) -> None:
        """A thread that hangs can't be cancelled, so the synchronous path ends at once instead."""
        if isinstance(performance.fault, HangFault):
            raise TimeoutError(f"simulated model {self.model} hangs for ever; ask it asynchronously to wait for it")

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with ``tools`` at hand.

        Args:
            tools: Anything that LangChain can turn into a tool.
            tool_choice: ``auto``, ``none``, ``required`` (or ``any``, True), or the name of the one to call.
            **kwargs: Further keywords of each call.
        """
        offered = [convert_to_openai_tool(tool) for tool in tools]
        if tool_choice in ("any", True):
            tool_choice = "required"
        elif isinstance(tool_choice, str) and tool_choice not in ("auto", "none", "required"):
            tool_choice = {"type": "function", "function": {"name": tool_choice}}
        return super().bind(tools=offered, tool_choice=tool_choice or None, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Literal["json_schema", "json_mode", "function_calling"] = "json_schema",
        include_raw: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """This model with answers as ``schema`` says: dicts, or instances of a pydantic class.

        Args:
            schema: A pydantic class, a ``TypedDict``, a JSON schema or a tool's description.
            method: How the provider is asked for it.
            include_raw: Give back ``{"raw": ..., "parsed": ..., "parsing_error": ...}``.
            **kwargs: Passed on for ``function_calling``.
        """
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        return structured(self, schema, method, include_raw)


async def _hang_if_due(performance: Performance) -> None:
    if isinstance(performance.fault, HangFault):
        await asyncio.Event().wait()
