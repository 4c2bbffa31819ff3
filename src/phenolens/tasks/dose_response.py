"""Dose response: does a compound's effect grow with its dose, and do compounds of one mechanism agree?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import as_names
from phenolens.metrics import cosine_similarity, rank_trend
from phenolens.tasks.base import Contract, PerturbationTask
from phenolens.tasks.columns import numbers, required_column
from phenolens.tasks.score import Score, notes_of, unit_table
from phenolens.tasks.wells import Wells, unseen_wells

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST_DOSES = 3


class DoseResponse(PerturbationTask):
    """Spearman's correlation, within a compound, of dose with the distance of a well from the controls of its plate.

    Parameters
    ----------
    mechanism
        A metadata column of mechanisms: the details then give the mean cosine of the effects of compounds of the same
        mechanism and of different mechanisms.
    n_permutations
        The number of permutations of doses over a compound's wells of the same plate for its p value, which is
        one-sided. It is 1 if every plate has a single dose of the compound.
    cluster
        As in `PerturbationTask`.
    """

    contract: ClassVar[Contract] = Contract(
        question="Does the effect of a compound grow with its dose?",
        match="a larger dose and a larger distance from the controls",
        non_match="a larger dose and a smaller distance",
        chance="zero: distances unrelated to dose",
        controls="positive: compounds with a known dose response; negative: doses permuted within plates",
        least_data=f"one compound at {_FEWEST_DOSES} doses, and a negative control on its plates",
    )

    task: Literal["dose-response"] = "dose-response"
    mechanism: str | None = None
    n_permutations: int = Field(2000, ge=20)

    @property
    def id(self) -> str:
        """``dose-response``."""
        return self.task

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", "dose", "role", *((self.mechanism,) if self.mechanism else ()), *self.cluster_column)

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        return True

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return trends, with one unit per compound; see `Task.score`."""
        if "dose" not in profiles.obs:
            raise TaskNotApplicable(f"{self.id}: no column 'dose'")
        wells = unseen_wells(profiles, self.id)
        profiles, obs = wells.profiles, wells.profiles.obs
        effect = self._effects(wells)
        dosed = wells.treated & obs["dose"].notna().to_numpy() & ~np.isnan(effect).any(axis=1)
        if not dosed.any():
            raise TaskNotApplicable(f"{self.id}: no treated well has a dose and a negative control on its plate")
        compounds = required_column(profiles[dosed], "perturbation", self.id)
        dose = _comparable_doses(obs[dosed], self.id).to_numpy()
        size = np.linalg.norm(effect[dosed], axis=1)
        plate = wells.plate[dosed]
        rows, confounded = [], 0
        for compound, group in pd.Series(np.arange(len(dose))).groupby(compounds.to_numpy(), sort=True):
            if len(np.unique(dose[group])) >= _FEWEST_DOSES:
                trend = rank_trend(
                    dose[group], size[group], groups=plate[group], n_permutations=self.n_permutations, rng=rng
                )
                rows.append((compound, *trend))
                confounded += int((pd.Series(dose[group]).groupby(plate[group]).nunique() == 1).all())
        table = pd.DataFrame(rows, columns=["unit", "value", "p"]).dropna(subset="value")
        if table.empty:
            raise TaskNotApplicable(
                f"{self.id}: none of {compounds.nunique()} compounds has {_FEWEST_DOSES} doses and effects that vary"
            )
        clusters = self.clusters(profiles[dosed], compounds)
        left_out = compounds.nunique() - len(table)
        note = f"{left_out} compounds with fewer than {_FEWEST_DOSES} doses left out" if left_out else ""
        by_plate = f"{confounded} of {len(rows)} compounds have one dose on each plate: plates look like doses; p is 1"
        details = {} if self.mechanism is None else self._agree(profiles[dosed], effect[dosed], compounds.to_numpy())
        return Score(
            "Spearman's correlation of effect with dose",
            "compound",
            unit_table(
                table["unit"],
                table["value"],
                chance=0.0,
                p=table["p"],
                clusters=table["unit"].astype(str).map(clusters),
            ),
            notes_of(few_doses=note, dose_is_plate=by_plate if confounded else ""),
            bounds=(-1, 1),
            details={"": details},
        )

    def _effects(self, wells: Wells) -> NDArray[np.float64]:
        """Return the wells (n, d) minus the mean of the controls of their plate; NaN if that has none."""
        x = np.asarray(wells.profiles.X, dtype=np.float64)
        effect = np.full(x.shape, np.nan)
        for name in np.unique(wells.plate[wells.control]):
            here = wells.plate == name
            effect[here] = x[here] - x[here & wells.control].mean(axis=0)
        return effect

    def _agree(self, wells: AnnData, effect: NDArray[np.float64], compounds: NDArray[np.object_]) -> dict[str, float]:
        """Return the mean cosine of mean effects between compounds of the same mechanism, and of different ones."""
        names = pd.Series(compounds)
        mechanism = wells.obs[self.mechanism].groupby(names.to_numpy(), sort=True).first()
        means = pd.DataFrame(effect).groupby(names, sort=True).mean()[mechanism.notna().to_numpy()]
        mechanism = mechanism.dropna().astype(str).to_numpy()
        same = mechanism[:, None] == mechanism
        upper = np.triu(np.ones_like(same), 1).astype(bool)
        similarity = cosine_similarity(means.to_numpy())
        return {
            f"cosine_{which}_mechanism": float(similarity[mask & upper].mean())
            if (mask & upper).any()
            else float("nan")
            for which, mask in (("same", same), ("other", ~same))
        }


def _comparable_doses(obs: pd.DataFrame, task: str) -> pd.Series[float]:
    """Return doses that can be compared within each perturbation.

    Tables are read with doses in one unit as far as units are known. A dose of zero needs none.

    Raises
    ------
    TaskNotApplicable
        If a dose is no number, or a perturbation has doses in units that cannot be converted.
    """
    dose = numbers(obs["dose"], task)
    if "dose_unit" not in obs or "perturbation" not in obs:
        return dose
    given = (dose != 0).to_numpy()
    unit = as_names(obs["dose_unit"]).fillna("no unit")[given]
    perturbation = as_names(obs["perturbation"])[given]
    n_units = unit.groupby(perturbation.to_numpy()).nunique()
    if (n_units > 1).any():
        name = n_units.idxmax()
        units = " and ".join(sorted(unit[(perturbation == name).to_numpy()].unique()))
        raise TaskNotApplicable(
            f"{task}: '{name}' has doses in {units}, which cannot be converted; give its doses in one unit"
        )
    return dose
