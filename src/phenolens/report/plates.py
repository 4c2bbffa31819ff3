"""Plates as heat maps: what the largest component of the vectors looks like over the wells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from phenolens.report.samples import Sample

_WELL = re.compile(r"([A-Za-z]{1,2})0*(\d{1,2})")
_STEPS = ("#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")


@dataclass(frozen=True)
class Well:
    """One well: its place, its colour, and what it holds."""

    row: int
    column: int
    colour: str
    title: str


@dataclass(frozen=True)
class Plate:
    """One plate."""

    name: str
    rows: int
    columns: int
    wells: tuple[Well, ...]


@dataclass(frozen=True)
class PlateMaps:
    """The plates of one encoder, and how much of the variance the component holds."""

    encoder: str
    share: float
    plates: tuple[Plate, ...]


def plate_maps(samples: Sequence[Sample]) -> list[PlateMaps]:
    """Return the first principal component of the means of wells, over the first plates, of encoders under test."""
    found = []
    for sample in samples:
        if sample.on_plates is not None and len(sample.on_plates[1]):
            maps = _of(sample.encoder, *sample.on_plates)
            found += [maps] if maps else []
    return found


def _of(encoder: str, vectors: np.ndarray, obs: pd.DataFrame) -> PlateMaps | None:
    wells = [obs["plate"].astype(str).to_numpy(), obs["well"].astype(str).to_numpy()]
    groups = pd.DataFrame(vectors).groupby(wells, sort=True)
    means = groups.mean()
    places = [_WELL.fullmatch(well) for _, well in means.index]
    if len(means) < 3 or not all(places) or float(means.to_numpy().std(axis=0).max()) == 0:
        return None
    # Sums over threads differ in their last digits.
    with threadpool_limits(limits=1):
        component = PCA(1, svd_solver="randomized", random_state=0)
        scores = component.fit_transform(means.to_numpy(dtype=np.float64))[:, 0]
    low, high = np.percentile(scores, [2, 98])
    steps = np.clip((scores - low) / max(high - low, 1e-12) * len(_STEPS), 0, len(_STEPS) - 1).astype(int)
    names = obs["perturbation"].astype(str) if "perturbation" in obs else pd.Series("", obs.index)
    held = names.groupby(wells).first()
    by_plate: dict[str, list[Well]] = {}
    for (plate, well), place, step in zip(means.index, places, steps, strict=True):
        letters, number = place.groups()  # type: ignore[union-attr] # checked above
        row = sum((ord(letter) - 64) * 26**power for power, letter in enumerate(reversed(letters.upper()))) - 1
        title = f"{well} {held[plate, well]}".strip()
        by_plate.setdefault(plate, []).append(Well(row, int(number) - 1, _STEPS[step], title))
    plates = [
        Plate(name, 1 + max(each.row for each in wells), 1 + max(each.column for each in wells), tuple(wells))
        for name, wells in by_plate.items()
    ]
    return PlateMaps(encoder, float(component.explained_variance_ratio_[0]), tuple(plates))
