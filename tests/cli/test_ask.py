from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import Moa, WriteMixture
from tests.loopback import Reply, loopback_in_thread

QUESTION = "What is 17 * 24 + 3?"


def given(result: Result) -> dict[str, Any]:
    """The object of ``--json``."""
    assert result.exit_code == 0, result.stderr
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def test_the_answer_goes_to_stdout_and_all_else_to_stderr(moa: Moa, instant: str) -> None:
    result = moa("ask", "-m", instant, QUESTION)
    assert result.exit_code == 0
    assert result.stdout.endswith("Answer: 411\n")
    assert "layer_1/first: answered" in result.stderr
    assert "3 calls" in result.stderr
    assert "layer_1" not in result.stdout


def test_without_keys_the_first_line_says_that_models_are_simulated_and_how_to_use_real_ones(moa: Moa) -> None:
    result = moa("ask", QUESTION)
    first = result.stderr.splitlines()[0]
    assert result.stdout.endswith("Answer: 411\n")
    assert "moa-turbo on simulated models" in first
    assert "TOGETHER_API_KEY" in first


def test_an_answer_nobody_thought_or_asked_for_is_marked_on_stdout(moa: Moa, instant: str) -> None:
    mark = "[simulated: no real model was asked, since no key is set, and no local server answers]"
    assert moa("ask", QUESTION).stdout.startswith(f"{mark}\n")
    assert given(moa("ask", "--json", QUESTION))["simulated"] == mark
    for asked_for in (("--simulate",), ("-m", instant)):
        assert "[simulated" not in moa("ask", *asked_for, QUESTION).stdout
        assert "simulated" not in given(moa("ask", *asked_for, "--json", QUESTION))
    assert "[simulated" not in moa("ask", QUESTION, env={"MOA_SIMULATE": "1"}).stdout


def test_the_first_line_names_the_models_that_are_simulated_beside_real_ones(moa: Moa, tmp_path: Path) -> None:
    (tmp_path / "outputs.jsonl").write_text(json.dumps({"question": QUESTION, "outputs": {"a": "Answer: 7"}}) + "\n")
    result = moa("ask", "--reference-models", "recorded:outputs.jsonl#a", QUESTION)
    assert result.stderr.startswith("moa-turbo on simulated models in place of strong-2, writer, since no key")


def test_a_mixture_that_names_simulated_models_says_that_they_are(moa: Moa, instant: str) -> None:
    assert moa("ask", "-m", instant, QUESTION).stderr.startswith("test-mixture on simulated models\n")


@pytest.mark.parametrize(("extract", "chosen"), [("choice", "B"), ("number", "A"), ("json:x", None)])
def test_how_votes_read_answers_can_be_said(moa: Moa, tmp_path: Path, extract: str, chosen: str | None) -> None:
    outputs = {"a": "A) it is 12", "b": "B) it is 12", "c": "B) it is 15"}
    (tmp_path / "outputs.jsonl").write_text(json.dumps({"question": QUESTION, "outputs": outputs}) + "\n")
    slots = ", ".join(f'"recorded:outputs.jsonl#{name}"' for name in outputs)
    (tmp_path / "mine.yaml").write_text(f"name: mine\nstages: [{{propose: {{slots: [{slots}]}}}}, {{vote: {{}}}}]\n")
    result = moa("ask", "-m", "mine.yaml", "--extract", extract, QUESTION)
    if chosen is None:
        assert "vote" in result.stderr, "nothing could be read, and that is said"
    else:
        assert result.stdout.startswith(f"{chosen}) it is 12")
    refused = moa("ask", "-m", "mine.yaml", "--extract", "numbers", QUESTION)
    assert refused.exit_code != 0
    assert "extract" in refused.stderr


def test_progress_does_not_break_into_an_answer_that_is_being_written(moa: Moa, instant: str) -> None:
    whole = moa("ask", "-m", instant, QUESTION).output
    assert "Answer: 411\naggregate/writer: answered" in whole


def test_a_mixture_of_real_models_is_not_called_simulated(moa: Moa, served: Any) -> None:
    mixture, _ = served(one={}, writer={})
    result = moa("ask", "-m", mixture, "--json", QUESTION)
    assert given(result)["report"]["simulated"] is False
    assert result.stderr.splitlines()[0] == "test-mixture"


@pytest.mark.parametrize("prompt", [(), ("-",)])
def test_the_question_may_come_from_stdin(moa: Moa, instant: str, prompt: tuple[str, ...]) -> None:
    result = moa("ask", "-m", instant, *prompt, input=f"{QUESTION}\n")
    assert result.stdout.endswith("Answer: 411\n")


def test_the_mixture_may_come_from_the_environment(moa: Moa, instant: str) -> None:
    result = moa("ask", QUESTION, env={"MOA_MIXTURE": instant})
    assert result.stderr.startswith("test-mixture ")


def test_simulate_takes_the_place_of_every_key(moa: Moa) -> None:
    report = given(moa("ask", "-m", "moa-lite", "--simulate", "--json", QUESTION))["report"]
    assert report["simulated"] is True
    assert report["calls"] == 7


def test_json_is_one_object_with_answer_proposals_and_report(moa: Moa, instant: str) -> None:
    result = moa("ask", "-m", instant, "--json", QUESTION)
    found = given(result)
    assert list(found) == ["answer", "proposals", "report"]
    assert found["answer"].endswith("411")
    assert [(one["kind"], one["slot"]) for one in found["proposals"]] == [("proposal", "first"), ("proposal", "second")]
    assert found["report"]["calls"] == 3
    assert result.stdout.count("\n") == 1


def test_events_are_json_lines(moa: Moa, instant: str) -> None:
    result = moa("ask", "-m", instant, "--events", QUESTION)
    types = [json.loads(line)["type"] for line in result.stdout.splitlines()]
    assert types[0] == "run_started"
    assert types[-1] == "run_finished"
    assert types.count("call_finished") == 3


def test_events_with_json_end_with_the_object(moa: Moa, instant: str) -> None:
    lines = moa("ask", "-m", instant, "--events", "--json", QUESTION).stdout.splitlines()
    assert json.loads(lines[-2])["type"] == "run_finished"
    assert json.loads(lines[-1])["answer"].endswith("411")


def test_the_classic_flags_make_a_mixture(moa: Moa) -> None:
    references = ("--reference-models", "sim:swift,sim:steady", "--reference-models", "sim:broad")
    found = given(moa("ask", *references, "--aggregator", "sim:careful", "--rounds", "2", "--json", QUESTION))
    assert found["report"]["calls"] == 3 * 2 + 1
    assert found["report"]["models"] == ["sim:broad", "sim:careful", "sim:steady", "sim:swift"]


def test_references_may_be_recorded_answers(moa: Moa, tmp_path: Path) -> None:
    recorded = tmp_path / "outputs.jsonl"
    outputs = {"a": "I make it 7.\nAnswer: 7", "b": "It is 7.\nAnswer: 7"}
    recorded.write_text(json.dumps({"question": QUESTION, "outputs": outputs}) + "\n")
    references = f"recorded:{recorded}#a,recorded:{recorded}#b"
    found = given(moa("ask", "--reference-models", references, "--aggregator", "sim:instant", "--json", QUESTION))
    assert [one["text"] for one in found["proposals"]] == list(outputs.values())
    assert found["answer"].endswith("Answer: 7")


def test_recorded_references_without_keys_are_answered_from_by_a_simulated_model(moa: Moa, tmp_path: Path) -> None:
    recorded = tmp_path / "outputs.jsonl"
    recorded.write_text(json.dumps({"question": QUESTION, "outputs": {"a": "Answer: 7"}}) + "\n")
    found = given(moa("ask", "--reference-models", f"recorded:{recorded}#a", "--json", QUESTION))
    assert found["proposals"][0]["text"] == "Answer: 7"
    assert found["report"]["simulated"] is False


def test_substitute_asks_another_model(moa: Moa, instant: str) -> None:
    found = given(moa("ask", "-m", instant, "--substitute", "writer=sim:swift", "--json", QUESTION))
    assert found["report"]["models"] == ["sim:instant", "sim:swift"]


def test_a_recorded_run_is_replayed_without_a_call(moa: Moa, instant: str) -> None:
    first = given(moa("ask", "-m", instant, "--store", "calls.jsonl", "--record", "--json", QUESTION))
    again = given(moa("ask", "-m", instant, "--store", "calls.jsonl", "--replay", "--json", QUESTION))
    assert again["answer"] == first["answer"]
    assert (again["report"]["calls"], again["report"]["hits"]) == (0, 3)


def test_a_replay_of_what_was_never_recorded_fails_unless_missing_calls_may_be_made(moa: Moa, instant: str) -> None:
    moa("ask", "-m", instant, "--store", "calls.jsonl", "--record", QUESTION)
    replay = ("ask", "-m", instant, "--store", "calls.jsonl", "--replay", "another question")
    failed = moa(*replay)
    assert failed.exit_code == 1
    assert "never recorded" in failed.stderr
    assert moa(*replay, "--missing", "call").exit_code == 0


def test_limits_hold(moa: Moa, instant: str) -> None:
    found = given(moa("ask", "-m", instant, "--calls", "2", "--json", QUESTION))
    assert found["report"]["calls"] == 2


def test_a_failed_slot_is_told_with_its_reason_and_the_answer_comes(moa: Moa, served: Any) -> None:
    mixture, _ = served(good={}, refused={"faults": [{"kind": "status", "status": 400}]}, writer={})
    result = moa("ask", "-m", mixture, QUESTION)
    assert result.exit_code == 0
    assert "layer_1/refused: bad_request: HTTP 400" in result.stderr


def test_an_unknown_cost_is_said_to_be_unknown(moa: Moa, served: Any) -> None:
    mixture, _ = served(one={}, writer={})
    footer = moa("ask", "-m", mixture, QUESTION).stderr.splitlines()[-1]
    assert "cost unknown" in footer
    assert "$" not in footer


def test_an_answer_that_begins_anew_in_a_pipe_is_whole_but_the_run_says_that_it_failed(moa: Moa, served: Any) -> None:
    mixture, _ = served(one={}, writer={"faults": [{"kind": "broken_stream", "first": 1}]})
    result = moa("ask", "-m", mixture, QUESTION)
    dropped, _, answer = result.stdout.partition("\n\n")
    assert answer.endswith("Answer: 411\n")
    assert answer.startswith(dropped)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("moa: the answer was restarted")


def test_an_answer_that_begins_anew_is_whole_in_json(moa: Moa, served: Any) -> None:
    mixture, _ = served(one={}, writer={"faults": [{"kind": "broken_stream", "first": 1}]})
    assert given(moa("ask", "-m", mixture, "--json", QUESTION))["answer"].endswith("Answer: 411")


def test_without_an_aggregator_the_footer_says_that_the_answer_is_degraded(moa: Moa, served: Any) -> None:
    mixture, _ = served(one={}, writer={"faults": [{"kind": "status", "status": 400}]})
    result = moa("ask", "-m", mixture, QUESTION)
    assert result.exit_code == 0
    assert result.stdout.endswith("Answer: 411\n")
    assert result.stderr.splitlines()[-1].startswith("degraded: ")


def test_pipes_get_no_colour_codes(moa: Moa, instant: str) -> None:
    result = moa("ask", "-m", instant, QUESTION, env={"TERM": "xterm-256color", "FORCE_COLOR": "1"})
    assert "\x1b" not in result.stdout + result.stderr


@pytest.mark.parametrize("form", [(), ("--events",), ("--json",)])
def test_half_a_character_in_what_a_provider_says_breaks_nothing(
    moa: Moa, write_mixture: WriteMixture, form: tuple[str, ...]
) -> None:
    refused = Reply(400, rb'{"error": {"message": "half \ud83d of it"}}')
    with loopback_in_thread(lambda asked: refused) as server:
        models = {"one": "sim:instant", "two": {"model": "openai:two", "base_url": server.url}, "writer": "sim:instant"}
        result = moa("ask", "-m", write_mixture(models), *form, QUESTION)
    assert result.exit_code == 0, result.stderr
    assert "HTTP 400: half " in result.output


FAILURES = {
    "unknown preset": (["-m", "moa-lit"], 2, "moa-lite"),
    "unknown file": (["-m", "nowhere.yaml"], 2, "nowhere.yaml"),
    "unknown provider": (["--aggregator", "tgether:x"], 2, "together"),
    "unknown model": (["--aggregator", "gpt-4"], 2, "gpt-4"),
    "unknown option": (["--mixtur", "moa-lite"], 2, "--help"),
    "temperature out of bounds": (["--temperature", "9"], 2, "--temperature"),
    "quorum above the slots": (["--quorum", "40", "--simulate"], 2, "quorum"),
    "no duration": (["--deadline", "soon", "--simulate"], 2, "deadline"),
    "no pair": (["--substitute", "old"], 2, "OLD=NEW"),
    "unused substitute": (["--substitute", "old=new"], 2, "old"),
    "replay of nothing": (["--replay"], 2, "--store"),
    "a store of no known form": (["--store", "calls.txt"], 2, "calls.txt"),
    "empty question": ([""], 2, "question is empty"),
    "references that name no model": (["--reference-models", ","], 2, "names no model"),
    "one reference that names no model": (["--proposers", "sim:swift", "--proposers", ""], 2, "names no model"),
    "an aggregator without a name": (["--aggregator", " "], 2, "names no model"),
    "missing key": (["-m", "moa-lite"], 1, "TOGETHER_API_KEY"),
}


@pytest.mark.parametrize(("arguments", "code", "named"), FAILURES.values(), ids=list(FAILURES))
def test_bad_use_is_one_line_that_says_what_to_do(moa: Moa, arguments: list[str], code: int, named: str) -> None:
    question = [] if arguments == [""] else [QUESTION]
    result = moa("ask", *arguments, *question)
    assert result.exit_code == code, result.stderr
    assert result.stderr.startswith("moa: ")
    assert result.stderr.count("\n") == 1
    assert named in result.stderr
    assert result.stdout == ""


def test_a_misspelt_field_is_named(moa: Moa, write_mixture: WriteMixture) -> None:
    mixture = write_mixture({"one": "sim:instant", "writer": "sim:instant"}, min_lives=2)
    result = moa("ask", "-m", mixture, QUESTION)
    assert result.exit_code == 2
    assert "min_lives" in result.stderr


def test_a_failed_run_is_one_line_with_every_reason(moa: Moa, served: Any) -> None:
    refuses = {"faults": [{"kind": "status", "status": 401}]}
    mixture, _ = served(one=refuses, two=refuses, writer={})
    result = moa("ask", "-m", mixture, "--json", QUESTION)
    last = result.stderr.splitlines()[-1]
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "layer_1/one: auth" in last
    assert "layer_1/two: auth" in last


def test_a_key_is_never_shown(moa: Moa, write_mixture: WriteMixture, served: Any) -> None:
    refuses = {"faults": [{"kind": "status", "status": 401, "message": "Incorrect key: very-secret-value"}]}
    _, simulator = served(one=refuses, writer={})
    settings = {"base_url": simulator.base_url, "key_variable": "TEST_API_KEY"}
    mixture = write_mixture({name: {"model": f"openai:{name}", **settings} for name in ("one", "writer")})
    result = moa("ask", "-m", mixture, QUESTION, env={"TEST_API_KEY": "very-secret-value"})
    assert result.exit_code == 1
    assert "very-secret-value" not in result.stdout + result.stderr


def test_a_defect_is_one_line_too(moa: Moa, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("inner")

    monkeypatch.setattr("moa_graph.cli.building.create_moa", broken)
    result = moa("ask", QUESTION)
    assert result.exit_code == 1
    assert result.stderr.startswith("moa: KeyError: 'inner'. This is a bug")
    assert result.stderr.count("\n") == 1
