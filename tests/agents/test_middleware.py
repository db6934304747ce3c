"""LangChain's own middleware, each once, around an agent whose model is a mixture."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents import middleware as langchains
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from moa_graph import ChatMoA
from tests.models_for_tests import calling, scripted


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def mixture(*replies: AIMessage) -> ChatMoA:
    said = replies or (calling("add", a=3, b=4), AIMessage("It is 7."))
    return ChatMoA(proposers=[scripted("p")], aggregator=scripted("w", *said))


def simulated() -> ChatMoA:
    return ChatMoA("moa-lite", simulate=True)


EACH = {
    "ContextEditing": langchains.ContextEditingMiddleware,
    "LLMToolEmulator": lambda: langchains.LLMToolEmulator(tools=["add"], model=mixture(AIMessage("7"))),
    "ModelCallLimit": lambda: langchains.ModelCallLimitMiddleware(run_limit=5),
    "ModelFallback": lambda: langchains.ModelFallbackMiddleware(mixture()),
    "ModelRetry": lambda: langchains.ModelRetryMiddleware(max_retries=1),
    "PII": lambda: langchains.PIIMiddleware("email", apply_to_output=True),
    "Summarization": lambda: langchains.SummarizationMiddleware(simulated(), trigger=("tokens", 100_000)),
    "TodoList": langchains.TodoListMiddleware,
    "ToolCallLimit": lambda: langchains.ToolCallLimitMiddleware(run_limit=5),
    "ToolError": lambda: langchains.ToolErrorMiddleware(on_error=lambda *_: "failed"),
    "ToolRetry": lambda: langchains.ToolRetryMiddleware(max_retries=1),
    "FilesystemFileSearch": lambda: langchains.FilesystemFileSearchMiddleware(root_path="."),
}


@pytest.mark.parametrize("made", EACH.values(), ids=EACH)
async def test_an_agent_with_it_calls_its_tool_and_answers(made: Any) -> None:
    agent: Any = create_agent(mixture(), [add], middleware=[made()])
    result = await agent.ainvoke({"messages": [("user", "What is 3 + 4?")]})
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert result["messages"][-1].text == "It is 7."


async def test_a_mixture_selects_the_tools() -> None:
    selecting = mixture(AIMessage('{"tools": ["add"]}'))
    chosen = langchains.LLMToolSelectorMiddleware(model=selecting, max_tools=1)
    agent: Any = create_agent(mixture(), [add], middleware=[chosen])
    result = await agent.ainvoke({"messages": [("user", "What is 3 + 4?")]})
    assert result["messages"][-1].text == "It is 7."


async def test_a_person_approves_the_call_of_a_tool() -> None:
    asking = langchains.HumanInTheLoopMiddleware(interrupt_on={"add": True})
    agent: Any = create_agent(mixture(), [add], middleware=[asking], checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    stopped = await agent.ainvoke({"messages": [("user", "What is 3 + 4?")]}, thread)
    assert stopped["__interrupt__"]
    result = await agent.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), thread)
    assert result["messages"][-1].text == "It is 7."


async def test_texts_of_the_panels_that_stay_in_messages_can_be_redacted() -> None:
    proposer = scripted("p", "I would write to ada@example.org.")
    writer = scripted("w", calling("add", a=3, b=4), AIMessage("Write to ada@example.org."))
    model = ChatMoA(
        proposers=[proposer],
        aggregator=writer,
        keep_advice="in_message",
        redact=lambda text: re.sub(r"[\w.]+@[\w.]+\w", "[address]", text),
    )
    redacting = langchains.PIIMiddleware("email", apply_to_output=True)
    agent: Any = create_agent(model, [add], middleware=[redacting])
    result = await agent.ainvoke({"messages": [("user", "Whom do I ask?")]})
    advice = result["messages"][1].response_metadata["advice"]
    assert advice["records"][0]["text"] == "I would write to [address]."
    assert "ada@example.org" not in repr(result)
    assert len(proposer.journal.asked) == 1, "the panel's redacted texts are gone by"


async def test_an_address_in_the_answer_is_redacted() -> None:
    model = mixture(AIMessage("Write to ada@example.org."))
    redacting = langchains.PIIMiddleware("email", apply_to_output=True)
    agent: Any = create_agent(model, [add], middleware=[redacting])
    result = await agent.ainvoke({"messages": [("user", "Whom do I ask?")]})
    assert "ada@example.org" not in result["messages"][-1].text
    assert "ada@example.org" not in str(result["messages"][-1].response_metadata)
