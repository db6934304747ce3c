"""From settings to chat models: what goes over the wire, what is left out, and what is never sent."""

from __future__ import annotations

import gc
import importlib.util
import sys
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_openai import ChatOpenAI

from moa_graph.description import ModelSettings
from moa_graph.errors import MissingKey, MixtureError
from moa_graph.models.build import Built, build
from moa_graph.models.clients import of_running_loop
from moa_graph.models.simulated import SimulatedChatModel
from tests.loopback import Asked, Reply, completion, loopback, streamed

OPENAI_STYLE = ["openai:any", "together:any", "openrouter:any"]

PARAMETERS: dict[str, Any] = {
    "temperature": 0.3,
    "max_tokens": 7,
    "top_p": 0.9,
    "stop": ("END",),
    "seed": 5,
    "extra": {"presence_penalty": 0.5},
}

ANTHROPIC = Reply(
    body=b'{"id": "m", "type": "message", "role": "assistant", "model": "any", "stop_reason": "end_turn", '
    b'"content": [{"type": "text", "text": "four"}], "usage": {"input_tokens": 5, "output_tokens": 2}}'
)
GOOGLE = Reply(
    body=b'{"candidates": [{"content": {"role": "model", "parts": [{"text": "four"}]}, "finishReason": "STOP"}]}'
)


def extra(model: str, package: str) -> Any:
    missing = importlib.util.find_spec(package) is None
    return pytest.param(model, marks=pytest.mark.skipif(missing, reason=f"{package} isn't installed"))


EVERY_PROVIDER = pytest.mark.parametrize(
    "model",
    [
        *OPENAI_STYLE,
        extra("anthropic:any", "langchain_anthropic"),
        extra("google_genai:any", "langchain_google_genai"),
    ],
)

IGNORE_GOOGLES_WARNINGS = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession", "ignore:coroutine 'ClientResponse.json' was never awaited"
)


def made(model: str | BaseChatModel, *, streaming: bool = False, **fields: Any) -> Built:
    settings = ModelSettings(model=model, **fields)
    return build(settings, of_running_loop(), streaming=streaming)


@pytest.mark.parametrize("model", OPENAI_STYLE)
async def test_parameters_reach_the_server_under_the_names_it_knows(model: str) -> None:
    async with loopback(lambda _: completion()) as server:
        chat_model, dropped = made(model, base_url=server.url, **PARAMETERS)
        answer = await chat_model.ainvoke("What is 2+2?")
    assert answer.text == "four"
    assert dropped == ()
    sent = server.asked[0].body
    # not max_completion_tokens, which Ollama and LM Studio accept and ignore
    assert {name: sent[name] for name in sent if name not in ("messages", "stream")} == {
        "model": "any",
        "temperature": 0.3,
        "max_tokens": 7,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 5,
        "presence_penalty": 0.5,
    }


async def test_openai_itself_is_asked_through_chat_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "some-openai-key")
    for base_url in (None, "https://api.openai.com/v1"):
        chat_model = made("openai:gpt-4o", base_url=base_url, max_tokens=7).model
        assert isinstance(chat_model, ChatOpenAI)
        assert chat_model._get_request_payload("hi")["max_completion_tokens"] == 7


async def test_an_address_in_the_environment_is_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "some-openai-key")
    async with loopback(lambda _: completion()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        await made("openai:any", max_tokens=7).model.ainvoke("What is 2+2?")
    assert server.asked[0].body["max_tokens"] == 7


@pytest.mark.parametrize("name", ["gpt-5-pro", "codex-mini"])
async def test_another_server_is_asked_for_chat_completions_whatever_the_model(name: str) -> None:
    async with loopback(lambda _: completion()) as server:
        await made(f"openai:{name}", base_url=server.url).model.ainvoke("What is 2+2?")
    assert server.asked[0].path == "/v1/chat/completions"


@IGNORE_GOOGLES_WARNINGS
@EVERY_PROVIDER
async def test_a_request_is_made_once_whatever_comes_back(model: str) -> None:
    async with loopback(lambda _: Reply(500, b'{"error": {"message": "broken"}}')) as server:
        chat_model = made(model, base_url=server.url.removesuffix("/v1")).model
        with pytest.raises(Exception, match="broken"):
            await chat_model.ainvoke("What is 2+2?")
    assert len(server.asked) == 1
    gc.collect()  # what Google's SDK leaves behind, while its warnings are ignored


async def test_google_counts_the_request_itself_among_its_retries() -> None:
    pytest.importorskip("langchain_google_genai", reason="langchain_google_genai isn't installed")
    chat_model: Any = made("google_genai:any", base_url="http://127.0.0.1:9").model
    assert chat_model.max_retries == 1


@IGNORE_GOOGLES_WARNINGS
@EVERY_PROVIDER
async def test_a_providers_key_is_not_sent_to_another_host(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = model.partition(":")[0]
    for variable in ("TOGETHER", "OPENAI", "OPENROUTER", "ANTHROPIC", "GOOGLE", "GEMINI"):
        monkeypatch.setenv(f"{variable}_API_KEY", "the-providers-own-key")
    replies = {"anthropic": ANTHROPIC, "google_genai": GOOGLE}
    async with loopback(lambda _: replies.get(provider) or completion()) as server:
        chat_model = made(model, base_url=server.url.removesuffix("/v1")).model
        assert (await chat_model.ainvoke("What is 2+2?")).text == "four"
    assert "the-providers-own-key" not in str(server.asked)


async def test_the_key_of_a_named_variable_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVERS_KEY", "the-servers-key")
    async with loopback(lambda _: completion()) as server:
        settings: dict[str, Any] = {"base_url": server.url, "key_variable": "MY_SERVERS_KEY"}
        await made("openai:any", **settings).model.ainvoke("What is 2+2?")
    assert server.asked[0].headers["authorization"] == "Bearer the-servers-key"


@pytest.mark.parametrize(
    ("model", "variable"),
    [("together:any", "TOGETHER_API_KEY"), ("openai:any", "OPENAI_API_KEY"), ("groq:any", "GROQ_API_KEY")],
)
async def test_a_missing_key_is_named_before_any_call(model: str, variable: str) -> None:
    with pytest.raises(MissingKey, match=f"{model} needs a key: set {variable}, or .*simulate=True"):
        made(model)


async def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_cohere", None)
    monkeypatch.setenv("COHERE_API_KEY", "some-cohere-key")
    with pytest.raises(MixtureError, match=r"cohere:any needs a package .* pip install langchain-cohere"):
        made("cohere:any")


async def test_an_extra_parameter_that_cannot_work_is_refused_without_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "some-together-key")
    with pytest.raises(MixtureError, match="together:any: extra") as refused:
        made("together:any", extra={"n": 0})
    assert "some-together-key" not in str(refused.value)


@pytest.mark.parametrize("model", ["openai:any", "together:any"])
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_model_streams_only_where_it_may(model: str, streaming: bool) -> None:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "any"}
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}

    def answer(asked: Asked) -> Reply:
        if not asked.body["stream"]:
            return completion()
        assert asked.body["stream_options"] == {"include_usage": True}
        text = {"index": 0, "delta": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}
        return streamed({**chunk, "choices": [text]}, {**chunk, "choices": [], "usage": usage})

    async with loopback(answer) as server:
        chat_model = made(model, base_url=server.url, streaming=streaming).model
        chunks = [chunk async for chunk in chat_model.astream("What is 2+2?")]
    assert server.asked[0].body["stream"] is streaming
    assert "".join(chunk.text for chunk in chunks) == "four"
    assert any(chunk.usage_metadata for chunk in chunks)


@pytest.mark.parametrize("model", ["openai:gpt-5", "openai:o1"])
async def test_a_temperature_that_a_model_refuses_is_left_out_and_reported(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "some-openai-key")
    chat_model, dropped = made(model, temperature=0.7, top_p=0.9, seed=5)
    assert dropped == ("temperature", "top_p")
    assert isinstance(chat_model, ChatOpenAI)
    payload = chat_model._get_request_payload("hi")
    assert "top_p" not in payload
    assert payload.get("temperature") in (None, 1)
    assert payload["seed"] == 5


async def test_parameters_that_a_class_has_no_place_for_are_reported() -> None:
    object_ = FakeListChatModel(responses=["four"])
    chat_model, dropped = made(object_, temperature=0.2, seed=1)
    assert dropped == ("temperature", "seed")
    assert (await chat_model.ainvoke("What is 2+2?")).text == "four"


async def test_a_users_model_is_copied_and_asked_once() -> None:
    async with loopback(lambda _: Reply(500, b'{"error": {"message": "broken"}}')) as server:
        own = ChatOpenAI(model="mine", base_url=server.url, api_key="own-key", temperature=0.1, max_retries=2)
        before = dict(own.__dict__)
        copy = made(own, max_tokens=9).model
        assert isinstance(copy, ChatOpenAI)
        with pytest.raises(Exception, match="broken"):
            await copy.ainvoke("What is 2+2?")
        await own.root_async_client.close()
    assert own.__dict__ == before
    assert len(server.asked) == 1
    assert server.asked[0].body["temperature"] == 0.1
    assert server.asked[0].body["max_completion_tokens"] == 9
    assert server.asked[0].headers["authorization"] == "Bearer own-key"


async def test_a_users_model_that_never_streams_stays_so() -> None:
    own = FakeListChatModel(responses=["four"], disable_streaming=True)
    assert made(own, streaming=True).model.disable_streaming is True
    assert made(FakeListChatModel(responses=["four"])).model.disable_streaming is True


async def test_a_simulated_model_takes_every_parameter() -> None:
    chat_model, dropped = made("sim:steady", **{**PARAMETERS, "extra": {}})
    assert dropped == ()
    assert isinstance(chat_model, SimulatedChatModel)
    assert (chat_model.model, chat_model.temperature, chat_model.max_tokens) == ("steady", 0.3, 7)
    assert (chat_model.top_p, chat_model.stop, chat_model.seed) == (0.9, ["END"], 5)


async def test_a_recording_has_no_parameters_to_report(tmp_path: Any) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"question": "What is 2+2?", "outputs": {"m": "four"}}', encoding="utf-8")
    chat_model, dropped = made(f"recorded:{file}#m", temperature=0.7)
    assert dropped == ()
    assert (await chat_model.ainvoke("What is 2+2?")).text == "four"
