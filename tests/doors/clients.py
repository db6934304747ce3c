"""Clients in Python against a door: python clients.py URL. Those that aren't installed are named and left out.

pip install openai litellm 'pydantic-ai-slim[openai]' openai-agents llm
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

QUESTION, ANSWER = "What is 17 * 24 + 3?", "411"


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def with_openai(url: str) -> str:
    from openai import OpenAI

    client: Any = OpenAI(base_url=url, api_key="none")
    messages = [{"role": "user", "content": QUESTION}]
    with client.chat.completions.stream(model="moa/council", messages=messages) as stream:
        text = stream.get_final_completion().choices[0].message.content
    return f"{text}" + str(client.responses.create(model="moa/council", input=QUESTION).output_text)


def with_litellm(url: str) -> str:
    litellm: Any = import_module("litellm")
    messages = [{"role": "user", "content": QUESTION}]
    parts: Any = litellm.completion(
        "openai/moa/council", messages=messages, api_base=url, api_key="none", stream=True, temperature=0
    )
    return "".join(part.choices[0].delta.content or "" for part in parts)


def with_pydantic_ai(url: str) -> str:
    models: Any = import_module("pydantic_ai.models.openai")
    providers: Any = import_module("pydantic_ai.providers.openai")
    model = models.OpenAIChatModel("moa/council", provider=providers.OpenAIProvider(base_url=url, api_key="none"))
    agent: Any = import_module("pydantic_ai").Agent(model, tools=[multiply])
    return str(agent.run_sync("Multiply 137 and 3.").output)


def with_agents_sdk(url: str) -> str:
    from openai import AsyncOpenAI

    agents: Any = import_module("agents")
    agents.set_tracing_disabled(True)
    model = agents.OpenAIResponsesModel("moa/council", AsyncOpenAI(base_url=url, api_key="none"))
    agent = agents.Agent(name="sums", model=model, tools=[agents.function_tool(multiply)])
    return str(asyncio.run(agents.Runner.run(agent, "Multiply 137 and 3.")).final_output)


def with_llm(url: str) -> str:
    home = Path(tempfile.mkdtemp())
    described = f"- model_id: council\n  model_name: moa/council\n  api_base: {url}\n  api_key_name: none\n"
    (home / "extra-openai-models.yaml").write_text(described)
    env = {**os.environ, "LLM_USER_PATH": str(home), "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-m", "llm", "-m", "council", "--key", "none", QUESTION]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=60).stdout


CLIENTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "OpenAI's SDK": ("openai", with_openai),
    "LiteLLM": ("litellm", with_litellm),
    "Pydantic AI": ("pydantic_ai", with_pydantic_ai),
    "the Agents SDK": ("agents", with_agents_sdk),
    "llm": ("llm", with_llm),
}


def main(url: str) -> int:
    failed = 0
    for name, (package, ask) in CLIENTS.items():
        if importlib.util.find_spec(package) is None:
            told = "not installed"
        else:
            try:
                text = ask(url)
                told = "ok" if ANSWER in text else f"FAILED: {text!r}"
            except Exception as error:
                told = f"FAILED: {type(error).__name__}: {error}"
        failed += told.startswith("FAILED")
        sys.stdout.write(f"{name}: {told}\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
