"""Accuracy of mechanisms: does a treatment resemble a compound of its mechanism most?"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import gammaln

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import condition_names, treated
from phenolens.metrics import nearest_groups, permutation_p
from phenolens.profiling import Average
from phenolens.tasks.base import Contract, PerturbationTask
from phenolens.tasks.columns import required_column, usable_rows, value_of_each
from phenolens.tasks.exclusion import ExcludesSame
from phenolens.tasks.perturbations import perturbation_profiles
from phenolens.tasks.score import Score, notes_of, unit_table

if TYPE_CHECKING:
    from anndata import AnnData

_TREATMENT = "treatment"
_FEWEST_LABELLINGS = 20


class MoaAccuracy(ExcludesSame, PerturbationTask):
    """Share of treatments whose nearest treatment with another compound has the same mechanism (1-NN accuracy).

    A treatment is a compound at a concentration; its wells are averaged, and similarities are cosines. Treatments of
    the same compound are not compared (NSC); with ``exclude_same: [batch]``, nor those of the same batch (NSCB).
    Treatments without a candidate of their mechanism are left out. Tied candidates count in equal parts.

    The p value exchanges mechanisms between compounds, with all their concentrations; under `exclude_same`, only
    between compounds of the same batches. Chance is what such labels score. Without `exclude_same`, mechanisms that go
    together with batches are found by a batch effect too.

    Parameters
    ----------
    label
        The metadata column of mechanisms; one for each compound.
    average
        How the wells of a treatment are averaged.
    n_permutations
        The number of exchanges of mechanisms for the p value.
    exclude_same
        As in `ExcludesSame`.
    cluster
        As in `PerturbationTask`.

    Notes
    -----
    Source: Ljosa et al., J. Biomol. Screen. 18 (2013), on BBBC021; Ando et al., bioRxiv 161422 (2017) for batches.
    """

    contract: ClassVar[Contract] = Contract(
        question="Does a treatment resemble another compound of its mechanism more than compounds of other mechanisms?",
        match="the nearest treatment with another compound has the same mechanism",
        non_match="it has another mechanism",
        chance="the accuracy of mechanisms exchanged between compounds",
        controls="positive: mechanisms that most screens find, such as tubulin inhibitors; negative: permuted labels",
        least_data="two compounds of one mechanism and one of another",
    )

    protocol_options: ClassVar[frozenset[str]] = frozenset({"task", "average", "exclude_same"})

    task: Literal["moa-accuracy"] = "moa-accuracy"
    label: str = "moa"
    average: Average = "mean"
    n_permutations: int = Field(2000, ge=20)

    @property
    def id(self) -> str:
        """E.g. ``moa-accuracy:moa``, ``moa-accuracy:moa|not same batch``."""
        return f"{self.task}:{self.label}{self.restriction}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", self.label, *self.exclude_same, *self.cluster_column)

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return accuracy, with one unit per compound and concentration; see `Task.score`."""
        wells = profiles[treated(profiles.obs).to_numpy()]
        usable, note = usable_rows(wells, self.label, self.id)
        wells = wells[usable].copy()
        required_column(wells, "perturbation", self.id)
        wells.obs[_TREATMENT] = condition_names(wells.obs)
        treatments = perturbation_profiles(wells, _TREATMENT, self.average, self.id)
        compounds, names = pd.factorize(treatments.obs["perturbation"].astype(str))
        of_wells = wells.obs["perturbation"].astype(str).to_numpy()
        mechanism = value_of_each(wells.obs[self.label].astype(str), of_wells, self.id).loc[names].to_numpy()
        apart = self.apart(wells, self.id, wells.obs[_TREATMENT].to_numpy())
        nearest, candidates = nearest_groups(np.asarray(treatments.X), compounds, apart)
        same = (mechanism[:, None] == mechanism) & ~np.eye(len(mechanism), dtype=bool)
        hit, expected = ((share * same[compounds]).sum(axis=1) for share in (nearest, candidates))
        scored = expected > 0
        if not scored.any() or len(set(mechanism)) < 2:
            raise TaskNotApplicable(
                f"{self.id}: none of {len(set(mechanism))} mechanisms has two compounds{self.with_restriction}, and "
                "another mechanism beside it"
            )
        # What each compound's treatments find of each other compound, beyond what chance among candidates gives.
        beyond = np.zeros((len(names), len(names)))
        np.add.at(beyond, compounds, nearest - candidates)
        exchanged = self._groups(wells, names)
        null = _exchange(beyond, pd.factorize(mechanism)[0], exchanged, self.n_permutations, rng) / scored.sum()
        gain = hit[scored].mean() - expected[scored].mean()
        clusters = self.clusters(wells, wells.obs[_TREATMENT])
        units = treatments.obs_names[scored]
        table = unit_table(
            units,
            hit[scored],
            chance=expected[scored] + null.mean(),
            clusters=[clusters[unit] for unit in units],
        )
        labellings = _count_labellings(mechanism, exchanged)
        alone = int((~scored).sum())
        notes = notes_of(
            rows_without_label=note,
            alone=f"{alone} treatments without a candidate of their mechanism left out" if alone else "",
            few_labellings=""
            if labellings >= _FEWEST_LABELLINGS
            else f"mechanisms can be exchanged in {labellings:.0f} ways only, so that p cannot be small",
        )
        by_mechanism = table["value"].groupby(mechanism[compounds[scored]]).mean()
        details = {
            "p_labels_exchanged": permutation_p(gain, null),
            "balanced_accuracy": float(by_mechanism.mean()),
        }
        return Score("1-NN accuracy", "treatment", table, notes, bounds=(0, 1), details={"": details})

    def _groups(self, wells: AnnData, names: pd.Index[str]) -> NDArray[np.intp]:
        """Return the group of each compound within which mechanisms are exchanged: those of the same batches."""
        of_wells = wells.obs["perturbation"].astype(str).to_numpy()
        apart = self.apart(wells, self.id, of_wells)
        if apart is None:
            return np.zeros(len(names), np.intp)
        order = pd.Series(apart.pattern, index=pd.unique(of_wells))
        return order.loc[names].to_numpy()


def _exchange(
    beyond: NDArray[np.float64],
    mechanism: NDArray[np.intp],
    groups: NDArray[np.intp],
    n_permutations: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the sums (n_permutations,) of `beyond` (c, c) over compounds of one mechanism, exchanged within groups."""
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    sums = np.empty(n_permutations)
    for draw in range(n_permutations):
        exchanged = mechanism.copy()
        for rows in members:
            exchanged[rows] = mechanism[rng.permutation(rows)]
        carries = np.eye(mechanism.max() + 1)[exchanged]
        sums[draw] = ((beyond @ carries) * carries).sum()
    return sums


def _count_labellings(mechanism: NDArray[np.object_], groups: NDArray[np.intp]) -> float:
    """Return in how many ways mechanisms can be exchanged between the compounds of each group."""
    total = 0.0
    for _, of_group in pd.Series(mechanism).groupby(groups):
        total += gammaln(len(of_group) + 1) - gammaln(of_group.value_counts() + 1).sum()
    return exp(min(total, 700.0))
