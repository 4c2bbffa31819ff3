"""Perturbation strength: how far from the controls does a perturbation move the cells, and how uniformly?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import condition_names
from phenolens.metrics import (
    distances,
    draw_sets,
    gaussian_dissimilarities,
    ledoit_wolf,
    permutation_p,
    set_consistency,
    two_sample_statistic,
)
from phenolens.profiling import Sphering
from phenolens.tasks.base import Contract, PerturbationTask
from phenolens.tasks.columns import required_column
from phenolens.tasks.layout import Exchange, choose_exchange, describe_layout, explain_exchange
from phenolens.tasks.sampling import sample_wells
from phenolens.tasks.score import Score, notes_of, unit_table
from phenolens.tasks.wells import unseen_wells

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST_WELLS = 2
_COARSE_PERMUTATIONS = 100
_MOST_EXCHANGED = 1000  # treated wells whose labels one null exchanges
_MOST_TOGETHER = 5000  # wells whose distances are held in memory
_OF_DISTANCES = ("energy", "mmd")

Statistic = Callable[[NDArray[np.intp]], NDArray[np.float64]]


class PerturbationStrength(PerturbationTask):
    """Share of random sets of wells that are less distant from the controls of their plates than a perturbation is.

    Distances depend on the scale of an encoder and cannot be compared between encoders. The value is therefore the
    share of sets drawn under the null hypothesis whose distance is smaller; 0.5 by chance. The mean distance is among
    the details.

    Parameters
    ----------
    measure
        ``energy``: energy distance; ``mmd``: squared maximum mean discrepancy with a Gaussian kernel; both as
        U-statistics. ``mahalanobis``: distance of the means under the covariance of the wells compared.
        ``consistency``: mean pairwise cosine of the perturbation's wells.
    exchange_with
        Which wells a perturbation exchanges its label with, as in `ReplicateRetrieval`.
    n_permutations
        The number of sets drawn.
    cluster
        As in `PerturbationTask`.

    Notes
    -----
    Source: Celik et al., PLoS Comput. Biol. 2024 (EFAAR), as U-statistics and with labels exchanged within plates.
    """

    contract: ClassVar[Contract] = Contract(
        question="How far does a perturbation move cells from the controls?",
        match="wells of the same perturbation and dose",
        non_match="negative controls of the same plates",
        chance="one half: a random set of wells exceeds half of the other sets",
        controls="positive: role positive_control; negative: perturbations known to be inactive",
        least_data="two wells of one perturbation, and two negative controls on their plates",
    )

    task: Literal["perturbation-strength"] = "perturbation-strength"
    measure: Literal["energy", "mmd", "mahalanobis", "consistency"] = "energy"
    exchange_with: Exchange = "auto"
    n_permutations: int = Field(1000, ge=20)

    protocol_options: ClassVar[frozenset[str]] = frozenset({"task", "measure"})

    def without_p(self) -> Self:
        """Return the task with fewer permutations, on which its value rests too."""
        return self.model_copy(update={"n_permutations": _COARSE_PERMUTATIONS})

    def sample(self, rows: AnnData, most: int, rng: np.random.Generator) -> AnnData:
        """Return whole perturbations with at most `most` wells, and at most as many controls."""
        return rows[sample_wells(rows.obs, most, rng, controls=True)]

    @property
    def id(self) -> str:
        """E.g. ``perturbation-strength:energy``."""
        return f"{self.task}:{self.measure}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", "role", *self.cluster_column)

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        return True

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return strengths, with one unit per perturbation and dose; see `Task.score`."""
        wells = unseen_wells(profiles, self.id)
        obs, plate = wells.profiles.obs, wells.plate
        required_column(wells.profiles[wells.treated], "perturbation", self.id)
        layout = describe_layout(obs, wells.treated, wells.control, whole=wells.whole)
        partner = choose_exchange(self.exchange_with, layout)
        x, size = _of_unit_size(np.asarray(wells.profiles.X, dtype=np.float64))
        # Computed once for all perturbations, as long as that fits in memory.
        between = distances(x) if self.measure in _OF_DISTANCES and len(x) <= _MOST_TOGETHER else None
        names = condition_names(obs)[wells.treated]
        rows, left_out = [], []
        for name, group in pd.Series(np.flatnonzero(wells.treated)).groupby(names.to_numpy(), sort=False):
            chosen = group.to_numpy()
            here = np.isin(plate, plate[chosen])
            if len(chosen) < _FEWEST_WELLS or (wells.control & here).sum() < _FEWEST_WELLS:
                left_out.append(str(name))
                continue
            others = wells.treated & here if partner == "treatments" else np.zeros(len(x), dtype=bool)
            rows.append((name, *self._compare(x, between, chosen, wells.control & here, others, plate, rng)))
        if not rows:
            raise TaskNotApplicable(
                f"{self.id}: none of {len(left_out)} perturbations has {_FEWEST_WELLS} wells and {_FEWEST_WELLS} "
                "negative controls on their plates"
            )
        table = pd.DataFrame(rows, columns=["unit", "statistic", "value", "p"])
        clusters = self.clusters(wells.profiles[wells.treated], names)
        unscored = f"{len(left_out)} perturbations could not be scored, e.g. {left_out[0]}" if left_out else ""
        exchange = explain_exchange(self.exchange_with, partner)
        of_measure = size if self.measure == "energy" else 1.0  # the others have no unit
        notes = (*notes_of(not_scored=unscored), *layout.notes, *notes_of(exchange=exchange))
        return Score(
            f"share of random sets surpassed in {self.measure}",
            "perturbation",
            unit_table(
                table["unit"],
                table["value"],
                chance=0.5,
                p=table["p"],
                clusters=table["unit"].astype(str).map(clusters),
            ),
            notes,
            bounds=(0, 1),
            details={"": {f"mean_{self.measure}": float(table["statistic"].mean()) * of_measure}},
        )

    def _compare(
        self,
        x: NDArray[np.float64],
        between: NDArray[np.float64] | None,
        chosen: NDArray[np.intp],
        control: NDArray[np.bool_],
        others: NDArray[np.bool_],
        plate: NDArray[np.str_],
        rng: np.random.Generator,
    ) -> tuple[float, float, float]:
        """Return a perturbation's statistic, the share of its null below that, and its p value."""
        controls, further = np.flatnonzero(control), np.setdiff1d(np.flatnonzero(others), chosen)
        if len(further) > _MOST_EXCHANGED:
            further = rng.choice(further, _MOST_EXCHANGED, replace=False)
        # If labels are exchanged with other treatments, the controls stay controls.
        exchanged = np.concatenate([chosen, further if others.any() else controls])
        pool = np.concatenate([exchanged, controls]) if others.any() else exchanged
        compared = np.arange(len(exchanged), len(pool)) if others.any() else np.arange(len(pool))
        statistic = self._statistic(x, between, pool, compared)
        codes = plate[exchanged]
        present = np.unique(plate[chosen])
        members = [np.flatnonzero(codes == name) for name in present]
        taken = [int((plate[chosen] == name).sum()) for name in present]
        sets, exact = draw_sets(members, taken, self.n_permutations, rng)
        found = statistic(np.concatenate([np.arange(len(chosen))[None], sets]))
        observed, null = float(found[0]), found[1:]
        below = float((null < observed - 1e-9).mean() + (np.abs(null - observed) <= 1e-9).mean() / 2)
        return observed, below, permutation_p(observed, null, exact=exact)

    def _statistic(
        self,
        x: NDArray[np.float64],
        between: NDArray[np.float64] | None,
        pool: NDArray[np.intp],
        compared: NDArray[np.intp],
    ) -> Statistic:
        """Return the function from sets (s, k) of places in the pool to the measure (s,).

        Parameters
        ----------
        x, between
            (n, d) vectors, and their (n, n) distances if these are known.
        pool
            Row numbers of the wells that take part.
        compared
            The places in the pool of the wells that sets are compared with; members of a set leave them.
        """
        if self.measure == "consistency":
            return lambda sets: set_consistency(x, pool[sets])
        if self.measure == "mahalanobis":
            # The covariance is that of all wells compared, so that no exchange of labels changes it.
            centred = x[pool] - x[pool].mean(axis=0)
            white = Sphering(shrinkage=ledoit_wolf(centred)).fit_transform(x[pool])
            is_compared = np.isin(np.arange(len(pool)), compared)

            def mahalanobis(sets: NDArray[np.intp]) -> NDArray[np.float64]:
                leaving = is_compared[sets][:, :, None]
                total = white[compared].sum(axis=0) - (white[sets] * leaving).sum(axis=1)
                centre = total / (len(compared) - leaving.sum(axis=1))
                return np.linalg.norm(white[sets].mean(axis=1) - centre, axis=1)

            return mahalanobis
        if self.measure == "energy" and between is not None:
            return lambda sets: two_sample_statistic(between, pool[sets], pool[compared])
        of_pool = distances(x[pool]) if between is None else between[np.ix_(pool, pool)]
        dissimilarity = of_pool if self.measure == "energy" else gaussian_dissimilarities(of_pool)
        return lambda sets: two_sample_statistic(dissimilarity, sets, compared)


def _of_unit_size(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return vectors whose largest number is one, and what it was: rounding and overflow are then those of any unit."""
    size = float(np.abs(x).max(initial=0.0)) or 1.0
    return x / size, size
