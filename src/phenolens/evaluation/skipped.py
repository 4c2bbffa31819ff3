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
    """

    part: str
    reason: str
    what: str = ""
    task: str = ""
    profiling: str = ""
    encoder: str = ""
