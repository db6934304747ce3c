"""Makes the LangChain chat model that a description asks for.

Retrying and keeping time happen in ``moa_graph.calls`` and nowhere else, so every SDK's own retries and
timeouts are off. Providers' packages are imported here, at the first use of one.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr, ValidationError

from moa_graph.description import ModelSettings
from moa_graph.errors import MissingKey, MixtureError, MoaError
from moa_graph.models.adapted import adapted
from moa_graph.models.clients import LoopClients
from moa_graph.models.objects import copied, retries_for_one_request
from moa_graph.models.reasoning import reasoning_fields
from moa_graph.models.recorded import RecordedChatModel
from moa_graph.models.reference import (
    PROVIDERS,
    ModelReference,
    address_of,
    is_elsewhere,
    key_variable_of,
    moved_to,
    ollama_address,
    parse,
)
from moa_graph.secrets import redact

__all__ = ["PARAMETERS", "Built", "build", "with_parameters"]

NO_KEY = "none"
"""What is sent where no key is needed: without it an SDK would take its provider's from the environment."""


class Built(NamedTuple):
    """A chat model, and the parameters that were asked for but that it doesn't take."""

    model: BaseChatModel
    dropped: tuple[str, ...]


PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_output_tokens", "num_predict"),
    "top_p": ("top_p",),
    "stop": ("stop", "stop_sequences"),
    "seed": ("seed", "random_seed"),
}
"""The settings that most providers know, and the fields that bear them in LangChain's classes."""

_REFUSED_WITH_TEMPERATURE = {"temperature", "top_p"}
"""Models that reason at a temperature of their own take neither."""


def build(settings: ModelSettings, clients: LoopClients, *, streaming: bool) -> Built:
    """The chat model of ``settings``, with their parameters.

    Args:
        settings: Which model, and how it is asked. A chat model object is copied, never changed; what the
            settings leave open stays as it is in the object.
        clients: Where its connections come from.
        streaming: Whether the model may stream. Otherwise it never does, whoever watches the run: a streamed
            answer costs ten times the processor time of a plain one.

    Raises:
        MixtureError: The provider is unknown, its package isn't installed, or a parameter in ``extra`` can't
            work.
        MissingKey: The environment doesn't hold the key.
    """
    if isinstance(settings.model, BaseChatModel):
        return with_parameters(copied(settings.model, clients), settings, streaming=streaming)
    reference = parse(settings.model)
    made = _make(reference, settings, clients)
    return with_parameters(made, settings, streaming=streaming)


def _make(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    try:
        return _MAKERS.get(reference.provider, _any_provider)(reference, settings, clients)
    except MoaError:
        raise
    except ImportError as error:
        package = PROVIDERS[reference.provider].package
        raise MixtureError(
            f"{reference} needs a package that isn't installed: pip install {package} ({error})"
        ) from error
    except ValidationError as error:
        problem = error.errors(include_input=False, include_context=False)[0]
        where = ".".join(map(str, ("extra", *problem["loc"])))
        raise MixtureError(f"{reference}: {where}: {problem['msg']}") from None  # its inputs hold the key
    except (TypeError, ValueError) as error:
        raise MixtureError(f"{reference}: it can't be created as described: {redact(str(error))}") from None


def with_parameters(model: BaseChatModel, settings: ModelSettings, *, streaming: bool) -> Built:
    """A copy of ``model`` that shares its clients and bears the parameters of ``settings`` that it takes.

    Args:
        model: As it was made.
        settings: What it is asked with.
        streaming: Whether it may stream.
    """
    if isinstance(model, RecordedChatModel):
        return Built(model, ())  # whatever it was asked with when it was recorded
    always = bool(settings.extra.get("streaming"))  # so that a server stops when its caller has gone
    update: dict[str, Any] = {} if streaming or always else {"disable_streaming": True}
    fixed_temperature = (model.profile or {}).get("temperature") is False
    dropped = []
    for parameter, names in PARAMETERS.items():
        value = getattr(settings, parameter)
        if value is None:
            continue
        field = next((name for name in names if name in type(model).model_fields), None)
        if field is None or (fixed_temperature and parameter in _REFUSED_WITH_TEMPERATURE):
            dropped.append(parameter)
        else:
            update[field] = list(value) if isinstance(value, tuple) else value
    told = _reasoning(model, settings)
    if told is None:
        dropped.append("reasoning")
    else:
        update |= told
    return Built(model.model_copy(update=update), tuple(dropped))


def _reasoning(model: BaseChatModel, settings: ModelSettings) -> dict[str, Any] | None:
    """What tells the model how much to think; None where it can't be told."""
    if isinstance(settings.model, BaseChatModel):
        return {} if settings.reasoning in (None, "default") else None
    told = reasoning_fields(parse(settings.model), settings)
    if told is None or not told.keys() <= type(model).model_fields.keys():
        return None
    if "extra_body" in told:
        told["extra_body"] = {**told["extra_body"], **(getattr(model, "extra_body", None) or {})}
    return told


def _key(reference: ModelReference, settings: ModelSettings) -> SecretStr:
    variable = key_variable_of(reference, settings)
    if variable is None:
        return SecretStr(NO_KEY)
    if not (key := os.environ.get(variable)):
        raise MissingKey(f"{reference} needs a key: set {variable}, or try the mixture without keys: simulate=True.")
    return SecretStr(key)


def _simulated(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    from moa_graph.models.simulated import SimulatedChatModel

    return SimulatedChatModel(model=reference.name, **settings.extra)


def _recorded(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    return RecordedChatModel.from_reference(reference)


def _together(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    from langchain_together import ChatTogether

    address = settings.base_url or moved_to("together")
    return adapted(ChatTogether)(**_openai_fields(reference, settings, clients, address))


def _openai(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    address = settings.base_url or moved_to("openai")
    if address and is_elsewhere("openai", address):
        return _compatible(reference, settings, clients, address)
    return adapted(ChatOpenAI)(**_openai_fields(reference, settings, clients, settings.base_url))


def _at_its_address(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    """A provider that speaks OpenAI's protocol at an address of its own."""
    return _compatible(reference, settings, clients, settings.base_url or address_of(reference.provider) or "")


def _own_package_or_compatible(
    reference: ModelReference, settings: ModelSettings, clients: LoopClients
) -> BaseChatModel:
    """By LangChain's package for the provider where it is installed, else by OpenAI's protocol, which it speaks too."""
    package = PROVIDERS[reference.provider].package or ""
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        return _at_its_address(reference, settings, clients)
    return _any_provider(reference, settings, clients)


def _ollama(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    """A model of Ollama, which speaks OpenAI's protocol too."""
    return _compatible(reference, settings, clients, ollama_address(settings.base_url))


def _compatible(
    reference: ModelReference, settings: ModelSettings, clients: LoopClients, base_url: str
) -> BaseChatModel:
    """A model behind another server that speaks OpenAI's protocol.

    ``ChatOpenAI`` sends ``max_tokens`` as ``max_completion_tokens``, which Ollama and LM Studio accept and
    ignore, so that an answer could outgrow its budget; its base class sends what it is told.
    """
    from langchain_openai.chat_models.base import BaseChatOpenAI

    fields = {"use_responses_api": False} | _openai_fields(reference, settings, clients, base_url)
    return adapted(BaseChatOpenAI)(**fields)


def _openai_fields(
    reference: ModelReference, settings: ModelSettings, clients: LoopClients, base_url: str | None
) -> dict[str, Any]:
    transport = clients.transport(base_url or reference.provider)
    fields = {
        "model": reference.name,
        "api_key": _key(reference, settings),
        "max_retries": 0,
        "timeout": None,
        "stream_chunk_timeout": None,
        "stream_usage": True,
        "http_client": transport.sync,
        "http_async_client": transport.pooled,
    }
    if base_url:
        fields["base_url"] = base_url
    return fields | settings.extra


def _any_provider(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    fields: dict[str, Any] = {"max_retries": retries_for_one_request(reference.provider)}
    if PROVIDERS[reference.provider].key_variable or settings.key_variable:
        fields["api_key"] = _key(reference, settings)
    if settings.base_url:
        fields["base_url"] = settings.base_url
    model: BaseChatModel = init_chat_model(reference.name, model_provider=reference.provider, **fields | settings.extra)
    return model


def _anthropic(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    """LangChain gives all event loops one client for Anthropic, which breaks in the second of them."""
    model: Any = _any_provider(reference, settings, clients)
    transport = clients.transport(settings.base_url or reference.provider, sdk="anthropic")
    model._async_client = model._async_client.with_options(http_client=transport.pooled)  # noqa: SLF001  (its only place)
    return cast(BaseChatModel, model)


def _google_genai(reference: ModelReference, settings: ModelSettings, clients: LoopClients) -> BaseChatModel:
    """Google's SDK brings a client of its own for each model."""
    model: Any = _any_provider(reference, settings, clients)
    clients.close_later(model.client.aio.aclose)
    return cast(BaseChatModel, model)


_MAKERS: Mapping[str, Callable[[ModelReference, ModelSettings, LoopClients], BaseChatModel]] = {
    "sim": _simulated,
    "recorded": _recorded,
    "together": _together,
    "openai": _openai,
    "openrouter": _at_its_address,
    "ollama": _ollama,
    "groq": _own_package_or_compatible,
    "deepseek": _own_package_or_compatible,
    "mistralai": _own_package_or_compatible,
    "anthropic": _anthropic,
    "google_genai": _google_genai,
}
