"""A router reads the query alone, and only the branch that it picks makes calls."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from moa_graph import Mixture, MixtureError, create_moa
from moa_graph.presets import load_preset
from moa_graph.size import size_of
from moa_graph.stages.route import threshold_for
from tests.models_for_tests import Reply, provider_error, scripted
from tests.systems.panel import QUESTION, Panel, form_asked, says, system_text

pytestmark = pytest.mark.virtual_clock


def stages(**route: Any) -> dict[str, Any]:
    """A router before an easy branch of one model, a hard one of three calls, and a step that both go on to."""
    routes = {
        "easy": {"when": "short facts", "stages": [{"propose": {"slots": ["small"]}}]},
        "hard": {"when": "all else", "stages": [{"propose": {"slots": ["a", "b"]}}, {"aggregate": {"slot": "strong"}}]},
    }
    first = {"route": {"slot": "router", "routes": routes, "default": "hard", **route}}
    names = ["router", "small", "a", "b", "strong", "closing"]
    return {"models": dict.fromkeys(names), "stages": [first, {"aggregate": {"slot": "closing"}}]}


@pytest.mark.parametrize(
    ("route", "asked"),
    [
        ("easy", {"router": 1, "small": 1, "closing": 1}),
        ("hard", {"router": 1, "a": 1, "b": 1, "strong": 1, "closing": 1}),
    ],
)
async def test_only_the_models_of_the_picked_branch_are_asked(route: str, asked: dict[str, int]) -> None:
    panel = Panel({"router": says(Decision={"route": route})})

    result = await panel.run(stages())

    requests = {name: len(panel.asked(name)) for name in panel.models}
    assert {name: count for name, count in requests.items() if count} == asked
    assert result["messages"][-1].text == "closing's answer"
    assert result["report"]["degraded"] == []
    assert all(f"route/{route}/" in stage["stage"] for stage in result["report"]["stages"][1:-1])


async def test_the_router_sees_the_query_and_what_each_route_is_for() -> None:
    panel = Panel()

    await panel.run(stages())

    [asked] = panel.asked("router")
    assert "- easy: short facts\n- hard: all else" in system_text(asked)
    assert asked.messages[-1].text == "What is six times seven?"
    assert form_asked(asked) == "Decision"


async def test_the_stage_behind_is_shown_what_the_branch_came_to() -> None:
    panel = Panel({"router": says(Decision={"route": "hard"})})

    await panel.run(stages())

    assert "strong's answer" in system_text(panel.asked("closing")[0])
    assert "a's answer" not in system_text(panel.asked("closing")[0])


@pytest.mark.parametrize(("probability", "strong"), [(0.69, 0), (0.7, 1), (1.0, 1)])
async def test_with_a_threshold_the_default_is_taken_from_that_probability_on(probability: float, strong: int) -> None:
    panel = Panel({"router": says(Odds={"probability": probability})})

    await panel.run(stages(threshold=0.7))

    assert len(panel.asked("strong")) == strong
    assert len(panel.asked("small")) == 1 - strong


def fails(_: object) -> Reply:
    return Reply(error=provider_error(400))


async def test_a_router_that_fails_leaves_the_default_and_says_so() -> None:
    panel = Panel({"router": fails})

    result = await panel.run(stages())

    assert len(panel.asked("strong")) == 1
    assert panel.asked("small") == []
    assert result["report"]["degraded"] == ["route gave no decision: the default route, hard, was taken"]


async def test_a_route_that_there_is_not_is_asked_for_anew_and_then_the_default_is_taken() -> None:
    panel = Panel({"router": says(Decision={"route": "middling"})})

    result = await panel.run(stages(default="easy"))

    assert len(panel.asked("router")) == 2
    assert len(panel.asked("small")) == 1
    assert result["report"]["degraded"] == ["route gave no decision: the default route, easy, was taken"]


def test_the_drawn_graph_shows_the_branches() -> None:
    drawn = create_moa("router").compile().get_graph()

    edges = {(edge.source, edge.target, edge.conditional) for edge in drawn.edges}
    assert {
        ("prepare", "route", False),
        ("route", "route/weak/aggregate", True),
        ("route", "route/strong/layer_1/strong-1", True),
        ("route/strong/layer_1/strong-1", "route/strong/layer_1/join", False),
        ("route/strong/layer_1/join", "route/strong/aggregate", False),
        ("route/weak/aggregate", "finish", False),
        ("route/strong/aggregate", "finish", False),
    } <= edges
    assert ("route", "finish", True) not in edges


def test_its_size_is_that_of_the_longest_way() -> None:
    size = size_of(create_moa("router").plan)

    assert (size.calls, size.critical_path, size.may_end_early) == (5, 3, ("route",))


@pytest.mark.parametrize("syntax", ["yaml", "toml", "json"])
def test_it_prints_and_loads_equal_and_fits_the_schema(syntax: Any) -> None:
    mixture = load_preset("router")

    assert Mixture.from_text(mixture.to_text(syntax), syntax) == mixture
    jsonschema.validate(mixture.to_data(), Mixture.json_schema())
    misspelt = mixture.to_text("json").replace('"view"', '"veiw"')
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(__import__("json").loads(misspelt), Mixture.json_schema())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"default": "middling"}, r"stages\.0\.route\.default: 'middling' is none of the routes: easy, hard"),
        ({"routes": {}}, r"stages\.0\.route\.routes: "),
        (
            {
                "routes": {
                    "a": {"when": "x", "stages": [{"vote": {"extract": "colour"}}]},
                    "b": {"when": "y", "stages": []},
                }
            },
            r"routes\.a\.stages\.0\.vote\.extract: 'colour' isn't an extractor",
        ),
        (
            {
                "routes": {name: {"when": "x", "stages": [{"vote": {}}]} for name in "abc"},
                "default": "a",
                "threshold": 0.5,
            },
            r"stages\.0\.route\.threshold: it stands between two routes, not 3",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_field(change: dict[str, Any], message: str) -> None:
    written = stages(**change)
    written["models"] = {name: {"model": f"sim:{name}"} for name in written["models"]}
    with pytest.raises(MixtureError, match=message):
        Mixture.from_data(written)


def test_each_branch_of_a_last_route_must_write_an_answer() -> None:
    written = stages()
    written["models"] = {name: {"model": f"sim:{name}"} for name in written["models"]}
    with pytest.raises(
        MixtureError, match=r"stages\.0\.route\.routes\.easy\.stages\.0\.propose: the last stage must write"
    ):
        Mixture.from_data({**written, "stages": written["stages"][:1]})


async def test_a_branch_may_route_again_and_end_early() -> None:
    inner = {
        "route": {
            "slot": "inner",
            "default": "panel",
            "routes": {
                "one": {"when": "x", "stages": [{"aggregate": {"slot": "small"}}]},
                "panel": {
                    "when": "y",
                    "stages": [{"propose": {"slots": ["a", "b"]}}, {"stop": {}}, {"aggregate": {"slot": "strong"}}],
                },
            },
        }
    }
    outer = {
        "routes": {
            "plain": {"when": "p", "stages": [{"aggregate": {"slot": "small"}}]},
            "deep": {"when": "d", "stages": [inner]},
        }
    }
    written = {
        "models": dict.fromkeys(["outer", "inner", "small", "a", "b", "strong"]),
        "stages": [{"route": {"slot": "outer", "default": "deep", **outer}}],
    }
    panel = Panel(
        {
            "outer": says(Decision={"route": "deep"}),
            "inner": says(Decision={"route": "panel"}),
            "a": says("The answer is 42."),
            "b": says("It is 42"),
        }
    )

    result = await panel.run(written)

    assert panel.widths == [1, 1, 2]
    assert result["report"]["ended_early"] == "2 of 2 agree on 42"
    assert result["messages"][-1].text == "The answer is 42."


async def test_a_budget_keeps_what_the_dearest_way_needs() -> None:
    panel = Panel({"router": says(Decision={"route": "hard"})})

    result = await panel.run({**stages(), "budget": {"calls": 5}})

    assert result["report"]["calls"] == 5
    assert result["report"]["degraded"] == []
    assert result["messages"][-1].text == "closing's answer"


async def test_a_router_before_its_branches_goes_on_after_a_turn_that_failed() -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    from moa_graph import TooFewProposals

    small = scripted("small", provider_error(400), "an answer")
    panel = Panel({"router": says(Decision={"route": "easy"})})
    panel.models["small"] = small
    graph = create_moa(panel.mixture(stages())).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "one"}}

    with pytest.raises(TooFewProposals):
        await graph.ainvoke(QUESTION, thread)
    result = await graph.ainvoke(QUESTION, thread)

    assert len(panel.asked("router")) == 1
    assert result["messages"][-1].text == "closing's answer"


@pytest.mark.parametrize(
    ("probabilities", "share", "threshold"),
    [
        ([0.1, 0.2, 0.3, 0.4], 0.25, 0.4),
        ([0.1, 0.2, 0.3, 0.4], 0.5, 0.3),
        ([0.1, 0.2, 0.3, 0.4], 1.0, 0.1),
        ([0.1, 0.2, 0.3, 0.4], 0.0, 1.0),
        ([0.5, 0.5, 0.5, 0.9], 0.6, 0.9),
        ([0.5, 0.5, 0.9, 0.9], 0.75, 0.9),
    ],
)
def test_a_threshold_is_calibrated_to_a_share_of_strong_calls(
    probabilities: list[float], share: float, threshold: float
) -> None:
    assert threshold_for(probabilities, share) == threshold


def test_a_threshold_needs_probabilities_and_a_share() -> None:
    with pytest.raises(ValueError, match="give those of some queries"):
        threshold_for([], 0.5)
    with pytest.raises(ValueError, match="isn't a share from 0 to 1"):
        threshold_for([0.5], 50)
