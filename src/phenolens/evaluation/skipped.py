"""What could not be asked, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Skipped:
    """Something that could not be asked of these data.

    Attributes
    ----------
    part
        The part of the card, or ``score`` where the score itself is missing.
    reason
        Why, in words.
    what
        What of that part, such as a shortcut or a concept; empty if all of it.
    task, profiling, encoder
        Of which question and encoder; empty where it holds for all.
    """

    part: str
    reason: str
    what: str = ""
    task: str = ""
    profiling: str = ""
    encoder: str = ""
