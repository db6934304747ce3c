"""The written name of a model, ``provider:name``, and what is known of each provider.

A provider is one of LangChain's, so that what ``init_chat_model`` takes is understood here too, or one of
ours: ``sim`` for a simulated model, ``recorded`` for answers that were recorded before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import urlsplit

from moa_graph.description import ModelSettings
from moa_graph.errors import MixtureError

__all__ = [
    "COMPATIBLE",
    "PROVIDERS",
    "ModelReference",
    "Provider",
    "address_of",
    "is_elsewhere",
    "key_variable_of",
    "moved_to",
    "near",
    "parse",
]  # fmt: skip


@dataclass(frozen=True)
class Provider:
    """What is known of a provider before its package is imported.

    Args:
        package: Package of PyPI that holds its chat model; None for ours.
        key_variable: Environment variable that holds its key; None if it needs none, or signs in by other
            means.
        host: Host of its API, for the providers whose address may be overridden.
        address: Base URL of its API, for the providers that are asked for their list of models.
        address_variables: Environment variables that may name another base URL; the first one that is set counts.
    """

    package: str | None
    key_variable: str | None = None
    host: str | None = None
    address: str | None = None
    address_variables: tuple[str, ...] = ()


PROVIDERS: Mapping[str, Provider] = {
    "sim": Provider(None),
    "recorded": Provider(None),
    "together": Provider(
        "langchain-together",
        "TOGETHER_API_KEY",
        "api.together.xyz",
        "https://api.together.xyz/v1",
        (
            "TOGETHER_API_BASE",
            "TOGETHER_BASE_URL",
        ),
    ),
    "openai": Provider(
        "langchain-openai",
        "OPENAI_API_KEY",
        "api.openai.com",
        "https://api.openai.com/v1",
        (
            "OPENAI_BASE_URL",
            "OPENAI_API_BASE",
        ),
    ),
    "openrouter": Provider(
        "langchain-openai",
        "OPENROUTER_API_KEY",
        "openrouter.ai",
        "https://openrouter.ai/api/v1",
        (
            "OPENROUTER_API_BASE",
            "OPENROUTER_BASE_URL",
        ),
    ),
    "anthropic": Provider(
        "langchain-anthropic",
        "ANTHROPIC_API_KEY",
        "api.anthropic.com",
        "https://api.anthropic.com",
        (
            "ANTHROPIC_API_URL",
            "ANTHROPIC_BASE_URL",
        ),
    ),
    "anthropic_bedrock": Provider("langchain-aws"),
    "azure_ai": Provider("langchain-azure-ai"),
    "azure_openai": Provider("langchain-openai", "AZURE_OPENAI_API_KEY"),
    "baseten": Provider("langchain-baseten", "BASETEN_API_KEY"),
    "bedrock": Provider("langchain-aws"),
    "bedrock_converse": Provider("langchain-aws"),
    "bedrock_mantle_anthropic": Provider("langchain-aws"),
    "bedrock_mantle_openai": Provider("langchain-aws"),
    "cohere": Provider("langchain-cohere", "COHERE_API_KEY"),
    "deepseek": Provider(
        "langchain-deepseek",
        "DEEPSEEK_API_KEY",
        "api.deepseek.com",
        "https://api.deepseek.com/v1",
        (
            "DEEPSEEK_API_BASE",
            "DEEPSEEK_BASE_URL",
        ),
    ),
    "fireworks": Provider("langchain-fireworks", "FIREWORKS_API_KEY", "api.fireworks.ai"),
    "google_anthropic_vertex": Provider("langchain-google-vertexai"),
    "google_genai": Provider(
        "langchain-google-genai",
        "GOOGLE_API_KEY",
        "generativelanguage.googleapis.com",
        "https://generativelanguage.googleapis.com",
        ("GOOGLE_GEMINI_BASE_URL",),
    ),
    "google_vertexai": Provider("langchain-google-vertexai"),
    "groq": Provider(
        "langchain-groq",
        "GROQ_API_KEY",
        "api.groq.com",
        "https://api.groq.com/openai/v1",
        ("GROQ_API_BASE",),
    ),
    "huggingface": Provider("langchain-huggingface"),
    "ibm": Provider("langchain-ibm", "WATSONX_API_KEY"),
    "langsmith": Provider("langchain-openai"),
    "litellm": Provider("langchain-litellm"),
    "meta": Provider("langchain-meta"),
    "mistralai": Provider(
        "langchain-mistralai",
        "MISTRAL_API_KEY",
        "api.mistral.ai",
        "https://api.mistral.ai/v1",
        ("MISTRAL_BASE_URL",),
    ),
    "nvidia": Provider("langchain-nvidia-ai-endpoints", "NVIDIA_API_KEY"),
    "ollama": Provider("langchain-openai"),
    "perplexity": Provider("langchain-perplexity", "PPLX_API_KEY"),
    "upstage": Provider("langchain-upstage", "UPSTAGE_API_KEY"),
    "xai": Provider("langchain-xai", "XAI_API_KEY", "api.x.ai"),
}


COMPATIBLE = frozenset({"groq", "deepseek", "mistralai"})
"""Providers that are asked by OpenAI's protocol, where their LangChain package isn't installed."""


@dataclass(frozen=True)
class ModelReference:
    """A model as a person writes it: ``provider:name``."""

    provider: str
    name: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"

    @property
    def label(self) -> str:
        """Name of the model's node: the last segment of its path, in characters that a node may bear."""
        last = re.split(r"[/#]", self.name.rstrip("/#"))[-1]
        return re.sub(r"[:|]", "-", last)


def parse(text: str, known: Iterable[str] = ()) -> ModelReference:
    """The reference that ``text`` writes.

    Args:
        text: ``provider:name``; the name may hold further colons, as Ollama's and OpenRouter's do.
        known: Names that would also have been understood, to suggest from.

    Raises:
        MixtureError: ``text`` has no provider, one that isn't known, or nothing after it.
    """
    provider, _, name = (part.strip() for part in text.partition(":"))
    if not (provider and name):
        raise _unknown(text, sorted(known))
    if provider not in PROVIDERS:
        raise MixtureError(
            f"{text!r}: there is no provider {provider!r}.{near(provider, PROVIDERS)} Known: "
            f"{', '.join(sorted(PROVIDERS))}. Any other is used by giving its LangChain chat model object."
        )
    return ModelReference(provider, name)


def _unknown(text: str, known: list[str]) -> MixtureError:
    named = f" Named in this mixture: {', '.join(known)}." if known else ""
    name = text.strip(": ") or "name"
    return MixtureError(
        f"{text!r} isn't a known model.{near(text, known)}{named} Write a name from `models`, or "
        f"provider:name, such as together:{name} or openai:{name}."
    )


def near(text: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest of ``known``; empty if none is near."""
    found = get_close_matches(text, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(found)}?" if found else ""


def key_variable_of(reference: ModelReference, settings: ModelSettings) -> str | None:
    """The environment variable that must hold a key for this model; None if it needs none.

    A key is only ever meant for its provider's own host. With a ``base_url`` elsewhere none is sent, unless
    the description names its ``key_variable``. One that ``OPENAI_BASE_URL`` names is sent OpenAI's key if there is one,
    as by every program that knows these two variables.
    """
    if settings.key_variable is not None:
        return settings.key_variable
    if settings.base_url and is_elsewhere(reference.provider, settings.base_url):
        return None
    variable = PROVIDERS[reference.provider].key_variable
    own_server = os.environ.get("OPENAI_BASE_URL") if reference.provider == "openai" and not settings.base_url else None
    if own_server and is_elsewhere("openai", own_server) and variable and not os.environ.get(variable):
        return None
    return variable


def address_of(provider: str) -> str | None:
    """The base URL of a provider's API: what its environment variables say, else its own; None if it isn't known."""
    known = PROVIDERS[provider]
    said = (os.environ.get(variable, "").strip().rstrip("/") for variable in known.address_variables)
    return next(filter(None, said), known.address)


def ollama_address(stated: str | None = None) -> str:
    """The base URL of Ollama in OpenAI's protocol: what is stated, else what OLLAMA_HOST says, else its usual one."""
    host = stated or os.environ.get("OLLAMA_HOST") or "127.0.0.1:11434"
    address = (host if "//" in host else f"http://{host}").replace("//0.0.0.0", "//127.0.0.1").rstrip("/")
    return address if address.endswith("/v1") else f"{address}/v1"


def moved_to(provider: str) -> str | None:
    """The base URL that the environment names in the place of the provider's own; None if it names none."""
    address = address_of(provider)
    return None if address == PROVIDERS[provider].address else address


def is_elsewhere(provider: str, base_url: str) -> bool:
    """Whether ``base_url`` is on another host than the provider's own."""
    return urlsplit(base_url).hostname != PROVIDERS[provider].host
