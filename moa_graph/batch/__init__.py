"""Many prompts through one mixture: resumable, bounded, and never paid twice.

>>> from moa_graph.batch import run
>>> summary = run("questions.jsonl", "answers.jsonl", "moa-lite", usd=5)  # doctest: +SKIP
>>> summary.answered, summary.failed, summary.left  # doctest: +SKIP

A journal (``answers.jsonl.journal``) and a store of calls (``answers.jsonl.calls.sqlite``) stand beside the output, so
the same call goes on where the last one stopped, whatever stopped it.
"""

from moa_graph.batch.job import Estimate, Job, arun, estimate, run
from moa_graph.batch.summary import Summary

__all__ = ["Estimate", "Job", "Summary", "arun", "estimate", "run"]
