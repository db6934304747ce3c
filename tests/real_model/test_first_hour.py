"""What a newcomer meets with a model of their own: everything answers, or says why not."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
import urllib.request

import pytest
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from moa_graph import ChatMoA, MoaError, preset_names
from tests.cli.processes import COMMAND, environment
from tests.real_model.conftest import MODELS, PATIENCE, WINDOW, Server

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(PATIENCE + 60)]

QUESTION = "What is the capital of France?"


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_answers_or_says_why_not(server: Server, preset: str) -> None:
    ran = server.moa("ask", "-m", preset, "--json", QUESTION)
    if ran.returncode == 0:
        assert json.loads(ran.stdout)["answer"].strip()
    else:
        assert ran.returncode == 1
        assert ran.stderr.splitlines()[-1].startswith("moa: ")
        assert "defect" not in ran.stderr


def test_judges_of_a_small_model_give_their_form(server: Server) -> None:
    ran = server.moa("ask", "-m", "jury", "--json", "The sea is blue.")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["report"]["degraded"] == []


def test_two_models_are_asked_by_their_own_names(server: Server) -> None:
    named = ("--reference-models", ",".join(MODELS), "--aggregator", MODELS[1])
    ran = server.moa("ask", *named, "--json", QUESTION)
    report = json.loads(ran.stdout)["report"]
    assert report["models"] == [f"openai:{name}" for name in MODELS]
    assert report["failed_calls"] == 0


def test_a_chat_goes_on(server: Server) -> None:
    ran = server.moa("chat", "-m", "self-moa", "--no-multi-turn", typed=f"{QUESTION}\nAnd of Spain?\n/cost\n")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()
    assert " in this session" in ran.stderr


def test_a_conversation_longer_than_the_window_is_answered_or_told(server: Server) -> None:
    ran = server.moa("ask", "-m", "moa-lite", "Sum this up.", typed="word " * WINDOW * 2)
    assert ran.returncode == 1
    assert "context_overflow" in ran.stderr


def test_references_longer_than_the_window_are_cut(server: Server) -> None:
    ran = server.moa("ask", "-m", "moa-lite", "--max-tokens", "400", "--json", "Write a long story about a whale.")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["answer"].strip()


class Capital(BaseModel):
    """A country's capital."""

    country: str = Field(description="The country.")
    city: str = Field(description="Its capital.")


def _chat_model(server: Server) -> ChatMoA:
    settings = {"model": f"openai:{MODELS[0]}", "base_url": server.url, "max_tokens": 64, "extra": {"streaming": True}}
    described = {"models": {"home": settings}, "proposers": ["home"], "aggregator": "home"}
    return ChatMoA(mixture=described)


async def test_structured_output_fits_or_says_why_not(server: Server) -> None:
    try:
        given = await _chat_model(server).with_structured_output(Capital).ainvoke(QUESTION)
    except MoaError as error:
        given = str(error)
    assert isinstance(given, Capital) or "form" in given or "malformed" in given


async def test_tools_are_called_or_the_question_is_answered(server: Server) -> None:
    @tool
    def capital_of(country: str) -> str:
        """The capital of a country."""
        return "Paris"

    message = await _chat_model(server).bind_tools([capital_of]).ainvoke(QUESTION)
    assert message.text or message.tool_calls


def test_ctrl_c_stops_the_server_too(server: Server) -> None:
    line = [*COMMAND, "ask", "--on", server.url, "-m", "self-moa", "--max-tokens", "900", "Write a very long story."]
    before = server.processor_seconds()
    with subprocess.Popen(
        line, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as asked:
        end = time.monotonic() + PATIENCE
        while server.processor_seconds() < before + 2:
            assert time.monotonic() < end
            time.sleep(0.1)
        asked.send_signal(signal.SIGINT)
        assert asked.wait(timeout=60) == 130
    time.sleep(2)
    after = server.processor_seconds()
    time.sleep(3)
    assert server.processor_seconds() - after < 0.5


def test_a_busy_server_is_waited_for(server: Server) -> None:
    body = {"model": MODELS[0], "max_tokens": 300, "messages": [{"role": "user", "content": "Tell a long story."}]}
    request = urllib.request.Request(
        f"{server.url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    busy = threading.Thread(target=lambda: urllib.request.urlopen(request, timeout=PATIENCE).read())
    busy.start()
    ran = server.moa("ask", "-m", "self-moa", "--json", QUESTION)
    busy.join()
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)["report"]
    assert report["simulated"] is False
