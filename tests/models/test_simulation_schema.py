from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moa_graph.models.simulation import SimulatedFault, SimulatedRequest
from tests.models.simulation_requests import instant, request, shown, text_of

REFERENCES = ("I get 5.\nAnswer: 5", "Answer: 411", "It is 411.\nAnswer: 411.0")


def written(asked: SimulatedRequest, schema: dict[str, Any], **profile: Any) -> Any:
    """The object that a model writes for ``schema``, found valid."""
    response_format = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    value = json.loads(text_of(asked.model_copy(update={"response_format": response_format}), instant(**profile)))
    jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())
    return value


def an_object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


names = st.sampled_from(
    ["answer", "best", "ranking", "scores", "score", "stop", "reasoning", "winner", "a", "b", "items", "confidence"]
)


def bounded_integers() -> st.SearchStrategy[dict[str, Any]]:
    def schema(low: int, span: int, exclusive: bool) -> dict[str, Any]:
        ends = ("exclusiveMinimum", "exclusiveMaximum") if exclusive else ("minimum", "maximum")
        return {"type": "integer", ends[0]: low, ends[1]: low + span + 2 * exclusive}

    return st.builds(schema, st.integers(-1000, 1000), st.integers(0, 50), st.booleans())


def bounded_numbers() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda low, span: {"type": "number", "minimum": low / 7, "maximum": low / 7 + span},
        st.integers(-100, 100),
        st.integers(0, 9),
    )


def bounded_strings() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
        st.integers(0, 30),
        st.integers(0, 30),
    )


leaves = st.one_of(
    bounded_integers(),
    bounded_numbers(),
    bounded_strings(),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": "number"}),
    st.just({"type": ["string", "null"]}),
    st.lists(st.one_of(st.integers(), st.text(max_size=5)), min_size=1, max_size=4).map(
        lambda options: {"enum": options}
    ),
    st.integers(1, 9).map(lambda step: {"type": "integer", "multipleOf": step}),
    st.sampled_from(["date", "date-time", "email", "uuid", "ipv4"]).map(
        lambda name: {"type": "string", "format": name}
    ),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(names, inner, max_size=4).map(lambda fields: an_object(**fields)),
        st.builds(
            lambda items, low, span: {"type": "array", "items": items, "minItems": low, "maxItems": low + span},
            inner,
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
    ),
    max_leaves=8,
)


@given(st.dictionaries(names, schemas, max_size=5), st.booleans())
def test_what_is_written_for_a_schema_is_valid(fields: dict[str, Any], with_references: bool) -> None:
    written(shown(*REFERENCES) if with_references else request("Free question?"), an_object(**fields))


def test_nested_definitions_are_followed_and_end() -> None:
    tree = an_object(
        name={"type": "string"},
        children={"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Branch"}},
        next={"$ref": "#/$defs/Branch"},
    )
    branch = {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]}
    schema = {"$defs": {"Tree": tree, "Branch": branch}, "allOf": [{"$ref": "#/$defs/Tree"}]}
    assert isinstance(written(request(), schema), dict)


def test_a_judgement_is_derived_from_the_references() -> None:
    schema = an_object(
        answer={"type": "string"},
        best={"type": "integer", "minimum": 1, "maximum": 3},
        ranking={"type": "array", "items": {"type": "integer"}},
        scores={"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 10}},
        stop={"type": "boolean"},
        reasoning={"type": "string"},
    )
    value = written(shown(*REFERENCES), schema)
    assert (value["answer"], value["best"], value["ranking"], value["stop"]) == ("411", 2, [2, 3, 1], False)
    assert value["scores"][1] == value["scores"][2] > value["scores"][0]
    assert "411" in value["reasoning"]
    assert written(shown("Answer: 1", "Answer: 1"), schema)["stop"] is True


def test_what_judges_decide_follows_from_types_and_bounds_and_not_from_names() -> None:
    schema = an_object(
        favourite={"type": "integer"},
        from_top_to_bottom={"type": "array", "items": {"type": "integer"}},
        marks={"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 100}},
        enough={"type": "boolean"},
        takes={"enum": ["first", "second", "third"]},
    )
    value = written(shown(*REFERENCES), schema)
    assert (value["favourite"], value["from_top_to_bottom"], value["enough"]) == (2, [2, 3, 1], False)
    assert value["marks"][1] == value["marks"][2] > value["marks"][0] > 0
    assert value["takes"] == "second"
    assert written(shown("Answer: 1", "Answer: 1"), schema)["enough"] is True


@pytest.mark.parametrize("name", ["merit", "how_good", "score"])
def test_one_response_is_marked_on_the_scale_that_the_schema_has(name: str) -> None:
    schema = an_object(**{name: {"type": "integer", "minimum": 1, "maximum": 5}})
    right, wrong = (written(shown(f"Answer: {answer}"), schema)[name] for answer in (411, 5))
    assert 1 <= wrong < right <= 5


def test_a_list_of_objects_has_one_for_each_reference() -> None:
    item = an_object(response={"type": "integer"}, score={"type": "number", "minimum": 0, "maximum": 1})
    items = written(shown(*REFERENCES), an_object(verdicts={"type": "array", "items": item}))["verdicts"]
    assert [one["response"] for one in items] == [1, 2, 3]
    assert items[0]["score"] < items[1]["score"]


def test_a_judge_of_a_pair_chooses_the_same_answer_in_both_orders() -> None:
    schema = an_object(winner={"enum": ["A", "B", "tie"]})
    assert written(shown("Answer: 5", "Answer: 411"), schema)["winner"] == "B"
    assert written(shown("Answer: 411", "Answer: 5"), schema)["winner"] == "A"
    assert written(shown("Answer: 411", "Answer: 411"), schema)["winner"] == "tie"


def test_json_mode_gives_an_object_with_the_answer() -> None:
    text = text_of(request(response_format={"type": "json_object"}))
    assert json.loads(text) == {"answer": "411"}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"$ref": "#/$defs/Nothing"}, "points at nothing"),
        ({"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"}, "circles"),
        ({"type": "string", "pattern": "^[A-Z]{3}-\\d{9}$"}, "no string"),
        ({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True}, "too many"),
        ({"type": "integer", "minimum": 1, "maximum": 0}, "no number"),
    ],
)
def test_a_schema_that_cannot_be_filled_is_refused(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(SimulatedFault, match=problem) as refused:
        written(request(), schema)
    assert refused.value.status_code == 400


def test_an_unknown_response_format_is_refused() -> None:
    with pytest.raises(SimulatedFault, match="response_format"):
        text_of(request(response_format={"type": "xml"}))


@pytest.mark.parametrize("name", ["correct", "approved", "passes", "of_any_other_name"])
def test_a_verdict_on_one_response_is_right_whatever_it_is_called(name: str) -> None:
    schema = an_object(**{name: {"type": "boolean"}})

    verdicts = [written(shown(f"Answer: {answer}"), schema)[name] for answer in (411, 5)]

    assert verdicts == [True, False]
