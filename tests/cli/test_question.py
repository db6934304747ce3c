"""What a question is made of: words, stdin, files and a system message."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

from moa_graph.cli.question import messages_of, typed
from tests.cli.conftest import Moa
from tests.cli.processes import COMMAND, environment
from tests.loopback import Asked, Loopback, Reply, completion, loopback_in_thread

PICTURE = b"\x89PNG"
QUESTION = "What is 17 * 24 + 3?"


@pytest.fixture
def asked(write_mixture: Any) -> Any:
    """A mixture's file over a server that answers anything, and what that server was asked."""

    def answer(request: Asked) -> Reply:
        return completion("four")

    with loopback_in_thread(answer) as server:
        model = {"model": "openai:any", "base_url": server.url}
        yield write_mixture({"one": model, "writer": model}), server


def first_conversation(server: Loopback) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = server.asked[0].body["messages"]
    return messages


def test_what_a_pipe_brings_is_what_the_question_is_about(moa: Moa, asked: Any) -> None:
    mixture, server = asked
    assert moa("ask", "-m", mixture, "Sum this up", input="some log\nmore\n").exit_code == 0
    (message,) = first_conversation(server)
    assert message["content"] == 'Sum this up\n\n<document name="stdin">\nsome log\nmore\n</document>'


def test_without_a_question_stdin_is_the_question(moa: Moa, asked: Any) -> None:
    mixture, server = asked
    assert moa("ask", "-m", mixture, input="Why?\n").exit_code == 0
    assert first_conversation(server)[0]["content"] == "Why?"


def test_a_system_message_reaches_every_model(moa: Moa, asked: Any) -> None:
    mixture, server = asked
    assert moa("ask", "-m", mixture, "--system", "Answer in French.", QUESTION, input="").exit_code == 0
    systems = [request.body["messages"][0] for request in server.asked]
    assert len(systems) >= 2  # the server doesn't stream, so the writer is asked once more without
    assert {message["role"] for message in systems} == {"system"}
    assert all(message["content"].startswith("Answer in French.") for message in systems)


def test_text_files_stand_behind_the_question_and_images_are_sent_as_images(
    moa: Moa, asked: Any, tmp_path: Path
) -> None:
    mixture, server = asked
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "photo.png").write_bytes(PICTURE)
    result = moa("ask", "-m", mixture, "What is it?", "--file", "notes.md", "--file", "photo.png", input="")
    assert result.exit_code == 0, result.stderr
    text, image = first_conversation(server)[0]["content"]
    assert text["text"] == 'What is it?\n\n<document name="notes.md">\n# Notes\n</document>'
    assert image["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("why", "is", "it"), 'Quote the question, so that it is a single argument: moa ask "why is it"'),
        (("why", "--file", "nowhere.txt"), "--file nowhere.txt can't be read: No such file or directory."),
        (("why", "--file", "data.bin"), "--file data.bin doesn't look like text, an image"),
        (("--file", "data.bin"), "There is no question."),
        ((" ",), "The question is empty."),
    ],
)
def test_what_is_no_question_is_refused_before_anything_is_asked(
    moa: Moa, asked: Any, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    mixture, server = asked
    (tmp_path / "data.bin").write_bytes(b"\xff\xfe\x00")
    result = moa("ask", "-m", mixture, *arguments, input="")
    assert result.exit_code == 2
    assert told in result.stderr
    assert server.asked == []


def test_stdin_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
    with pytest.raises(click.UsageError, match="stdin isn't text"):
        typed(["What is it?"])


def test_a_file_that_a_shells_loop_reads_is_not_taken_from_it(tmp_path: Path, asked: Any) -> None:
    mixture, server = asked
    (tmp_path / "questions").write_text("first\nsecond\n")
    with (tmp_path / "questions").open("rb", buffering=0) as lines:
        lines.read(len("first\n"))
        command = [*COMMAND, "ask", "-m", mixture, "first"]
        subprocess.run(command, env=environment(), stdin=lines, capture_output=True, check=True)
        assert lines.read() == b"second\n"
    assert first_conversation(server)[0]["content"] == "first"


def test_a_new_system_message_takes_the_place_of_the_one_before() -> None:
    (first, _), (second, _) = messages_of("a", system="one"), messages_of("b", system="two")
    assert first.id == second.id


def test_the_system_message_of_a_chat_stands_once(moa: Moa, asked: Any) -> None:
    mixture, server = asked
    result = moa("chat", "-m", mixture, "--file", "c.sqlite", "--system", "Be brief.", input="one\ntwo\n")
    assert result.exit_code == 0, result.stderr
    last = json.dumps(server.asked[-1].body)
    assert last.count("Be brief.") == 1
