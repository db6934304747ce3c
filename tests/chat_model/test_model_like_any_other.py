"""What code that was written for any chat model finds in a mixture."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import StdOutCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr, ValidationError

from moa_graph import ChatMoA, MixtureError
from moa_graph.calls.structured import parameters_for
from moa_graph.chat_model.identity import digest_of
from moa_graph.response_format import ResponseFormat
from tests.models_for_tests import calling, scripted


class Sum(BaseModel):
    """A sum."""

    value: int


def test_it_is_named_by_a_string() -> None:
    assert ChatMoA(model="moa-lite", simulate=True).graph.mixture.name == "moa-lite"
    with pytest.raises(MixtureError, match="model: this is another name for mixture"):
        ChatMoA("moa-lite", model="council", simulate=True)


def test_a_key_is_taken_where_none_is_needed_and_refused_by_name_elsewhere() -> None:
    assert ChatMoA("moa-lite", simulate=True, api_key="test").invoke("Why?").text
    with pytest.raises(MixtureError, match="api_key: the models of mixture take their keys from the environment"):
        ChatMoA(proposers=["openai:gpt-6-luna"], aggregator="openai:gpt-6-luna", api_key="sk-secret")
    assert "secret" not in repr(ChatMoA("moa-lite", simulate=True, api_key="secret"))


def test_tokens_are_counted_without_a_tokenizer_of_any_model() -> None:
    model = ChatMoA("moa-lite", simulate=True)
    assert 0 < model.get_num_tokens("word " * 100) < 1000
    assert model.get_num_tokens_from_messages([HumanMessage("word " * 100)]) > 50
    with pytest.raises(NotImplementedError, match="each tokenize differently"):
        model.get_token_ids("word")


def test_its_window_is_the_smallest_of_its_models() -> None:
    models = {"small": {"model": "sim:instant", "window": 1000}, "large": {"model": "sim:instant", "window": 9000}}
    stages = [{"propose": {"slots": ["large"]}}, {"aggregate": {"slot": "large", "fallbacks": ["small"]}}]
    profile = ChatMoA({"models": models, "stages": stages}).profile
    assert profile is not None
    assert profile["max_input_tokens"] == 1000


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("strict", [True, None])
async def test_strict_is_passed_on(method: Any, strict: bool | None) -> None:
    reply = AIMessage('{"value": 4}') if method == "json_schema" else calling("Sum", value=4)
    writer = scripted("w", reply)
    model = ChatMoA(proposers=[scripted("p")], aggregator=writer)
    assert await model.with_structured_output(Sum, method=method, strict=strict).ainvoke("2 + 2?") == Sum(value=4)
    (tool,) = writer.journal.asked[0].settings["tools"]
    assert tool["function"].get("strict") is strict


@pytest.mark.parametrize("strict", [True, False])
def test_a_response_format_says_whether_it_is_strict(strict: bool) -> None:
    asked = parameters_for(scripted("w"), ResponseFormat.of(Sum, strict=strict), "schema")
    described = asked["response_format"]["json_schema"]
    assert described["strict"] is strict
    assert (described["schema"].get("additionalProperties") is False) is strict


def test_every_field_takes_effect_when_it_is_set_or_refuses() -> None:
    writer = scripted("w")
    model = ChatMoA(proposers=[scripted("p")], aggregator=writer)
    model.cache = InMemoryCache()
    assert model.invoke("Why?").text == model.invoke("Why?").text
    assert len(writer.journal.asked) == 1
    model.rate_limiter = InMemoryRateLimiter(requests_per_second=1000)
    model.callbacks = [StdOutCallbackHandler()]
    model.profile = {"max_input_tokens": 7}
    with pytest.raises(ValidationError):
        model.cache = 3  # type: ignore[assignment]
    with pytest.raises(ValidationError):
        model.max_tokens = 0


def test_a_mixture_that_refuses_what_was_set_leaves_the_model_as_it_was() -> None:
    model = ChatMoA("moa-lite", simulate=True, temperature=0.2)
    with pytest.raises(MixtureError, match="no model writes the answer"):
        model.mixture = "vote"
    model.stop = ["the end"]
    assert (model.mixture, model.graph.mixture.name, model.temperature) == ("moa-lite", "moa-lite", 0.2)


def test_copies_of_any_kind_answer() -> None:
    model = ChatMoA(proposers=[scripted("p")], aggregator=scripted("w"), options={"quorum": 1})
    for copied in (copy.copy(model), copy.deepcopy(model), model.model_copy(deep=True)):
        assert copied.invoke("Why?").text == "w's answer"
    copied = copy.deepcopy(model)
    copied.options["deadline"] = 3
    assert model.options == {"quorum": 1}


def test_one_that_is_made_from_plain_data_can_be_pickled() -> None:
    made = ChatMoA("moa-lite", simulate=True, temperature=0.5, stop=["END"], options={"quorum": 2}, api_key="unused")
    for whole in (made, made.with_config(tags=["a"]), made.bind(seed=3)):
        again = pickle.loads(pickle.dumps(whole))
        assert again.invoke("What is 2 + 3?").text.endswith("5")
    again = pickle.loads(pickle.dumps(made))
    assert (again.temperature, again.stop, again.options) == (0.5, ["END"], {"quorum": 2})
    assert again._identifying_params == made._identifying_params
    assert b"unused" not in pickle.dumps(made)
    assert pickle.loads(pickle.dumps(ChatMoA(proposers=[made, "sim:a"], aggregator="sim:b"))).depth == 2


def test_one_that_holds_what_cannot_be_pickled_says_so() -> None:
    with pytest.raises(TypeError, match=r"proposers: ChatMoA can't be pickled with it .*: name models by strings"):
        pickle.dumps(ChatMoA(proposers=[ChatOpenAI(model="x", api_key=SecretStr("k"))], aggregator="sim:a"))


async def test_a_middlewares_settings_reach_the_writer() -> None:
    @wrap_model_call
    async def hotter(request: Any, handler: Any) -> Any:
        return await handler(request.override(model_settings={"temperature": 1.5}))

    writer = scripted("w", AIMessage("hot"))
    agent: Any = create_agent(ChatMoA(proposers=[scripted("p")], aggregator=writer), [], middleware=[hotter])
    await agent.ainvoke({"messages": [("user", "Why?")]})
    assert writer.journal.asked[0].settings["temperature"] == 1.5


def described(**changes: Any) -> ChatMoA:
    stages = [{"propose": {"slots": ["sim:a"]}}, {"aggregate": {"slot": "sim:b", **changes}}]
    return ChatMoA({"name": "same", "stages": stages})


def test_mixtures_are_told_apart_by_content_and_not_by_memory() -> None:
    same, other = described(), described(instruction="Something else.")
    assert same._identifying_params == described()._identifying_params
    assert same._identifying_params != other._identifying_params
    assert "Something else" not in str(other._identifying_params)
    models = [scripted("w", AIMessage("x")) for _ in range(2)]
    digests = {digest_of(ChatMoA(proposers=[], aggregator=one, layers=1).graph.mixture) for one in models}
    assert len(digests) == 1
    told = [
        ChatMoA(
            proposers=[],
            aggregator=scripted(
                "w",
            ),
            layers=1,
        )._identifying_params
    ]
    assert "0x" not in str(told)


async def test_langchains_cache_keeps_mixtures_apart() -> None:
    cache = InMemoryCache()
    first = ChatMoA(proposers=[scripted("a", "one")], aggregator=scripted("w", "one"), name="n", cache=cache)
    second = ChatMoA(proposers=[scripted("a", "two")], aggregator=scripted("v", "two"), name="n", cache=cache)
    assert (await first.ainvoke("Why?")).text == (await first.ainvoke("Why?")).text == "one"
    assert (await second.ainvoke("Why?")).text == "two"
