"""A kind of stage that is defined outside the package."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import jsonschema
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.types import Command, interrupt
from pydantic import Field

from moa_graph import Mixture, MixtureError, Slot, Stage, create_moa, register
from moa_graph.registry import KINDS
from moa_graph.stages import BoundSlot, BoundStage, FanOut, MoaState, Node, Prompt, RunContext, closing_update
from tests.models_for_tests import scripted

WHY = {"messages": [("user", "Why?")]}


class Translate(FanOut):
    """Every slot says what the user said in another language, as a proposal of its own."""

    kind: ClassVar[str] = "translate"
    proposes: ClassVar[bool] = True
    shown: ClassVar[bool] = True

    slots: tuple[Slot, ...] = Field(min_length=1, description="The translators.")
    language: str = Field(default="Latin", description="What to translate into.")

    def all_slots(self) -> tuple[Slot, ...]:
        return self.slots

    def prompt(self, slot: BoundSlot, run: RunContext) -> Prompt:
        asked = HumanMessage(f"Say in {self.language}: {run.conversation[-1].text}")
        return Prompt((asked,), role=slot.role)


class Approve(Stage):
    """A person looks at the proposals before they are used."""

    kind: ClassVar[str] = "approve"

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], bound: BoundStage) -> tuple[list[str], str]:
        async def ask(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            run = RunContext.of(bound, state)
            edits = interrupt([record["text"] for record in run.proposals()])
            records = [{"id": record["id"], "text": text} for record, text in zip(run.proposals(), edits, strict=True)]
            return {**closing_update(run, 0.0), "records": records}

        graph.add_node(bound.name, Node(ask))
        return [bound.name], bound.name


class Enough(Stage):
    """Ends the run where the first proposal says so."""

    kind: ClassVar[str] = "enough"

    def may_end(self) -> Literal["finish", "last stage"] | None:
        return "finish"

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], bound: BoundStage) -> tuple[list[str], str]:
        async def look(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            run = RunContext.of(bound, state)
            turn = closing_update(run, 0.0)["turn"]
            first = run.proposals()[0]["text"]
            return {"turn": {**turn, "end": "the first is sure"} if first == "sure" else turn}

        graph.add_node(bound.name, Node(look))
        return [bound.name], bound.name


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kinds are known in these tests only."""
    monkeypatch.setattr(KINDS, "_known", dict(KINDS._known))
    for stage in (Translate, Approve, Enough):
        register(stage)


YAML = """\
name: polyglot
stages:
- translate:
    slots:
    - sim:instant
    - model: sim:swift
      samples: 2
    language: Greek
- aggregate:
    slot: sim:instant
"""


def test_it_is_written_and_read_in_yaml() -> None:
    mixture = Mixture.from_text(YAML)

    assert isinstance(mixture.stages[0], Translate)
    assert mixture.stages[0].language == "Greek"
    assert mixture.to_text() == YAML


def test_it_is_in_the_json_schema() -> None:
    schema = Mixture.json_schema()

    [form] = [form for form in schema["$defs"]["Stage"]["oneOf"] if form["required"] == ["translate"]]
    assert form["properties"]["translate"] == {"$ref": "#/$defs/Translate"}
    assert schema["$defs"]["Translate"]["properties"]["language"]["description"] == "What to translate into."
    jsonschema.validate(Mixture.from_text(YAML).to_data(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"stages": [{"translate": {"slots": ["sim:a"], "langauge": "Greek"}}]}, schema)


def test_its_errors_name_its_fields() -> None:
    with pytest.raises(MixtureError, match=r"polyglot: stages\.0\.translate\.langauge: there is no such field"):
        Mixture.from_text(YAML.replace("language", "langauge"))


def test_it_is_in_the_drawn_graph() -> None:
    drawn = create_moa(Mixture.from_text(YAML)).compile().get_graph()

    assert {"translate/instant", "translate/swift", "translate/join"} <= set(drawn.nodes)
    edges = [(edge.source, edge.target) for edge in drawn.edges]
    assert ("prepare", "translate/swift") in edges
    assert ("translate/swift", "translate/join") in edges
    assert ("translate/join", "aggregate") in edges
    assert "translate\\2fswift" in drawn.draw_mermaid()


async def test_it_runs() -> None:
    translator, writer = scripted("translator", "Cur?"), scripted("writer")
    stages = [Translate(slots=(Slot(model=translator),)), {"aggregate": {"slot": writer}}]

    result = await create_moa({"stages": stages}).compile().ainvoke(WHY)

    assert translator.journal.asked[0].text == "Say in Latin: Why?"
    assert "Cur?" in writer.journal.asked[0].messages[0].text
    assert [record["id"] for record in result["records"]] == ["translate/translator#0", "aggregate#0"]
    assert result["report"]["calls"] == 2


async def test_it_may_interrupt_and_go_on_with_what_a_person_says() -> None:
    writer = scripted("writer")
    stages = [{"propose": {"slots": [scripted("a", "a's"), scripted("b", "b's")]}}, {"approve": {}}]
    graph = create_moa({"stages": [*stages, {"aggregate": {"slot": writer}}]}).compile(checkpointer=InMemorySaver())
    thread: RunnableConfig = {"configurable": {"thread_id": "one"}}

    paused = await graph.ainvoke(WHY, thread)
    assert [found.value for found in paused["__interrupt__"]] == [["a's", "b's"]]
    assert writer.journal.asked == []

    result = await graph.ainvoke(Command(resume=["a's, edited", "b's"]), thread)

    shown = writer.journal.asked[0].messages[0].text
    assert "a's, edited" in shown
    assert result["messages"][-1].text == "writer's answer"
    assert result["report"]["calls"] == 3


@pytest.mark.parametrize(("first", "calls", "answer"), [("sure", 1, "sure"), ("perhaps", 2, "writer's answer")])
async def test_it_may_end_the_run(first: str, calls: int, answer: str) -> None:
    stages = [
        {"propose": {"slots": [scripted("a", first)]}},
        {"enough": {}},
        {"aggregate": {"slot": scripted("writer")}},
    ]

    result = await create_moa({"stages": stages}).compile().ainvoke(WHY)

    assert result["messages"][-1].text == answer
    assert result["report"]["calls"] == calls
    assert result["report"]["ended_early"] == ("the first is sure" if first == "sure" else None)


def test_two_kinds_of_one_name_are_refused() -> None:
    class Other(Approve):
        kind: ClassVar[str] = "translate"

    with pytest.raises(MixtureError, match=r"two kinds of stage are called 'translate': .* Rename one\."):
        register(Other)


def test_a_kind_may_be_registered_again_by_a_module_that_is_loaded_again() -> None:
    assert register(Translate) is Translate
