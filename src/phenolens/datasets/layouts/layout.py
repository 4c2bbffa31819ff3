"""What a folder of images was found to be."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass
class Notes:
    """What was found, guessed and missed on the way, a sentence each.

    Attributes
    ----------
    guesses
        What was taken for what, and might be otherwise.
    missing
        What is not known, and should be filled in.
    """

    guesses: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def guess(self, sentence: str) -> None:
        """Add a guess."""
        self.guesses.append(sentence)

    def fill_in(self, sentence: str) -> None:
        """Add what should be filled in."""
        self.missing.append(sentence)


@dataclass(frozen=True, eq=False)
class Layout:
    """One way to read a folder of images.

    Attributes
    ----------
    name
        The name by which it is chosen, such as ``harmony`` or ``class-folders``.
    description
        What it is, in words.
    files
        The image files that it explains, relative to the folder.
    table
        One row per site, with columns of manifests; images are relative to the folder.
    notes
        What was guessed for it.
    """

    name: str
    description: str
    files: frozenset[str]
    table: pd.DataFrame
    notes: Notes = field(default_factory=Notes)
