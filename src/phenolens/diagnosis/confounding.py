"""Biology and nuisance of the same rows: which rows can be asked about, and how far the two go together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
    def asked(self) -> NDArray[np.bool_]:
        """(n,) whether a row has others of its biology, others of its nuisance, and others still."""
        one, other = _sizes(self.biology_of), _sizes(self.nuisance_of)
        return (np.minimum(one, other) > 1) & (np.maximum(one, other) < len(one))

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Weights (asked,) by which every unit counts the same."""
        return 1 / _sizes(self.unit_of[self.asked])

    @cached_property
    def others(self) -> int:
        """How many others of its biology a row has that is asked about, in the median."""
        return int(np.median(_sizes(self.biology_of)[self.asked])) - 1

    @cached_property
    def chance(self) -> NDArray[np.float64]:
        """What vectors that know nothing say of each row (asked, 4).

        AP of biology, AP of nuisance, the share of neighbours that agree in biology only, and in nuisance only.
        """
        one, other, both = (_sizes(codes)[self.asked] for codes in (self.biology_of, self.nuisance_of, self.both_of))
        n = len(self.asked)
        precision = {k: chance_average_precision(int(k) - 1, int(n - k)) for k in np.union1d(one, other)}
        by_chance = [[precision[k] for k in sizes] for sizes in (one, other)]
        return np.column_stack([*by_chance, (one - both) / (n - 1), (other - both) / (n - 1)])

    @cached_property
    def crossed(self) -> NDArray[np.float64]:
        """AP (asked, 2) of biology for vectors that know the nuisance alone, and of the nuisance for the reverse."""
        pairs = ((self.nuisance_of, self.biology_of), (self.biology_of, self.nuisance_of))
        found = [label_average_precision(np.eye(known.max() + 1)[known], sought) for known, sought in pairs]
        return np.column_stack(found)[self.asked]

    @cached_property
    def caveat(self) -> str:
        """In how many rows biology goes with one nuisance only, or nuisance with one biology; empty if in none."""
        said = []
        for share, one, other in (
            (self.chance[:, 2], self.biology, self.nuisance),
            (self.chance[:, 3], self.nuisance, self.biology),
        ):
            alone = int((share == 0).sum())
            if alone == len(share):
                said.append(f"every {one} goes with one {other} only: the two cannot be told apart")
            elif alone:
                said.append(f"the {one} of {alone} of {len(share)} rows goes with one {other} only")
        return "; ".join(said)


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
    is not asked about.

    Raises
    ------
    TaskNotApplicable
        If there is nothing to pair.
    """
    biology = find_biology(obs)
    nuisances, missing = find_nuisances(obs.loc[biology.index], NUISANCES)
    if not nuisances:
        raise TaskNotApplicable("; ".join(missing.values()) or f"rows have none of {', '.join(NUISANCES)}")
    # Tiles of a few labels are no replicates of these: what they come from is.
    units = biology.to_numpy() if biology.name == "perturbation" else next(iter(nuisances.values()))
    rng = spawn(seed, "nuisance rows")
    kept = rng.permutation(draw_whole(units, _MOST_ROWS, rng))
    biology_of, unit_of = (np.unique(values[kept], return_inverse=True)[1] for values in (biology.to_numpy(), units))
    pairings = []
    for nuisance, values in nuisances.items():
        nuisance_of = np.unique(values[kept], return_inverse=True)[1]
        pairing = Pairing(str(biology.name), nuisance, biology_of, nuisance_of, unit_of)
        if pairing.asked.any():
            pairings.append(pairing)
        else:
            missing[nuisance] = f"no row has another of its {biology.name} and another of its {nuisance}"
    if not pairings:
        raise TaskNotApplicable("; ".join(missing.values()))
    return biology.index[kept], pairings, missing


def find_nuisances(obs: pd.DataFrame, columns: Sequence[str]) -> tuple[dict[str, NDArray[np.intp]], dict[str, str]]:
    """Return the codes (n,) of each of these columns that can be asked about, and why others cannot."""
    found: dict[str, NDArray[np.intp]] = {}
    missing: dict[str, str] = {}
    for column in columns:
        if column not in obs:
            continue
        codes, levels = pd.factorize(obs[column].astype(object))  # numbered as they come: equal if the partitions are
        same = [earlier for earlier, own in found.items() if np.array_equal(own, codes)]
        if (codes < 0).any():
            missing[column] = f"{(codes < 0).sum()} of {len(codes)} rows have no {column}"
        elif len(levels) < 2:
            missing[column] = f"all rows have one {column}"
        elif len(levels) == len(codes):
            missing[column] = f"no two rows share their {column}"
        elif same:
            missing[column] = f"{column} tells the same rows apart as {same[0]}"
        else:
            found[column] = codes
    return found, missing


def _sizes(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many rows have the code (n,) of each."""
    return np.bincount(codes)[codes]
