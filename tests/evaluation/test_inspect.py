"""Mixtures as inspect-ai's models, and its logs as data. Skipped where inspect-ai isn't installed."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs: pip install inspect-ai")


def test_the_provider_is_found_by_its_entry_point() -> None:
    (found,) = [point for point in entry_points(group="inspect_ai") if point.name == "moa_graph"]
    assert found.value == "moa_graph.evaluation.inspect_provider"


@pytest.mark.acceptance
@pytest.mark.filterwarnings("ignore")
def test_a_task_is_answered_and_its_log_is_data(tmp_path: Path) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    from moa_graph.evaluation.items import read_items

    samples = [Sample(id=str(one), input=f"What is {one} + {one}?", target=str(2 * one)) for one in range(50)]
    (log,) = eval(
        Task(samples, solver=generate(), scorer=includes()),
        model="moa/council",
        model_args={"simulate": True},
        log_dir=str(tmp_path),
        display="none",
    )
    assert log.status == "success"
    assert log.samples is not None
    answered = [sample for sample in log.samples if sample.output.completion]
    print(f"inspect-ai: {len(answered)} of 50 answered")  # noqa: T201
    assert len(answered) == 50
    assert answered[0].output.metadata["moa"]["calls"] > 3
    assert answered[0].output.usage.total_tokens > 0
    items, _ = read_items(next(tmp_path.glob("*.eval")))
    assert len(items) == 50
    assert items[0].question == "What is 0 + 0?"
