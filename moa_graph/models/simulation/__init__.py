"""Simulated models: profiles that answer, err, take their time and fail, as functions of what they are asked.

This package knows neither LangChain's chat models nor HTTP: ``moa_graph.models.simulated`` and
``moa_graph.server.simulator`` are its two doors.
"""

from moa_graph.models.simulation.conversation import SimulatedRequest, WireMessage
from moa_graph.models.simulation.engine import Completion, complete, count_tokens, example_of, prompt_tokens
from moa_graph.models.simulation.faults import Fault, SimulatedFault
from moa_graph.models.simulation.known_answers import Problem, bundled_problems
from moa_graph.models.simulation.performance import Performance, perform, pieces_of
from moa_graph.models.simulation.profile import STOCK_PROFILES, Latency, Profile, load_profiles, profile_named

__all__ = [
    "STOCK_PROFILES",
    "Completion",
    "Fault",
    "Latency",
    "Performance",
    "Problem",
    "Profile",
    "SimulatedFault",
    "SimulatedRequest",
    "WireMessage",
    "bundled_problems",
    "complete",
    "count_tokens",
    "example_of",
    "load_profiles",
    "perform",
    "pieces_of",
    "profile_named",
    "prompt_tokens",
]
