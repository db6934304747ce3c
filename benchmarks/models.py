"""The simulated models that the figures ask, beside the stock profile ``instant``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moa_graph.models.simulation import Profile

__all__ = ["FIRST_TOKEN", "PROFILES", "SECONDS_A_CALL", "SLOWER", "STREAMED_TOKENS"]

SECONDS_A_CALL = 0.2
FIRST_TOKEN = 0.1
SLOWER = 10
STREAMED_TOKENS = 2_000


def _profile(name: str, seconds: float = 0.0, *, sigma: float = 0.0, rate: float | None = None, **more: Any) -> Profile:
    latency = {"first_token": seconds, "sigma": sigma, "tokens_a_second": rate}
    return Profile.model_validate({"name": name, "latency": latency, **more})


_SOMETIMES_SLOW = [{"kind": "slow", "factor": SLOWER, "probability": 0.05}]

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        _profile("brisk", 0.02),
        _profile("even", SECONDS_A_CALL),
        _profile("straggler", SLOWER * SECONDS_A_CALL),
        *(_profile(f"spread-{number}", 0.15, sigma=0.5, faults=_SOMETIMES_SLOW) for number in range(6)),
        _profile("endless", faults=[{"kind": "hang"}]),
        _profile("long", 0.05, rate=200, fewest_tokens=400),
        _profile("writer", FIRST_TOKEN, rate=2_000),
        _profile("slow-writer", 0.05, rate=5),
        _profile("torrent", fewest_tokens=STREAMED_TOKENS),
    )
}
