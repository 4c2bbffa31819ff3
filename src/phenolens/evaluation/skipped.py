"""What could not be evaluated, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Skipped:
    """Something that could not be evaluated on these data.

    Attributes
    ----------
    part
        The part of the card, or ``score`` where the score itself is missing.
    reason
        The reason, for users.
    what
        What was skipped within that part, such as a shortcut or a concept; empty for all of it.
    task, profiling, encoder
        The question and the encoder; empty where all of them were skipped.
    asked_for
        Whether a recipe asked for it, so that it stands first in what a study says; not so of what is asked of all
        data, and of baselines that were added.
    """

    part: str
    reason: str
    what: str = ""
    task: str = ""
    profiling: str = ""
    encoder: str = ""
    asked_for: bool = False
