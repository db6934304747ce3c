"""LangSmith's address for traces, on the loopback interface: it takes runs in and shows them to a test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

from langsmith import Client, tracing_context

from tests.traces.receiver import receiver

__all__ = ["Ingest", "Run", "ingest"]

Run = dict[str, Any]
"""One run as LangSmith shows it: name, run_type, parent_run_id, inputs, outputs, error, tags, extra."""


INFO = {
    "instance_flags": {"zstd_compression_enabled": True},
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20_000_000,
        "scale_up_nthreads_limit": 1,
        "scale_up_qsize_trigger": 1000,
        "scale_down_nempty_trigger": 4,
    },
}
"""What LangSmith tells its clients of how it takes runs in."""


@dataclass
class Ingest:
    """What came in.

    Attributes:
        url: The address.
        runs: Every run by its identity, as far as it is known.
        received: The bodies of all requests, unpacked.
    """

    url: str = ""
    runs: dict[str, Run] = field(default_factory=dict)
    received: bytes = b""

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Has what runs in the ``with`` block traced, and all of it sent here by its end."""
        client = Client(api_url=self.url, api_key="a key for LangSmith")
        try:
            with tracing_context(enabled=True, client=client, project_name="tests"):
                yield
        finally:
            client.flush()
            client.cleanup()

    def named(self, name: str, run_type: str) -> list[Run]:
        """The runs with this name and type, in the order in which they began."""
        found = [run for run in self.runs.values() if (run["name"], run["run_type"]) == (name, run_type)]
        return sorted(found, key=lambda run: str(run["start_time"]))

    def take(self, content_type: str, body: bytes) -> None:
        """Takes in one multipart body: ``post.ID``, ``patch.ID``, and fields apart as ``post.ID.inputs``."""
        self.received += body
        message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        for part in message.walk():
            named = str(part.get_param("name", header="content-disposition") or "")
            if named.startswith(("post.", "patch.")):
                _, identity, *of_field = named.split(".")
                payload = part.get_payload(decode=True)
                assert isinstance(payload, bytes)
                value = json.loads(payload)
                run = self.runs.setdefault(identity, {})
                run.update({of_field[0]: value} if of_field else {k: v for k, v in value.items() if v is not None})


@contextmanager
def ingest() -> Iterator[Ingest]:
    """Takes runs in for the length of a ``with`` block."""
    taken = Ingest()
    with receiver(taken.take, INFO) as taken.url:
        yield taken
