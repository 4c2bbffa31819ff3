"""Leakage: can batch, plate or position be predicted from untreated wells?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import well_positions
from phenolens.tasks.base import Contract, WellTask
from phenolens.tasks.columns import required_column
from phenolens.tasks.probe import Probe
from phenolens.tasks.score import Score
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
    """

    contract: ClassVar[Contract] = Contract(
        question="Can batch, plate or position be predicted from negative controls?",
        match="the true nuisance predicted for an unseen control, or for the controls of an unseen plate",
        non_match="another nuisance predicted",
        chance="one over the number of classes",
        controls="positive: raw intensities of separately stained plates; negative: permuted nuisance",
        least_data="two classes, each with as many negative controls as folds and, unless these are plates, two plates",
    )

    task: Literal["leakage"] = "leakage"
    nuisance: str = "plate"
    folds: int = Field(5, ge=2)
    seed: int = 0

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

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return balanced accuracy, with one unit per well, or per plate if plates are held out; see `Task.score`."""
        wells = unseen_wells(profiles, self.id)
        controls = wells.profiles[wells.control].copy()
        # Nuisances are read off whatever the controls are: that these go with a plate is no reason to hold some out.
        controls.obs = controls.obs.drop(columns="perturbation", errors="ignore")
        group, folds = None, self.folds
        if self.nuisance in _POSITIONS:
            places = well_positions(required_column(profiles, "well", self.id))
            if places is None:
                raise TaskNotApplicable(f"{self.id}: some wells are not named like B03")
            places["edge"] = np.where(places["edge"] == 0, "edge", "inside")
            controls.obs[self.nuisance] = places.loc[controls.obs_names, self.nuisance].astype(str)
            required_column(controls, "plate", self.id)
            group = "plate"
        elif self.nuisance != "plate" and {"plate", self.nuisance} <= set(controls.obs):
            by_plate = controls.obs.groupby("plate", observed=True)[self.nuisance]
            if (by_plate.nunique() <= 1).all():
                group = "plate"
                plates = by_plate.first().value_counts()
                folds = min([folds, *plates[plates > 1]])  # every fold then tests a plate of each class
        probe = Probe(task="linear-probe", label=self.nuisance, group=group, folds=folds, seed=self.seed, level="well")
        try:
            score = probe.score(controls, rng)
        except TaskNotApplicable as error:
            raise TaskNotApplicable(f"{self.id}, from {len(controls)} negative controls: {error}") from error
        return replace(score, higher_is_better=False)
