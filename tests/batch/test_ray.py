"""A batch on a Ray cluster of two nodes. Needs Ray: pip install 'moa-graph[ray]', then pytest -m acceptance."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moa_graph.batch import Summary, run
from moa_graph.batch.results import Answered
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.batch.panel import KEY, KEY_VARIABLE, NAMES, profiles, read_lines, write_mixture, write_rows

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not __import__("importlib.util").util.find_spec("ray"), reason="needs Ray: moa-graph[ray]"),
]

_log = logging.getLogger(__name__)

SLOW = {"first_token": 0.2, "sigma": 0.0, "tokens_a_second": None}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster

    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    variables = {name: os.environ[name] for name in ("PYTHONPATH", KEY_VARIABLE)}
    ray.init(address=made.address, log_to_driver=False, configure_logging=False, runtime_env={"env_vars": variables})
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def answered_on_ray(folder: Path, simulator: RunningSimulator, rows: int, actors: int, **fields: Any) -> float:
    """Rows a second, from the first that was answered to the last: actors need some seconds to start."""
    folder.mkdir(exist_ok=True)
    written = write_rows(folder / "in.jsonl", rows)
    mixture = write_mixture(folder / "panel.yaml", simulator, **fields)
    answered: list[float] = []

    def note(summary: Summary, done: Answered | None) -> None:
        if done is not None:
            answered.append(time.monotonic())

    settings = {"engine": "ray", "actors": actors, "concurrency": 8}
    summary = run(written, folder / "out.jsonl", mixture, progress=note, **settings)
    assert (summary.answered, summary.failed) == (rows, 0)
    ids = Counter(line["id"] for line in read_lines(folder / "out.jsonl"))
    assert ids == {f"row-{index}": 1 for index in range(rows)}
    return (rows - 1) / (answered[-1] - answered[0])


def test_a_node_that_is_killed_in_the_middle_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    rows = 150
    with running_simulator(profiles(latency=SLOW), KEY) as simulator:

        def kill_in_the_middle() -> None:
            while simulator.stats()["total"]["requests"] < rows * len(NAMES) // 3:
                time.sleep(0.05)
            cluster.remove_node(node, allow_graceful=False)
            cluster.add_node(num_cpus=1)

        killer = threading.Thread(target=kill_in_the_middle)
        killer.start()
        answered_on_ray(tmp_path / "killed", simulator, rows, actors=2)
        killer.join()
        requests = simulator.stats()["total"]["requests"]
    _log.info("%d rows: %d requests, %d of them made again", rows, requests, requests - rows * len(NAMES))
    assert requests <= rows * len(NAMES) + 8 * (len(NAMES) - 1)


def test_two_actors_are_nearly_twice_as_fast_as_one(cluster: Any, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    with running_simulator(profiles(latency=SLOW), KEY) as simulator:
        answered_on_ray(tmp_path / "warm", simulator, 4, actors=1)
        one = answered_on_ray(tmp_path / "one", simulator, 160, actors=1)
        two = answered_on_ray(tmp_path / "two", simulator, 160, actors=2)
    _log.info("one actor %.1f rows a second, two %.1f: %.2f x", one, two, two / one)
    assert two / one >= 1.7


def test_what_a_provider_allows_a_minute_is_kept_by_all_actors_together(cluster: Any, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    with running_simulator(profiles(), KEY) as simulator:
        limits = {"openai": {"requests": 60}}
        answered_on_ray(tmp_path / "limited", simulator, 12, actors=2, limits=limits)
        arrivals = simulator.stats()["total"]["arrivals"]
    most = max(sum(begin <= other < begin + 60 for other in arrivals) for begin in arrivals)
    _log.info("%d requests, at most %d in any minute", len(arrivals), most)
    assert most <= 60


def test_a_mixture_is_a_function_for_pipelines_of_ones_own(cluster: Any) -> None:
    import ray

    from moa_graph.batch.ray_engine import MixtureMap

    rows = ray.data.from_items([{"prompt": f"What is {number} + 1?"} for number in range(20)])
    settings = {"simulate": True}
    answers = rows.map_batches(MixtureMap, fn_constructor_args=("moa-lite", settings), batch_size=5, concurrency=1)
    assert sorted(int(row["answer"].split()[-1]) for row in answers.take_all()) == list(range(1, 21))
