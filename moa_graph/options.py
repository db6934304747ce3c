"""What may be chosen at run time, as LangGraph's context: among configured models, and lower limits only.

Options can't name a URL, a key, a file or a module. Each mixture has a class of its own, whose JSON Schema names its
models and bounds, so that Studio's form offers just what works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, create_model

from moa_graph.description import Budget, PositiveSeconds, Seconds, duration
from moa_graph.errors import OptionsError
from moa_graph.response_format import ResponseFormat

__all__ = ["AnswerSettings", "Options", "options_class"]


@dataclass(frozen=True)
class AnswerSettings:
    """What the caller of a mixture as a chat model asks of its answer.

    Args:
        tools: Tools that the model which writes the answer may call, in OpenAI's format.
        tool_settings: ``tool_choice`` and the like, as LangChain's ``bind_tools`` takes them.
        all_tools: Whether the proposing models are offered the tools as well, to propose calls of them.
        response_format: What the answer must fit; None for free text.
        stop: Texts before which the answer ends.
        parameters: Of the model that writes the answer, over those of its slot: fields of ``ModelSettings``.
        capped: Whether ``max_tokens`` among them counts that model's thoughts too, as OpenAI's protocol has it.
        timeout: Seconds for that model's answer, retries included; None leaves it to the slot.
        tries: Most requests to that model; None leaves it to the slot.
        on_degraded: Whether an answer that is less than what the mixture describes is given, or an error raised.
        live: Whether every slot's text is told while it is written, as ``record_text`` events. Streaming a model takes
            ten times the processor time of a plain call.
        redact: Applied to the texts that a message keeps of the stages before the last.
        says_nothing: Whether the last message may be empty: a server leaves it to the models what they answer to that.
        advise: When the stages before the last are asked, rather than going by what they gave before: once in a
            user's turn, once in a conversation, or at every call.
    """

    tools: tuple[dict[str, Any], ...] = ()
    tool_settings: Mapping[str, Any] = field(default_factory=dict)
    all_tools: bool = False
    response_format: ResponseFormat | None = None
    stop: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    capped: bool = False
    timeout: float | None = None
    tries: int | None = None
    live: bool = False
    on_degraded: Literal["answer", "raise"] = "answer"
    redact: Callable[[str], str] | None = None
    says_nothing: bool = False
    advise: Literal["user_turn", "first_call", "every_call"] = "every_call"

    @property
    def nothing_else_will_do(self) -> bool:
        """Whether another model's prose can't stand in for the writer's answer."""
        return bool(self.tools) or self.response_format is not None or self.on_degraded == "raise"

    def stopping_at(self, stop: Sequence[str]) -> AnswerSettings:
        """These settings with other texts before which the answer ends."""
        return replace(self, stop=tuple(stop))


_NO_BUDGET = Budget()


class Options(BaseModel):
    """Choices for one run. What is left out stays as the mixture says.

    Raises:
        OptionsError: A choice is unknown or out of its bounds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    aggregator: str | None = Field(default=None, title="Aggregator", description="The model that writes the answer.")
    proposers: tuple[str, ...] | None = Field(
        default=None, title="Proposers", description="The slots that are asked; the others are left out."
    )
    quorum: int | None = Field(
        default=None,
        ge=1,
        title="Quorum",
        description="Live proposals that close a stage, at most as many as it asks for.",
    )
    grace: Seconds | None = Field(
        default=None, title="Grace", description="Seconds that a stage waits for the others after its quorum."
    )
    deadline: PositiveSeconds | None = Field(
        default=None, title="Deadline", description="Active seconds until the answer."
    )
    usd: float | None = Field(default=None, gt=0, title="Dollars", description="Most US dollars that the run may cost.")
    calls: int | None = Field(default=None, ge=1, title="Calls", description="Most model requests, retries included.")
    tokens: int | None = Field(default=None, ge=1, title="Tokens", description="Most prompt and output tokens.")

    temperature: float | None = Field(
        default=None, ge=0, le=2, title="Temperature", description="Of the model that writes the answer."
    )
    prompt_tag: str | None = Field(
        default=None,
        title="Prompt tag",
        description="What the prompt is about, for mixtures that take one branch or another by it.",
    )
    system_prompt: str | None = Field(
        default=None,
        title="System prompt",
        description="What all models are told before the conversation, in front of its own system message.",
    )

    _answer: AnswerSettings = PrivateAttr(default_factory=AnswerSettings)

    def __init__(self, **choices: Any) -> None:
        try:
            super().__init__(**choices)
        except ValidationError as error:
            raise OptionsError(f"run-time options: {self._problems(error)}") from None

    @classmethod
    def _problems(cls, error: ValidationError) -> str:
        lines = []
        for problem in error.errors(include_url=False):
            what = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                what = f"there is no such option; there are {', '.join(cls.model_fields)}"
            lines.append(f"{'.'.join(map(str, problem['loc']))}: {what}")
        return "; ".join(lines)

    @property
    def answer(self) -> AnswerSettings:
        """What the caller asks of the answer. No field: only Python code can say it."""
        private = self.__pydantic_private__  # every call asks for it, and pydantic's attribute access is slow
        assert private is not None, "a model with private attributes has them"
        settings: AnswerSettings = private["_answer"]
        return settings

    def with_answer(self, settings: AnswerSettings) -> Self:
        """These options, with what the caller asks of the answer."""
        asked = self.model_copy()
        asked._answer = settings  # noqa: SLF001  (a copy of this very class)
        return asked

    @property
    def writer(self) -> Mapping[str, Any]:
        """Parameters of the model that writes the answer, over those of its slot."""
        if self.temperature is None:
            return self.answer.parameters
        return {"temperature": self.temperature, **self.answer.parameters}

    def limit(self, budget: Budget | None) -> Budget:
        """``budget`` with this run's lower limits."""
        chosen = {name: getattr(self, name) for name in ("usd", "calls", "tokens", "deadline")}
        given = {name: value for name, value in chosen.items() if value is not None}
        return (budget or _NO_BUDGET).model_copy(update=given) if given else budget or _NO_BUDGET


def options_class(models: Sequence[str], slots: Sequence[str], quorums: range, budget: Budget | None) -> type[Options]:
    """The options of one mixture.

    Args:
        models: Names of the models that may write the answer.
        slots: Names of the slots that may be chosen.
        quorums: The numbers of live proposals that may close a stage.
        budget: The mixture's own limits, which can only be lowered.
    """
    limits = budget or Budget()
    fields: dict[str, Any] = {}
    if models:
        fields["aggregator"] = _restricted("aggregator", _one_of(models) | None)
    if slots:
        fields["proposers"] = _restricted("proposers", tuple[_one_of(slots), ...] | None)  # type: ignore[misc]  # made at run time
    fields["quorum"] = _restricted("quorum", int | None, ge=quorums.start, le=quorums.stop - 1)
    if limits.deadline is not None:
        fields["deadline"] = _restricted("deadline", Annotated[float, *duration(gt=0, le=limits.deadline)] | None)
    for name, kind in (("usd", float), ("calls", int), ("tokens", int)):
        if (bound := getattr(limits, name)) is not None:
            fields[name] = _restricted(name, kind | None, gt=0, le=bound)
    return create_model("Options", __base__=Options, __module__=__name__, **fields)


def _one_of(names: Sequence[str]) -> Any:
    return Literal[tuple(names)]


def _restricted(name: str, kind: Any, **bounds: Any) -> tuple[Any, Any]:
    field = Options.model_fields[name]
    return kind, Field(default=None, title=field.title, description=field.description, **bounds)
