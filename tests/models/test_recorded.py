"""Recorded answers as chat models."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from moa_graph.calls.failures import classify, usage_of
from moa_graph.errors import MixtureError
from moa_graph.models.recorded import NotRecorded, RecordedChatModel, read_outputs
from moa_graph.models.reference import parse

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "zeroeval_gsm8k" / "gsm8k.jsonl.gz"

LINES = [
    {"question": "What is 2+2?", "outputs": {"small": "5", "large": "4"}},
    {"instruction": "Name a colour.", "outputs": {"large": "Blue."}},
]


def recorded(file: Path, model: str) -> RecordedChatModel:
    return RecordedChatModel.from_reference(parse(f"recorded:{file}#{model}"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)) + "\n\n", encoding="utf-8")
    return path


async def test_the_last_user_message_finds_its_answer(file: Path) -> None:
    conversation = [
        SystemMessage("References: ..."),
        HumanMessage("Name a colour."),
        AIMessage("Blue."),
        HumanMessage(" What is 2+2?\n"),
    ]
    assert (await recorded(file, "large").ainvoke(conversation)).text == "4"
    assert recorded(file, "small").invoke(conversation).text == "5"


async def test_usage_is_estimated_and_marked_so(file: Path) -> None:
    answer = await recorded(file, "large").ainvoke("Name a colour.")
    assert usage_of(answer) == {"input": 3, "output": 1, "cached": 0}
    assert answer.response_metadata["estimated"] is True


async def test_a_question_that_was_not_recorded_is_a_bad_request(file: Path) -> None:
    with pytest.raises(NotRecorded, match=r"no answer of small to 'Name a colour\.'") as missing:
        await recorded(file, "small").ainvoke("Name a colour.")
    diagnosis = classify(missing.value)
    assert (diagnosis.kind, diagnosis.retryable) == ("bad_request", False)


def test_compressed_lines_and_alpaca_lists_are_read(tmp_path: Path) -> None:
    alpaca = [{"instruction": "Hi", "output": "Hello", "generator": "m", "datasplit": "eval"}]
    (tmp_path / "list.json").write_text(json.dumps(alpaca), encoding="utf-8")
    with gzip.open(tmp_path / "lines.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.write(json.dumps(alpaca[0]))
    expected = {"m": {"Hi": "Hello"}}
    assert read_outputs(str(tmp_path / "list.json")) == expected
    assert read_outputs(str(tmp_path / "lines.jsonl.gz")) == expected


def test_a_file_is_read_once_until_it_changes(file: Path) -> None:
    first = read_outputs(str(file))
    assert read_outputs(str(file)) is first
    file.write_text(json.dumps({"question": "Q", "outputs": {"other": "A"}}), encoding="utf-8")
    assert read_outputs(str(file)) == {"other": {"Q": "A"}}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{file}", "write recorded:FILE#MODEL"),
        ("{file}#", "write recorded:FILE#MODEL"),
        ("{file}#largee", r"no answers of largee\. Did you mean large\? It holds: large, small\."),
        ("{file}.gone#large", "can't be read: No such file"),
        ("{broken}#large", "can't be read .*Write one JSON object a line"),
        ("{other}#large", "can't be read .*Write one JSON object a line"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_there_is(file: Path, tmp_path: Path, name: str, message: str) -> None:
    broken, other = tmp_path / "broken.jsonl", tmp_path / "other.jsonl"
    broken.write_text('{"question": ', encoding="utf-8")
    other.write_text('{"prompt": "a", "completion": "b"}', encoding="utf-8")
    with pytest.raises(MixtureError, match=message):
        RecordedChatModel.from_reference(parse("recorded:" + name.format(file=file, broken=broken, other=other)))


def test_its_answers_stay_out_of_what_is_printed_and_traced(file: Path) -> None:
    assert "Blue" not in repr(recorded(file, "large"))


@pytest.mark.skipif(not REAL.exists(), reason="the recorded GSM8K answers are not beside the repository")
async def test_real_recordings_are_given_word_for_word() -> None:
    with gzip.open(REAL, "rt", encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    models = {model: recorded(REAL, model) for model in entries[0]["outputs"]}
    assert (len(entries), len(models)) == (1319, 12)
    for entry in entries[:20]:
        for model, text in entry["outputs"].items():
            answer = await models[model].ainvoke(entry["question"])
            assert answer.content == text
