"""What is counted, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from moa_graph.report import Report

__all__ = ["Metrics"]

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)


class Metrics:
    """The counts of one server."""

    def __init__(self) -> None:
        self._registry = to = CollectorRegistry()
        where, direction = ["endpoint"], ["direction"]
        self._requests = Counter(
            "moa_http_requests", "Requests by endpoint and status.", ["endpoint", "status"], registry=to
        )
        self._seconds = Histogram("moa_http_request_seconds", "To the end.", where, buckets=SECONDS, registry=to)
        self._first = Histogram("moa_first_token_seconds", "To an answer's first token.", buckets=SECONDS, registry=to)
        self.running = Gauge("moa_runs_in_progress", "Runs in progress.", registry=to)
        self.waiting = Gauge("moa_requests_waiting", "Requests that wait for a run to end.", registry=to)
        self._runs = Counter("moa_runs", "Runs by mixture and end.", ["model", "end"], registry=to)
        self._calls = Counter("moa_model_calls", "Calls of models by status.", ["status"], registry=to)
        self._tokens = Counter("moa_tokens", "Tokens by direction.", direction, registry=to)
        self._dollars = Counter("moa_cost_dollars", "US dollars, of the calls whose price is known.", registry=to)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """A request is over."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def first_token(self, seconds: float) -> None:
        """An answer begins."""
        self._first.observe(seconds)

    def call(self, status: str, cost: float | None) -> None:
        """A call of a model is over."""
        self._calls.labels(status).inc()
        if cost:
            self._dollars.inc(cost)

    def run(self, model: str, end: str, report: Report | None = None) -> None:
        """A run is over.

        Args:
            model: The mixture's full name.
            end: ``answered``, ``degraded``, ``failed`` or ``left``.
            report: What it did, where it has one.
        """
        self._runs.labels(model, end).inc()
        if report is not None:
            self._tokens.labels("input").inc(report["usage"]["input"])
            self._tokens.labels("output").inc(report["usage"]["output"])

    def text(self) -> bytes:
        """The counts in Prometheus' text format."""
        return generate_latest(self._registry)
