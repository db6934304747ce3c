"""Proof: does a mixture help here, at what price, and can it be promised? Needs the extra ``eval``.

Models' answers are recorded once; what is compared, tuned and certified after that costs no further call.

- :func:`~moa_graph.evaluation.recordings.read_recordings`: recorded answers, graded and priced
- :func:`~moa_graph.evaluation.tuning.tune`: the cheapest mixture that can be certified
"""
