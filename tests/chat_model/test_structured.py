"""Answers in a response format."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict

from moa_graph import ChatMoA, InputError, MixtureError
from tests.models_for_tests import ScriptedModel, scripted


class Step(BaseModel):
    """One step of a calculation."""

    expression: str
    value: int


class Calculation(BaseModel):
    """A calculation."""

    steps: list[Step] = Field(min_length=1)
    answer: int


class CalculationDict(TypedDict):
    """A calculation."""

    answer: Annotated[int, ..., "the result"]


FITS = {"steps": [{"expression": "1 + 1", "value": 2}], "answer": 2}


def mixture(aggregator: Any = "sim:instant") -> ChatMoA:
    return ChatMoA(proposers=["sim:instant", "sim:instant"], aggregator=aggregator)


def writing(*replies: Any) -> ScriptedModel:
    return scripted("writer", *(reply if isinstance(reply, str) else json.dumps(reply) for reply in replies))


@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling"])
async def test_a_nested_pydantic_class(method: Any) -> None:
    answer = await mixture().with_structured_output(Calculation, method=method).ainvoke("What is 17 * 24?")
    assert isinstance(answer, Calculation)
    assert answer.answer == 408
    assert isinstance(answer.steps[0], Step)


@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling"])
@pytest.mark.parametrize("schema", [Calculation.model_json_schema(), CalculationDict], ids=["json", "typeddict"])
async def test_json_schema_and_typed_dict(schema: Any, method: Any) -> None:
    answer = await mixture().with_structured_output(schema, method=method).ainvoke("What is 17 * 24?")
    assert isinstance(answer, dict)
    assert answer["answer"] == 408


async def test_include_raw_gives_the_message_as_well() -> None:
    answer = await mixture().with_structured_output(Calculation, include_raw=True).ainvoke("What is 17 * 24?")
    assert isinstance(answer["raw"], AIMessage)
    assert answer["raw"].response_metadata["report"]["calls"] == 3
    assert (answer["parsed"].answer, answer["parsing_error"]) == (408, None)


@pytest.mark.parametrize("wrong", ["Two.", '{"steps": [', {"steps": [], "answer": 2}, {**FITS, "answer": "two"}])
@pytest.mark.parametrize("schema", [Calculation, Calculation.model_json_schema()], ids=["pydantic", "json"])
async def test_an_answer_that_does_not_fit_goes_back_once(wrong: Any, schema: Any) -> None:
    writer = writing(wrong, FITS)
    answer = await mixture(writer).with_structured_output(schema, include_raw=True).ainvoke("What is 1 + 1?")
    assert answer["parsed"] == (Calculation(**FITS) if schema is Calculation else FITS)
    assert "That doesn't fit the format" in writer.journal.asked[1].text
    assert answer["raw"].response_metadata["report"]["stages"][-1]["notes"]


async def test_validators_of_the_class_hold_within_the_run() -> None:
    class Even(BaseModel):
        """An even number."""

        number: int

        @field_validator("number")
        @classmethod
        def even(cls, number: int) -> int:
            if number % 2:
                raise ValueError("it is odd")
            return number

    writer = writing({"number": 3}, {"number": 4})
    assert await mixture(writer).with_structured_output(Even).ainvoke("A number?") == Even(number=4)
    assert "it is odd" in writer.journal.asked[1].text


async def test_words_around_the_json_are_left_out() -> None:
    writer = writing(f"Here it is:\n```json\n{json.dumps(FITS)}\n```\nAnything else?")
    answer = await mixture(writer).with_structured_output(Calculation, include_raw=True).ainvoke("What is 1 + 1?")
    assert json.loads(answer["raw"].text) == FITS


async def test_what_never_fits_is_an_error_that_include_raw_catches() -> None:
    model = mixture(writing("Two."))
    with pytest.raises(OutputParserException):
        await model.with_structured_output(Calculation).ainvoke("Why is the sky blue?")
    answer = await model.with_structured_output(Calculation, include_raw=True).ainvoke("Why is the sky blue?")
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], OutputParserException)
    assert answer["raw"].response_metadata["report"]["degraded"]


async def test_a_form_beside_tools_is_given_once_no_tool_is_called() -> None:
    writer = scripted("w", AIMessage(json.dumps(FITS)))
    bound = mixture(writer).bind_tools([Step], response_format=Calculation)
    assert json.loads((await bound.ainvoke("What is 1 + 1?")).text) == FITS
    assert [tool["function"]["name"] for tool in writer.journal.asked[0].settings["tools"]] == ["Step"]
    assert "When you need no more tools" in writer.journal.asked[0].messages[0].text


async def test_a_structured_answer_streams_whole() -> None:
    writer = writing("Two.", FITS)
    streamed = [one async for one in mixture(writer).with_structured_output(Calculation).astream("What is 1 + 1?")]
    assert streamed == [Calculation(**FITS)]


@pytest.mark.parametrize(
    "schema", ["a word", {"title": "Wrong", "type": "object", "properties": {"a": {"type": "no"}}}]
)
def test_what_is_no_form_is_refused(schema: Any) -> None:
    with pytest.raises(InputError, match="response_format"):
        mixture().with_structured_output(schema)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(
        InputError, match="there is no method 'xml'; choose from json_schema, json_mode, function_calling"
    ):
        mixture().with_structured_output(Calculation, method="xml")  # type: ignore[arg-type]  # as a caller might


def test_a_mixture_that_only_chooses_gives_no_form() -> None:
    model = ChatMoA({"stages": [{"propose": {"slots": ["sim:instant", "sim:swift"]}}, {"vote": {}}]})
    with pytest.raises(MixtureError, match="can neither call tools nor follow a response format"):
        model.with_structured_output(Calculation)


@pytest.mark.parametrize("pointed_to", ["http://example.com/schema.json", "#/$defs/Missing"])
def test_a_schema_that_points_elsewhere_is_refused_and_nothing_is_fetched(pointed_to: str) -> None:
    schema = {"title": "Far", "type": "object", "properties": {"a": {"$ref": pointed_to}}}
    with pytest.raises(InputError, match="nothing is fetched"):
        mixture().with_structured_output(schema)
