"""Mixtures in LangSmith's ``evaluate`` and as the judge of openevals, against a local stand-in for the service."""

from __future__ import annotations

import http.server
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from moa_graph import ChatMoA, create_moa

langsmith = pytest.importorskip("langsmith")

pytestmark = [pytest.mark.acceptance, pytest.mark.enable_socket]


class _Accepts(http.server.BaseHTTPRequestHandler):
    """Takes whatever is sent, and keeps nothing."""

    def _accept(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b'{"version": "0.10.0", "instance_flags": {}}'
        self.send_response(200 if self.command == "GET" else 202)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = _accept  # noqa: N815 (as the library names them)

    def log_message(self, format: str, *values: Any) -> None:
        """Logs nothing."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Accepts)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("LANGSMITH_ENDPOINT", url)
    monkeypatch.setenv("LANGSMITH_API_KEY", "a-key")
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore")
def test_a_mixture_is_the_target_of_evaluate(service: str) -> None:
    graph = create_moa("moa-lite", simulate=True).compile()

    def ask(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"answer": graph.invoke({"messages": [("user", inputs["question"])]})["messages"][-1].text}

    def is_right(outputs: dict[str, Any], reference_outputs: dict[str, Any]) -> bool:
        return bool(reference_outputs["answer"] in outputs["answer"])

    data = [
        langsmith.schemas.Example(
            id=uuid.uuid4(), dataset_id=uuid.UUID(int=1), created_at=datetime.now(UTC),
            inputs={"question": f"What is {one} + {one}?"}, outputs={"answer": str(2 * one)},
        )
        for one in range(3, 7)
    ]  # fmt: skip
    client = langsmith.Client(api_url=service, api_key="a-key", auto_batch_tracing=False)
    rows = list(client.evaluate(ask, data=data, evaluators=[is_right], upload_results=False))
    assert [row["evaluation_results"]["results"][0].score for row in rows] == [True] * 4


@pytest.mark.filterwarnings("ignore")
def test_a_mixture_is_the_judge_of_openevals(service: str) -> None:
    llm = pytest.importorskip("openevals.llm", reason="needs: pip install openevals")
    judge = llm.create_llm_as_judge(
        prompt="Is the answer right?\n{inputs}\n{outputs}\n{reference_outputs}",
        judge=ChatMoA("moa-lite", simulate=True),
        feedback_key="right",
    )
    found = judge(inputs="What is 3 + 3?", outputs="6", reference_outputs="6")
    assert found["key"] == "right"
    assert isinstance(found["score"], bool)
