"""``moa tune``: certificates, honest noes, and mixtures that do what was forecast."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from langchain_core.messages import HumanMessage

from moa_graph import create_moa
from moa_graph.cli import main
from moa_graph.evaluation.mixtures import mixture_for
from moa_graph.evaluation.recordings import Recordings, read_recordings
from moa_graph.evaluation.strategies import AnyStrategy, Strategy, TaggedStrategy, play, play_tagged
from moa_graph.extract import extractor
from moa_graph.runs import run
from tests.evaluation.recorded import real_file, write_recordings


def tuned(folder: Path, file: Path, *options: str) -> dict[str, Any]:
    asked = ["tune", str(file), "--grade", "number", "--json", "-o", str(folder / "tuned.yaml"), *options]
    result = CliRunner().invoke(main, asked, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)  # type: ignore[no-any-return]


async def assert_as_forecast(strategy: AnyStrategy, recordings: Recordings, places: range) -> None:
    """The mixture gives the forecast's answer at the forecast's cost, prompt by prompt."""
    graph = create_moa(mixture_for(strategy, recordings).to_data()).compile()
    forecast = play_tagged(strategy, recordings.answers, recordings.costs, recordings.tags)
    read = extractor("number")
    for place in places:
        tag = recordings.tags[place]
        options = {} if tag is None else {"prompt_tag": tag}
        outcome = await run(graph, [HumanMessage(recordings.questions[place])], options=options)
        code = forecast.answers[0, place]
        assert read(outcome.answer) == (recordings.names[place][code] if code >= 0 else None)
        assert outcome.report["cost"] == pytest.approx(float(forecast.costs[0, place]), rel=1e-5)
        assert outcome.report["calls"] == forecast.calls[0, place]


def test_a_mixture_that_helps_is_certified_and_written(tmp_path: Path) -> None:
    file = write_recordings(tmp_path)
    told = tuned(tmp_path, file, "--margin", "2", "--prices", str(tmp_path / "prices.json"))
    assert told["helps"] is True
    assert told["certified"] is True
    assert told["cost_share"] < 0.5
    assert (told["margin"], told["confidence"], told["labels"]) == (2, 0.95, 1600)
    assert create_moa(told["mixture"]).mixture.to_data() == told["description"]
    beside = json.loads((tmp_path / "tuned.certificate.json").read_text())
    assert beside["prompts_hash"] == told["prompts_hash"]
    assert beside["not_covered"]


def test_too_few_labels_are_told_before_and_certify_nothing(tmp_path: Path) -> None:
    file = write_recordings(tmp_path, 300)
    told = tuned(tmp_path, file, "--prices", str(tmp_path / "prices.json"))
    assert (told["helps"], told["certified"], told["mixture"], told["cost_share"]) == (False, False, None, None)
    assert "at least 299" in told["reason"]


def test_where_one_model_is_best_and_cheapest_no_mixture_helps(tmp_path: Path) -> None:
    file = write_recordings(tmp_path, skills={"cheap-a": 0.97, "cheap-b": 0.7, "cheap-c": 0.7, "strong": 0.8})
    told = tuned(tmp_path, file, "--margin", "2", "--prices", str(tmp_path / "prices.json"))
    assert told["helps"] is False
    assert "no mixture helps" in told["reason"]


def test_unlabelled_prompts_find_the_order_so_that_every_label_tests(tmp_path: Path) -> None:
    labelled = write_recordings(tmp_path, 900)
    others = write_recordings(tmp_path, 900, labelled=0, seed=8, first=5000)
    prices = ("--prices", str(tmp_path / "prices.json"))
    told = tuned(tmp_path, labelled, "--margin", "2", "--unlabelled", str(others), *prices)
    assert told["helps"] is True
    assert told["prompts"] == told["labels"] == 900
    with pytest.raises(ValueError, match="both labelled and among the unlabelled"):
        tuned(tmp_path, labelled, "--unlabelled", str(labelled), *prices)


def test_compressed_choices_with_tags_as_benchmarks_have_them(tmp_path: Path) -> None:
    file = tmp_path / "choices.jsonl.gz"
    with gzip.open(file, "wt") as lines:
        for place in range(700):
            outputs = dict.fromkeys(("one", "two", "three"), f"The answer is ({'ABCDEFGHIJ'[place % 10]}).")
            row = {"id": place, "question": f"Pick {place}", "answer": place % 10, "outputs": outputs, "group": "law"}
            lines.write(json.dumps(row) + "\n")
    prices = tmp_path / "prices.yaml"
    prices.write_text("one: 1\ntwo: {input: 1, output: 2}\nthree: [5, 20]\n")
    told = tuned(tmp_path, file, "--grade", "choice", "--prices", str(prices))
    assert told["singles"]["one"]["accuracy"] == 1
    assert told["tags"]["law"]["prompts"] == 350
    assert told["input_tokens_counted"] is False
    assert told["helps"] is False


def test_a_model_without_a_price_is_named_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no price for cheap-a, cheap-b, cheap-c, strong"):
        tuned(tmp_path, write_recordings(tmp_path, 20))


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text('{"question": "a", "outputs": {"m": "1", "n": "2"}}\n{"question": "b"}\n')
    with pytest.raises(ValueError, match="line 2: KeyError: 'outputs'"):
        tuned(tmp_path, file)


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy("single", (3,)),
        Strategy("vote", (0, 1, 2)),
        Strategy("chain", (0, 1, 3), 2),
        Strategy("chain", (0, 1, 2, 3), 2),
        Strategy("chain", (0, 1, 2, 3), 3),
    ],
    ids=lambda strategy: f"{strategy.kind}-{len(strategy.models)}-{strategy.votes}",
)
async def test_the_mixture_does_what_was_forecast(tmp_path: Path, strategy: Strategy) -> None:
    skills = {"cheap-a": 0.6, "cheap-b": 0.6, "cheap-c": 0.5, "strong": 0.9}
    file = write_recordings(tmp_path, 25, skills=skills)
    recordings = read_recordings(file, "number", prices=tmp_path / "prices.json")
    await assert_as_forecast(strategy, recordings, range(25))


async def test_a_mixture_by_tag_does_what_was_forecast_for_unknown_tags_too(tmp_path: Path) -> None:
    skills = {"cheap-a": 0.6, "cheap-b": 0.6, "cheap-c": 0.5, "strong": 0.9}
    file = write_recordings(tmp_path, 24, skills=skills, tags=("sums", "law", "other", None))
    recordings = read_recordings(file, "number", prices=tmp_path / "prices.json")
    own = (("sums", Strategy("single", (1,))), ("law", Strategy("chain", (0, 1, 3), 2)))
    await assert_as_forecast(TaggedStrategy(Strategy("chain", (0, 1, 2, 3), 2), own), recordings, range(24))


HARD_FOR = {"sums": {"cheap-c": 0.4}, "law": {"cheap-a": 0.3, "cheap-b": 0.3, "cheap-c": 0.97}}


def test_tags_are_given_strategies_of_their_own_where_that_costs_less(tmp_path: Path) -> None:
    file = write_recordings(tmp_path, 1600, tags=("sums", "law"), skills_of=HARD_FOR)
    prices = ("--margin", "2", "--prices", str(tmp_path / "prices.json"))
    told = tuned(tmp_path, file, *prices)
    assert told["chain"]["kind"] == "by_tag"
    assert set(told["chain"]["by_tag"]) == {"sums", "law"}
    assert told["description"]["stages"][0]["by_tag"]["default"] == "way-1"
    whole = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({**row, "tag": None}) + "\n" for row in whole))
    assert told["cost_share"] < tuned(tmp_path, file, *prices)["cost_share"]


def test_what_was_tuned_by_tag_is_watched_and_compared(tmp_path: Path) -> None:
    file = write_recordings(tmp_path, 1600, tags=("sums", "law"), skills_of=HARD_FOR)
    prices = ("--grade", "number", "--prices", str(tmp_path / "prices.json"), "--json")
    told = tuned(tmp_path, file, "--margin", "2", *prices)
    certificate = str(tmp_path / "tuned.certificate.json")
    watched = CliRunner().invoke(main, ["tune", str(file), *prices, "--watch", certificate])
    assert json.loads(watched.stdout)["state"] in ("holds", "undecided")
    compared = json.loads(CliRunner().invoke(main, ["compare", str(file), *prices, "--with", certificate]).stdout)
    [own] = [one for one in compared["candidates"] if one["name"] == "tuned"]
    [best] = [one for one in compared["candidates"] if one["name"] == "strong"]
    assert own["usd"] / best["usd"] == pytest.approx(told["cost_share"], abs=0.05)


@pytest.mark.acceptance
async def test_the_tuned_file_on_every_real_prompt(tmp_path: Path) -> None:
    told = tuned(tmp_path, real_file())
    recordings = read_recordings(real_file(), "number")
    graph = create_moa(told["mixture"]).compile()
    names = [name.rpartition("#")[2] for name in (one["model"] for one in told["description"]["models"].values())]
    votes = told["description"]["stages"][1]["stop"]["votes"]
    strategy = Strategy("chain", tuple(recordings.models.index(name) for name in names), votes)
    assert mixture_for(strategy, recordings).to_data() == told["description"]
    forecast, read, unequal = play([strategy], recordings.answers, recordings.costs), extractor("number"), 0
    for place, question in enumerate(recordings.questions):
        outcome = await run(graph, [HumanMessage(question)])
        code = forecast.answers[0, place]
        expected = recordings.names[place][code] if code >= 0 else None
        cost = pytest.approx(float(forecast.costs[0, place]), rel=1e-5)
        unequal += read(outcome.answer) != expected or outcome.report["cost"] != cost
    print(f"the tuned file on {len(recordings)} prompts: {unequal} unequal answers or costs (goal 0)")  # noqa: T201
    assert unequal == 0
