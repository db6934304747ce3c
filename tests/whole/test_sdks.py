"""Every way to the same server: LangChain's classes by reference and as objects, and OpenAI's own client."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from moa_graph import create_moa
from moa_graph.server.simulator import RunningSimulator
from tests.loopback import completion, loopback
from tests.server.simulator_clients import CHAT_MODELS, asking, counts
from tests.server.simulator_clients import sdk as plain_client
from tests.whole.accounts import assert_all_is_well
from tests.whole.mixtures_over_http import ANSWER, KEY, PROPOSERS, QUESTION, four_and_a_writer, model, profile, run

PROFILES = [
    *(profile(name) for name in (*PROPOSERS, "w")),
    profile("busy", faults=[{"kind": "status", "status": 429}]),
]


@pytest.mark.parametrize("watched", [True, False], ids=["streamed", "plain"])
async def test_a_mixture_answers_through_each_sdk(sdk: str, simulator: RunningSimulator, watched: bool) -> None:
    seen = await run(four_and_a_writer(sdk, simulator, {}), watched=watched)
    await assert_all_is_well(seen, simulator)
    assert seen.answer == f"4 of 4 responses come to 411; none differs.\n\n{ANSWER}"
    assert [call["status"] for call in seen.told("call_finished")] == ["live"] * 5
    assert seen.report["cost"] > 0
    assert len(seen.pieces) > 5 if watched else seen.pieces == []
    if watched:
        assert seen.on_screen() == seen.answer


async def test_a_plain_client_gets_the_answers_that_a_mixture_gets(simulator: RunningSimulator) -> None:
    seen = await run(four_and_a_writer("openai", simulator, {}))
    proposal = next(record["text"] for record in seen.state["records"] if record["slot"] == "a")
    asked: dict[str, Any] = {"model": "a", "messages": [{"role": "user", "content": QUESTION}]}
    async with plain_client(simulator, api_key=KEY) as client:
        whole = await client.chat.completions.create(**asked)
        stream = await client.chat.completions.create(**asked, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert whole.choices[0].message.content == "".join(pieces) == proposal


@pytest.mark.parametrize("chat_model", CHAT_MODELS)
async def test_a_chat_model_object_keeps_its_client_and_leaves_retrying_to_the_mixture(
    simulator: RunningSimulator, chat_model: type[BaseChatModel]
) -> None:
    async with asking(simulator, chat_model) as ask:
        settings = {"api_key": KEY, "max_retries": 5}
        proposers: list[Any] = [ask("a", **settings), {"model": ask("busy", **settings), "tries": 2}]
        graph = create_moa(proposers=proposers, aggregator=ask("w", **settings))
        seen = await run(graph)
    assert seen.error is None
    assert seen.answer.endswith(ANSWER)
    assert seen.on_screen() == seen.answer
    assert seen.record("busy")["failure"]["kind"] == "rate_limited"
    assert (await counts(simulator, "busy"))["requests"] == 2
    assert KEY not in repr((seen.state, seen.events))


async def test_samples_of_a_model_with_a_seed_have_seeds_of_their_own(sdk: str) -> None:
    async with loopback(lambda _: completion()) as server:
        models = {"a": model(sdk, "a", server.url, seed=5), "w": model(sdk, "w", server.url)}
        stages = [{"propose": {"slots": [{"model": "a", "samples": 6}]}}, {"aggregate": {"slot": "w"}}]
        seen = await run(create_moa({"name": "self-moa", "models": models, "stages": stages}))
        assert seen.error is None
        asked = [request.body for request in server.asked]
    assert sorted(body["seed"] for body in asked[:6]) == [5, 6, 7, 8, 9, 10]
    assert "seed" not in asked[6]


ERRING = {"name": "erring", "skill": {"arithmetic": 0.0}, "correlation": 0.0}


@pytest.mark.parametrize("seed", [None, 1])
async def test_samples_of_a_simulated_model_that_errs_differ(seed: int | None) -> None:
    models = {"a": {"model": "sim:instant", "seed": seed, "extra": {"simulation": ERRING}}}
    stages = [{"propose": {"slots": [{"model": "a", "samples": 6}]}}, {"aggregate": {"slot": "a"}}]
    mixture = {"name": "self-moa", "models": models, "stages": stages}
    asked = [("user", "What is 17 * 24 + 3?")]
    first, second = await run(create_moa(mixture), asked), await run(create_moa(mixture), asked)
    texts = [[record["text"] for record in seen.state["records"]] for seen in (first, second)]
    assert len(set(texts[0][:6])) > 3
    assert texts[0] == texts[1]
