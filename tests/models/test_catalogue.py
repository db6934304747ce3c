"""What a slot's model means: names, references, objects, substitutes and stand-ins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_openai import ChatOpenAI

from moa_graph.description import ModelSettings, Price
from moa_graph.errors import MixtureError
from moa_graph.models.catalogue import Catalogue
from moa_graph.models.simulated import SimulatedChatModel

MODELS = {
    "qwen": ModelSettings(model="together:Qwen/Qwen2.5-72B-Instruct-Turbo", max_tokens=512),
    "local": ModelSettings(model="openai:llama3.1", base_url="http://localhost:11434/v1", temperature=0),
    "priced": ModelSettings(model="openai:any", price=Price(input=1, output=2), window=1000),
}


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(MODELS)


def test_a_name_of_the_mixture_comes_before_a_reference() -> None:
    named = Catalogue({"sim:steady": ModelSettings(model="sim:swift")}).member("sim:steady")
    assert (named.name, named.reference) == ("sim:steady", "sim:swift")


def test_a_named_model_keeps_its_name_and_settings(catalogue: Catalogue) -> None:
    qwen = catalogue.member("qwen")
    assert (qwen.name, qwen.reference) == ("qwen", "together:Qwen/Qwen2.5-72B-Instruct-Turbo")
    assert (qwen.provider, qwen.key_variable) == ("together", "TOGETHER_API_KEY")
    assert qwen.settings.max_tokens == 512


def test_a_reference_is_named_after_its_model(catalogue: Catalogue) -> None:
    assert catalogue.member("openrouter:meta-llama/llama-3:free").name == "llama-3-free"


def test_the_slot_goes_over_the_model_and_the_papers_temperature_is_the_default(
    catalogue: Catalogue,
) -> None:
    assert catalogue.member("qwen").settings.temperature == 0.7
    assert catalogue.member("local").settings.temperature == 0
    overridden = catalogue.member("local", temperature=0.9, max_tokens=None, seed=3).settings
    assert (overridden.temperature, overridden.max_tokens, overridden.seed) == (0.9, None, 3)
    assert MODELS["local"].temperature == 0


def test_price_and_window_are_known_or_none(catalogue: Catalogue) -> None:
    priced, local = catalogue.member("priced"), catalogue.member("local")
    assert (priced.price, priced.window) == (Price(input=1, output=2), 1000)
    assert (local.price, local.window) == (None, None)


def test_a_missing_key_is_named(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalogue.member("qwen").missing_key() == "TOGETHER_API_KEY"
    assert catalogue.member("local").missing_key() is None
    assert catalogue.member("sim:steady").missing_key() is None
    monkeypatch.setenv("TOGETHER_API_KEY", "some-together-key")
    assert catalogue.member("qwen").missing_key() is None


def test_a_missing_package_is_named(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None if "cohere" in module else module)
    assert catalogue.member("cohere:any").missing_package() == "langchain-cohere"
    assert catalogue.member("qwen").missing_package() is None
    assert catalogue.member("sim:steady").missing_package() is None


@pytest.mark.parametrize("unknown", ["qwne", "nobody:any", "Qwen2.5"])
def test_what_is_neither_name_nor_reference_is_refused(catalogue: Catalogue, unknown: str) -> None:
    with pytest.raises(MixtureError, match=unknown):
        catalogue.member(unknown)


def test_the_refusal_lists_the_names_and_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(MixtureError, match=r"Did you mean qwen\? Named in this mixture: local, priced, qwen\."):
        catalogue.member("qwne")


def test_a_named_model_with_an_unknown_provider_is_refused() -> None:
    with pytest.raises(MixtureError, match=r"no provider 'openia'\. Did you mean openai"):
        Catalogue({"m": ModelSettings(model="openia:gpt-4o")}).member("m")


@pytest.mark.parametrize(
    ("old", "new", "reference"),
    [
        ("together:Qwen/Qwen2.5-72B-Instruct-Turbo", "together:Qwen/Qwen3-80B", "together:Qwen/Qwen3-80B"),
        ("qwen", "together:Qwen/Qwen3-80B", "together:Qwen/Qwen3-80B"),
        ("qwen", "local", "openai:llama3.1"),
    ],
)
def test_a_substitute_is_asked_under_the_old_name(old: str, new: str, reference: str) -> None:
    catalogue = Catalogue(MODELS, substitute={old: new, "misspelt": "local"})
    member = catalogue.member("qwen")
    assert (member.name, member.reference) == ("qwen", reference)
    assert catalogue.unused_substitutes() == ["misspelt"]


def test_a_substitute_keeps_the_parameters_of_the_model_it_stands_for() -> None:
    reference = "together:Qwen/Qwen2.5-72B-Instruct-Turbo"
    catalogue = Catalogue(MODELS, substitute={reference: "together:Qwen/Qwen3-80B"})
    assert catalogue.member("qwen").settings.max_tokens == 512


async def test_simulating_puts_a_stand_in_in_every_models_place() -> None:
    catalogue = Catalogue(MODELS, simulate=True)
    for model, name in (("qwen", "qwen"), ("together:a/b", "b"), (FakeListChatModel(responses=["x"]), None)):
        member = catalogue.member(model)
        assert member.name == (name or "FakeListChatModel")
        assert member.reference == f"sim:{member.name}"
        assert (member.missing_key(), member.missing_package()) == (None, None)
        assert isinstance(member.chat_model(streaming=False).model, SimulatedChatModel)
    assert catalogue.member("qwen").settings.max_tokens == 512
    assert catalogue.member("priced").price == Price(input=0, output=0)


async def test_an_object_is_asked_as_it_is() -> None:
    own = FakeListChatModel(responses=["one", "two", "three"])
    catalogue = Catalogue({"mine": ModelSettings(model=own)})
    member = catalogue.member("mine")
    assert (member.name, member.reference, member.provider) == ("mine", "object:mine", "object")
    assert (member.missing_key(), member.price, member.settings.temperature) == (None, None, None)
    answers = [await catalogue.member("mine").chat_model(streaming=False).model.ainvoke("?") for _ in range(3)]
    assert [answer.text for answer in answers] == ["one", "two", "three"]
    assert own.i == 0


def test_an_object_is_named_after_its_model() -> None:
    own = ChatOpenAI(model="org/gpt-4o", api_key="own-key")
    member = Catalogue({}).member(own)
    assert (member.name, member.reference, member.window) == ("gpt-4o", "object:gpt-4o", None)


async def test_a_member_with_a_parameter_less_is_another_model() -> None:
    member = Catalogue({}).member("sim:steady", max_tokens=5)
    without = replace(member, settings=member.settings.model_copy(update={"max_tokens": None}))
    first, second = member.chat_model(streaming=False).model, without.chat_model(streaming=False).model
    assert isinstance(first, SimulatedChatModel)
    assert isinstance(second, SimulatedChatModel)
    assert (first.max_tokens, second.max_tokens) == (5, None)
