"""What may be chosen at run time."""

from __future__ import annotations

from typing import Any

import pytest

from moa_graph import MoaGraph, Options, OptionsError, create_moa
from moa_graph.context import read_options
from moa_graph.description import Budget
from moa_graph.options import options_class
from tests.models_for_tests import ScriptedModel, provider_error, scripted

WHY = {"messages": [("user", "Why?")]}


def chosen(**choices: Any) -> Options:
    """Options of a mixture with a budget, three proposals a stage, and at least two of them live."""
    kind = options_class(["a", "b"], ["a", "b"], range(2, 4), Budget(calls=9, deadline=30, usd=0.5, tokens=5000))
    return kind(**choices)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"aggregator": "b"},
        {"proposers": ["a"]},
        {"proposers": ("a", "b")},
        {"quorum": 2},
        {"quorum": 3},
        {"grace": 0},
        {"grace": "1.5s"},
        {"deadline": 30},
        {"deadline": "500ms"},
        {"calls": 9},
        {"calls": 1},
        {"usd": 0.5},
        {"tokens": 5000},
        {"aggregator": None, "quorum": None},
    ],
)
def test_choices_within_their_bounds_are_taken(choices: dict[str, Any]) -> None:
    assert chosen(**choices) is not None


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"aggregator": "c"}, "aggregator: Input should be 'a' or 'b'"),
        ({"aggregator": "openai:gpt-4o"}, "aggregator: Input should be 'a' or 'b'"),
        ({"proposers": ["a", "c"]}, "proposers.1: Input should be 'a' or 'b'"),
        ({"proposers": "a"}, "proposers: Input should be a valid tuple"),
        ({"quorum": 1}, "quorum: Input should be greater than or equal to 2"),
        ({"quorum": 4}, "quorum: Input should be less than or equal to 3"),
        ({"grace": -1}, "grace: Input should be greater than or equal to 0"),
        ({"grace": "soon"}, "grace: 'soon' isn't a duration"),
        ({"deadline": 31}, "deadline: Input should be less than or equal to 30"),
        ({"deadline": "1h"}, "deadline: Input should be less than or equal to 30"),
        ({"deadline": 0}, "deadline: Input should be greater than 0"),
        ({"calls": 10}, "calls: Input should be less than or equal to 9"),
        ({"calls": 0}, "calls: Input should be greater than 0"),
        ({"usd": 0.51}, "usd: Input should be less than or equal to 0.5"),
        ({"tokens": 5001}, "tokens: Input should be less than or equal to 5000"),
        ({"agregator": "a"}, "agregator: there is no such option; there are aggregator, proposers, quorum"),
        ({"base_url": "http://x"}, "base_url: there is no such option"),
        ({"store": "calls.sqlite"}, "store: there is no such option"),
    ],
)
def test_choices_out_of_their_bounds_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError) as refused:
        chosen(**choices)

    assert str(refused.value).startswith(f"run-time options: {message}")
    assert "\n" not in str(refused.value)


def test_without_a_budget_any_limit_is_lower() -> None:
    kind = options_class(["a"], ["a"], range(1, 2), None)

    limits = kind(calls=1000, deadline="2h", usd=5, tokens=10**6).limit(None)

    assert limits == Budget(calls=1000, deadline=7200, usd=5, tokens=10**6)


@pytest.mark.parametrize("endless", [float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["usd", "deadline", "grace"])
def test_what_is_no_number_is_no_limit(name: str, endless: float) -> None:
    with pytest.raises(OptionsError, match=f"{name}: Input should be a finite number"):
        Options(**{name: endless})


def test_limits_that_arent_chosen_stay_as_the_mixture_says() -> None:
    assert chosen(calls=3).limit(Budget(calls=9, deadline=30)) == Budget(calls=3, deadline=30)


def test_every_option_has_a_title_and_a_description_for_studios_form() -> None:
    graph = create_moa(proposers=["sim:a", "sim:b"], aggregator="sim:c")

    schema = graph.compile().get_context_jsonschema()

    assert schema is not None
    assert list(schema["properties"]) == [
        "aggregator", "proposers", "quorum", "grace", "deadline", "usd", "calls", "tokens", "temperature",
        "prompt_tag", "system_prompt", "moa",
    ]  # fmt: skip
    for name, field in schema["properties"].items():
        assert field["title"] != name, "a title of its own"
        assert field["description"].endswith(".")
    assert schema["properties"]["aggregator"]["anyOf"][0]["enum"] == ["a", "b", "c"]
    assert schema["properties"]["proposers"]["anyOf"][0]["items"]["enum"] == ["a", "b"]
    assert schema["additionalProperties"] is False


def test_a_deadlines_bounds_are_told_in_json_schemas_words() -> None:
    stages = [{"propose": {"slots": ["sim:a", "sim:b"]}}, {"aggregate": {"slot": "sim:c"}}]
    for budget, bounds in (({}, {}), ({"deadline": "5s"}, {"maximum": 5})):
        schema = create_moa({"budget": budget, "stages": stages}).compile().get_context_jsonschema()
        assert schema is not None
        seconds, text, _ = schema["properties"]["deadline"]["anyOf"]
        assert seconds == {"type": "number", "exclusiveMinimum": 0, **bounds}
        assert set(text) == {"type", "pattern"}


def test_no_option_names_an_address_a_key_a_file_or_a_module() -> None:
    assert set(Options.model_fields) == {
        "aggregator", "proposers", "quorum", "grace", "deadline", "usd", "calls", "tokens", "temperature",
        "prompt_tag", "system_prompt",
    }  # fmt: skip


Team = tuple[MoaGraph, dict[str, ScriptedModel]]


@pytest.fixture
def team() -> Team:
    models = {name: scripted(name) for name in ("a", "b", "writer", "other")}
    described = {name: {"model": model, "max_tokens": 100} for name, model in models.items()}
    stages = [
        {"propose": {"slots": ["a", {"model": "b", "samples": 2}]}},
        {"propose": {"slots": ["a", "b"]}},
        {"aggregate": {"slot": "writer"}},
    ]
    return create_moa({"models": described, "stages": stages, "budget": {"calls": 20}}), models


def asked(models: dict[str, ScriptedModel]) -> dict[str, int]:
    return {name: len(model.journal.asked) for name, model in models.items()}


async def test_everything_is_asked_where_nothing_is_chosen(team: Team) -> None:
    graph, models = team

    await graph.compile().ainvoke(WHY)

    assert asked(models) == {"a": 2, "b": 3, "writer": 1, "other": 0}


async def test_another_model_may_write_the_answer(team: Team) -> None:
    graph, models = team

    result = await graph.compile().ainvoke(WHY, context={"aggregator": "other"})

    assert asked(models) == {"a": 2, "b": 3, "writer": 0, "other": 1}
    assert result["messages"][-1].text == "other's answer"


async def test_the_writer_that_was_configured_stands_behind_the_chosen_one() -> None:
    stages = [{"aggregate": {"slot": "writer"}}]
    models = {"writer": {"model": scripted("writer")}, "other": {"model": scripted("other", provider_error(401))}}

    result = (
        await create_moa({"models": models, "stages": stages}).compile().ainvoke(WHY, context={"aggregator": "other"})
    )

    assert result["messages"][-1].text == "writer's answer"


async def test_proposers_may_be_left_out(team: Team) -> None:
    graph, models = team

    result = await graph.compile().ainvoke(WHY, context={"proposers": ["b"]})

    assert asked(models) == {"a": 0, "b": 3, "writer": 1, "other": 0}
    assert result["report"]["calls"] == 4
    assert result["report"]["degraded"] == []


async def test_leaving_proposers_out_leaves_the_writer_within_its_budget(team: Team) -> None:
    graph, models = team

    state = await graph.compile().ainvoke(WHY, context={"proposers": ["b"], "calls": 3})

    assert asked(models)["writer"] == 1
    assert state["report"]["calls"] <= 3


async def test_a_lower_limit_holds(team: Team) -> None:
    graph, models = team

    result = await graph.compile().ainvoke(WHY, context={"calls": 3})

    assert sum(asked(models).values()) == 3
    assert asked(models)["writer"] == 1
    assert result["report"]["calls"] == 3


async def test_a_limit_in_tokens_holds_without_one_in_the_mixture(team: Team) -> None:
    graph, models = team

    result = await graph.compile().ainvoke(WHY, context={"tokens": 4000})

    used = result["report"]["usage"]
    assert used["input"] + used["output"] <= 4000
    assert asked(models)["writer"] == 1


async def test_a_quorum_may_be_chosen(team: Team) -> None:
    graph, _ = team

    result = await graph.compile().ainvoke(WHY, context={"quorum": 3})

    assert result["report"]["stages"][0]["live"] == 3


@pytest.mark.parametrize("context", [{"quorum": 9}, {"aggregator": "nobody"}, {"agregator": "a"}, {"calls": 21}, "a"])
async def test_a_wrong_choice_is_our_error_before_any_call(team: Team, context: Any) -> None:
    graph, models = team

    with pytest.raises(OptionsError, match=r"^run-time options: "):
        await graph.compile().ainvoke(WHY, context=context)

    assert sum(asked(models).values()) == 0


def test_a_wrong_choice_is_our_error_without_an_event_loop_too(team: Team) -> None:
    graph, _ = team

    with pytest.raises(OptionsError, match="quorum"):
        graph.compile().invoke(WHY, context={"quorum": 9})


def test_a_parents_context_counts_only_as_an_instance_of_the_own_class() -> None:
    own = options_class(["a"], ["a"], range(1, 2), None)
    other = options_class(["a"], ["a"], range(1, 2), None)

    assert read_options(own, own(aggregator="a"), root=False).aggregator == "a"
    for stranger in ({"aggregator": "a"}, other(aggregator="a"), Options(aggregator="a"), object(), None):
        assert read_options(own, stranger, root=False) == own()


def test_at_the_root_a_mapping_and_any_options_count() -> None:
    own = options_class(["a"], ["a"], range(1, 2), None)

    for context in ({"aggregator": "a"}, own(aggregator="a"), Options(aggregator="a")):
        assert read_options(own, context, root=True).aggregator == "a"
    assert read_options(own, None, root=True) == own()
    with pytest.raises(OptionsError, match="aggregator"):
        read_options(own, Options(aggregator="b"), root=True)
