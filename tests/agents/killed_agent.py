"""An agent that is killed within its second tool call, and goes on when it is started again.

Usage: python -m tests.agents.killed_agent BASE_URL FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver

from moa_graph import ChatMoA
from tests.simulated_mixture import mixture_over_http

THREAD: RunnableConfig = {"configurable": {"thread_id": "one"}}


def main(base_url: str, folder: Path) -> None:
    """Runs the agent, from its checkpoint if there is one."""
    struck = folder / "struck"
    again = struck.exists()

    def multiply(a: int, b: int) -> int:
        """Multiplies two numbers."""
        return a * b

    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        if not again:
            struck.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return a + b

    question: Any = None if again else {"messages": [("user", "What is 17 * 24 + 3?")]}
    with SqliteSaver.from_conn_string(str(folder / "threads.sqlite")) as saver:
        agent = create_agent(ChatMoA(mixture_over_http(base_url)), [add, multiply], checkpointer=saver)
        messages = agent.invoke(question, THREAD, durability="sync")["messages"]
    calls = [one.response_metadata["report"]["calls"] for one in messages if isinstance(one, AIMessage)]
    sys.stdout.write(json.dumps({"answer": messages[-1].text, "calls": calls}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
