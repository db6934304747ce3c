"""What servers were found to do, done by the simulator over a real socket: the answer comes and the bill is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import running_simulator
from tests.models.simulation_requests import instant

QUESTION: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}
FAULTS: dict[str, dict[str, Any]] = {
    "negative usage": {"kind": "usage", "tells": {"prompt_tokens": -1_000, "completion_tokens": -5_000}},
    "usage in texts": {"kind": "usage", "tells": {"prompt_tokens": "20", "completion_tokens": "many"}},
    "no usage": {"kind": "usage"},
    "usage that is a list": {"kind": "usage", "tells": [1, 2]},
    "another role": {"kind": "role"},
    "no end": {"kind": "no_end"},
    "brackets": {"kind": "words", "text": "[", "times": 50_000},
    "half an object": {"kind": "words", "text": '{"ranking": '},
    "a huge number": {"kind": "words", "text": "Answer: 1e99999999999999999999"},
}
KEPT = {"negative usage", "usage in texts", "no usage", "usage that is a list", "another role", "no end"}


def profiles(fault: dict[str, Any]) -> dict[str, Profile]:
    return {"odd": instant("odd", faults=[fault]), "sound": instant("sound")}


def mixture(base_url: str) -> Any:
    models = {name: {"model": f"openai:{name}", "base_url": base_url, "max_tokens": 200} for name in ("odd", "sound")}
    stages: list[Any] = [{"propose": {"slots": ["odd", "sound"]}}, {"vote": {}}]
    return {"name": "odd", "models": models, "stages": stages, "budget": {"tokens": 20_000}}


@pytest.mark.parametrize("case", FAULTS)
async def test_an_odd_server_loses_no_answer_and_hides_no_token(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with running_simulator(profiles(FAULTS[case])) as simulator:
        graph = create_moa(mixture(simulator.base_url)).compile()
        state = await graph.ainvoke(QUESTION)
        billed = simulator.stats()["models"]
    report = state["report"]
    assert "411" in state["messages"][-1].text
    spent = sum(billed[name]["prompt_tokens"] + billed[name]["completion_tokens"] for name in ("odd", "sound"))
    told = report["usage"]["input"] + report["usage"]["output"]
    assert told >= spent or report["estimated"]
    assert report["usage"]["input"] >= 0
    assert report["usage"]["output"] >= 0
    json.dumps(report, allow_nan=False)
    if case in KEPT:
        assert [record["status"] for record in state["records"][:2]] == ["live", "live"]
        assert [billed[name]["requests"] for name in ("odd", "sound")] == [1, 1]


async def test_what_is_no_http_is_a_connection_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with running_simulator(profiles({"kind": "garbled", "first": 1})) as simulator:
        state = await create_moa(mixture(simulator.base_url)).compile().ainvoke(QUESTION)
        assert simulator.stats()["models"]["odd"]["requests"] == 2
    assert [record["status"] for record in state["records"][:2]] == ["live", "live"]
    assert state["report"]["failed_calls"] == 1


async def test_a_stream_without_an_end_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    fault = {"kind": "no_end"}
    with running_simulator(profiles(fault)) as simulator:
        data = {**mixture(simulator.base_url), "stages": [{"aggregate": {"slot": "odd"}}]}
        parts: Any = create_moa(data).compile().astream(QUESTION, stream_mode="messages")
        text = "".join([message.text async for message, _ in parts])
        assert simulator.stats()["models"]["odd"]["requests"] == 1
    assert "411" in text


@pytest.mark.virtual_clock
async def test_a_model_in_process_meets_what_it_can_of_them() -> None:
    for fault in (*FAULTS.values(), {"kind": "garbled", "first": 1}):
        odd = {"model": "sim:odd", "extra": {"simulation": instant("odd", faults=[fault]).model_dump(mode="json")}}
        stages: list[Any] = [{"propose": {"slots": ["odd", "sim:instant"]}}, {"vote": {}}]
        state = await create_moa({"name": "odd", "models": {"odd": odd}, "stages": stages}).compile().ainvoke(QUESTION)
        assert "411" in state["messages"][-1].text
