"""A mixture in a supervisor's graph, in a swarm, in a deep agent, as a tool and as a subgraph."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from moa_graph import ChatMoA, create_moa

SUM: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}
THREAD: RunnableConfig = {"configurable": {"thread_id": "one"}}


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    return a * b


def web_search(query: str) -> str:
    """Search the web for information."""
    return "Facebook (Meta): 67,317 employees. Apple: 164,000 employees."


@pytest.fixture
def model() -> ChatMoA:
    return ChatMoA(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant", name="panel")


def called(messages: list[Any]) -> list[str | None]:
    return [message.name for message in messages if isinstance(message, ToolMessage)]


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")  # by langgraph-supervisor
async def test_a_supervisor_and_its_experts(model: ChatMoA) -> None:
    """The example of langgraph-supervisor's README, with ``create_agent`` for the experts."""
    from langgraph_supervisor import create_supervisor

    math_agent = create_agent(
        model,
        [add, multiply],
        name="math_expert",
        system_prompt="You are a math expert. Always use one tool at a time.",
    )
    research_agent = create_agent(
        model,
        [web_search],
        name="research_expert",
        system_prompt="You are a world class researcher with access to web search. Do not do any math.",
    )
    workflow = create_supervisor(
        [research_agent, math_agent],
        model=model,
        prompt="You are a team supervisor managing a research expert and a math expert.",
        output_mode="full_history",
    )

    result = await workflow.compile().ainvoke({"messages": [("user", "This one is math: what is 17 * 24 + 3?")]})

    tools = called(result["messages"])
    assert tools[:3] == ["transfer_to_math_expert", "multiply", "add"]
    assert any("411" in message.text for message in result["messages"])


async def test_a_swarm_hands_over_and_keeps_its_active_agent(model: ChatMoA) -> None:
    """The example of langgraph-swarm's README."""
    from langgraph_swarm import create_handoff_tool, create_swarm

    alice = create_agent(
        model,
        tools=[add, create_handoff_tool(agent_name="Bob", description="Transfer to Bob")],
        system_prompt="You are Alice, an addition expert.",
        name="Alice",
    )
    bob = create_agent(
        model,
        tools=[create_handoff_tool(agent_name="Alice", description="Transfer to Alice, she can help with math")],
        system_prompt="You are Bob, you speak like a pirate.",
        name="Bob",
    )
    app = create_swarm([alice, bob], default_active_agent="Alice").compile(checkpointer=InMemorySaver())

    first = await app.ainvoke({"messages": [("user", "i'd like to speak to Bob")]}, THREAD)
    assert called(first["messages"]) == ["transfer_to_bob"]
    assert first["active_agent"] == "Bob"
    assert first["messages"][-1].name == "Bob"

    second = await app.ainvoke({"messages": [("user", "Alice, what's 5 + 7?")]}, THREAD)
    assert called(second["messages"]) == ["transfer_to_bob", "transfer_to_alice", "add"]
    assert second["active_agent"] == "Alice"
    assert "12" in second["messages"][-1].text


async def test_agents_under_other_instructions_are_advised_anew(model: ChatMoA) -> None:
    """What the panel told Alice is no advice for Bob, though he is handed her messages."""
    from langgraph_swarm import create_handoff_tool, create_swarm

    hand_over = create_handoff_tool(agent_name="Bob", description="Transfer to Bob")
    alice = create_agent(model, [hand_over], system_prompt="You are Alice.", name="Alice")
    bob = create_agent(model, [], system_prompt="You are Bob.", name="Bob")
    app = create_swarm([alice, bob], default_active_agent="Alice").compile()

    result = await app.ainvoke({"messages": [("user", "i'd like to speak to Bob")]})

    reports = [one.response_metadata["report"] for one in result["messages"] if one.type == "ai"]
    assert [report["calls"] for report in reports] == [3, 3]


async def test_a_deep_agent(model: ChatMoA) -> None:
    from deepagents import create_deep_agent

    result = await create_deep_agent(model=model, tools=[add, multiply]).ainvoke(SUM)

    assert called(result["messages"]) == ["multiply", "add"]
    assert "411" in result["messages"][-1].text


async def test_a_mixture_as_an_agents_tool() -> None:
    panel = create_moa(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant").compile()

    @tool
    async def ask_panel(question: str) -> str:
        """Asks a panel of models."""
        answer = await panel.ainvoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].text)

    agent = create_agent(ChatMoA(proposers=["sim:instant"], aggregator="sim:instant"), [ask_panel])
    question: Any = {"messages": [("user", "Ask the panel: what is 17 * 24?")]}
    result = await agent.ainvoke(question)

    assert called(result["messages"]) == ["ask_panel"]
    assert "408" in result["messages"][-1].text


async def test_an_agent_and_a_mixture_in_one_graph(model: ChatMoA) -> None:
    graph = StateGraph[Any, Any, Any, Any](MessagesState)
    graph.add_node("agent", create_agent(model, [add, multiply]))
    graph.add_node("review", lambda _: {"messages": [("user", "And what is 2 + 2?")]})
    graph.add_node("panel", create_moa(proposers=["sim:instant"], aggregator="sim:instant").compile())
    graph.add_edge(START, "agent").add_edge("agent", "review").add_edge("review", "panel")

    result = await graph.compile().ainvoke(SUM)

    assert called(result["messages"]) == ["multiply", "add"]
    assert "4" in result["messages"][-1].text
