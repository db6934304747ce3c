"""A user's chat model object serves every event loop, and keeps none of them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_openai import ChatOpenAI
from langchain_together import ChatTogether

from moa_graph import create_moa
from moa_graph.models.catalogue import Catalogue, Member
from moa_graph.models.clients import of_running_loop
from tests.loopback import Asked, Reply, completion, loopback, loopback_in_thread

QUESTION: Any = {"messages": [("user", "What is 2+2?")]}
RUNS = 3

OBJECTS = pytest.mark.parametrize("chat_model", [ChatOpenAI, ChatTogether])


def answer(asked: Asked) -> Reply:
    return completion("four")


def compiled(chat_model: Any) -> Any:
    stages = [{"propose": {"slots": [chat_model, chat_model]}}, {"aggregate": {"slot": chat_model}}]
    return create_moa({"name": "objects", "stages": stages}).compile()


def has_gone_well(state: Any) -> bool:
    live = [stage["live"] for stage in state["report"]["stages"]]
    return live == [2, 1] and state["messages"][-1].text == "four"


@OBJECTS
def test_one_graph_is_run_in_one_loop_after_another(chat_model: Any) -> None:
    with loopback_in_thread(answer) as server:
        graph = compiled(chat_model(model="mine", base_url=server.url, api_key="own-key"))
        for _ in range(RUNS):
            assert has_gone_well(asyncio.run(graph.ainvoke(QUESTION)))
        asyncio.run_coroutine_threadsafe(server.all_closed(), server.loop).result(timeout=10)
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer own-key"}


@OBJECTS
def test_one_graph_is_run_in_many_threads_at_once_and_in_a_loop_between(chat_model: Any) -> None:
    with loopback_in_thread(answer) as server, ThreadPoolExecutor(RUNS) as threads:
        graph = compiled(chat_model(model="mine", base_url=server.url, api_key="own-key"))
        for _ in range(2):
            assert all(has_gone_well(state) for state in threads.map(graph.invoke, [QUESTION] * RUNS))
            assert has_gone_well(asyncio.run(graph.ainvoke(QUESTION)))


def test_one_graph_is_run_in_loops_in_many_threads_at_once() -> None:
    with loopback_in_thread(answer) as server, ThreadPoolExecutor(RUNS) as threads:
        graph = compiled(ChatOpenAI(model="mine", base_url=server.url, api_key="own-key"))
        runs = [threads.submit(lambda: asyncio.run(graph.ainvoke(QUESTION))) for _ in range(2 * RUNS)]
        assert all(has_gone_well(run.result(timeout=30)) for run in runs)


def member_of(chat_model: Any, **settings: float) -> Member:
    return Catalogue({}).member(chat_model, **settings)


async def test_objects_for_one_address_share_connections_and_a_loop_has_one_copy() -> None:
    async with loopback(answer) as server:
        own = ChatOpenAI(model="mine", base_url=server.url, api_key="own-key")
        before = dict(own.__dict__)
        for member in (member_of(own), member_of(own, temperature=0.1), member_of(own.model_copy())):
            copy = member.chat_model(streaming=False).model
            assert member.chat_model(streaming=False).model is copy
            await copy.ainvoke("What is 2+2?")
        assert (len(server.asked), len(server.connections)) == (3, 1)
        assert own.__dict__ == before


async def test_an_object_with_a_client_of_its_own_keeps_it() -> None:
    async with loopback(answer) as server, openai.DefaultAsyncHttpxClient(headers={"x-mine": "yes"}) as client:
        own = ChatOpenAI(model="mine", base_url=server.url, api_key="own-key", http_async_client=client)
        await member_of(own).chat_model(streaming=False).model.ainvoke("What is 2+2?")
    assert server.asked[0].headers["x-mine"] == "yes"


def test_an_object_that_is_kept_keeps_no_loop() -> None:
    member = member_of(ChatOpenAI(model="mine", base_url="http://127.0.0.1:9/v1", api_key="own-key"))

    async def make() -> list[weakref.ref[Any]]:
        copy = member.chat_model(streaming=False).model
        with pytest.raises(openai.APIConnectionError):
            await copy.ainvoke("What is 2+2?")
        return [weakref.ref(asyncio.get_running_loop()), weakref.ref(copy)]

    ended = asyncio.run(make())
    gc.collect()
    assert [each() for each in ended] == [None, None]


async def test_a_loop_that_goes_on_keeps_no_object() -> None:
    own = ChatOpenAI(model="mine", base_url="http://127.0.0.1:9/v1", api_key="own-key")
    copy = weakref.ref(member_of(own).chat_model(streaming=False).model)
    gc.collect()
    assert copy() is None
    assert of_running_loop().transport("http://127.0.0.1:9/v1").pooled.is_closed is False


def test_other_objects_have_one_copy_in_all_loops() -> None:
    member = member_of(FakeListChatModel(responses=["one", "two"]))

    async def ask() -> str:
        return (await member.chat_model(streaming=False).model.ainvoke("?")).text

    assert [asyncio.run(ask()), asyncio.run(ask())] == ["one", "two"]
