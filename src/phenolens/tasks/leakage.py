"""Leakage: can batch, plate or position be read off wells in which nothing was done?"""

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
    """Balanced accuracy with which a linear probe tells a nuisance from negative controls alone; lower is better.

    Parameters
    ----------
    nuisance
        A metadata column, such as plate, batch or source; or a position: ``row``, ``column``, or ``edge``, whether a
        well is on the outermost ring. Positions, and what is the same for a whole plate, such as its batch, are
        predicted for plates that the probe has not seen: what tells the plate would otherwise tell its batch, so that
        batches with one plate only are left out. The plate itself, and what differs within plates, is predicted for
        wells that the probe has not seen.
    folds
        As in `Probe`; no more than a batch has plates, where it is the same for a whole plate.
    seed
        As in `Probe`.
    """

    contract: ClassVar[Contract] = Contract(
        question="Can batch, plate or position be read off the negative controls?",
        match="the nuisance predicted for a control, or for a plate of them, that the probe has not seen",
        non_match="another nuisance predicted",
        chance="one over the number of classes",
        controls="positive: raw intensities of plates stained apart; negative: the nuisance permuted",
        least_data="two classes with as many negative controls as folds each, and, but for plates, two plates each",
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
        """It does: among controls nothing but nuisance differs."""
        return True

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return balanced accuracy, with one unit per well, or per plate that is held out; see `Task.score`."""
        wells = unseen_wells(profiles, self.id)
        controls = wells.profiles[wells.control].copy()
        group, folds = None, self.folds
        if self.nuisance in _POSITIONS:
            places = well_positions(required_column(profiles, "well", self.id))
            if places is None:
                raise TaskNotApplicable(f"{self.id}: wells are not all named like B03")
            places["edge"] = np.where(places["edge"] == 0, "edge", "inside")
            controls.obs[self.nuisance] = places.loc[controls.obs_names, self.nuisance].astype(str)
            required_column(controls, "plate", self.id)
            group = "plate"
        elif self.nuisance != "plate" and {"plate", self.nuisance} <= set(controls.obs):
            by_plate = controls.obs.groupby("plate", observed=True)[self.nuisance]
            if (by_plate.nunique() <= 1).all():
                group = "plate"
                plates = by_plate.first().value_counts()
                folds = min([folds, *plates[plates > 1]])  # so that every fold can test a plate of each class
        probe = Probe(task="linear-probe", label=self.nuisance, group=group, folds=folds, seed=self.seed, level="well")
        try:
            score = probe.score(controls, rng)
        except TaskNotApplicable as error:
            raise TaskNotApplicable(f"{self.id}, from {len(controls)} negative controls: {error}") from error
        return replace(score, higher_is_better=False)
