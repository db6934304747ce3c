"""Connections belong to their event loop: shared within it, closed with it, never taken to another."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path

import pytest

from moa_graph.description import ModelSettings
from moa_graph.models import clients
from moa_graph.models.catalogue import Catalogue, Member
from moa_graph.models.clients import LoopClients, of_running_loop
from tests.loopback import Asked, Reply, completion, loopback, loopback_in_thread


def answer(asked: Asked) -> Reply:
    return completion("four")


def member(url: str, model: str = "openai:any", **fields: float) -> Member:
    return Catalogue({"m": ModelSettings(model=model, base_url=url)}).member("m", **fields)


async def ask(*members: Member) -> None:
    for each in members:
        model, _ = each.chat_model(streaming=False)
        assert (await model.ainvoke("What is 2+2?")).text == "four"


async def test_models_of_one_host_share_connections() -> None:
    async with loopback(answer) as server:
        await ask(member(server.url), member(server.url, temperature=0.1), member(server.url, "together:any"))
        await ask(member(server.url, "openai:other"))
        assert len(server.asked) == 4
        assert len(server.connections) == 1


async def test_equal_members_share_one_chat_model_and_others_do_not() -> None:
    url = "http://127.0.0.1:9/v1"
    model = member(url).chat_model(streaming=False).model
    assert member(url).chat_model(streaming=False).model is model
    assert member(url).chat_model(streaming=True).model is not model
    assert member(url, max_tokens=5).chat_model(streaming=False).model is not model


async def test_a_key_that_changes_in_the_environment_is_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = Catalogue({"m": ModelSettings(model="openai:any", key_variable="SOME_API_KEY")}).member("m")
    monkeypatch.setenv("SOME_API_KEY", "first-key")
    first = keyed.chat_model(streaming=False).model
    monkeypatch.setenv("SOME_API_KEY", "second-key")
    assert keyed.chat_model(streaming=False).model is not first


def test_the_end_of_a_loop_closes_its_connections_and_the_next_loop_opens_its_own() -> None:
    others = set(clients._loops)  # sync runs of other tests share a loop that lives as long as the process
    with loopback_in_thread(answer) as server:
        for asked in (1, 2, 3):
            asyncio.run(ask(member(server.url)))
            assert len(server.connections) == asked
        assert set(clients._loops) <= others
        asyncio.run_coroutine_threadsafe(server.all_closed(), server.loop).result(timeout=10)


async def test_cancelled_calls_are_closed_at_the_server() -> None:
    all_are_waiting = asyncio.Event()

    def never(asked: Asked) -> Reply:
        if len(server.asked) == 20:
            all_are_waiting.set()
        return Reply(hangs=True)

    async with loopback(never) as server:
        model, _ = member(server.url).chat_model(streaming=False)
        calls = [asyncio.create_task(model.ainvoke("What is 2+2?")) for _ in range(20)]
        await all_are_waiting.wait()
        for call in calls:
            call.cancel()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        await server.all_closed()
        assert len(server.connections) == 20


def test_loops_in_two_threads_share_nothing() -> None:
    both_are_running, found = threading.Barrier(2, timeout=10), []

    async def look() -> None:
        found.append(of_running_loop())
        both_are_running.wait()

    threads = [threading.Thread(target=asyncio.run, args=(look(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is not found[1]


def test_a_loop_that_has_ended_is_not_held() -> None:
    async def look() -> weakref.ref[asyncio.AbstractEventLoop]:
        of_running_loop().transport("host")
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(look())
    gc.collect()
    assert loop() is None


def test_a_loop_closed_without_ceremony_is_forgotten() -> None:
    async def look() -> LoopClients:
        return of_running_loop()

    loop = asyncio.new_event_loop()
    unclosed = loop.run_until_complete(look())
    loop.close()
    assert asyncio.run(look()) is not unclosed
    assert loop not in clients._loops


async def test_one_client_that_fails_to_close_does_not_keep_others_open() -> None:
    closed = []

    async def close() -> None:
        closed.append("closed")

    async def fail() -> None:
        raise OSError("can't")

    some = LoopClients()
    some.close_later(close)
    some.close_later(fail)
    with pytest.raises(OSError, match="can't"):
        await some.close()
    assert closed == ["closed"]


def test_outside_of_a_loop_there_are_no_clients() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        of_running_loop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")
def test_a_forked_child_leaves_its_parents_connections_alone() -> None:
    script = """
        import asyncio, gc, os, sys
        from tests.models.test_clients import ask, member
        from moa_graph.models import clients
        from moa_graph.models.clients import of_running_loop

        async def childs(parents):
            assert id(of_running_loop()) != parents
            await ask(member(sys.argv[1]))
            gc.collect()

        def fork(parents):
            child = os.fork()
            if child:
                return os.waitpid(child, 0)[1]
            try:
                asyncio.run(childs(parents))
                os._exit(0)
            finally:
                os._exit(1)

        async def main():
            await ask(member(sys.argv[1]))
            with clients._lock:  # as if another thread were just at work
                assert fork(id(of_running_loop())) == 0
            await ask(member(sys.argv[1]))

        asyncio.run(main())
    """
    with loopback_in_thread(answer) as server:
        warnings = ("-W", "always::ResourceWarning", "-W", "ignore::DeprecationWarning")
        ran = subprocess.run(
            [sys.executable, *warnings, "-c", textwrap.dedent(script), server.url],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert (len(server.connections), len(server.asked)) == (2, 3)
