"""A chat model's fields, the graph that they describe, and what tells it from others."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any, Literal, NamedTuple, Self

from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr, TypeAdapter

from moa_graph.chat_model.call_options import read_call, writer_settings
from moa_graph.chat_model.identity import digest_of
from moa_graph.chat_model.own_graph import BUILT_FROM, build, models_of, profile_of
from moa_graph.chat_model.turn import TurnSpending, spent_before, within_the_rest
from moa_graph.errors import MixtureError, MoaError
from moa_graph.graph import Compiled, MoaGraph
from moa_graph.options import AnswerSettings, Options

__all__ = ["DescribedModel", "RunRequest"]

DEEPEST = 3
"""How deep mixtures may be nested. Each level multiplies the calls of the one above."""

WRITER_FIELDS = ("temperature", "max_tokens", "top_p", "seed", "reasoning", "timeout", "max_retries")


_ANY_CLASS = ConfigDict(arbitrary_types_allowed=True)


def _as_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


class RunRequest(NamedTuple):
    """What one call asks: the options of its run, what applies to the answer, and what its turn has spent before."""

    options: Options
    settings: AnswerSettings
    before: TurnSpending


class DescribedModel(BaseChatModel):
    """A chat model made from the description of a mixture. Fields that are set later take effect at the next call."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    mixture: Any = None
    proposers: Any = None
    aggregator: Any = None
    layers: int | None = None
    simulate: bool | None = None
    substitute: dict[str, str] | None = None
    store: Any = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    reasoning: str | int | dict[str, Any] | None = None
    timeout: float | None = Field(default=None, gt=0)
    max_retries: int | None = Field(default=None, ge=0)
    api_key: SecretStr | None = Field(default=None, repr=False, exclude=True)
    stop: Annotated[list[str] | None, BeforeValidator(_as_list)] = None
    advise: Literal["user_turn", "first_call", "every_call"] = "user_turn"
    keep_advice: Literal["apart", "in_message"] = "apart"
    tools: Literal["aggregator", "all"] = "aggregator"
    redact: Callable[[str], str] | None = Field(default=None, repr=False, exclude=True)
    on_degraded: Literal["answer", "raise"] = "answer"
    options: dict[str, Any] = Field(default_factory=dict)
    streaming: bool | None = None

    _graph: MoaGraph = PrivateAttr()
    _compiled: Compiled = PrivateAttr()
    _options: Options = PrivateAttr()
    _digest: str = PrivateAttr()
    _strict: bool | None = PrivateAttr(default=None)

    def model_post_init(self, _: Any) -> None:
        """Builds the graph, once: copies share it."""
        self._build()

    def _build(self) -> None:
        graph = build(self)
        depth = 1 + max((model.depth for model in models_of(graph) if isinstance(model, DescribedModel)), default=0)
        if depth > DEEPEST:
            raise MixtureError(
                f"{graph.mixture.name}: mixtures are nested {depth} deep, and at most {DEEPEST} "
                "are allowed: name a model in place of the innermost mixture"
            )
        needed = sorted({member.key_variable for member in graph.plan.everyone if member.key_variable})
        if self.api_key is not None and needed:
            raise MixtureError(
                f"api_key: the models of {graph.mixture.name} take their keys from the environment: set "
                f"{', '.join(needed)}"
            )
        self._choose(graph)
        self._graph, self._compiled = graph, graph.compile(checkpointer=False)
        self._digest = digest_of(graph.mixture, self.simulate, self.substitute)

    def _choose(self, graph: MoaGraph) -> None:
        """Reads the options, and refuses what no model of this mixture would be told."""
        options = graph.plan.options(**self.options)
        self._usual(graph)
        self._options = options

    def __setattr__(self, name: str, value: Any) -> None:
        """Checks a field that is set after the chat model was made, and lets it take effect."""
        if name not in type(self).model_fields or not getattr(self, "_digest", None):
            super().__setattr__(name, value)
            return
        before = getattr(self, name)
        field = type(self).model_fields[name]
        super().__setattr__(name, TypeAdapter(field.rebuild_annotation(), config=_ANY_CLASS).validate_python(value))
        try:
            self._take_over({name})
        except MoaError:  # nothing has changed but the field
            super().__setattr__(name, before)
            raise

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with other fields where some are given. It shares the graph where it can."""
        copied = super().model_copy(update=update, deep=deep)
        copied._take_over(set(update or ()))  # noqa: SLF001  (a copy of this very class)
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy with options of its own. It shares the graph and its models: connections can't be copied."""
        return self.model_copy(update={"options": deepcopy(self.options, memo), "stop": deepcopy(self.stop, memo)})

    def __reduce__(self) -> tuple[Any, ...]:
        """A chat model is pickled by its fields, and its graph built anew from them.

        Raises:
            TypeError: A field holds an object that can't be pickled.
        """
        given = {name: value for name, value in self.__dict__.items() if name in self.model_fields_set - {"api_key"}}
        for name, value in given.items():
            try:
                pickle.dumps(value)
            except Exception as error:
                raise TypeError(
                    f"{name}: {type(self).__name__} can't be pickled with it ({error}): name models by strings or a "
                    "file, or create the chat model again in the other process"
                ) from None
        return _made_anew, (type(self), given, self._strict)

    def _take_over(self, changed: set[str]) -> None:
        if changed & set(BUILT_FROM):
            self._build()
        elif changed & {"options", *WRITER_FIELDS}:
            self._choose(self._graph)

    @property
    def graph(self) -> MoaGraph:
        """The mixture's graph, not compiled."""
        return self._graph

    @property
    def depth(self) -> int:
        """How deeply mixtures are nested here: 1 where no model is a mixture itself."""
        inner = (model.depth for model in models_of(self._graph) if isinstance(model, DescribedModel))
        return 1 + max(inner, default=0)

    def _usual(self, graph: MoaGraph) -> AnswerSettings:
        """What the fields ask of every answer."""
        fields = {name: getattr(self, name) for name in WRITER_FIELDS}
        given = {name: value for name, value in fields.items() if value is not None}
        usual = AnswerSettings(
            stop=tuple(self.stop or ()),
            all_tools=self.tools == "all",
            on_degraded=self.on_degraded,
            advise=self.advise,
            redact=self.redact,
        )
        return writer_settings(given, usual, graph)

    def _asked(self, messages: Sequence[BaseMessage], stop: list[str] | None, asked: Mapping[str, Any]) -> RunRequest:
        """What one call asks."""
        usual = self._usual(self._graph)
        if stop is not None:
            usual = usual.stopping_at(stop)
        options, settings = read_call(asked, self._options, usual, self._graph)
        before = spent_before(messages, self._graph.mixture.name)
        return RunRequest(within_the_rest(options, self._graph, before), settings, before)

    def get_num_tokens(self, text: str) -> int:
        """An estimate: each model of a mixture counts tokens in its own way."""
        return self.get_num_tokens_from_messages([HumanMessage(text)])

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """An estimate: each model of a mixture counts tokens in its own way."""
        offered: list[Any] | None = None if tools is None else [convert_to_openai_tool(tool) for tool in tools]
        return count_tokens_approximately(messages, tools=offered)

    def get_token_ids(self, text: str) -> list[int]:
        """Not available: the models of a mixture share no token ids.

        Raises:
            NotImplementedError: Always, unless a function is given in ``custom_get_token_ids``.
        """
        if self.custom_get_token_ids is None:
            raise NotImplementedError("the models of a mixture each tokenize differently: give custom_get_token_ids")
        return self.custom_get_token_ids(text)

    @property
    def _llm_type(self) -> str:
        return "moa"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """What traces and caches identify the mixture by: its name and a digest of its content."""
        writer = {name: getattr(self, name) for name in WRITER_FIELDS if getattr(self, name) is not None}
        chosen = {"advise": self.advise, "tools": self.tools, "stop": self.stop, **writer, **self.options}
        return {"mixture": self._graph.mixture.name, "content": self._digest, **chosen}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        return LangSmithParams(**{"ls_model_name": self._graph.mixture.name, **params, "ls_provider": "moa"})

    def _resolve_model_profile(self) -> ModelProfile:
        return profile_of(self._graph)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """The mixture by name: its description may hold headers, and traces show what an object is printed as."""
        return [("mixture", self._graph.mixture.name)]


def _made_anew(kind: type[DescribedModel], fields: Mapping[str, Any], strict: bool | None) -> DescribedModel:
    """A chat model as it was pickled."""
    model = kind(**fields)
    model._strict = strict  # noqa: SLF001  (it is made in this file)
    return model
