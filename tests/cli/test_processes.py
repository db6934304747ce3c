from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from moa_graph.cli.tuning import OF_A_START
from tests.cli.processes import COMMAND, environment

QUESTION = "What is 17 * 24 + 3?"
HANGS = {"faults": [{"kind": "hang"}]}
LONG_STREAM = {"latency": {"first_token": 0, "tokens_a_second": 20}}


@contextmanager
def started(*arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def ctrl_c_reaches_what_is_started() -> Iterator[None]:
    """In a shell's background job it is ignored, and a new process takes that over."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Waits for something that another process does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_help_is_there_at_once() -> None:
    """Measured in processor time, which a busy machine doesn't change much; and by what isn't imported."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run([*COMMAND, "--help"], env=environment(), capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Mixtures of models" in shown.stdout
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 0.4


def test_help_imports_nothing_heavy() -> None:
    told = "import sys; import moa_graph.cli; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", told], env=environment(), capture_output=True, text=True, check=True)
    assert "click" in loaded.stdout
    for heavy in ("langgraph", "langchain_core", "pydantic", "openai", "rich", "yaml"):
        assert f"'{heavy}'" not in loaded.stdout


def test_a_question_to_stand_ins_imports_only_what_it_needs() -> None:
    """Not what takes long and such a run has no use for: SDKs, clients, checkers of schemas, Markdown, locks, plots."""
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from moa_graph.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, "ask", QUESTION, "--simulate"],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(ran.stdout.splitlines()[-1].split())
    assert {"langgraph.graph.state", "moa_graph.runs"} <= loaded
    assert not loaded & {
        "aiohttp", "aiosqlite", "filelock", "genai_prices", "jsonschema", "langchain", "langchain_openai",
        "markdown_it", "matplotlib", "numpy", "openai", "pandas", "pyarrow", "referencing", "rich.markdown",
        "starlette", "tiktoken", "uvicorn", "moa_graph.batch", "moa_graph.chat_model",
        "moa_graph.evaluation",
        "moa_graph.server",
    }  # fmt: skip


def test_a_process_of_its_own_collects_garbage_seldom_and_a_caller_of_the_command_is_left_alone() -> None:
    code = "import gc; usual, frozen = gc.get_threshold()[0], gc.get_freeze_count(); from moa_graph.cli import main\n"
    told = "set_to = gc.get_threshold()[0]; print(0 if set_to == usual else set_to, gc.get_freeze_count() > frozen)"
    called = f"{code}try: main(['presets'])\nexcept SystemExit: {told}"
    alone = f"{code}try: main()\nexcept SystemExit: {told}"
    for program, said in ((called, "0 False"), (alone, f"{OF_A_START} True")):
        ran = subprocess.run(
            [sys.executable, "-c", program, "presets"], env=environment(), capture_output=True, text=True, check=True
        )
        assert ran.stdout.splitlines()[-1] == said


def test_without_a_command_the_help_is_shown_as_it_is_written() -> None:
    bare = subprocess.run(COMMAND, env=environment(), capture_output=True, text=True, check=False)
    asked = subprocess.run([*COMMAND, "--help"], env=environment(), capture_output=True, text=True, check=True)
    assert (bare.returncode, bare.stdout, bare.stderr) == (2, "", asked.stdout)


@pytest.mark.parametrize(
    "arguments", [("presets",), ("show", "--format", "schema"), ("--help",), ("ask", "--json", QUESTION)]
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_no_defect(arguments: tuple[str, ...]) -> None:
    code, err = into_a_full_disk(*arguments)
    assert code == 1
    assert err[-1] == "moa: stdout can't be written: No space left on device. Free some space, or write elsewhere"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    ("form", "told"), [((), "stopped: 4 calls, "), (("--json",), "5 calls, "), (("--events",), "stopped: 0 calls, ")]
)
def test_what_was_paid_for_an_answer_that_cannot_be_written_is_told(form: tuple[str, ...], told: str) -> None:
    _, err = into_a_full_disk("ask", "--simulate", *form, QUESTION)
    assert err[-2].startswith(told)
    assert sum("calls, " in line for line in err) == 1


def into_a_full_disk(*arguments: str) -> tuple[int, list[str]]:
    """The exit code, and what stderr says."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*COMMAND, *arguments],
            env=environment(MOA_SIMULATE="1"),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    return ended.returncode, ended.stderr.splitlines()


def test_ctrl_c_cancels_the_calls_tells_the_cost_and_exits_with_130(served: Any) -> None:
    mixture, simulator = served(quick={}, hangs=HANGS, writer={})
    with started("ask", "-m", mixture, QUESTION) as process:
        assert process.stderr is not None
        while "layer_1/quick: answered" not in process.stderr.readline():
            assert process.poll() is None
        until(lambda: simulator.stats()["total"]["in_flight"] == 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    until(lambda: simulator.stats()["connections"]["open"] == 0)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("stopped: 1 call, ")
    assert err.splitlines()[-1].endswith("so far; 1 call cut off, at unknown cost")


def test_the_answer_streams_into_a_pipe_and_a_reader_that_goes_away_ends_the_run_quietly(served: Any) -> None:
    mixture, simulator = served(one={}, writer=LONG_STREAM)
    with started("ask", "-m", mixture, QUESTION) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) != ""
        assert simulator.stats()["models"]["writer"]["in_flight"] == 1
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=20)
    assert process.returncode == 141
    assert "Traceback" not in err
    assert "moa:" not in err
    until(lambda: simulator.stats()["total"]["in_flight"] == 0)


def test_simulate_serves_models_that_ask_reaches(tmp_path: Path, write_mixture: Callable[..., str]) -> None:
    profiles = tmp_path / "profiles.yaml"
    profiles.write_text("quick: {latency: {first_token: 0, tokens_a_second: null}}\n")
    serve = ("simulate", "--port", "0", "--profiles", str(profiles), "--strict")
    with started(*serve, MOA_SIMULATOR_KEY="simulated-key") as process:
        assert process.stdout is not None
        settings = {"base_url": process.stdout.readline().strip(), "key_variable": "TEST_API_KEY"}
        mixture = write_mixture({name: {"model": "openai:quick", **settings} for name in ("one", "writer")})
        asked = subprocess.run(
            [*COMMAND, "ask", "-m", mixture, "--json"],
            input=QUESTION,
            env=environment(TEST_API_KEY="simulated-key"),
            capture_output=True,
            text=True,
            check=False,
        )
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["answer"].endswith("Answer: 411")
    assert "\x1b" not in asked.stdout + asked.stderr
    assert process.returncode == 130


def test_simulate_says_what_to_install(moa: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("simulator", "listening"):
        monkeypatch.delitem(sys.modules, f"moa_graph.server.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = moa("simulate", "--port", "0")
    assert result.exit_code == 1
    assert "moa-graph[server]" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"), [(["--profiles", "none.yaml"], "none.yaml"), (["--port", "99999"], "--port")]
)
def test_what_simulate_cannot_do_is_bad_use(moa: Any, arguments: list[str], named: str) -> None:
    result = moa("simulate", *arguments)
    assert result.exit_code == 2
    assert named in result.stderr
