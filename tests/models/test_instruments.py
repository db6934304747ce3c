"""What an instrument wraps is gone through: nothing is asked past it."""

from __future__ import annotations

import functools
from typing import Any

import langchain_core
import openai
import pytest
from langchain_core.language_models import BaseChatModel
from openai.resources.chat.completions import AsyncCompletions

from moa_graph.description import ModelSettings
from moa_graph.models.build import build
from moa_graph.models.clients import of_running_loop
from moa_graph.models.instruments import is_wrapped
from tests.loopback import completion, loopback


def wrapped_by_hand(method: Any, seen: list[str]) -> Any:
    @functools.wraps(method)
    async def create(*given: Any, **named: Any) -> Any:
        seen.append(named["model"])
        return await method(*given, **named)

    return create


def wrapped_by_an_object(method: Any, seen: list[str]) -> Any:
    class Wrapper:
        """Shows the code of what it wraps, as wrapt's do."""

        __code__ = method.__code__

        def __get__(self, instance: Any, owner: type) -> Any:
            return self if instance is None else functools.partial(self, instance)

        def __call__(self, *given: Any, **named: Any) -> Any:
            seen.append(named["model"])
            return method(*given, **named)

    return Wrapper()


WRAPPINGS = pytest.mark.parametrize("wrapping", [wrapped_by_hand, wrapped_by_an_object])


@WRAPPINGS
@pytest.mark.parametrize("model", ["openai:any", "together:any"])
async def test_a_plain_call_goes_through_the_sdks_method_once_it_is_wrapped(
    model: str, wrapping: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    async with loopback(lambda _: completion()) as server:
        chat_model = build(ModelSettings(model=model, base_url=server.url), of_running_loop(), streaming=False).model
        await chat_model.ainvoke("What is 2+2?")
        monkeypatch.setattr(AsyncCompletions, "create", wrapping(AsyncCompletions.create, seen))
        assert (await chat_model.ainvoke("What is 2+2?")).text == "four"
    assert (len(server.asked), seen) == (2, ["any"])


@WRAPPINGS
def test_a_wrapped_method_is_known_as_such(wrapping: Any) -> None:
    for method, package in ((AsyncCompletions.create, openai), (BaseChatModel.agenerate, langchain_core)):
        assert not is_wrapped(method, package)
        assert is_wrapped(wrapping(method, []), package)


def test_a_method_of_a_package_whose_name_only_begins_alike_is_another_ones() -> None:
    assert is_wrapped(build, langchain_core)
    assert is_wrapped(BaseChatModel.agenerate, openai)
