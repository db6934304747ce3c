"""Bare LangGraph of the same shape: a node a model, a join a layer, and the node that writes the answer."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from benchmarks.client import Ask
from benchmarks.contenders.chat_models import chat_openai
from benchmarks.contenders.shape import LAYERS, PROPOSERS, Message, messages_for

__all__ = ["asking", "bare_graph", "calling", "contender"]


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    proposals: Annotated[list[tuple[int, str]], operator.add]


def bare_graph(call: Callable[[list[Message]], Awaitable[str]]) -> Any:
    """The compiled graph, which makes 19 calls."""

    async def answer(state: State, layer: int) -> str:
        shown = [text for at, text in state["proposals"] if at == layer - 1]
        return await call(messages_for(str(state["messages"][-1].text), shown))

    def proposer(layer: int) -> Any:
        async def propose(state: State) -> dict[str, Any]:
            return {"proposals": [(layer, await answer(state, layer))]}

        return propose

    async def aggregate(state: State) -> dict[str, Any]:
        return {"messages": [("assistant", await answer(state, LAYERS))]}

    graph = StateGraph(State)
    before = START
    for layer in range(LAYERS):
        graph.add_node(f"join {layer}", lambda _: {})
        for number in range(PROPOSERS):
            graph.add_node(f"{layer}, {number}", proposer(layer))
            graph.add_edge(before, f"{layer}, {number}")
            graph.add_edge(f"{layer}, {number}", f"join {layer}")
        before = f"join {layer}"
    graph.add_node("aggregate", aggregate)
    graph.add_edge(before, "aggregate")
    graph.add_edge("aggregate", END)
    return graph.compile()


def calling(model: BaseChatModel) -> Callable[[list[Message]], Awaitable[str]]:
    """One call to a chat model."""

    async def call(messages: list[Message]) -> str:
        return str((await model.ainvoke(messages)).text)

    return call


def asking(graph: Any) -> Ask:
    """A query to a compiled graph."""

    async def ask(question: str) -> str:
        state = await graph.ainvoke({"messages": [{"role": "user", "content": question}]})
        return str(state["messages"][-1].text)

    return ask


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    yield asking(bare_graph(calling(chat_openai(url))))
