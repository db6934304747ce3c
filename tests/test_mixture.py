"""Descriptions: every syntax says the same, and the JSON Schema knows what loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moa_graph import Mixture, MixtureError, Slot, create_moa
from moa_graph.mixture import propose_and_aggregate
from moa_graph.stages.aggregate import Aggregate
from moa_graph.stages.propose import Propose

Form = Literal["yaml", "toml", "json"]

SYNTAXES = get_args(Form)

VALIDATOR = jsonschema.Draft202012Validator(Mixture.json_schema())

EXAMPLE = """\
name: my-mixture
models:
  qwen:
    model: together:Qwen/Qwen2.5-72B-Instruct-Turbo
    temperature: 0.7
    max_tokens: 512
  local:
    model: openai:llama3.1
    base_url: http://localhost:11434/v1
stages:
- propose:
    timeout: 50.0
    slots:
    - qwen
    - local
    - model: qwen
      samples: 3
    quorum: 3
    grace: 2.0
- propose:
    slots:
    - qwen
    - local
- aggregate:
    slot: qwen
    fallbacks:
    - local
budget:
  calls: 30
  deadline: 90.0
"""

NAMES = st.text(min_size=1, max_size=8).filter(lambda name: not set(name) & set(":|") and name.isprintable())
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
MODELS = st.one_of(NAMES.map(lambda name: f"sim:{name}"), st.sampled_from(["openai:gpt-4o", "together:a/b:free"]))
SECONDS = st.floats(0.001, 3600, allow_nan=False)
TEMPERATURES = st.floats(0, 2)


def fields(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these fields."""
    return st.fixed_dictionaries({}, optional=strategies)


def with_model(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A model alone, or with any of these fields."""
    return MODELS | st.fixed_dictionaries({"model": MODELS}, optional=strategies)


SETTINGS = with_model(
    base_url=st.just("http://localhost:1/v1"),
    key_variable=st.just("MY_KEY"),
    temperature=TEMPERATURES,
    max_tokens=st.integers(1, 10_000),
    top_p=st.floats(0.1, 1),
    stop=st.lists(WORDS, max_size=2),
    seed=st.integers(-5, 5),
    extra=fields(timeout=st.floats(1, 9), nested=st.just({"a": [1, "b", True]})),
    price=st.fixed_dictionaries({"input": st.floats(0, 9), "output": st.floats(0, 9)}),
    window=st.integers(1, 10**6),
)
SLOT_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "temperature": TEMPERATURES,
    "max_tokens": st.integers(1, 10_000),
    "role": WORDS,
    "fallbacks": st.lists(MODELS, max_size=2),
    "tries": st.integers(1, 10),
    "timeout": SECONDS,
    "partial": st.sampled_from(["retry", "keep"]),
}
PROPOSE = st.fixed_dictionaries(
    {"slots": st.lists(with_model(samples=st.integers(1, 5), **SLOT_FIELDS), min_size=1, max_size=3)},
    optional={"grace": SECONDS | st.sampled_from(["2s", "500ms", "1.5m"]), "timeout": SECONDS, "instruction": WORDS},
)
AGGREGATE = st.fixed_dictionaries(
    {"slot": with_model(**SLOT_FIELDS)}, optional={"fallbacks": st.lists(MODELS, max_size=2), "instruction": WORDS}
)
MIXTURES = st.fixed_dictionaries(
    {
        "stages": st.tuples(
            st.lists(PROPOSE.map(lambda stage: {"propose": stage}), max_size=2),
            AGGREGATE.map(lambda stage: {"aggregate": stage}),
        ).map(lambda parts: [*parts[0], parts[1]]),
    },
    optional={
        "name": NAMES,
        "models": st.dictionaries(NAMES, SETTINGS, max_size=3),
        "budget": fields(calls=st.integers(1, 99), deadline=SECONDS, usd=st.floats(0.01, 9), tokens=st.integers(1)),
        "schema_version": st.just(1),
    },
)


@given(data=MIXTURES)
def test_a_mixture_comes_back_equal_from_every_form(data: dict[str, Any]) -> None:
    mixture = Mixture.from_data(data)

    assert Mixture.from_data(mixture.to_data()) == mixture
    for syntax in SYNTAXES:
        assert Mixture.from_text(mixture.to_text(syntax), syntax) == mixture


@given(data=MIXTURES)
def test_the_json_schema_takes_what_loads_and_what_is_printed(data: dict[str, Any]) -> None:
    VALIDATOR.validate(data)
    VALIDATOR.validate(Mixture.from_data(data).to_data())


SIM = {"aggregate": {"slot": "sim:a"}}

REFUSED_BY_BOTH: list[Any] = [
    [],
    {},
    {"stages": []},
    {"stages": [SIM], "bugdet": {}},
    {"stages": [{"aggregate": {}}]},
    {"stages": [{"agregate": {"slot": "sim:a"}}]},
    {"stages": [{"aggregate": {"slot": "sim:a"}, "propose": {"slots": ["sim:a"]}}]},
    {"stages": [{"aggregate": {"slot": 3}}]},
    {"stages": [{"aggregate": {"slot": ""}}]},
    {"stages": [{"aggregate": {"slot": {"samples": 1}}}]},
    {"stages": [{"aggregate": {"slot": "sim:a", "name": "a:b"}}]},
    {"stages": [{"propose": {"slots": []}}, SIM]},
    {"stages": [{"propose": {"slots": ["sim:a"], "qourum": 1}}, SIM]},
    {"stages": [{"propose": {"slots": [{"model": "sim:a", "samples": 0}]}}, SIM]},
    {"stages": [{"propose": {"slots": [{"model": "sim:a", "temperature": 3}]}}, SIM]},
    {"stages": [{"propose": {"slots": [{"model": "sim:a", "partial": "maybe"}]}}, SIM]},
    {"stages": [{"propose": {"slots": ["sim:a"], "grace": "soon"}}, SIM]},
    {"stages": [{"propose": {"slots": ["sim:a"], "grace": -1}}, SIM]},
    {"stages": [SIM], "models": {"a": {"model": "sim:a", "price": {"input": 1}}}},
    {"stages": [SIM], "models": {"a": {"temperature": 1}}},
    {"stages": [SIM], "budget": {"usd": 0}},
    {"stages": [SIM], "budget": {"calls": 0.5}},
    {"stages": [SIM], "name": ""},
    {"stages": [SIM], "min_live": 0},
    {"stages": [SIM], "schema_version": 2},
]


@pytest.mark.parametrize("data", REFUSED_BY_BOTH, ids=json.dumps)
def test_what_the_json_schema_refuses_doesnt_load(data: Any) -> None:
    assert not VALIDATOR.is_valid(data)
    with pytest.raises(MixtureError):
        Mixture.from_data(data)


def test_the_json_schema_is_one() -> None:
    schema = Mixture.json_schema()

    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["schema_version"]["const"] == 1
    assert schema["properties"]["stages"]["items"] == {"$ref": "#/$defs/Stage"}
    assert json.loads(json.dumps(schema)) == schema
    for word in ("gt", "ge", "lt", "le"):  # pydantic's own, where it can't tell a bound
        assert f'"{word}":' not in json.dumps(schema)


def test_a_file_is_printed_as_it_was_written() -> None:
    assert Mixture.from_text(EXAMPLE).to_text() == EXAMPLE


def test_the_designs_example_loads_with_units() -> None:
    written = EXAMPLE.replace("grace: 2.0", "grace: 2s").replace("deadline: 90.0", "deadline: 1.5m")

    assert Mixture.from_text(written) == Mixture.from_text(EXAMPLE)


@pytest.mark.parametrize("ending", ["yaml", "yml", "YAML", "toml", "json"])
def test_a_files_ending_says_its_form(tmp_path: Path, ending: str) -> None:
    mixture = Mixture.from_text(EXAMPLE)
    syntax = {"yml": "yaml"}.get(ending.lower(), ending.lower())
    path = tmp_path / f"mine.{ending}"
    path.write_text(mixture.to_text(syntax), encoding="utf-8")  # type: ignore[arg-type]

    assert Mixture.from_file(path) == mixture
    assert create_moa(str(path)).mixture == mixture


def test_python_says_the_same_as_yaml() -> None:
    propose = Propose(slots=(Slot(model="sim:a"), Slot(model="sim:b", samples=2)), quorum=2)
    mixture = Mixture(name="mine", stages=(propose, Aggregate(slot=Slot(model="sim:c"))))

    assert Mixture.from_text(mixture.to_text()) == mixture
    assert yaml.safe_load(mixture.to_text()) == {
        "name": "mine",
        "stages": [
            {"propose": {"slots": ["sim:a", {"model": "sim:b", "samples": 2}], "quorum": 2}},
            {"aggregate": {"slot": "sim:c"}},
        ],
    }


def test_the_short_way_is_the_paper() -> None:
    short = create_moa(proposers=["sim:a", "sim:b"], aggregator="sim:c", layers=3).mixture

    assert short == Mixture.from_data(
        {"stages": [{"propose": {"slots": ["sim:a", "sim:b"]}}] * 2 + [{"aggregate": {"slot": "sim:c"}}]}
    )


def test_a_name_of_ones_own() -> None:
    assert create_moa("moa-lite", name="ours").mixture.name == "ours"
    assert create_moa(proposers=["sim:a"], aggregator="sim:b", name="ours").mixture.name == "ours"


def test_a_description_is_frozen() -> None:
    mixture = Mixture.from_text(EXAMPLE)

    with pytest.raises(ValueError, match="frozen"):
        mixture.name = "other"  # type: ignore[misc]


def test_two_slots_of_one_model_are_told_apart_and_keep_names_that_were_given() -> None:
    slots: list[Any] = ["sim:a", {"model": "sim:b", "name": "a-2"}, "sim:a", "sim:a"]

    graph = create_moa(proposers=slots, aggregator="sim:a")

    assert [name for name in graph.nodes if name.startswith("layer_1/")] == [
        "layer_1/a", "layer_1/a-2", "layer_1/a-3", "layer_1/a-4", "layer_1/join",
    ]  # fmt: skip


def test_stages_of_one_kind_are_told_apart_and_keep_names_that_were_given() -> None:
    stages = [{"propose": {"slots": ["sim:a"]}}, {"aggregate": {"slot": "sim:a"}}] * 2
    stages += [{"aggregate": {"slot": "sim:a", "name": "layer_1"}}]

    graph = create_moa({"stages": stages})

    assert [name for name in graph.nodes if "/" not in name] == [
        "prepare", "aggregate", "aggregate-2", "layer_1", "finish",
    ]  # fmt: skip
    assert "layer_1-2/a" in graph.nodes


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_layers_count_the_aggregator(layers: int) -> None:
    stages = propose_and_aggregate(["sim:a"], "sim:b", layers).stages

    assert [stage.kind for stage in stages] == ["propose"] * (layers - 1) + ["aggregate"]


def test_a_substitute_takes_the_place_of_a_model_that_is_served_no_longer() -> None:
    graph = create_moa("moa-lite", substitute={"together:databricks/dbrx-instruct": "sim:steady"})

    assert graph.plan.members["dbrx"].reference == "sim:steady"
    assert "layer_1/dbrx" in graph.nodes
