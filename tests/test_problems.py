"""What is wrong with a description is told with its file, its line and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from moa_graph import Mixture, MixtureError, create_moa

MISTAKES = """\
name: mine
models:
  qwen: {model: "openai:qwen3", base_url: "http://localhost:11434/v1", max_token: 512}
stages:
  - propose:
      slots: [qwen, {model: qwen, sampels: 2}]
      quorm: 2
      grace: [1]
  - aggregate: {slot: qwen, fallbacks: qwen}
"""

TOLD = [
    ":3: mine: models.qwen.max_token: there is no such field; look for a misspelling. Did you mean max_tokens?",
    ":6: mine: stages.0.propose.slots.1.sampels: there is no such field; look for a misspelling. Did you mean samples?",
    ":7: mine: stages.0.propose.quorm: there is no such field; look for a misspelling. Did you mean quorum?",
    ":8: mine: stages.0.propose.grace: write a number",
    ":9: mine: stages.1.aggregate.slot",
]


def refused(path: Path) -> str:
    with pytest.raises(MixtureError) as error:
        create_moa(path)
    return str(error.value)


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("told", TOLD[:4])
def test_every_misspelt_field_is_told_with_its_line_and_a_suggestion(tmp_path: Path, told: str) -> None:
    path = written(tmp_path, MISTAKES)
    assert f"{path}{told}" in refused(path)


def test_fields_that_are_not_indented_under_their_stage_are_told_so(tmp_path: Path) -> None:
    text = "stages:\n- propose:\n  slots: [sim:a]\n- aggregate: {slot: sim:a}\n"
    assert "indent the other fields under `propose:`" in refused(written(tmp_path, text))


def test_errors_speak_of_lists(tmp_path: Path) -> None:
    text = "stages:\n- propose: {slots: sim:a}\n- aggregate: {slot: {model: sim:a, stop: x, fallbacks: sim:b}}\n"
    told = refused(written(tmp_path, text))
    assert told.count("write a list, as in [a, b]") == 2
    assert "Tuple" not in told and "valid tuple" not in told  # noqa: PT018


def test_an_unknown_model_is_told_with_the_line_that_names_it(tmp_path: Path) -> None:
    stages = "stages:\n- propose:\n    slots:\n    - qwen\n    - qwne\n- aggregate: {slot: qwen}\n"
    text = f"name: mine\nmodels: {{qwen: sim:a}}\n{stages}"
    path = written(tmp_path, text)
    assert refused(path).startswith(f"{path}:7: mine: stages.0.propose: 'qwne' isn't a known model. Did you mean qwen?")


def test_lines_of_json_are_told_too(tmp_path: Path) -> None:
    assert ":3: " in refused(written(tmp_path, '{"stages": [\n{"propose":\n{"slot": 3}}]}', "mine.json"))


MISTAKES_IN_TOML = '''\
name = "mine"  # [models.qwen]

[models.qwen]
model = "sim:qwen"
system_prompt = """
[models.other]
max_token = 3
"""
max_token = 512

[[stages]]
[stages.propose]
slots = [
    "qwen",
    {model = "qwen", samples = 2},
    {model = "qwen", sampels = 2},
]
quorm = 2

[[stages]]
aggregate = {slot = "qwne", fallbaks = ["qwen"]}
'''

TOLD_IN_TOML = [
    ":9: mine: models.qwen.max_token: there is no such field; look for a misspelling. Did you mean max_tokens?",
    ":16: mine: stages.0.propose.slots.2.sampels: there is no such field; look for a misspelling. Did you mean",
    ":18: mine: stages.0.propose.quorm: there is no such field; look for a misspelling. Did you mean quorum?",
    ":21: mine: stages.1.aggregate.fallbaks: there is no such field; look for a misspelling. Did you mean fallbacks?",
]


@pytest.mark.parametrize("told", TOLD_IN_TOML)
def test_lines_of_toml_are_told_too(tmp_path: Path, told: str) -> None:
    path = written(tmp_path, MISTAKES_IN_TOML, "mine.toml")
    assert f"{path}{told}" in refused(path)


def test_what_is_missing_in_toml_and_an_unknown_model_are_told_with_the_nearest_line(tmp_path: Path) -> None:
    stages = '[[stages]]\n[stages.propose]\nquorum = 1\n\n[[stages]]\n[stages.aggregate]\nslot = "sim:a"\n'
    path = written(tmp_path, stages, "mine.toml")
    assert refused(path).startswith(f"{path}:2: mixture: stages.0.propose.slots: this field is needed")
    path = written(tmp_path, stages.replace("quorum = 1", 'slots = [\n"sim:a",\n"qwne",\n]'), "mine.toml")
    assert refused(path).startswith(f"{path}:5: mixture: stages.0.propose: 'qwne' isn't a known model")


@pytest.mark.parametrize(
    ("text", "told"), [("", "now it is empty. Write proposers"), ("- a", "write its fields as a mapping")]
)
def test_a_file_without_fields_says_what_to_write(tmp_path: Path, text: str, told: str) -> None:
    assert told in refused(written(tmp_path, text))


def test_broken_yaml_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, "name: a\n\tb: 2\n")
    told = refused(path)
    assert told.startswith(f"{path}:2:1: the description isn't valid YAML: the line is indented with a tab")
    assert "\n" not in told


BROKEN = {
    "a list that isn't closed": ("name: a\nstages: [a, b\nlayers: 2\n", "2:9", "what begins with [ here isn't closed"),
    "a mapping that isn't closed": (
        "models: {a: {model: b}\nlayers: 2\n",
        "1:9",
        "what begins with { here isn't closed",
    ),
    "quotes that aren't closed": ('name: "a\nlayers: 2\n', "1:7", "the text in quotes that begins here isn't closed"),
    "a colon in a text": ("name: a: b\n", "1:8", "a colon with a space behind it can't stand here"),
    "wrong indentation": ("models:\n  a: b\n c: d\n", "3:2", "this isn't indented like"),
    "no colon": ("name: a\nlayers\nstages: []\n", "3:1", "a colon and a space are missing"),
    "a field written twice": ("name: a\nname: b\n", "2:1", "'name' is written twice"),
    "a text that begins with *": ("name: *b\n", "1:7", "*b refers to nothing that is marked &b"),
    "a text that begins with @": ("name: @b\n", "1:7", "nothing can begin with @: put the text in quotes"),
    "a tag": ("name: !b c\n", "1:7", "a tag that begins with ! isn't taken here"),
    "a character that can't be printed": (
        "name: a\nlayers: \x00\n",
        "2:9",
        "a character that can't be printed (number 0)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_with_yaml_is_told_in_words_and_with_its_place(tmp_path: Path, case: str) -> None:
    text, place, words = BROKEN[case]
    path = written(tmp_path, text)
    told = refused(path)
    assert told.startswith(f"{path}:{place}: the description isn't valid YAML: ")
    assert words in told
    assert not [word for word in ("flow", "block", "token", "scalar", "constructor") if word in told]


def test_broken_json_and_toml_are_told_with_their_place(tmp_path: Path) -> None:
    path = written(tmp_path, '{"name": "a",\n}', "mine.json")
    assert refused(path).startswith(f"{path}:")
    assert refused(path).split(":")[1] in ("1", "2")  # Pythons differ on which of the two characters is wrong
    path = written(tmp_path, "layers = 2\nname =\n", "mine.toml")
    assert refused(path).startswith(f"{path}:2:7: the description isn't valid TOML: ")
    with pytest.raises(MixtureError, match="isn't valid YAML: line 1, column 8: a colon"):
        Mixture.from_text("name: a: b")


def test_a_line_of_text_that_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match=r"mixture: min_lives: .* \(line 2\)"):
        Mixture.from_text("proposers: [sim:a]\nmin_lives: 2\naggregator: sim:b\n")


SHORT = "proposers: [sim:a, {model: sim:b, samples: 2}]\naggregator: sim:c\nlayers: 3\nname: short\n"


def test_the_short_form_is_the_same_mixture_as_create_moas() -> None:
    from_python = create_moa(proposers=["sim:a", {"model": "sim:b", "samples": 2}], aggregator="sim:c", layers=3)
    assert Mixture.from_text(SHORT).stages == from_python.mixture.stages
    assert Mixture.from_text(Mixture.from_text(SHORT).to_text()) == Mixture.from_text(SHORT)


def test_the_schema_takes_the_short_form_or_stages_and_not_both() -> None:
    validator = jsonschema.Draft202012Validator(Mixture.json_schema())
    short = {"proposers": ["sim:a"], "aggregator": "sim:b"}
    assert validator.is_valid(short)
    assert not validator.is_valid({**short, "stages": [{"aggregate": {"slot": "sim:b"}}]})
    assert not validator.is_valid({"name": "nothing"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("proposers: [sim:a]", "aggregator: name the model that writes the answer"),
        ("proposers: sim:a\naggregator: sim:b", "proposers: 'sim:a' isn't a list of models"),
        ("aggregator: sim:b", "proposers: 2 layers need at least one"),
        (f"{SHORT}layer: 4", "layer: there is no such field; look for a misspelling. Did you mean layers?"),
        (
            "proposers: [sim:a]\nagregator: sim:b",
            "agregator: there is no such field; look for a misspelling. Did you mean agg",
        ),
        (f"{SHORT}stages: []", "stages: given together with proposers, aggregator, layers"),
        ("proposers: [{model: sim:a, roll: x}]\naggregator: sim:b", "proposers.0.roll: there is no such field"),
        ("proposers: [sim:a]\naggregator: {modle: sim:b}", "aggregator.modle: there is no such field"),
    ],
)
def test_errors_about_the_short_form_speak_of_it(text: str, told: str) -> None:
    with pytest.raises(MixtureError) as error:
        Mixture.from_text(text)
    assert told in str(error.value)
    assert "stages.0" not in str(error.value)


@pytest.mark.parametrize("address", ["localhost:11434/v1", "htp://localhost/v1", "http://", "/v1"])
def test_an_address_that_is_none_is_refused_when_it_is_loaded(address: str) -> None:
    data = {"models": {"a": {"model": "openai:a", "base_url": address}}, "proposers": ["a"], "aggregator": "a"}
    with pytest.raises(MixtureError, match=r"models\.a\.base_url: .* isn't a server's address: write http://"):
        Mixture.from_data(data)
