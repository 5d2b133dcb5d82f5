"""The progress of a working folder: what it holds, what is missing, and what to run next.

`status.py` collects the facts, typed in `facts.py`; `stage_progress.py` compares parts with their inputs, and
`next_step.py` chooses the command.
"""

from twigma.builder.status.facts import Facts, NextStep, StageFacts

__all__ = ["Facts", "NextStep", "StageFacts"]
