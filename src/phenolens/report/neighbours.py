"""The sites that an encoder finds nearest to a few others, as images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phenolens.report.samples import Sample, Sheet

_QUERIES = 4
_NEAREST = 5
_MOST_PLATES = 8


@dataclass(frozen=True)
class Tile:
    """One thumbnail: where it stands on the sheet, what it shows, and what it shares with the query."""

    x: int
    y: int
    caption: str
    shares: str = ""

    @property
    def alt(self) -> str:
        """The image in words."""
        return f"{self.caption}, {self.shares}" if self.shares else self.caption


@dataclass(frozen=True)
class Retrieved:
    """A query and its nearest neighbours."""

    query: Tile
    nearest: tuple[Tile, ...]


@dataclass(frozen=True)
class Neighbours:
    """The retrieved neighbours of a few queries by one encoder."""

    encoder: str
    rows: tuple[Retrieved, ...]


def neighbour_panels(samples: Sequence[Sample], sheet: Sheet) -> list[Neighbours]:
    """Return the nearest sites of a few queries, the same for every encoder under test, or for baselines alone.

    Looked at are the sites with a thumbnail; a site of the query's own well is passed over. Nearness is the cosine of
    raw vectors less their mean.

    Parameters
    ----------
    samples
        The vectors.
    sheet
        The thumbnails.
    """
    shown = [each for each in samples if not each.baseline] or list(samples[:1])
    panels = []
    for sample in shown:
        rows = _retrieve(sample, sheet)
        if rows:
            panels.append(Neighbours(sample.encoder, rows))
    return panels


def _retrieve(sample: Sample, sheet: Sheet) -> tuple[Retrieved, ...]:
    has_tile = sample.obs.index.isin(list(sheet.tiles))
    obs = sample.obs[has_tile]
    if len(obs) <= _NEAREST or "perturbation" not in obs:
        return ()
    vectors = sample.vectors[has_tile].astype(np.float64)
    vectors -= vectors.mean(axis=0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (vectors @ vectors.T) / np.maximum(lengths @ lengths.T, 1e-12)
    return tuple(_row(query, cosines[query], obs, sheet) for query in _queries(obs))


def _queries(obs: pd.DataFrame) -> list[int]:
    """Return one site of each of a few perturbations that have others, spread over all, no controls."""
    names = obs["perturbation"].astype(str)
    usable = names.duplicated(keep=False) & (names != "")
    if "role" in obs:
        usable &= obs["role"].astype(str) != "negative_control"
    firsts = np.flatnonzero(usable & ~names.where(usable).duplicated())
    return [int(firsts[i]) for i in np.unique(np.linspace(0, len(firsts) - 1, min(_QUERIES, len(firsts))).astype(int))]


def _row(query: int, cosines: np.ndarray, obs: pd.DataFrame, sheet: Sheet) -> Retrieved:
    own_well = np.arange(len(obs)) == query
    if {"plate", "well"} <= set(obs.columns):
        own_well |= ((obs["plate"] == obs["plate"].iloc[query]) & (obs["well"] == obs["well"].iloc[query])).to_numpy()
    order = [int(i) for i in np.argsort(-cosines, kind="stable") if not own_well[i]][:_NEAREST]
    return Retrieved(_tile(query, obs, sheet), tuple(_tile(i, obs, sheet, query) for i in order))


def _tile(row: int, obs: pd.DataFrame, sheet: Sheet, query: int | None = None) -> Tile:
    place = sheet.tiles[str(obs.index[row])]
    shown = [str(obs[column].iloc[row]) for column in ("perturbation", "plate") if column in obs]
    shares = ""
    if query is not None:
        if obs["perturbation"].iloc[row] == obs["perturbation"].iloc[query]:
            shares = "same"
        elif "plate" in obs and obs["plate"].iloc[row] == obs["plate"].iloc[query]:
            shares = "plate"
    return Tile(place % sheet.across, place // sheet.across, " · ".join(shown), shares)


@dataclass(frozen=True)
class OfPlate:
    """A few sites of one plate, treated alike on all plates."""

    plate: str
    tiles: tuple[Tile, ...]


def plate_images(samples: Sequence[Sample], sheet: Sheet) -> list[OfPlate]:
    """Return sites of each of the first plates that hold the same perturbation, negative controls where there are any.

    Parameters
    ----------
    samples
        The vectors, whose metadata are looked at.
    sheet
        The thumbnails.
    """
    obs = samples[0].obs if samples else pd.DataFrame()
    if not {"plate", "perturbation"} <= set(obs.columns):
        return []
    obs = obs[obs.index.isin(list(sheet.tiles))]
    if "role" in obs and (obs["role"].astype(str) == "negative_control").any():
        obs = obs[obs["role"].astype(str) == "negative_control"]
    plates = obs["plate"].astype(str).to_numpy()
    on_most = obs.groupby(obs["perturbation"].astype(str))["plate"].nunique()
    alike = (obs["perturbation"].astype(str) == on_most.idxmax()).to_numpy() if len(on_most) else np.zeros(0, bool)
    found = []
    for plate in sorted(set(plates[alike]))[:_MOST_PLATES]:
        rows = np.flatnonzero(alike & (plates == plate))[: _NEAREST + 1]
        found.append(OfPlate(plate, tuple(_tile(int(row), obs, sheet) for row in rows)))
    return found if len(found) > 1 else []
