"""Several samples of one model in one request, over a real socket, through the SDKs that take ``n``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.graph import MoaGraph
from tests.loopback import Asked, Loopback, Reply, loopback

QUESTION = {"messages": [("user", "Why?")]}

PROMPT, EACH = 100, 10
"""Tokens that the server counts for a prompt, and for each answer."""


class Server:
    """A provider that gives at most ``most`` choices a request; each text is like no other."""

    def __init__(self, most: int = 128, refuses: bool = False, empty: tuple[int, ...] = ()) -> None:
        self.most, self.refuses, self.empty = most, refuses, empty
        self.wanted: list[int] = []
        self.texts: Iterator[str] = (f"text {number}" for number in range(100))

    def __call__(self, asked: Asked) -> Reply:
        wanted = asked.body.get("n") or 1
        self.wanted.append(wanted)
        if self.refuses and wanted > 1:
            error = {"error": {"message": "n must be 1", "type": "invalid_request_error", "param": "n"}}
            return Reply(400, json.dumps(error).encode(), {"content-type": "application/json"})
        given = min(wanted, self.most)
        choices = [
            {
                "index": index,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": "" if wanted > 1 and index in self.empty else next(self.texts),
                },
            }
            for index in range(given)
        ]
        usage = {"prompt_tokens": PROMPT, "completion_tokens": EACH * given, "total_tokens": PROMPT + EACH * given}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}
        return Reply(200, json.dumps(body).encode(), {"content-type": "application/json"})

    def content(self, index: int, wanted: int) -> str:
        return "" if wanted > 1 and index in self.empty else next(self.texts)


Make = Callable[..., MoaGraph]


@asynccontextmanager
async def served(server: Server, provider: str) -> AsyncIterator[tuple[Make, Loopback]]:
    """Makes Self-MoA of six samples at a price of 1 and 2 dollars a million tokens."""
    async with loopback(server) as running:

        def make(samples: int = 6, stage: dict[str, Any] | None = None, **fields: Any) -> MoaGraph:
            price = {"input": 1, "output": 2}
            model = {"model": f"{provider}:m", "base_url": running.url, "max_tokens": 50, "price": price}
            slot = {"model": "m", "samples": samples}
            stages = [{"propose": {"slots": [slot], **(stage or {})}}, {"vote": {"extract": "exact"}}]
            return create_moa({"models": {"m": model}, "stages": stages, **fields})

        yield make, running


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "TOGETHER_API_KEY"):
        monkeypatch.setenv(variable, "a-key-of-tests")


def texts(result: dict[str, Any]) -> list[str]:
    return [record["text"] for record in result["records"] if record["kind"] == "proposal"]


SIX = [f"text {number}" for number in range(6)]


@pytest.mark.parametrize("provider", ["openai", "together"])
async def test_six_samples_are_one_request_whose_prompt_is_billed_once(provider: str) -> None:
    server = Server()
    async with served(server, provider) as (make, _):
        result = await make().compile().ainvoke(QUESTION)

    assert server.wanted == [6]
    assert texts(result) == SIX
    assert [record["id"] for record in result["records"][:6]] == [f"layer_1/m#{sample}" for sample in range(6)]
    report = result["report"]
    assert report["calls"] == 1
    assert report["usage"] == {"input": PROMPT, "output": 6 * EACH, "cached": 0}
    assert report["cost"] == pytest.approx((PROMPT + 2 * 6 * EACH) / 1e6)
    assert [record["cost"] for record in result["records"][1:6]] == [0.0] * 5
    assert "carries its cost" in result["records"][1]["notes"][0]


async def test_what_a_server_leaves_out_is_asked_for_singly_and_the_next_run_asks_so_from_the_start() -> None:
    server = Server(most=4)
    async with served(server, "openai") as (make, _):
        result = await make().compile().ainvoke(QUESTION)
        assert server.wanted == [6, 1, 1]
        assert sorted(texts(result)) == SIX
        assert result["report"]["calls"] == 3

        await make().compile().ainvoke(QUESTION)
        assert server.wanted[3:] == [1] * 6


async def test_a_server_that_refuses_several_is_asked_for_one_a_request() -> None:
    server = Server(refuses=True)
    async with served(server, "openai") as (make, _):
        result = await make().compile().ainvoke(QUESTION)

    assert server.wanted == [6, 1, 1, 1, 1, 1, 1]
    assert sorted(texts(result)) == SIX
    assert result["report"]["failed_calls"] == 1
    assert result["records"][0]["notes"] == ["asked for one sample a request: several were refused"]


@pytest.mark.parametrize("empty", [0, 2, 5])
async def test_an_empty_choice_is_asked_for_singly(empty: int) -> None:
    server = Server(empty=(empty,))
    async with served(server, "openai") as (make, _):
        result = await make().compile().ainvoke(QUESTION)

    assert server.wanted == [6, 1]
    assert sorted(texts(result)) == SIX
    assert all(record["status"] == "live" for record in result["records"])


async def test_answers_that_came_along_are_not_lost_when_the_quorum_closes_the_stage() -> None:
    server = Server()
    async with served(server, "openai") as (make, _):
        result = await make(stage={"quorum": 2}).compile().ainvoke(QUESTION)

    assert texts(result) == SIX
    assert all(record["status"] == "live" for record in result["records"])


@pytest.mark.parametrize(
    ("why", "fields"),
    [("a limited budget", {"budget": {"calls": 20}}), ("one sample", {"samples": 1})],
)
async def test_samples_that_have_something_of_their_own_are_asked_for_singly(why: str, fields: dict[str, Any]) -> None:
    server = Server()
    async with served(server, "openai") as (make, _):
        await make(**fields).compile().ainvoke(QUESTION)

    assert set(server.wanted) == {1}


async def test_six_samples_are_six_entries_of_a_store() -> None:
    from moa_graph.store import open_store

    server = Server()
    async with served(server, "openai") as (make, _):
        described = make().mixture
        store = open_store(":memory:")
        first = await create_moa(described, store=store).compile().ainvoke(QUESTION)
        again = await create_moa(described, store=store).compile().ainvoke(QUESTION)

    assert server.wanted == [1] * 6
    assert texts(again) == texts(first)
    assert again["report"]["hits"] == 6


async def test_a_seed_makes_each_sample_a_request_of_its_own() -> None:
    server = Server()
    async with served(server, "openai") as (make, running):
        data = make().mixture.to_data()
        data["models"]["m"]["seed"] = 7
        await create_moa(data).compile().ainvoke(QUESTION)

    assert sorted(asked.body["seed"] for asked in running.asked) == [7, 8, 9, 10, 11, 12]


async def test_a_fallback_is_asked_for_one_sample_a_request() -> None:
    class Down(Server):
        def __call__(self, asked: Asked) -> Reply:
            if asked.body["model"] == "m":
                self.wanted.append(asked.body.get("n") or 1)
                return Reply(404, b"{}", {"content-type": "application/json"})
            return super().__call__(asked)

    server = Down()
    async with served(server, "openai") as (make, running):
        data = make(samples=3).mixture.to_data()
        data["models"]["spare"] = {**data["models"]["m"], "model": "openai:spare"}
        data["stages"][0]["propose"]["slots"] = [{"model": "m", "samples": 3, "fallbacks": ["spare"]}]
        result = await create_moa(data).compile().ainvoke(QUESTION)

    assert [asked.body.get("n") for asked in running.asked if asked.body["model"] == "spare"] == [None] * 3
    assert len(set(texts(result))) == 3


async def test_simulated_samples_are_the_same_together_and_singly() -> None:
    stages = [{"propose": {"slots": [{"model": "sim:swift", "samples": 6}]}}, {"vote": {"extract": "exact"}}]
    asked = {"messages": [("user", "In which year did the Berlin Wall fall?")]}

    together = await create_moa({"stages": stages}).compile().ainvoke(asked)
    singly = await create_moa({"stages": stages, "budget": {"calls": 20}}).compile().ainvoke(asked)

    assert texts(together) == texts(singly)
    assert (together["report"]["calls"], singly["report"]["calls"]) == (1, 6)
    assert together["report"]["usage"]["output"] == singly["report"]["usage"]["output"]
    assert together["report"]["usage"]["input"] * 6 == singly["report"]["usage"]["input"]


async def test_critiques_of_equal_answers_are_not_samples_of_one() -> None:
    slots = ["sim:instant", "sim:careful"]
    stages = [{"propose": {"slots": slots}}, {"critique": {"slots": slots}}, {"aggregate": {"slot": "sim:instant"}}]

    result = await create_moa({"stages": stages}).compile().ainvoke({"messages": [("user", "What is 6 * 7?")]})

    assert result["report"]["calls"] == 7


async def test_two_samples_are_one_request_too() -> None:
    server = Server()
    async with served(server, "openai") as (make, _):
        result = await make(samples=2).compile().ainvoke(QUESTION)

    assert server.wanted == [2]
    assert texts(result) == SIX[:2]
