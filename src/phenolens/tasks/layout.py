"""Plate positions of treatments and controls, and whether a position effect could look like activity."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from phenolens.core.numbers import p_words
from phenolens.datasets import NEGATIVE_CONTROL, known_positions, position_features
from phenolens.datasets import treated as treated_wells
from phenolens.tasks.score import Note, notes_of

Exchange = Literal["auto", "controls", "treatments"]

_UNLIKE = 0.05
"""The p value up to which controls are taken to stand elsewhere than treatments."""
_NO_VARIANCE = 1e-8


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
    alike
        The p value that controls and treatments are dealt to positions alike; NaN if positions are unknown.
    """

    covered: float
    fixed: float
    alike: float = float("nan")

    @property
    def hardly_covered(self) -> bool:
        """Whether most treated wells are in positions that no control has."""
        return self.covered < 0.5

    @property
    def controls_stand_apart(self) -> bool:
        """Whether a position effect would make treatments differ from the controls."""
        return self.hardly_covered or self.alike <= _UNLIKE

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a reader must know."""
        looks = "so that a position effect looks like activity"
        apart = ""
        if self.hardly_covered:
            covered = f"only {self.covered:.0%} of treated wells share their row, column and distance to the edge"
            apart = f"controls stand apart: {covered} with controls, {looks}"
        elif self.controls_stand_apart:
            unlike = "their rows, columns and distances to the edge are not distributed as those of treated wells"
            apart = f"controls stand apart: {unlike} (p {p_words(self.alike)}), {looks}"
        fixed = (
            f"{self.fixed:.0%} of perturbations are in the same well of every plate, so that a position effect makes "
            "replicates similar"
        )
        return notes_of(
            controls_stand_apart=apart,
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


def describe_layout(
    obs: pd.DataFrame,
    treated: NDArray[np.bool_],
    control: NDArray[np.bool_],
    *,
    whole: pd.DataFrame | None = None,
) -> Layout:
    """Return how the positions of treated wells and controls overlap.

    Parameters
    ----------
    obs
        Metadata with `well`, `plate` and `perturbation`, where known.
    treated, control
        (n,) masks; wells whose position is not known are left out.
    whole
        Metadata of these wells and of those that were left out at random, such as controls that a profiler was fitted
        on: plates of one layout are then seen to have it.
    """
    places = known_positions(obs)
    if places is None:
        return Layout(float("nan"), float("nan"))
    known = places["row"].notna().to_numpy()
    treated, control = treated & known, control & known
    covered = float("nan")
    if control.any() and treated.any():
        held = [places.loc[treated, name].isin(set(places.loc[control, name])) for name in ("row", "column", "edge")]
        covered = float(np.logical_and.reduce(held).mean())
    fixed = float("nan")
    if "plate" in obs and "perturbation" in obs and treated.any():
        grouped = obs[treated].assign(well=obs.loc[treated, "well"].astype(str)).groupby("perturbation", observed=True)
        several = grouped["plate"].nunique() > 1
        if several.any():
            fixed = float((grouped["well"].nunique()[several] == 1).mean())
    dealt = _dealt_alike(obs, places, treated, control) if whole is None else _dealt_alike_in(whole)
    return Layout(covered, fixed, dealt)


def _dealt_alike_in(obs: pd.DataFrame) -> float:
    """Return the p value of `_dealt_alike` for treated wells and negative controls."""
    places = known_positions(obs)
    if "role" not in obs or places is None:
        return float("nan")
    known = places["row"].notna().to_numpy()
    treated, control = treated_wells(obs).to_numpy() & known, (obs["role"] == NEGATIVE_CONTROL).to_numpy() & known
    return _dealt_alike(obs, places, treated, control)


def _dealt_alike(
    obs: pd.DataFrame, places: pd.DataFrame, treated: NDArray[np.bool_], control: NDArray[np.bool_]
) -> float:
    """Return the p value that it is chance which wells of a plate are controls, and which are treated.

    The mean row, column, distance to the edge, squared distance from the middle row and column, and share of outermost
    wells among the controls are compared with what drawing as many wells of the same plates without replacement gives:
    mean and covariance of that are known, and the squared Mahalanobis distance is approximately chi-squared (Hajek,
    1960). Plates of one layout count once. NaN if positions are unknown or all wells are of one kind.
    """
    features = position_features(places)
    wells = obs["well"].astype(str).to_numpy()
    plates = obs["plate"].astype(str).to_numpy() if "plate" in obs else np.full(len(obs), "")
    excess, covariance = np.zeros(features.shape[1]), np.zeros((features.shape[1], features.shape[1]))
    met = set()
    for plate in np.unique(plates):
        here = plates == plate
        layout = frozenset(wells[here & control]), frozenset(wells[here & treated])
        if layout in met:
            continue
        met.add(layout)
        rows = np.flatnonzero(here & (control | treated))
        n, taken = len(rows), int(control[rows].sum())
        if taken in (0, n):
            continue
        centred = features[rows] - features[rows].mean(axis=0)
        excess += centred[control[rows]].sum(axis=0)
        covariance += taken * (n - taken) / (n * (n - 1)) * centred.T @ centred
    rank = int(np.linalg.matrix_rank(covariance, tol=_NO_VARIANCE, hermitian=True))
    if not rank:
        return float("nan")
    spread = np.linalg.pinv(covariance, rcond=_NO_VARIANCE, hermitian=True)
    return float(chi2.sf(excess @ spread @ excess, rank))
