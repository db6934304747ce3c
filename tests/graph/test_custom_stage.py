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
from pydantic import BaseModel, Field

from moa_graph import Mixture, MixtureError, Slot, Stage, create_moa, register
from moa_graph.registry import KINDS
from moa_graph.size import size_of
from moa_graph.stages import (
    BoundSlot,
    BoundStage,
    Choice,
    FanOut,
    MoaState,
    Node,
    Prompt,
    RunContext,
    closing_update,
    live,
)
from moa_graph.views import read_references
from tests.models_for_tests import scripted

WHY = {"messages": [("user", "Why?")]}


class Grade(BaseModel):
    passes: bool
    why: list[str]


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


class Digest(FanOut):
    """Records of a kind of its own, which are shown and may be the answer."""

    kind: ClassVar[str] = "digest"
    record_kind: ClassVar[str] = "digest"
    shown: ClassVar[bool] = True
    answers: ClassVar[bool] = True

    slots: tuple[Slot, ...] = Field(min_length=1)

    def prompt(self, slot: BoundSlot, run: RunContext) -> Prompt:
        return Prompt(run.conversation, "Digest.", tuple(record["text"] for record in run.proposals()))


class Longest(Digest):
    """A join that chooses."""

    kind: ClassVar[str] = "longest"
    decides: ClassVar[bool] = True

    def may_end(self) -> Literal["finish"]:
        return "finish"

    def conclude(self, run: RunContext) -> Choice:
        best = max(live(run.own_records()), key=lambda record: len(record["text"]))
        return Choice([best], "the longest", end="long enough" if len(best["text"]) > 9 else None)


class Graded(FanOut):
    """A stage that counts on the form of its answers."""

    kind: ClassVar[str] = "graded"
    record_kind: ClassVar[str] = "grade"
    answer_schema: ClassVar[type[BaseModel] | None] = Grade
    decides: ClassVar[bool] = True
    shown: ClassVar[bool] = True

    slots: tuple[Slot, ...] = Field(min_length=1)

    def prompt(self, slot: BoundSlot, run: RunContext) -> Prompt:
        return Prompt(run.conversation, "Grade.")

    def conclude(self, run: RunContext) -> Choice:
        passes = [record["data"]["passes"] for record in run.own_records()]
        return Choice(
            run.proposals()[: 2 if all(passes) else 1], "graded", data=[len(run.own_records()[0]["data"]["why"])]
        )


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kinds are known in these tests only."""
    monkeypatch.setattr(KINDS, "_known", dict(KINDS._known))
    for stage in (Translate, Approve, Enough, Digest, Longest, Graded):
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


async def test_records_of_a_kind_of_its_own_are_shown_and_may_be_the_answer() -> None:
    digester, writer = scripted("digester", "in short"), scripted("writer")
    stages: list[Any] = [{"propose": {"slots": [scripted("a")]}}, {"digest": {"slots": [digester]}}]

    shown = await create_moa({"stages": [*stages, {"aggregate": {"slot": writer}}]}).compile().ainvoke(WHY)
    answered = await create_moa({"stages": stages}).compile().ainvoke(WHY)

    assert read_references(writer.journal.asked[0].messages[0].text) == ["in short"]
    assert shown["report"]["degraded"] == answered["report"]["degraded"] == []
    assert answered["messages"][-1].text == "in short"


@pytest.mark.parametrize(("text", "calls"), [("the very long one", 2), ("longer", 3)])
async def test_a_join_may_choose_and_end_the_run(text: str, calls: int) -> None:
    writer = scripted("writer")
    stages = [{"longest": {"slots": [scripted("a", "short"), scripted("b", text)]}}, {"aggregate": {"slot": writer}}]

    result = await create_moa({"stages": stages}).compile().ainvoke(WHY)

    assert result["report"]["calls"] == calls
    assert result["messages"][-1].text == (text if calls == 2 else "writer's answer")
    assert [read_references(asked.messages[0].text) for asked in writer.journal.asked] == [[text]] * (calls - 2)


def test_the_size_of_a_stage_that_counts_on_its_answers_form_is_known() -> None:
    score = {"score": {"slots": ["sim:a"]}}
    stages = [{"propose": {"slots": ["sim:a", "sim:b", "sim:c"]}}, {"graded": {"slots": ["sim:a", "sim:b"]}}, score]

    size = size_of(create_moa({"stages": [*stages, {"combine": {}}]}).plan)

    assert (size.calls, size.critical_path) == (3 + 2 + 2, 3)


def test_two_kinds_of_one_name_are_refused() -> None:
    class Other(Approve):
        kind: ClassVar[str] = "translate"

    with pytest.raises(MixtureError, match=r"two kinds of stage are called 'translate': .* Rename one\."):
        register(Other)


def test_a_kind_may_be_registered_again_by_a_module_that_is_loaded_again() -> None:
    assert register(Translate) is Translate
