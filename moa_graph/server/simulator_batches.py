"""The simulator's files and batch jobs, as OpenAI and Together serve them: requests in a file, answers in another.

A job's requests are answered when it is first asked about after its time, at half price.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Literal

import orjson

from moa_graph.description import Price
from moa_graph.models.simulation import Profile, SimulatedFault, SimulatedRequest, perform
from moa_graph.server.simulator_stats import Stats
from moa_graph.server.simulator_wire import answer_body, error_body, read_request, usage_of

__all__ = ["SimulatedBatches"]

SHARE_OF_THE_PRICE = 0.5

End = Literal["completed", "expired", "failed"]


@dataclass
class SimulatedBatch:
    """A batch job."""

    id: str
    input_file: str
    metadata: dict[str, str]
    ends: float
    together: bool
    status: str = "in_progress"
    output_file: str | None = None
    error_file: str | None = None
    problem: str | None = None


@dataclass
class SimulatedBatches:
    """Every file and job of one simulator.

    Args:
        profile_of: Model to its profile.
        stats: Where requests are counted.
        seconds: How long a job takes.
        lost: One of so many requests ends in the file of errors the first time that it is asked; None: none does.
        ends: How the next jobs end, the first one first; further ones are completed.
    """

    profile_of: Callable[[str], Profile]
    stats: Stats
    seconds: float = 0.0
    lost: int | None = None
    ends: list[End] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, SimulatedBatch] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def handle(self, method: str, path: str, headers: dict[bytes, bytes], body: bytes) -> bytes:
        """The body that answers a request.

        Raises:
            SimulatedFault: There is no such address, file or job, or the request is none.
        """
        match method, path.strip("/").split("/")[1:]:
            case "POST", ["files"] | ["files", "upload"]:
                return self._upload(headers, body)
            case "GET", ["files", name, "content"]:
                return self._file(name)
            case "POST", ["batches"]:
                return self._create(body)
            case "GET", ["batches"]:
                return orjson.dumps({"object": "list", "data": [self._told(job) for job in self.jobs.values()]})
            case "GET", ["batches", name]:
                return orjson.dumps(self._told(self._ended(self._job(name))))
            case "POST", ["batches", name, "cancel"]:
                job = self._job(name)
                job.status = "cancelled"
                return orjson.dumps(self._told(job))
        raise SimulatedFault(404, f"Invalid URL ({method} {path})")

    def _upload(self, headers: dict[bytes, bytes], body: bytes) -> bytes:
        kind = headers.get(b"content-type", b"")
        message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + body)
        parts = {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in message.iter_parts()
        }
        content = parts.get("file")
        if not isinstance(content, bytes):
            raise SimulatedFault(400, "Missing required parameter: 'file'.", param="file")
        name = f"file-simulated-{len(self.files) + 1}"
        self.files[name] = content
        purpose = parts.get("purpose") or b"batch"
        told = {"id": name, "object": "file", "bytes": len(content), "created_at": int(time.time())}
        return orjson.dumps({**told, "filename": "requests.jsonl", "purpose": bytes(purpose).decode()})

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise SimulatedFault(404, f"No such File object: {name}", param="id")
        return self.files[name]

    def _create(self, body: bytes) -> bytes:
        try:
            asked = orjson.loads(body)
            name = asked["input_file_id"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            raise SimulatedFault(400, "Missing required parameter: 'input_file_id'.", param="input_file_id") from None
        self._file(name)
        together = "completion_window" not in asked
        job = SimulatedBatch(
            f"batch_simulated_{len(self.jobs) + 1}",
            name,
            asked.get("metadata") or {},
            time.monotonic() + self.seconds,
            together,
        )
        self.jobs[job.id] = job
        told = self._told(job)
        return orjson.dumps({"job": told} if together else told)

    def _job(self, name: str) -> SimulatedBatch:
        if name not in self.jobs:
            raise SimulatedFault(404, f"No such batch: {name}", param="batch_id")
        return self.jobs[name]

    def _told(self, job: SimulatedBatch) -> dict[str, Any]:
        status = job.status.upper() if job.together else job.status
        return {
            "id": job.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": job.input_file,
            "completion_window": "24h",
            "created_at": 0,
            "status": status,
            "output_file_id": job.output_file,
            "error_file_id": job.error_file,
            "metadata": job.metadata,
            "error": job.problem,
            "errors": {"data": [{"message": job.problem}]} if job.problem else None,
        }

    def _ended(self, job: SimulatedBatch) -> SimulatedBatch:
        """The job, done if its time has come."""
        if job.status != "in_progress" or time.monotonic() < job.ends:
            return job
        end = self.ends.pop(0) if self.ends else "completed"
        job.status = end
        if end == "failed":
            job.problem = "The file holds no valid request."
            return job
        lines = [orjson.loads(line) for line in self.files[job.input_file].splitlines() if line.strip()]
        if end == "expired":
            lines = lines[: len(lines) // 2]
        answers = [self._answered(line) for line in lines]
        good = [line for line in answers if line["error"] is None]
        bad = [line for line in answers if line["error"] is not None]
        job.output_file = self._keep(good)
        job.error_file = self._keep(bad) if bad else None
        return job

    def _keep(self, lines: list[dict[str, Any]]) -> str:
        name = f"file-simulated-{len(self.files) + 1}"
        self.files[name] = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        return name

    def _answered(self, line: dict[str, Any]) -> dict[str, Any]:
        """One line of the output."""
        name = line["custom_id"]
        told: dict[str, Any] = {"id": f"batch_req_{name}", "custom_id": name, "response": None, "error": None}
        first = name not in self._seen
        self._seen.add(name)
        try:
            request = read_request(orjson.dumps(line["body"]))
            if first and self.lost is not None and len(self._seen) % self.lost == 0:
                raise SimulatedFault(500, "The server had an error while processing your request.")
            status, body = self._performed(request)
        except SimulatedFault as error:
            response = {"status_code": error.status_code, "body": orjson.loads(error_body(error))}
            return {**told, "response": response, "error": {"message": str(error)}}
        return {**told, "response": {"status_code": status, "request_id": name, "body": body}}

    def _performed(self, request: SimulatedRequest) -> tuple[int, Any]:
        profile = self.profile_of(request.model)
        with self.stats.request(request.model) as count:
            performance = perform(profile, request, count.number)
            body = orjson.loads(answer_body(performance, request.model, count.number))
            usage = usage_of(performance)
            count.status(200)
            price = profile.price
            halved = Price(input=price.input * SHARE_OF_THE_PRICE, output=price.output * SHARE_OF_THE_PRICE)
            count.whole(usage["prompt_tokens"], usage["completion_tokens"], halved)
        return 200, body
