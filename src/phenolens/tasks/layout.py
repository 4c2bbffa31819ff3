"""Plate positions of treatments and controls, and whether a position effect could look like activity."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.datasets import well_positions
from phenolens.tasks.score import Note, notes_of

Exchange = Literal["auto", "controls", "treatments"]


@dataclass(frozen=True)
class Layout:
    """How the positions of treated wells and controls overlap.

    Attributes
    ----------
    covered
        The share of treated wells whose row, whose column and whose distance to the plate's edge each occur among the
        controls; NaN if positions are unknown.
    fixed
        The share of perturbations on several plates that are in the same well of each plate; NaN if there are none or
        positions are unknown.
    """

    covered: float
    fixed: float

    @property
    def controls_stand_apart(self) -> bool:
        """Whether a position effect would make most treatments differ from the controls."""
        return self.covered < 0.5

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a reader must know."""
        apart = (
            f"controls stand apart: only {self.covered:.0%} of treated wells share their row, column and distance to "
            "the edge with controls, so that a position effect looks like activity"
        )
        fixed = (
            f"{self.fixed:.0%} of perturbations are in the same well of every plate, so that a position effect makes "
            "replicates similar"
        )
        return notes_of(
            controls_stand_apart=apart if self.controls_stand_apart else "",
            fixed_positions=fixed if self.fixed > 0.5 else "",
        )


def choose_exchange(option: Exchange, layout: Layout) -> Exchange:
    """Resolve ``auto``: labels are exchanged with controls, or with treatments if controls stand apart."""
    if option != "auto":
        return option
    return "treatments" if layout.controls_stand_apart else "controls"


def explain_exchange(option: Exchange, chosen: Exchange) -> str:
    """Return a note if ``auto`` has chosen treatments; empty otherwise."""
    if option != "auto" or chosen != "treatments":
        return ""
    return "so p compares with other treatments; exchange_with=controls would assume that position has no effect"


def describe_layout(obs: pd.DataFrame, treated: NDArray[np.bool_], control: NDArray[np.bool_]) -> Layout:
    """Return how the positions of treated wells and controls overlap.

    Parameters
    ----------
    obs
        Metadata with `well`, `plate` and `perturbation`, where known.
    treated, control
        (n,) masks.
    """
    places = well_positions(obs["well"]) if "well" in obs and obs["well"].notna().all() else None
    if places is None:
        return Layout(float("nan"), float("nan"))
    covered = float("nan")
    if control.any() and treated.any():
        held = [places.loc[treated, name].isin(set(places.loc[control, name])) for name in places]
        covered = float(np.logical_and.reduce(held).mean())
    fixed = float("nan")
    if "plate" in obs and "perturbation" in obs and treated.any():
        grouped = obs[treated].assign(well=obs.loc[treated, "well"].astype(str)).groupby("perturbation", observed=True)
        several = grouped["plate"].nunique() > 1
        if several.any():
            fixed = float((grouped["well"].nunique()[several] == 1).mean())
    return Layout(covered, fixed)
