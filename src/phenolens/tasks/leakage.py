"""Leakage: can batch, plate or position be predicted from untreated wells?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable, did_you_mean
from phenolens.datasets import NEGATIVE_CONTROL, condition_names, known_positions, plate_formats
from phenolens.profiling.batches import Batches
from phenolens.tasks.base import Contract, WellTask
from phenolens.tasks.columns import required_column
from phenolens.tasks.probe import Probe
from phenolens.tasks.score import Score, notes_of
from phenolens.tasks.wells import unseen_wells

if TYPE_CHECKING:
    from anndata import AnnData

_POSITIONS = ("row", "column", "edge")


class Leakage(WellTask):
    """Balanced accuracy with which a linear probe predicts a nuisance from negative controls alone; lower is better.

    Parameters
    ----------
    nuisance
        A metadata column, such as plate, batch or source; or a position: ``row``, ``column``, or ``edge`` (whether a
        well is on the outermost ring). Positions, and columns that are the same for a whole plate, such as its batch,
        are predicted for unseen plates: recognising the plate would otherwise reveal its batch. Batches with a single
        plate are therefore left out. The plate itself, and columns that differ within plates, are predicted for unseen
        wells.
    folds
        As in `Probe`; for a column that is the same for a whole plate, at most the number of plates of a batch.
    seed
        As in `Probe`.
    refits
        How often the nuisance is permuted among wells, which are then post-processed and predicted anew, for chance and
        a p value; none if 0. What is fitted on one half of a batch's controls gives its error to the other half, which
        tells the batch, so that noise is above one over the number of classes. Nothing is permuted where that cannot
        happen: in vectors as they are, of positions, and, where batches are plates, of what is the same for a plate.
    """

    contract: ClassVar[Contract] = Contract(
        question="Can batch, plate or position be predicted from negative controls?",
        match="the true nuisance predicted for an unseen control, or for the controls of an unseen plate",
        non_match="another nuisance predicted",
        chance="one over the number of classes, or the mean over nuisances permuted before post-processing",
        controls="positive: raw intensities of separately stained plates; negative: permuted nuisance",
        least_data="two classes, each with as many negative controls as folds and, unless these are plates, two plates",
    )

    task: Literal["leakage"] = "leakage"
    nuisance: str = "plate"
    folds: int = Field(5, ge=2)
    seed: int = 0
    refits: Literal[0] | Annotated[int, Field(ge=19)] = 19

    @property
    def gives_away(self) -> str:
        """The nuisance."""
        return "whether a well is on the edge" if self.nuisance == "edge" else f"the {self.nuisance.replace('_', ' ')}"

    @property
    def id(self) -> str:
        """E.g. ``leakage:plate``."""
        return f"{self.task}:{self.nuisance}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("role", "well", "plate") if self.nuisance in _POSITIONS else ("role", self.nuisance)

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls: only nuisances differ among these."""
        return True

    def n_refits(self, obs: pd.DataFrame, batches: Collection[str]) -> int:
        """Return how often; see `Task.n_refits`."""
        if self.nuisance in _POSITIONS or (self._belongs_to_plates(obs) and "plate" in batches):
            return 0
        return self.refits

    def permuted(self, rows: AnnData, rng: np.random.Generator) -> AnnData:
        """Return rows with the nuisance permuted, among plates if it belongs to these, or among wells treated alike."""
        if self._belongs_to_plates(rows.obs):
            return _exchange_between_plates(rows, self.nuisance, rng)
        return _exchange_vectors(rows, _treatments(rows.obs), rng)

    def without_p(self) -> Self:
        """Return the task without permutations, on which chance rests too."""
        return self.model_copy(update={"refits": 0})

    def _belongs_to_plates(self, obs: pd.DataFrame) -> bool:
        """Return whether the nuisance is a column other than the plate that is the same for a whole plate."""
        if self.nuisance in (*_POSITIONS, "plate") or not {"plate", self.nuisance} <= set(obs):
            return False
        return bool((obs.groupby("plate", observed=True)[self.nuisance].nunique() <= 1).all())

    @property
    def asks_controls_alone(self) -> bool:
        """Whether nothing but negative controls is scored."""
        return True

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return balanced accuracy, with one unit per well, or per plate if plates are held out; see `Task.score`."""
        wells = unseen_wells(profiles, self.id)
        controls = wells.profiles[wells.control].copy()
        # Nuisances are read off whatever the controls are: that these go with a plate is no reason to hold some out.
        controls.obs = controls.obs.drop(columns="perturbation", errors="ignore")
        group, folds = None, self.folds
        if self.nuisance in _POSITIONS:
            controls.obs[self.nuisance] = self._positions(profiles)[controls.obs_names].to_numpy()
            required_column(controls, "plate", self.id)
            group = "plate"
        elif self._belongs_to_plates(controls.obs):
            group = "plate"
            plates = controls.obs.groupby("plate", observed=True)[self.nuisance].first().value_counts()
            folds = min([folds, *plates[plates > 1]])  # every fold then tests a plate of each class
        probe = Probe(task="linear-probe", label=self.nuisance, group=group, folds=folds, seed=self.seed, level="well")
        try:
            score = probe.score(controls, rng)
        except TaskNotApplicable as error:
            raise TaskNotApplicable(f"{self.id}, from {len(controls)} negative controls: {error}") from error
        doubt = plate_formats(profiles.obs).doubt if self.nuisance == "edge" else ""
        return replace(score, higher_is_better=False, notes=(*score.notes, *notes_of(plate_formats=doubt)))

    def _positions(self, profiles: AnnData) -> pd.Series[str]:
        """Return the row, the column, or ``edge`` or ``inside`` of each well; missing where it is not known."""
        if "well" not in profiles.obs:
            raise TaskNotApplicable(f"{self.id}: no column 'well'{did_you_mean('well', profiles.obs.columns)}")
        places = known_positions(profiles.obs)
        if places is None:
            raise TaskNotApplicable(f"{self.id}: no well is named by its position, as B03 or r02c03")
        known = places["row"].notna()
        if self.nuisance == "edge":
            names = places["outermost"].map({1.0: "edge", 0.0: "inside"})
        else:
            names = places.loc[known, self.nuisance].astype(int).astype(str)
        return names.astype(object).reindex(places.index)


def _treatments(obs: pd.DataFrame) -> NDArray[np.str_]:
    """Return what was done to each row: its perturbation and dose, the same for all negative controls."""
    names = condition_names(obs).to_numpy(dtype=str) if "perturbation" in obs else np.full(len(obs), "")
    return np.where(obs["role"].to_numpy() == NEGATIVE_CONTROL, f"\0{NEGATIVE_CONTROL}", names)


def _exchange_vectors(rows: AnnData, within: NDArray[np.str_], rng: np.random.Generator) -> AnnData:
    """Return the rows with their vectors exchanged within groups."""
    from anndata import AnnData

    order = np.arange(len(rows))
    for _, members in Batches(within):
        order[members] = rng.permutation(members)
    return AnnData(np.asarray(rows.X)[order], obs=rows.obs, var=rows.var, uns=rows.uns)


def _exchange_between_plates(rows: AnnData, column: str, rng: np.random.Generator) -> AnnData:
    """Return the rows with the values of a column exchanged between plates."""
    from anndata import AnnData

    of_plate = rows.obs.groupby("plate", observed=True, sort=True)[column].first()
    exchanged = dict(zip(of_plate.index, rng.permutation(of_plate.to_numpy(dtype=object)), strict=True))
    values = [exchanged[plate] for plate in rows.obs["plate"]]
    return AnnData(np.asarray(rows.X), obs=rows.obs.assign(**{column: values}), var=rows.var, uns=rows.uns)
