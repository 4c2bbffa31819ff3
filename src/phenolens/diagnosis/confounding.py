"""Biology and nuisance of the same rows: which rows can be scored, and how far the two are confounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import condition_names, treated
from phenolens.metrics import chance_average_precision, label_average_precision
from phenolens.tasks import draw_whole

NUISANCES = ("patient", "slide", "plate", "batch", "source")
_MOST_ROWS = 2000  # for what compares all pairs

BIOLOGY, NUISANCE, BIOLOGY_ONLY, NUISANCE_ONLY, MIXING, ACCEPTED = range(6)
"""Columns of scores of rows: average precision of biology and of nuisance, the shares of nearest neighbours that agree
in biology only and in nuisance only, and how well nuisances mix."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """Biology and one nuisance of n rows.

    Attributes
    ----------
    biology, nuisance
        The names of their columns.
    biology_of, nuisance_of
        (n,) codes.
    unit_of
        (n,) codes of the units of replication.
    """

    biology: str
    nuisance: str
    biology_of: NDArray[np.intp]
    nuisance_of: NDArray[np.intp]
    unit_of: NDArray[np.intp]

    @cached_property
    def both_of(self) -> NDArray[np.intp]:
        """(n,) codes of the two together."""
        return self.biology_of * (self.nuisance_of.max() + 1) + self.nuisance_of

    @cached_property
    def is_scored(self) -> NDArray[np.bool_]:
        """(n,) whether a row has others of its biology, others of its nuisance, and others still."""
        one, other = _sizes(self.biology_of), _sizes(self.nuisance_of)
        return (np.minimum(one, other) > 1) & (np.maximum(one, other) < len(one))

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Weights (scored,) by which every unit counts the same."""
        return 1 / _sizes(self.unit_of[self.is_scored])

    @cached_property
    def others(self) -> int:
        """How many others of its biology a scored row has, in the median."""
        return int(np.median(_sizes(self.biology_of)[self.is_scored])) - 1

    @cached_property
    def chance(self) -> NDArray[np.float64]:
        """Expected scores (scored, 4) of random vectors, up to the share that agrees in nuisance only."""
        n = len(self.is_scored)
        biology, nuisance = _sizes(self.biology_of)[self.is_scored], _sizes(self.nuisance_of)[self.is_scored]
        both = _sizes(self.both_of)[self.is_scored]
        precision = np.full(n + 1, np.nan)
        for size in np.union1d(biology, nuisance):
            precision[size] = chance_average_precision(int(size) - 1, int(n - size))
        columns = [precision[biology], precision[nuisance], (biology - both) / (n - 1), (nuisance - both) / (n - 1)]
        return np.column_stack(columns)

    @cached_property
    def crossed(self) -> NDArray[np.float64]:
        """AP (scored, 2) of biology for vectors that hold the nuisance alone, and of the nuisance for the reverse."""
        biology = label_average_precision(np.eye(self.nuisance_of.max() + 1)[self.nuisance_of], self.biology_of)
        nuisance = label_average_precision(np.eye(self.biology_of.max() + 1)[self.biology_of], self.nuisance_of)
        return np.column_stack([biology, nuisance])[self.is_scored]

    @cached_property
    def caveat(self) -> str:
        """In how many rows biology goes with one nuisance only, or nuisance with one biology; empty if in none."""
        caveats = []
        for column, one, other in (
            (BIOLOGY_ONLY, self.biology, self.nuisance),
            (NUISANCE_ONLY, self.nuisance, self.biology),
        ):
            n, confounded = len(self.chance), int((self.chance[:, column] == 0).sum())
            if confounded == n:
                caveats.append(f"every {one} goes with one {other} only: the two are not distinguishable")
            elif confounded:
                caveats.append(f"the {one} of {confounded} of {n} rows goes with one {other} only")
        return "; ".join(caveats)


def find_biology(obs: pd.DataFrame) -> "pd.Series[str]":
    """Return what is biology of the rows that have it, under the name of its column.

    It is the perturbation and dose of rows that are treated, or else their label.

    Raises
    ------
    TaskNotApplicable
        If neither takes two values.
    """
    rows = obs[treated(obs)]
    for column in ("perturbation", "label"):
        if column in rows:
            values = condition_names(rows) if column == "perturbation" else rows[column].dropna().astype(str)
            values = values[values != ""].rename(column)
            if values.nunique() > 1:
                return values
    raise TaskNotApplicable("there are no two perturbations, nor two labels, that would be biology")


def pair_rows(obs: pd.DataFrame, seed: int) -> tuple[pd.Index, list[Pairing], dict[str, str]]:
    """Pair biology with each nuisance.

    Parameters
    ----------
    obs
        Metadata of rows.
    seed
        Of the draw, if there are more than 2,000 of them.

    Returns
    -------
    The names of the rows, in an order that breaks ties at random; the pairings of these rows; and nuisance -> why it
    is skipped.

    Raises
    ------
    TaskNotApplicable
        If there is no biology, or no column of a nuisance.
    """
    biology = find_biology(obs)
    nuisances, skipped = find_nuisances(obs.loc[biology.index], NUISANCES)
    if not nuisances and not skipped:
        raise TaskNotApplicable(f"rows have none of {', '.join(NUISANCES)}")
    if not nuisances:
        return biology.index, [], skipped
    # Tiles of a few labels are no replicates of these: what they come from is.
    units = biology.to_numpy() if biology.name == "perturbation" else next(iter(nuisances.values()))
    rng = spawn(seed, "nuisance rows")
    kept = rng.permutation(draw_whole(units, _MOST_ROWS, rng))
    biology_of, unit_of = _codes(biology.to_numpy()[kept]), _codes(units[kept])
    pairings = []
    for nuisance, values in nuisances.items():
        pairing = Pairing(str(biology.name), nuisance, biology_of, _codes(values[kept]), unit_of)
        if pairing.is_scored.any():
            pairings.append(pairing)
        else:
            skipped[nuisance] = f"no row has another of its {biology.name} and another of its {nuisance}"
    return biology.index[kept], pairings, skipped


def find_nuisances(obs: pd.DataFrame, columns: Sequence[str]) -> tuple[dict[str, NDArray[np.intp]], dict[str, str]]:
    """Return the codes (n,) of each of these columns that can be scored, and why others cannot."""
    found: dict[str, NDArray[np.intp]] = {}
    skipped: dict[str, str] = {}
    for column in columns:
        if column not in obs:
            continue
        codes, levels = pd.factorize(obs[column].astype(object))  # numbered as they come: equal if the partitions are
        same = next((earlier for earlier, others in found.items() if np.array_equal(others, codes)), None)
        if (codes < 0).any():
            skipped[column] = f"{(codes < 0).sum()} of {len(codes)} rows have no {column}"
        elif len(levels) < 2:
            skipped[column] = f"all rows have one {column}"
        elif len(levels) == len(codes):
            skipped[column] = f"no two rows share their {column}"
        elif same is not None:
            skipped[column] = f"{column} groups rows as {same} does"
        else:
            found[column] = codes
    return found, skipped


def _sizes(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many rows have the code (n,) of each."""
    return np.bincount(codes)[codes]


def _codes(labels: NDArray[Any]) -> NDArray[np.intp]:
    """Return the number (n,) of each row's label among all labels."""
    return np.unique(labels, return_inverse=True)[1]
