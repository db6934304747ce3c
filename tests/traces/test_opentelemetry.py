"""The same traces as OpenTelemetry's spans, by LangSmith's own export."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.traces.receiver import receiver

trace_service = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="OpenTelemetry isn't installed: langsmith[otel]"
)
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="OpenTelemetry isn't installed: langsmith[otel]")

KEY = "sk-key-of-the-provider-1234"

ASK = """
from langchain_core.tracers.langchain import wait_for_all_tracers
from moa_graph import create_moa

models = {name: {"model": "sim:instant", "price": {"input": 1, "output": 2}} for name in ("alpha", "beta")}
stages = [{"propose": {"slots": ["alpha", "beta"]}}, {"aggregate": {"slot": "alpha"}}]
graph = create_moa({"name": "two", "models": models, "stages": stages}).compile()
graph.invoke({"messages": [("user", "What is 17 * 24 + 3?")]})
wait_for_all_tracers()
"""


def test_every_run_is_a_span_with_its_model_and_tokens() -> None:
    bodies: list[bytes] = []
    with receiver(lambda _, body: bodies.append(body)) as url:
        environment = {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_OTEL_ENABLED": "true",
            "LANGSMITH_OTEL_ONLY": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OPENAI_API_KEY": KEY,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        subprocess.run([sys.executable, "-c", ASK], env={**os.environ, **environment}, check=True, timeout=60)
    spans = [span for body in bodies for span in _spans(body)]
    slots = ["layer_1/alpha", "layer_1/beta", "aggregate"]
    assert Counter(span.name for span in spans) == Counter(["two", "prepare", "layer_1/join", "finish", *slots, *slots])
    (asked,) = [_attributes(span) for span in spans if _is_model_run(span, "layer_1/beta")]
    assert asked["gen_ai.request.model"] == "instant"
    assert asked["gen_ai.usage.output_tokens"] > 0
    assert asked["langsmith.metadata.slot"] == "beta"
    assert KEY.encode() not in b"".join(bodies)


def _spans(body: bytes) -> list[Any]:
    request = trace_service.ExportTraceServiceRequest.FromString(body)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def _is_model_run(span: Any, name: str) -> bool:
    return bool(span.name == name and _attributes(span)["langsmith.span.kind"] == "llm")


def _attributes(span: Any) -> Mapping[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}
