"""Proof: does a mixture help on your prompts, at what price, and can that be certified? Needs the extra ``eval``.

Models' answers are recorded once; comparing, tuning and certifying cost no further calls.

- :func:`~moa_graph.evaluation.recordings.read_recordings`: recorded answers, graded and priced
- :func:`~moa_graph.evaluation.tuning.tune`: the cheapest mixture that can be certified
"""
