"""Where on the plate treatments and controls stand, and whether position could pass for an effect."""

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
    """What the positions of wells allow to conclude.

    Attributes
    ----------
    covered
        The share of treated wells whose row, whose column and whose distance to the plate's edge each occur among the
        controls; NaN if positions are not known.
    fixed
        The share of perturbations on several plates that stand in one and the same well of each; NaN if there are none
        or positions are not known.
    """

    covered: float
    fixed: float

    @property
    def controls_stand_apart(self) -> bool:
        """Whether an effect of position would make most treatments unlike the controls."""
        return self.covered < 0.5

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a reader must know."""
        apart = (
            f"controls stand apart: only {self.covered:.0%} of treated wells have row, column and distance to the "
            "edge in common with a control, so that an effect of position looks like activity"
        )
        fixed = (
            f"{self.fixed:.0%} of perturbations stand in the same well of every plate, so that an effect of "
            "position makes replicates alike"
        )
        return notes_of(
            controls_stand_apart=apart if self.controls_stand_apart else "",
            fixed_positions=fixed if self.fixed > 0.5 else "",
        )


def choose_exchange(asked: Exchange, layout: Layout) -> Exchange:
    """Return what labels are exchanged with: controls, unless they stand apart and nothing else was asked for."""
    if asked != "auto":
        return asked
    return "treatments" if layout.controls_stand_apart else "controls"


def explain_exchange(asked: Exchange, chosen: Exchange) -> str:
    """Say when treatments were chosen because position cannot upset them; empty otherwise."""
    if asked != "auto" or chosen != "treatments":
        return ""
    return "so p compares with other treatments; exchange_with=controls would assume that position has no effect"


def describe_layout(obs: pd.DataFrame, treated: NDArray[np.bool_], control: NDArray[np.bool_]) -> Layout:
    """Return what the positions of treated wells and controls allow to conclude.

    Parameters
    ----------
    obs
        Metadata with, where they are known, `well`, `plate` and `perturbation`.
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
