"""The files that evaluations and training read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from moa_graph import create_moa
from moa_graph.batch import run
from tests.batch.panel import read_lines
from tests.models_for_tests import ScriptedModel, calling, scripted


def written(folder: Path, row: dict[str, Any], format: str, name: str = "out.jsonl", mixture: str = "one") -> Path:
    (folder / "in.jsonl").write_text(json.dumps(row), encoding="utf-8")
    graph = create_moa({"name": mixture, "stages": [{"aggregate": {"slot": "sim:instant"}}]})
    run(folder / "in.jsonl", folder / name, graph, format=format)
    return folder / name


def test_alpaca_eval_reads_a_list_of_instruction_output_generator(tmp_path: Path) -> None:
    path = written(tmp_path, {"instruction": "What is 2 + 3?", "dataset": "koala"}, "alpaca-eval", "out.json")
    (line,) = json.loads(path.read_text())
    assert line == {"instruction": "What is 2 + 3?", "output": line["output"], "generator": "one", "dataset": "koala"}
    assert line["output"].endswith("5")


def test_mt_bench_reads_turns_by_the_number_of_the_question(tmp_path: Path) -> None:
    row = {"question_id": 81, "category": "math", "turns": ["What is 2 + 3?", "What is 4 + 5?"]}
    (line,) = read_lines(written(tmp_path, row, "mt-bench"))
    assert (line["question_id"], line["model_id"]) == (81, "one")
    (choice,) = line["choices"]
    assert [turn[-1] for turn in choice["turns"]] == ["5", "9"]


@pytest.mark.parametrize("name", ["question_id", "idx"])
def test_flask_reads_texts_by_the_number_of_the_question(tmp_path: Path, name: str) -> None:
    (line,) = read_lines(written(tmp_path, {name: 7, "instruction": "What is 2 + 3?"}, "flask"))
    assert line["question_id"] == 7
    assert line["text"].endswith("5")


def test_openais_batch_output_has_a_response_by_its_custom_id(tmp_path: Path) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "What is 2 + 3?"}]}
    (line,) = read_lines(written(tmp_path, {"custom_id": "c", "body": body}, "openai-batch"))
    assert (line["custom_id"], line["error"], line["response"]["status_code"]) == ("c", None, 200)
    assert line["response"]["body"]["choices"][0]["message"]["content"].endswith("5")


def answered_by(model: ScriptedModel, folder: Path, **body: Any) -> dict[str, Any]:
    """What the output says of one line of OpenAI's batch format that ``model`` answers."""
    asked = {"messages": [{"role": "user", "content": "hi"}], **body}
    (folder / "in.jsonl").write_text(json.dumps({"custom_id": "c", "body": asked}), encoding="utf-8")
    graph = create_moa({"name": "one", "stages": [{"aggregate": {"slot": model}}]})
    run(folder / "in.jsonl", folder / "out.jsonl", graph, format="openai-batch")
    (line,) = read_lines(folder / "out.jsonl")
    return dict(line)


def test_the_parameters_of_a_line_reach_the_model_that_writes(tmp_path: Path) -> None:
    model = scripted("writer", "hello")
    line = answered_by(model, tmp_path, temperature=0.25, max_completion_tokens=7, stop="END", seed=3)
    assert line["error"] is None
    asked = model.journal.asked[0].settings
    wanted = {"temperature": 0.25, "max_tokens": 7, "stop": ["END"], "seed": 3}
    assert {name: asked.get(name) for name in wanted} == wanted


def test_a_line_with_a_parameter_that_cannot_be_honoured_fails_by_its_name(tmp_path: Path) -> None:
    model = scripted("writer", AIMessage("hello"))
    line = answered_by(model, tmp_path, logprobs=True)
    assert "logprobs" in line["error"]["message"]
    assert model.journal.asked == []


def test_calls_of_tools_stand_in_the_output_as_openai_writes_them(tmp_path: Path) -> None:
    model = scripted("writer", calling("weather", city="Rome"))
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": schema}}
    (choice,) = answered_by(model, tmp_path, tools=[tool])["response"]["body"]["choices"]
    assert choice["finish_reason"] == "tool_calls"
    (told,) = choice["message"]["tool_calls"]
    assert (told["id"], told["function"]["name"]) == ("call_1", "weather")
    assert json.loads(told["function"]["arguments"]) == {"city": "Rome"}


def test_a_training_row_is_the_conversation_with_its_answer(tmp_path: Path) -> None:
    (line,) = read_lines(written(tmp_path, {"id": "a", "prompt": "What is 2 + 3?"}, "synthetic-data"))
    assert [message["role"] for message in line["messages"]] == ["user", "assistant"]
    assert line["score"] is None
    assert line["provenance"]["mixture"] == "one"


def test_a_scored_pair_is_a_training_row_of_its_own(tmp_path: Path) -> None:
    pair = json.dumps({"instruction": "Name a prime.", "response": "7"})
    answer = json.dumps({"text": pair, "score": 8.5})
    graph = create_moa(
        {"name": "pairs", "stages": [{"aggregate": {"slot": f"recorded:{recording(tmp_path, answer)}#m"}}]}
    )
    (tmp_path / "in.jsonl").write_text(json.dumps({"prompt": "primes"}), encoding="utf-8")
    run(tmp_path / "in.jsonl", tmp_path / "out.jsonl", graph, format="synthetic-data")
    (line,) = read_lines(tmp_path / "out.jsonl")
    assert line["messages"] == [
        {"role": "user", "content": "Name a prime."},
        {"role": "assistant", "content": "7"},
    ]
    assert line["score"] == 8.5


def recording(folder: Path, answer: str) -> Path:
    path = folder / "recorded.jsonl"
    path.write_text(json.dumps({"question": "primes", "outputs": {"m": answer}}), encoding="utf-8")
    return path


def test_recorded_answers_without_a_question_are_those_to_the_rows_in_their_order(tmp_path: Path) -> None:
    recorded = tmp_path / "reference.json"
    recorded.write_text(json.dumps([{"output": f"answer {number}"} for number in range(3)]), encoding="utf-8")
    (tmp_path / "in.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n{"prompt": "c"}', encoding="utf-8")
    graph = create_moa({"name": "by-place", "stages": [{"aggregate": {"slot": f"recorded:{recorded}#reference"}}]})
    run(tmp_path / "in.jsonl", tmp_path / "out.jsonl", graph, ordered=True)
    assert [line["answer"] for line in read_lines(tmp_path / "out.jsonl")] == ["answer 0", "answer 1", "answer 2"]
