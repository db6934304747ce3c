"""The command on a terminal of 80 columns, as a person sees it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moa_graph.presets import preset_names, preset_page
from tests.cli.conftest import WriteMixture
from tests.cli.processes import COMMAND, environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, which draws the terminal"),
]

PATIENCE = 40


class Terminal:
    """A terminal on which a person types and looks.

    Args:
        folder: Where its socket is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "tmux"

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        # A width that the tests' own process was told would be taken for the terminal's, whatever that becomes.
        inherited = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES")}
        return subprocess.run(command, env=inherited, capture_output=True, text=True, check=True).stdout

    def run(self, *arguments: str, columns: int = 80) -> None:
        """Runs the command; what it leaves on the terminal stays, with its exit code below."""
        command = shlex.join([*COMMAND, *arguments])
        self.tmux("new-session", "-d", "-x", str(columns), "-y", "30", f"{command}; echo exit code $?; exec cat")

    def screen(self) -> list[str]:
        """The lines that hold something."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").splitlines() if line.strip()]

    def type(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def until(self, holds: Callable[[str], bool]) -> list[str]:
        """The screen as soon as it is as expected."""
        end = time.monotonic() + PATIENCE
        while not holds("\n".join(self.screen())):
            assert time.monotonic() < end, "\n".join(self.screen())
            time.sleep(0.05)
        return self.screen()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    subprocess.run(["tmux", "-S", str(tmp_path / "tmux"), "kill-server"], check=False, capture_output=True)


def test_ask_draws_a_line_for_each_slot_then_the_answer_then_what_it_cost(terminal: Terminal, served: Any) -> None:
    slow = {"latency": {"first_token": 2, "tokens_a_second": None, "sigma": 0}}
    refused = {"faults": [{"kind": "status", "status": 400, "message": "no such model"}]}
    mixture, _ = served(quick={}, slow=slow, refused=refused, writer={})
    terminal.run("ask", "-m", mixture, "What is 17 * 24 + 3?")

    during = terminal.until(lambda screen: "failed: bad_request" in screen and "quick     answered" in screen)
    assert during[0] == "test-mixture"
    assert any(line.split()[:2] == ["layer_1/slow", "asking"] for line in during)
    assert any(line.split()[:2] == ["aggregate/writer", "waiting"] for line in during)

    terminal.tmux("resize-window", "-x", "100", "-y", "30")
    after = terminal.until(lambda screen: "exit code 0" in screen)
    assert "layer_1/refused: bad_request: HTTP 400: no such model" in after
    quick = [line for line in after if line.startswith("layer_1/quick")]
    assert len([line for line in quick if "answered" in line]) == 1
    assert quick[-1].endswith("17 * 24 + 3 comes to 411. Answer: 411")
    assert any(line.split()[:2] == ["aggregate/writer", "answered"] for line in after)
    assert "Answer: 411" in after
    assert after[-2].startswith("4 calls, ")
    assert after[-2].endswith("cost unknown")


@pytest.mark.parametrize("columns", [30, 20])
def test_on_a_terminal_that_becomes_narrower_every_slot_still_has_one_line(
    terminal: Terminal, served: Any, columns: int
) -> None:
    mixture, _ = served(a={}, b={"faults": [{"kind": "hang"}]}, c={}, writer={})
    terminal.run("ask", "-m", mixture, "What is 17 * 24 + 3?")
    terminal.until(lambda screen: screen.count("answered") == 2 and "asking" in screen)

    terminal.tmux("resize-window", "-x", str(columns), "-y", "30")
    terminal.until(lambda screen: "…" in screen or " s" not in screen)
    terminal.type("C-c")
    after = terminal.until(lambda screen: "exit code 130" in screen)
    before, _, _ = "\n".join(after).partition("layer_1/a")
    slots = [line.split()[0] for line in after if "/" in line]
    assert before.strip() in ("", "test-mixture")
    assert slots[:3] == ["layer_1/a", "layer_1/b", "layer_1/c"]
    assert len(slots) <= 4


def test_a_failure_is_told_once(terminal: Terminal, served: Any) -> None:
    mixture, _ = served(one={"faults": [{"kind": "status", "status": 400, "message": "of no use"}]}, writer={})
    terminal.run("ask", "-m", mixture, "What is 17 * 24 + 3?")
    shown = terminal.until(lambda screen: "exit code 1" in screen)
    assert "\n".join(shown).count("of no use") == 1


LONG_STREAM = {"latency": {"first_token": 0, "tokens_a_second": 40}, "fewest_tokens": 400}


@pytest.mark.parametrize("columns", [80, 40])
def test_ctrl_c_in_a_stream_leaves_every_line_once(terminal: Terminal, served: Any, columns: int) -> None:
    mixture, _ = served(one={}, writer=LONG_STREAM)
    terminal.run("ask", "-m", mixture, "Describe the sea.", columns=columns)
    terminal.until(lambda screen: len(screen.splitlines()) > 6)
    terminal.type("C-c")
    shown = terminal.until(lambda screen: "exit code 130" in screen)
    long = [line for line in shown if len(line) > columns // 2]
    assert len(long) == len(set(long)) > 1


def test_at_40_columns_states_and_times_are_whole_and_names_end_as_they_do(terminal: Terminal, served: Any) -> None:
    long = "an-organisation-with-a-long-name-and-its-model-70b"
    mixture, _ = served(**{long: {}, "writer": {}})
    terminal.run("ask", "-m", mixture, "What is 17 * 24 + 3?", columns=40)
    shown = terminal.until(lambda screen: "exit code 0" in screen)
    assert any(re.fullmatch(r"….*model-70b +answered +\d+\.\d s", line) for line in shown), shown


def test_lines_are_broken_between_words(terminal: Terminal, write_mixture: WriteMixture) -> None:
    mixture = write_mixture({"one": "sim:instant", "writer": "sim:instant"}, name="a-name-of-some-length")
    terminal.run("ask", "-m", mixture, "--simulate", "What is 17 * 24 + 3?")
    shown = terminal.until(lambda screen: "exit code 0" in screen)
    first = "a-name-of-some-length on simulated models; for real ones leave out --simulate"
    assert shown[:2] == [first, "and MOA_SIMULATE"]


def test_in_a_chat_ctrl_c_stops_an_answer_or_empties_the_line_and_ctrl_d_leaves(
    terminal: Terminal, served: Any
) -> None:
    mixture, simulator = served(one={}, sleepy={"faults": [{"kind": "hang", "first": 1}]}, writer={})
    terminal.run("chat", "-m", mixture, "--no-multi-turn")
    terminal.until(lambda screen: screen.endswith(">"))

    terminal.type("What is 3 * 5?", "Enter")
    terminal.until(lambda screen: "answered" in screen)
    terminal.type("C-c")
    stopped = terminal.until(lambda screen: "stopped: 1 call, " in screen and screen.endswith(">"))
    assert any(line.split()[:2] == ["layer_1/sleepy", "stopped"] for line in stopped)
    assert simulator.stats()["total"]["in_flight"] == 0

    terminal.type("half a line", "C-c")
    terminal.until(lambda screen: "(Ctrl-D leaves)" in screen and screen.endswith(">"))
    terminal.type("What is 4 * 5?", "Enter")
    terminal.until(lambda screen: "Answer: 20" in screen and screen.endswith(">"))
    terminal.type("C-d")
    assert "exit code 0" in terminal.until(lambda screen: "exit code" in screen)


def test_in_a_chat_pasted_lines_are_one_message_and_the_arrow_key_brings_it_back(
    terminal: Terminal, served: Any
) -> None:
    mixture, simulator = served(one={}, writer={})
    terminal.run("chat", "-m", mixture, "--no-multi-turn")
    terminal.until(lambda screen: screen.endswith(">"))

    terminal.tmux("set-buffer", "What is\n3 * 5?")
    terminal.tmux("paste-buffer", "-p")
    terminal.until(lambda screen: "3 * 5?" in screen)
    terminal.type("Enter")
    terminal.until(lambda screen: "Answer: 15" in screen and screen.endswith(">"))
    assert simulator.stats()["total"]["requests"] == 2

    terminal.type("Up")
    shown = terminal.until(lambda screen: screen.count("3 * 5?") == 2)
    assert shown[-2:] == ["> What is", "  3 * 5?"]
    terminal.type("C-c")
    terminal.until(lambda screen: "(Ctrl-D leaves)" in screen and screen.endswith(">"))
    terminal.type("/exit", "Enter")
    assert "exit code 0" in terminal.until(lambda screen: "exit code" in screen)
    assert simulator.stats()["total"]["requests"] == 2


def test_presets_are_listed_with_their_calls_and_no_word_is_broken(terminal: Terminal) -> None:
    terminal.run("presets", columns=40)
    shown = terminal.until(lambda screen: "exit code 0" in screen)
    known = {word for name in preset_names() for word in preset_page(name).split()}
    wrapped = [word for line in shown if line.startswith("  ") and line[2] != " " for word in line.split()]
    assert wrapped
    assert set(wrapped) <= known
    assert any(line.startswith("vote") and "3 calls" in line and "$" in line for line in shown)
    assert "    TOGETHER_API_KEY" in shown
    assert max(map(len, shown)) < 40
