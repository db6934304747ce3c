"""Many prompts through one mixture: resumable, within a budget, and never paid for twice.

>>> from moa_graph.batch import run
>>> summary = run("questions.jsonl", "answers.jsonl", "moa-lite", usd=5)  # doctest: +SKIP
>>> summary.answered, summary.failed, summary.left  # doctest: +SKIP

A journal (``answers.jsonl.journal``) and a store of calls (``answers.jsonl.calls.sqlite``) stand beside the output, so
the same call resumes where the last one stopped, whatever stopped it.
"""

from moa_graph.batch.job import Estimate, Job, arun, estimate, run
from moa_graph.batch.summary import Summary

__all__ = ["Estimate", "Job", "Summary", "arun", "estimate", "run"]
