from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import pytest

from moa_graph.errors import MixtureError
from moa_graph.models.simulation import Profile, SimulatedFault, load_profiles, perform, pieces_of, profile_named
from tests.models.simulation_requests import instant, request

YAML = """
quick:
  seed: 7
  latency: {first_token: 50ms, sigma: 0, tokens_a_second: 1000}
  skill: {arithmetic: 0.5, any: 0.9}
  price: {input: 1, output: 4}
  faults:
    - {kind: status, status: 429, retry_after: 1s, first: 1}
    - {kind: slow, factor: 3}
plain:
"""


def test_profiles_load_from_yaml(tmp_path: Path) -> None:
    (tmp_path / "profiles.yaml").write_text(YAML)
    profiles = load_profiles(tmp_path / "profiles.yaml")
    assert list(profiles) == ["quick", "plain"]
    assert profiles["quick"].latency.first_token == 0.05
    assert profiles["quick"].skill_at("arithmetic") == 0.5
    assert profiles["quick"].skill_at("history") == 0.9
    assert profiles["plain"] == profile_named("plain")


def test_profiles_load_from_json(tmp_path: Path) -> None:
    (tmp_path / "profiles.json").write_text('{"quick": {"faults": [{"kind": "hang"}]}}')
    assert load_profiles(tmp_path / "profiles.json")["quick"].faults[0].kind == "hang"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("quick: {faults: [{kind: status, status: 200}]}", "quick.faults.0.status.status"),
        ("quick: {faults: [{kind: sulk}]}", "quick.faults.0"),
        ("quick: {skill: {arithmetic: 2}}", "quick.skill.arithmetic"),
        ("quick: {speed: 3}", "quick.speed"),
        ("[quick]", "mapping"),
        ("quick: [", "can't be read"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_by_file_and_field(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "profiles.yaml"
    path.write_text(text)
    with pytest.raises(MixtureError) as refused:
        load_profiles(path)
    assert named in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match=r"nowhere\.yaml"):
        load_profiles(tmp_path / "nowhere.yaml")


def faulty(*faults: dict[str, Any], **fields: Any) -> Profile:
    return instant(faults=faults, **fields)


def test_a_fault_of_the_first_requests_passes() -> None:
    profile = faulty({"kind": "status", "status": 503, "first": 2})
    for number in (1, 2):
        with pytest.raises(SimulatedFault) as struck:
            perform(profile, request(), number)
        assert struck.value.status_code == 503
    assert perform(profile, request(), 3).fault is None


def test_a_fault_with_a_probability_strikes_its_share_and_the_same_requests_each_time() -> None:
    profile = faulty({"kind": "empty", "probability": 0.3})
    struck = [perform(profile, request(), number).fault is not None for number in range(1, 1001)]
    assert 240 < sum(struck) < 360
    assert struck == [perform(profile, request(), number).fault is not None for number in range(1, 1001)]


def test_a_status_fault_says_what_an_sdk_error_says() -> None:
    profile = faulty({"kind": "status", "status": 429, "retry_after": 1.5})
    with pytest.raises(SimulatedFault) as struck:
        perform(profile, request(), 1)
    error = struck.value
    assert (error.status_code, error.code, error.response.status_code) == (429, "rate_limit_exceeded", 429)
    assert error.response.headers == {"retry-after": "1.5"}
    assert error.body["message"] == "Rate limit reached for tester on requests per min."


def test_a_parameter_is_refused_only_where_it_is_set() -> None:
    profile = faulty({"kind": "unsupported_parameter", "param": "temperature"})
    assert perform(profile, request(), 1).completions
    with pytest.raises(SimulatedFault, match="Unsupported parameter: 'temperature'") as struck:
        perform(profile, request(temperature=0.7), 2)
    assert (struck.value.code, struck.value.param) == ("unsupported_parameter", "temperature")


def test_faults_of_the_answer_change_it() -> None:
    empty = perform(faulty({"kind": "empty"}), request(), 1).completions[0]
    refused = perform(faulty({"kind": "refusal"}), request(), 1).completions[0]
    cut = perform(faulty({"kind": "length"}), request(), 1).completions[0]
    assert (empty.content, empty.completion_tokens) == ("", 0)
    assert (refused.content, bool(refused.refusal)) == (None, True)
    assert (cut.finish_reason, bool(cut.content)) == ("length", True)


def test_slow_faults_stretch_time_and_leave_the_answer() -> None:
    latency = {"first_token": 1, "tokens_a_second": 10}
    normal = perform(Profile.model_validate({"name": "tester", "latency": latency}), request(), 1)
    slow = perform(
        faulty({"kind": "slow", "factor": 10}).model_copy(update={"latency": normal_latency()}), request(), 1
    )
    assert slow.completions == normal.completions
    assert slow.duration == pytest.approx(10 * normal.duration)


def normal_latency() -> Any:
    return Profile.model_validate({"name": "tester", "latency": {"first_token": 1, "tokens_a_second": 10}}).latency


def test_the_first_token_is_log_normal_around_its_median_and_repeats() -> None:
    profile = Profile.model_validate({"name": "tester", "latency": {"first_token": 2, "sigma": 0.5}})
    waits = [perform(profile, request(seed=seed), 1).first_token for seed in range(400)]
    assert 1.8 < median(waits) < 2.2
    assert max(waits) > 2 * 1.8
    assert waits == [perform(profile, request(seed=seed), 1).first_token for seed in range(400)]


def test_a_stream_takes_as_long_as_the_whole_answer() -> None:
    performance = perform(profile_named("careful"), request("Tell me about the sea"), 1)
    text = performance.completions[0].content or ""
    pieces = pieces_of(text)
    streamed = performance.first_token + sum(performance.seconds_for(piece) for piece in pieces)
    assert "".join(pieces) == text
    assert performance.duration <= streamed <= performance.duration * 2
