from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from moa_graph.cli.slash import obey
from moa_graph.cli.threads import listed
from tests.cli.conftest import Moa


def answers(stdout: str) -> list[str]:
    return [line.removeprefix("Answer: ") for line in stdout.splitlines() if line.startswith("Answer: ")]


def test_every_line_is_answered_until_the_end_of_the_input(moa: Moa, instant: str) -> None:
    result = moa("chat", "-m", instant, "--file", "c.sqlite", input="What is 2 + 3?\n\nWhat is 4 * 5?\n")
    assert result.exit_code == 0, result.stderr
    assert answers(result.stdout) == ["5", "20"]


def test_a_conversation_goes_on_by_its_name(moa: Moa, instant: str, tmp_path: Path) -> None:
    chat = ("chat", "-m", instant, "--file", "c.sqlite", "--thread")
    moa(*chat, "sums", input="What is 2 + 3?\n")
    moa(*chat, "sums", input="What is 4 * 5?\n")
    moa(*chat, "other", input="What is 6 - 1?\n")
    lines = moa("chat", "--file", "c.sqlite", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["other", "sums"]
    assert "2 turn(s): What is 2 + 3?" in lines[1]
    assert lines == listed(tmp_path / "c.sqlite")


def test_a_new_conversation_says_its_name(moa: Moa, instant: str) -> None:
    result = moa("chat", "-m", instant, "--file", "c.sqlite", input="What is 2 + 3?\n")
    (said,) = (line for line in result.stderr.splitlines() if line.startswith("conversation "))
    name = said.rpartition(" ")[2]
    assert moa("chat", "--file", "c.sqlite", "--list").stdout.startswith(name)


def test_the_models_are_shown_the_turns_before(moa: Moa, served: Any) -> None:
    mixture, simulator = served(one={}, writer={})
    moa("chat", "-m", mixture, "--file", "c.sqlite", "-t", "a", input="What is 2 + 3?\nWhat is 4 * 5?\n")
    together = simulator.stats()
    simulator.reset()
    moa("chat", "-m", mixture, "--no-multi-turn", input="What is 2 + 3?\nWhat is 4 * 5?\n")
    alone = simulator.stats()
    assert together["models"]["one"]["prompt_tokens"] > alone["models"]["one"]["prompt_tokens"]


def test_without_multi_turn_nothing_is_kept(moa: Moa, instant: str, tmp_path: Path) -> None:
    result = moa("chat", "-m", instant, "--file", "c.sqlite", "--no-multi-turn", input="What is 2 + 3?\n")
    assert answers(result.stdout) == ["5"]
    assert not (tmp_path / "c.sqlite").exists()


def test_a_failed_turn_does_not_end_the_conversation(moa: Moa, served: Any) -> None:
    mixture, _ = served(one={"faults": [{"kind": "status", "status": 400, "first": 1}]}, writer={})
    questions = "What is 2 + 3?\nWhat is 4 * 5?\n"
    result = moa("chat", "-m", mixture, "--file", "c.sqlite", input=questions)
    assert result.exit_code == 0
    assert "layer_1/one: bad_request" in result.stderr
    assert answers(result.stdout) == ["20"]


def test_only_its_owner_can_read_the_file(moa: Moa, instant: str, tmp_path: Path) -> None:
    moa("chat", "-m", instant, "--file", "deep/c.sqlite", input="What is 2 + 3?\n")
    assert stat.S_IMODE((tmp_path / "deep/c.sqlite").stat().st_mode) == 0o600


def test_a_missing_key_ends_the_conversation(moa: Moa) -> None:
    result = moa("chat", "-m", "moa-lite", "--file", "c.sqlite", input="hello\nhello\n")
    assert result.exit_code == 1
    assert result.stderr.count("TOGETHER_API_KEY for") == 1


def test_bad_use_is_refused(moa: Moa, tmp_path: Path) -> None:
    assert moa("chat", "--no-multi-turn", "--thread", "a").exit_code == 2
    (tmp_path / "taken").write_text("")
    result = moa("chat", "--simulate", "--file", "taken/c.sqlite", input="hello\n")
    assert result.exit_code == 2
    assert "--file taken/c.sqlite" in result.stderr


@pytest.mark.parametrize("more", [(), ("--list",)])
def test_a_file_that_holds_something_else_is_refused_by_its_name_and_stays(
    moa: Moa, tmp_path: Path, more: tuple[str, ...]
) -> None:
    (tmp_path / "notes").write_text("milk, bread\n")
    result = moa("chat", "--simulate", "--file", "notes", *more, input="hello\n")
    assert result.exit_code == 2
    assert result.stderr.startswith("moa: --file notes: file is not a database; name a file of conversations")
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "notes").read_text() == "milk, bread\n"


def test_a_database_of_another_program_is_refused_by_its_name(moa: Moa, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as other, other:
        other.execute("CREATE TABLE checkpoints (id INTEGER)")
    result = moa("chat", "--file", "other.sqlite", "--list")
    assert result.exit_code == 2
    assert result.stderr.startswith("moa: --file other.sqlite: no such column")


def test_a_file_that_fails_within_a_turn_is_named_and_ends_the_conversation(
    moa: Moa, instant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(AsyncSqliteSaver, "aput", full)
    result = moa("chat", "-m", instant, "--file", "c.sqlite", input="What is 2 + 3?\nWhat is 4 * 5?\n")
    *_, cost, last = result.stderr.splitlines()
    assert result.exit_code == 1
    assert cost.startswith("stopped: ")
    assert last.startswith("moa: --file c.sqlite: database or disk is full; ")
    assert result.stderr.count("stopped: ") == 1


def test_an_empty_list_is_no_error(moa: Moa) -> None:
    result = moa("chat", "--file", "none.sqlite", "--list")
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.fixture
def counted_chat(moa: Moa, served: Any) -> Any:
    """Runs a chat over two models, and gives what it wrote and how many requests went out."""

    def chat(*turns: str) -> tuple[Any, int]:
        mixture, simulator = served(one={}, writer={})
        result = moa("chat", "-m", mixture, "--file", "c.sqlite", input="".join(f"{turn}\n" for turn in turns))
        assert result.exit_code == 0, result.stderr
        return result, simulator.stats()["total"]["requests"]

    return chat


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("/help", "/cost"),
        ("/mixture", "layer_1: openai:one"),
        ("/mixture nobody", "there is no preset 'nobody'"),
        ("/cost", "0 calls, 0 tokens, $0 in this session"),
        ("/mixtur", "Did you mean /mixture?"),
        ("/etc/passwd what is it?", "There is no command /etc/passwd"),
        ("/file", "Name a file"),
        ("/file nowhere", "nowhere can't be read"),
    ],
)
def test_slash_commands_never_go_to_models(counted_chat: Any, typed: str, told: str) -> None:
    result, requests = counted_chat(typed)
    assert told in result.stderr
    assert (result.stdout, requests) == ("", 0)


class TypedAhead:
    """A person who typed several lines before the chat was ready, which a terminal gives as one turn."""

    def __init__(self, *turns: str) -> None:
        self.turns = iter(turns)

    def next(self, _: Any) -> str:
        try:
            return next(self.turns)
        except StopIteration:
            raise EOFError from None


@pytest.mark.parametrize(
    ("typed", "told", "said"),
    [
        ("/help\nWhat is 2 + 3?", "/cost", ["5"]),
        ("/cost\n/help\nWhat is 2 + 3?", "0 calls, 0 tokens", ["5"]),
        ("/etc/passwd\nWhat is 2 + 3?", "There is no command /etc/passwd", []),
        ("/help\n", "/cost", []),
    ],
)
def test_lines_behind_a_command_are_a_turn_of_their_own(
    moa: Moa, instant: str, monkeypatch: pytest.MonkeyPatch, typed: str, told: str, said: list[str]
) -> None:
    monkeypatch.setattr("moa_graph.cli.conversation.turns_of_a_person", lambda _: TypedAhead(typed))
    result = moa("chat", "-m", instant, "--file", "c.sqlite")
    assert told in result.stderr
    assert answers(result.stdout) == said


def test_what_commands_do_stands_in_a_column_of_its_own_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moa_graph.cli.slash.terminal_width", lambda: 39)
    session: Any = None
    lines = obey(session, "help", "").splitlines()
    assert lines[1:3] == ["/mixture  the mixture that answers;", "          /mixture NAME changes it"]
    assert all(len(line) < 40 for line in lines[:8] if line.startswith(("/", " ")))


def test_exit_leaves_before_what_follows(counted_chat: Any) -> None:
    _, requests = counted_chat("/exit", "What is 2 + 3?")
    assert requests == 0


def test_cost_counts_the_whole_session(counted_chat: Any) -> None:
    result, _ = counted_chat("What is 2 + 3?", "What is 4 * 5?", "/cost")
    assert "\n4 calls, " in result.stderr


def test_another_mixture_goes_on_with_the_same_conversation(moa: Moa, instant: str) -> None:
    turns = "What is 2 + 3?\n/mixture moa-lite\nWhat is 4 * 5?\n"
    result = moa("chat", "-m", instant, "--simulate", "--file", "c.sqlite", "-t", "a", input=turns)
    assert "moa-lite on simulated models" in result.stderr
    assert len(answers(result.stdout)) == 2
    assert "2 turn(s)" in moa("chat", "--file", "c.sqlite", "--list").stdout


def test_a_file_goes_with_the_next_message_only(moa: Moa, served: Any, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("word " * 500)
    mixture, simulator = served(one={}, writer={})
    moa("chat", "-m", mixture, "--no-multi-turn", input="/file long.txt\nWhat is 2 + 3?\n")
    with_file = simulator.stats()["total"]["prompt_tokens"]
    simulator.reset()
    moa("chat", "-m", mixture, "--no-multi-turn", input="What is 2 + 3?\n")
    assert with_file > simulator.stats()["total"]["prompt_tokens"] + 500
