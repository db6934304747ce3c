"""Labels are asked only where answers differ, kept, and never asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from moa_graph import MoaError
from moa_graph.cli import main
from moa_graph.evaluation.betting import Wager
from moa_graph.evaluation.few_labels import chain_of, tune_by_asking
from moa_graph.evaluation.labelling import LabelFile, Referee
from moa_graph.evaluation.recordings import Recordings, read_recordings
from moa_graph.evaluation.strategies import play
from tests.evaluation.recorded import real_file, write_recordings

SKILLS = {"cheap-a": 0.96, "cheap-b": 0.97, "strong": 0.97}


def recorded(folder: Path, prompts: int = 800, labelled: int | None = None, **more: Any) -> Recordings:
    file = write_recordings(folder, prompts, skills=SKILLS, labelled=labelled, **more)
    return read_recordings(file, "number", prices=folder / "prices.json")


def moa(*arguments: str, typed: str | None = None) -> Result:
    result = CliRunner().invoke(main, ["tune", *arguments], input=typed, standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_wager_multiplies_its_wealth_and_decides_at_one_over_the_level() -> None:
    wager = Wager(0.01, 0.05)
    wager.see(0, times=299)
    assert wager.decision is None  # bets below the whole wealth need some more than the least
    wager.see(0, times=200)
    assert wager.decision == "not worse"
    for _ in range(40):
        wager.see(-1)
    assert wager.decision == "worse"
    assert (wager.wins, wager.losses, wager.prompts) == (0, 40, 539)


def test_only_disagreements_are_asked(tmp_path: Path) -> None:
    truth, blind = recorded(tmp_path), recorded(tmp_path, labelled=0)
    chain = chain_of(["cheap-a", "cheap-b", "strong"], 2, blind)
    given = play([chain], blind.answers, blind.costs).answers[0]
    asked: list[int] = []

    def ask(place: int) -> int:
        asked.append(place)
        return int(truth.right[place])

    rival = blind.models.index("strong")
    tuned = tune_by_asking(blind, lambda part: ask, margin=0.02, declared=chain, incumbent="strong")
    assert tuned.chosen is not None
    assert tuned.labels == len(asked) == len(set(asked))
    assert all(given[place] != blind.answers[place, rival] for place in asked)
    assert len(asked) < 30


def test_the_exact_duel_asks_until_no_label_can_change_it(tmp_path: Path) -> None:
    truth, blind = recorded(tmp_path), recorded(tmp_path, labelled=0)
    given, rival = blind.answers[:, 1], blind.answers[:, 0]
    referee = Referee(blind, lambda place: int(truth.right[place]), 0.02, 0.05)
    _, _, p = referee.test(given, rival)
    whole = Referee(truth, lambda place: pytest.fail("every label is known"), 0.02, 0.05)
    _, _, p_whole = whole.test(given, rival)
    assert (p <= 0.05) == (p_whole <= 0.05)
    assert referee.asked <= int((given != rival).sum())


def test_labels_are_kept_and_never_asked_again(tmp_path: Path) -> None:
    truth, blind = recorded(tmp_path), recorded(tmp_path, labelled=0)
    chain = chain_of(["cheap-a", "cheap-b", "strong"], 2, blind)
    labels = LabelFile(tmp_path / "labels.jsonl")
    first = tune_by_asking(
        blind, lambda part: lambda place: int(truth.right[place]), margin=0.02, declared=chain, memory=labels
    )
    known = labels.known(blind)
    assert int((known >= -2).sum()) == first.labels
    again = tune_by_asking(
        recorded(tmp_path, labelled=0).some(np.arange(800)).__class__(**{**vars(blind), "right": known}),
        lambda part: lambda place: pytest.fail("it was labelled before"),
        margin=0.02,
        declared=chain,
    )
    assert again.labels == first.labels
    assert again.helps == first.helps


def test_in_the_terminal(tmp_path: Path) -> None:
    recorded(tmp_path, labelled=0)
    file, labels = str(next(tmp_path.glob("*.jsonl"))), tmp_path / "labels.jsonl"
    options = [
        file, "--grade", "number", "--prices", str(tmp_path / "prices.json"), "--margin", "0.5", "--label", str(labels),
        "--chain", "cheap-a,cheap-b,strong", "--incumbent", "strong", "--json", "-o", str(tmp_path / "m.yaml"),
    ]  # fmt: skip
    stopped = json.loads(moa(*options, typed="1\n0\nq\n").stdout)
    assert stopped["certified"] is False
    assert "undecided" in stopped["reason"]
    assert len(labels.read_text().splitlines()) == stopped["labels"] == 2
    page = tmp_path / "page.html"
    moa(*options, "--page", str(page))
    assert page.read_text().count('<section class="item"') == 20
    assert "<script>alert" not in page.read_text()


def test_watching_holds_breaks_and_refuses_tags(tmp_path: Path) -> None:
    file = write_recordings(tmp_path, 1600, tags=("even", "odd"))
    prices = ["--grade", "number", "--prices", str(tmp_path / "prices.json")]
    moa(str(file), *prices, "--margin", "2", "-o", str(tmp_path / "m.yaml"), "--json")
    certificate = str(tmp_path / "m.certificate.json")
    same = write_recordings(tmp_path, 1600, seed=9, first=9000, tags=("even", "odd"))
    told = json.loads(moa(str(same), *prices, "--watch", certificate, "--json").stdout)
    assert told["state"] in ("holds", "undecided")
    worse = write_recordings(
        tmp_path, 1600, seed=10, first=20000, tags=("even", "odd"),
        skills={"cheap-a": 0.5, "cheap-b": 0.4, "cheap-c": 0.4, "strong": 0.99},
    )  # fmt: skip
    rows = [json.loads(line) for line in worse.read_text().splitlines()]
    for row in rows:  # they agree on the same wrong answer
        wrong = f"The answer is {int(row['answer']) + 1}."
        row["outputs"] = {**row["outputs"], "cheap-a": wrong, "cheap-b": wrong, "cheap-c": wrong}
    worse.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = CliRunner().invoke(main, ["tune", str(worse), *prices, "--watch", certificate, "--json"])
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (1, "broken")
    rows = [{**row, "tag": "new"} for row in rows]
    worse.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = json.loads(moa(str(worse), *prices, "--watch", certificate, "--json").stdout)
    assert told["refused_tags"] == ["new"]
    assert all(duel["prompts"] == 0 for duel in told["duels"].values())
    assert told["left_out"] == 1600
    worse.write_text("".join(json.dumps({**row, "tag": None}) + "\n" for row in rows))
    words = moa(str(worse), *prices, "--watch", certificate).stdout
    assert "1600 prompts aren't counted: they have no tag" in words
    assert "The certificate is undecided" in words
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(MoaError, match=r"other\.json: that isn't a certificate"):
        moa(str(worse), *prices, "--watch", str(tmp_path / "other.json"))


@pytest.mark.acceptance
def test_e_values_are_false_in_at_most_a_twentieth_of_10000_paths_looked_at_after_every_prompt() -> None:
    drawn = np.random.default_rng(1)
    for wins, losses in [(0.0, 0.01), (0.005, 0.015), (0.02, 0.03), (0.1, 0.11)]:
        bets = np.array([0.6, 0.75, 0.85])
        assert np.allclose(bets, Wager(0.01, 0.05)._bets)
        wealth, ever = np.zeros((10_000, 3)), np.zeros(10_000, bool)
        for _ in range(2000):
            chance = drawn.random(10_000)
            difference = (chance < wins).astype(float) - ((chance >= wins) & (chance < wins + losses))
            wealth += np.log1p(bets * (difference[:, None] + 0.01))
            ever |= np.exp(wealth).mean(axis=1) >= 20
        print(f"e-values, wins {wins:.1%}, losses {losses:.1%}: false {ever.mean():.2%} of 10,000 (goal <= 5 %)")  # noqa: T201
        assert ever.mean() <= 0.05


@pytest.mark.acceptance
def test_labels_for_a_strategy_declared_beforehand() -> None:
    whole = read_recordings(real_file(), "number")
    drawn, labels, prompts, issued = np.random.default_rng(2), [], [], 0
    models = ["gemini-1.5-flash", "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"]
    chain = chain_of(models, 2, whole)
    given = play([chain], whole.answers, whole.costs).answers[0]
    for _ in range(400):
        wager, asked = Wager(0.01, 0.05), 0
        for place in drawn.integers(0, len(whole), 3000):
            rival, right = whole.answers[place, whole.models.index(models[2])], whole.right[place]
            asked += given[place] != rival
            wager.see(int(given[place] == right) - int(rival == right))
            if wager.decision is not None:
                break
        issued += wager.decision == "not worse"
        labels.append(asked)
        prompts.append(wager.prompts)
    median, most = np.median(labels), np.quantile(labels, 0.9)
    print(  # noqa: T201
        f"declared cascade, 400 runs: issued {issued}, prompts {np.median(prompts):.0f}, "
        f"labels {median:.0f} (goal <= 5), 90 %: {most:.0f} (goal <= 12)"
    )
    assert median <= 5
    assert most <= 12
