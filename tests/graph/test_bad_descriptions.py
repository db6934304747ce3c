"""Descriptions that can't work are refused with the field that is wrong, whether they come as data, text or a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from moa_graph import (
    Mixture,
    MixtureError,
    UnknownPreset,
    create_moa,
)
from tests.models_for_tests import scripted


def one_layer(**propose: Any) -> dict[str, Any]:
    """A mixture of one proposer and an aggregator, with further fields of its propose stage."""
    return {"stages": [{"propose": {"slots": ["sim:a"], **propose}}, {"aggregate": {"slot": "sim:b"}}]}


REFUSED_DESCRIPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown preset": ({"mixture": "moa-lit"}, "there is no preset 'moa-lit'. Did you mean moa-lite"),
    "no mixture": ({}, "give either a mixture, or proposers, an aggregator and layers"),
    "mixture and models": ({"mixture": "moa-lite", "proposers": ["sim:a"]}, "give either a mixture, or proposers"),
    "mixture and layers": ({"mixture": "moa-lite", "layers": 3}, "give either a mixture, or proposers"),
    "something else": ({"mixture": 3}, "3 isn't a mixture: give a preset's name, a file's path"),
    "no aggregator": ({"proposers": ["sim:a"]}, "aggregator: name the model that writes the answer"),
    "no proposers": ({"proposers": [], "aggregator": "sim:a"}, "proposers: 2 layers need at least one"),
    "one proposer": ({"proposers": "sim:a", "aggregator": "sim:a"}, "proposers: 'sim:a' isn't a list of models"),
    "no layer": ({"proposers": ["sim:a"], "aggregator": "sim:a", "layers": 0}, "layers: 0 isn't a whole number from 1"),
    "half a layer": (
        {"proposers": ["sim:a"], "aggregator": "sim:a", "layers": 2.5},
        "layers: 2.5 isn't a whole number",
    ),
    "unknown model": (
        {"proposers": ["qwen"], "aggregator": "sim:a"},
        "mixture: stages.0.propose: 'qwen' isn't a known model.",
    ),
    "unknown provider": (
        {"proposers": ["sim:a"], "aggregator": "togehter:qwen"},
        "stages.1.aggregate: 'togehter:qwen': there is no provider 'togehter'. Did you mean together",
    ),
    "unknown model to choose": (
        {"mixture": {"models": {"a": "qwen"}, "stages": [{"aggregate": {"slot": "sim:a"}}]}},
        "mixture: models.a: 'qwen' isn't a known model.",
    ),
    "unknown substitute": (
        {"mixture": "moa-lite", "substitute": {"qwen": "sim:a"}},
        "moa-lite: substitute: it has no model called qwen",
    ),
    "misspelt field": ({"mixture": {**one_layer(), "bugdet": {}}}, "mixture: bugdet: there is no such field"),
    "misspelt field of a stage": (
        {"mixture": one_layer(qourum=1)},
        "mixture: stages.0.propose.qourum: there is no such field; look for a misspelling",
    ),
    "misspelt field of a slot": (
        {"mixture": one_layer(slots=["sim:a", {"model": "sim:b", "smaples": 2}])},
        "mixture: stages.0.propose.slots.1.smaples: there is no such field",
    ),
    "misspelt stage": (
        {"mixture": {"stages": [{"propse": {"slots": ["sim:a"]}}]}},
        "mixture: stages.0: 'propse' isn't a kind of stage; there are ",
    ),
    "stage without fields": (
        {"mixture": {"stages": ["propose"]}},
        "mixture: stages.0: a stage is written as one kind with its fields",
    ),
    "slots in the place of fields": (
        {"mixture": {"stages": [{"propose": ["sim:a"]}]}},
        "mixture: stages.0.propose: write its fields as a mapping",
    ),
    "a number for a slot": (
        {"mixture": one_layer(slots=[3])},
        "mixture: stages.0.propose.slots.0: write its fields as a mapping",
    ),
    "an empty model": ({"mixture": one_layer(slots=[""])}, "stages.0.propose.slots.0.model: '' isn't a model"),
    "no slots": ({"mixture": one_layer(slots=[])}, "stages.0.propose.slots: give at least 1"),
    "no stages": ({"mixture": {"stages": []}}, "mixture: stages: give at least 1"),
    "quorum above the slots": (
        {"mixture": one_layer(quorum=2)},
        "mixture: stages.0.propose.quorum: 2 live proposals can't come from 1 slot(s) and samples",
    ),
    "quorum below min_live": (
        {"mixture": {**one_layer(slots=["sim:a", "sim:b"], quorum=1), "min_live": 2}},
        "mixture: stages.0.propose.quorum: it closes the stage at 1, before the 2 of min_live",
    ),
    "min_live above the slots": (
        {"mixture": {**one_layer(), "min_live": 2}},
        "mixture: min_live: 2 live proposals can't come from at most 1 slot(s)",
    ),
    "no duration": ({"mixture": one_layer(grace="soon")}, "mixture: stages.0.propose.grace: 'soon' isn't a duration"),
    "an endless timeout": (
        {"mixture": one_layer(timeout=float("inf"))},
        "mixture: stages.0.propose.timeout: Input should be a finite number",
    ),
    "nobody writes the answer": (
        {"mixture": {"stages": [{"propose": {"slots": ["sim:a"]}}]}},
        "mixture: stages.0.propose: the last stage must write the answer",
    ),
    "two slots of one name": (
        {"mixture": one_layer(slots=[{"model": "sim:a", "name": "x"}, {"model": "sim:b", "name": "x"}])},
        "mixture: stages.0.propose.slots: 2 of them are called 'x'",
    ),
    "two stages of one name": (
        {
            "mixture": {
                "stages": [
                    {"propose": {"slots": ["sim:a"], "name": "x"}},
                    {"aggregate": {"slot": "sim:a", "name": "x"}},
                ]
            }
        },
        "mixture: stages: 2 of them are called 'x'",
    ),
    "a slot called as its stage's join": (
        {"mixture": one_layer(slots=[{"model": "sim:a", "name": "join"}])},
        "mixture: stages.0.propose: Node `layer_1/join` already present. Give the stage or its slots other names.",
    ),
    "a stage called finish": (
        {"mixture": {"stages": [{"aggregate": {"slot": "sim:a", "name": "finish"}}]}},
        "mixture: stages.0.aggregate.name: every graph has a node called 'finish'",
    ),
    "a stage called __end__": (
        {"mixture": {"stages": [{"aggregate": {"slot": "sim:a", "name": "__end__"}}]}},
        "mixture: stages.0.aggregate: Node `__end__` is reserved.",
    ),
    "a name with a colon": (
        {"mixture": {"models": {"a:b": "sim:a"}, **one_layer()}},
        "mixture: models: 'a:b' can't be a name: leave out ':' and '|'",
    ),
    "a slot's name with a bar": (
        {"mixture": one_layer(slots=[{"model": "sim:a", "name": "a|b"}])},
        "mixture: stages.0.propose.slots.0.name: String should match pattern",
    ),
    "a key": (
        {"mixture": {**one_layer(), "models": {"a": {"model": "openai:a", "extra": {"api_key": "sk-1"}}}}},
        "mixture: models.a.extra: api_key holds a secret, which is never part of a description: name the environment",
    ),
    "a key in a header": (
        {"mixture": {**one_layer(), "models": {"a": {"model": "openai:a", "extra": {"h": {"Authorization": "x"}}}}}},
        "mixture: models.a.extra: Authorization holds a secret",
    ),
    "a password in an address": (
        {"mixture": {**one_layer(), "models": {"a": {"model": "openai:a", "base_url": "http://me:pw@host/v1"}}}},
        "mixture: models.a.base_url: leave out the user and password",
    ),
    "dollars without a price": (
        {
            "mixture": {
                "models": {"a": {"model": "openai:a-model-of-nobody", "max_tokens": 9}},
                "stages": [{"aggregate": {"slot": "a"}}],
                "budget": {"usd": 1},
            }
        },
        "mixture: budget.usd needs the price of a (openai:a-model-of-nobody), which isn't known: set price:",
    ),
    "dollars without max_tokens": (
        {"mixture": {"stages": [{"aggregate": {"slot": "openai:gpt-4o"}}], "budget": {"usd": 1}}},
        "mixture: budget.usd needs max_tokens of gpt-4o: set it in models or the slot",
    ),
    "tokens without max_tokens": (
        {"mixture": {"stages": [{"aggregate": {"slot": "sim:a"}}], "budget": {"tokens": 100}}},
        "mixture: budget.tokens needs max_tokens of a: set it in models or the slot",
    ),
    "a budget of nothing": (
        {"mixture": {**one_layer(), "budget": {"calls": 0}}},
        "mixture: budget.calls: Input should be greater than or equal to 1",
    ),
    "another schema version": (
        {"mixture": {**one_layer(), "schema_version": 2}},
        "mixture: schema_version: Input should be 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED_DESCRIPTIONS)
def test_a_description_that_cant_work_is_refused_with_the_field_that_is_wrong(case: str) -> None:
    arguments, message = REFUSED_DESCRIPTIONS[case]

    with pytest.raises(MixtureError) as refused:
        create_moa(**arguments)

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_error_about_a_key_doesnt_repeat_it() -> None:
    models = {"a": {"model": "openai:a", "extra": {"api_key": "the-key-itself"}}}

    with pytest.raises(MixtureError) as refused:
        create_moa({**one_layer(), "models": models})

    assert "the-key-itself" not in str(refused.value)


def test_headers_that_hold_no_key_are_taken() -> None:
    extra = {"default_headers": {"HTTP-Referer": "https://example.org", "X-Title": "mine"}, "timeout": 5}

    graph = create_moa({**one_layer(), "models": {"a": {"model": "openai:a", "extra": extra}}})

    assert graph.plan.members["a"].settings.extra == extra


def test_an_unknown_preset_has_an_error_of_its_own() -> None:
    with pytest.raises(UnknownPreset, match=r"There are .*moa-turbo.*together-moa"):
        create_moa("moa")


def test_a_bound_model_is_refused_as_no_chat_model() -> None:
    bound = scripted("a").bind(stop=["."])

    with pytest.raises(MixtureError, match=r"stages\.0\.propose\.slots\.0: write its fields as a mapping"):
        create_moa(proposers=[bound], aggregator="sim:a")  # type: ignore[list-item]


REFUSED_TEXTS = {
    "yaml list": ("yaml", "- propose\n- aggregate", "mixture: write its fields as a mapping"),
    "yaml nothing": ("yaml", "", "mixture: write its fields as a mapping"),
    "yaml broken": ("yaml", "stages: [", "the description isn't valid YAML"),
    "yaml control characters": ("yaml", "name: \x00", "the description isn't valid YAML"),
    "yaml code": ("yaml", "name: !!python/object/apply:os.getcwd []", "the description isn't valid YAML"),
    "yaml written twice": ("yaml", "name: a\nname: b", "'name' is written twice"),
    "yaml too deep": ("yaml", "[" * 100_000, "the description isn't valid YAML: maximum recursion depth"),
    "json broken": ("json", "{", "the description isn't valid JSON"),
    "json written twice": ("json", '{"name": "a", "name": "b"}', "'name' is written twice"),
    "json too deep": ("json", "[" * 100_000, "the description isn't valid JSON: maximum recursion depth"),
    "toml broken": ("toml", "name =", "the description isn't valid TOML"),
    "toml written twice": ("toml", "name = 'a'\nname = 'b'", "the description isn't valid TOML"),
}


@pytest.mark.parametrize("case", REFUSED_TEXTS)
def test_text_that_is_no_description_is_refused(case: str) -> None:
    syntax, text, message = REFUSED_TEXTS[case]

    with pytest.raises(MixtureError, match=re.escape(message)):
        Mixture.from_text(text, syntax)  # type: ignore[arg-type]


def test_a_file_that_cant_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: Größe".encode("latin-1"))
    (tmp_path / "mixture.txt").write_text("name: x")

    with pytest.raises(MixtureError, match=r"missing\.yaml can't be read: .*No such file"):
        create_moa(tmp_path / "missing.yaml")
    with pytest.raises(MixtureError, match=r"MISSING\.YML can't be read"):
        create_moa("MISSING.YML")
    with pytest.raises(MixtureError, match=r"latin\.yaml can't be read: .*utf-8"):
        create_moa(tmp_path / "latin.yaml")
    with pytest.raises(MixtureError, match=r"mixture\.txt: a mixture's file ends in \.yaml, \.toml or \.json"):
        create_moa(tmp_path / "mixture.txt")
    with pytest.raises(MixtureError, match="a mixture's file ends in"):
        create_moa(tmp_path)


def test_what_is_wrong_in_a_file_is_told_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nstages:\n- propose: {slots: ['sim:a'], qourum: 1}\n- aggregate: {slot: 'sim:a'}\n")

    with pytest.raises(MixtureError, match=r"mine: stages\.0\.propose\.qourum"):
        create_moa(path)


def test_a_models_object_cant_be_written_and_the_error_says_how() -> None:
    mixture = Mixture.from_data({"stages": [{"aggregate": {"slot": scripted("a")}}]})

    for write in (mixture.to_data, mixture.to_text):
        with pytest.raises(MixtureError, match="ScriptedModel is a chat model object, which can't be written: name it"):
            write()


def test_a_substitute_that_is_no_model_is_refused() -> None:
    with pytest.raises(MixtureError, match="substitute: openai:gone: 5 isn't a model"):
        create_moa(proposers=["openai:gone"], aggregator="openai:gone", substitute={"openai:gone": cast(Any, 5)})
