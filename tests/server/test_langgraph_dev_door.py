"""The OpenAI door within a real ``langgraph dev``, beside its graphs, through ``http.app`` of ``langgraph.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.server.langgraph_dev import REPOSITORY, DevServer, langgraph_dev

pytestmark = pytest.mark.slow

APP = "moa_graph.server.openai.mounted:app"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    directory = tmp_path_factory.mktemp("dev")
    project = directory / "project" / "langgraph.json"
    project.parent.mkdir()
    graphs = {"council": f"{REPOSITORY}/moa_graph/server/graphs.py:council"}
    project.write_text(json.dumps({"dependencies": [str(REPOSITORY)], "graphs": graphs, "http": {"app": APP}}))
    environment = {"MOA_SIMULATE": "1", "MOA_MIXTURES": "council,vote", "MOA_API_KEYS": "ada=a-key"}
    with langgraph_dev(directory, environment, project) as running:
        yield running


def test_models_and_answers_whole_and_streamed(server: DevServer) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="a-key", max_retries=0) as client:
        assert "moa/council" in [model.id for model in client.models.list()]
        messages = [{"role": "user", "content": "What is 17 * 24 + 3?"}]
        asked: Any = {"model": "council", "messages": messages}
        whole = client.chat.completions.create(**{**asked, "model": "moa/council"})
        assert "411" in (whole.choices[0].message.content or "")
        with client.chat.completions.create(**asked, stream=True) as stream:
            assert "411" in "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert "411" in client.responses.create(model="council", input="What is 17 * 24 + 3?").output_text


def test_its_guard_stands_before_its_own_routes_alone(server: DevServer) -> None:
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/metrics", headers={"x-api-key": "a-key"}).status_code == 200
        assert client.get("/ok").json()["ok"] is True
        assert client.post("/assistants/search", json={}).status_code == 200
        assert "A mixture at work" in client.get("/page/app.js").text
        assert client.get("/moa").status_code == 200
