"""What a model's tokens cost, and how many it can read: unknown is None, never zero and never a guess.

List prices come from the installed version of the ``genai-prices`` package, and nothing is fetched: a price
changes only on a day for which that list says so. The same open model costs differently at each host, so a
price is only ever the price at the host that is asked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel, ModelProfile

from moa_graph.description import ModelSettings, Price
from moa_graph.models.reference import ModelReference, parse
from moa_graph.models.simulation.profile import profile_named
from moa_graph.state import Usage

__all__ = ["cost", "price_of", "window_of"]

MILLION = 1_000_000

PRICE_LIST_NAMES = {
    "anthropic": "anthropic",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google_genai": "google",
    "google_vertexai": "google",
    "groq": "groq",
    "mistralai": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "xai": "x-ai",
}
"""LangChain's name of a provider -> the price list's name of it."""

PROFILED = {"anthropic", "deepseek", "google_genai", "groq", "mistralai", "openai", "perplexity", "xai"}
"""Providers whose LangChain packages hold profiles, and whose chat models are made without asking anyone."""


class Listing(NamedTuple):
    """What the price list says of one model."""

    price: Price | None
    window: int | None


def price_of(settings: ModelSettings) -> Price | None:
    """List price of a model at the host that ``settings`` name; None if it isn't known.

    Where a provider asks more for long prompts, this is the price of short ones.
    """
    if settings.price is not None:
        return settings.price
    if isinstance(settings.model, BaseChatModel):
        return getattr(getattr(settings.model, "simulation", None), "price", None)
    reference = parse(settings.model)
    if reference.provider == "sim":
        return profile_named(reference.name).price
    return _listing(reference, settings.base_url).price


def window_of(settings: ModelSettings) -> int | None:
    """Most tokens of a prompt that a model can read; None if it isn't known.

    What the description says comes first, LangChain's profile of the model second, the price list third.
    """
    if settings.window is not None:
        return settings.window
    if isinstance(settings.model, BaseChatModel):
        return _window_in(settings.model.profile)
    reference = parse(settings.model)
    if reference.provider == "sim":
        return profile_named(reference.name).window
    profile = None if settings.base_url else _profile(reference)
    return _window_in(profile) or _listing(reference, settings.base_url).window


def cost(price: Price | None, usage: Usage | None) -> float | None:
    """US dollars for the tokens of one call; None if its price or its usage isn't known."""
    if price is None or usage is None:
        return None
    cached_price = price.input if price.cached_input is None else price.cached_input
    fresh = usage["input"] - usage["cached"]
    return (fresh * price.input + usage["cached"] * cached_price + usage["output"] * price.output) / MILLION


def _window_in(profile: ModelProfile | None) -> int | None:
    return (profile or {}).get("max_input_tokens") or None


@cache
def _profile(reference: ModelReference) -> ModelProfile | None:
    """LangChain's profile of a model, which is read off a chat model that is never asked anything."""
    if reference.provider not in PROFILED:
        return None
    from langchain.chat_models import init_chat_model

    try:
        model = init_chat_model(reference.name, model_provider=reference.provider, api_key="none")
    except Exception:
        return None
    return model.profile


@cache
def _listing(reference: ModelReference, base_url: str | None) -> Listing:
    from genai_prices import Usage as TokenCount
    from genai_prices import calc_price

    host: dict[str, Any] = {"provider_id": PRICE_LIST_NAMES.get(reference.provider)}
    if base_url:
        host = {"provider_api_url": base_url}
    if None in host.values():
        return Listing(None, None)
    try:
        found = calc_price(TokenCount(), reference.name, genai_request_timestamp=_noon(), **host)
    except LookupError:
        return Listing(None, None)
    if not any(found.model is model for model in found.provider.models):
        return Listing(None, None)  # another provider's model and price, as Azure's list falls back to OpenAI's
    return Listing(_price(found.model_price), found.model.context_window)


def _noon() -> datetime:
    """Today at an hour at which no night rate counts, so that a price doesn't depend on the time of day."""
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


def _price(listed: Any) -> Price | None:
    read, written = _dollars(listed.input_mtok), _dollars(listed.output_mtok)
    if read is None or written is None or listed.requests_kcount:
        return None
    return Price(input=read, output=written, cached_input=_dollars(listed.cache_read_mtok))


def _dollars(value: Any) -> float | None:
    """A price per million tokens, the lowest tier's where there are several."""
    base: Decimal | None = getattr(value, "base", value)
    return None if base is None else float(base)
