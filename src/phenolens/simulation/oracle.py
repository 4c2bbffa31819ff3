"""Oracles: encoders computed from chosen true factors of a phantom, to test the benchmark itself."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import EncoderError, did_you_mean
from phenolens.core.parse_numbers import parse_numbers
from phenolens.core.random import spawn
from phenolens.datasets import Manifest, known_positions
from phenolens.encoders import EncoderEntry
from phenolens.encoders.base import RowEncoder, hash_text
from phenolens.simulation import LEVELS, TRUTH, truth_columns

_DIM = 128
_PLATE = "plate"
_OF_WELLS = (_PLATE, "position")

ENTRY = EncoderEntry(
    "true factors of a phantom, to test the benchmark, e.g. oracle/density+texture@noise=0.3",
    "phenolens.simulation.oracle:Oracle",
    role="oracle",
)
"""The entry point of the oracles in pyproject.toml."""


class Oracle(RowEncoder):
    """An encoder computed from chosen true factors of a phantom's sites alone.

    The factors are standardised over the sites, noise is added, and they are mapped to random Fourier features: the
    cosine of two sites then decreases with the distance of their factors, for any number of factors.

    Parameters
    ----------
    what
        Levels (density, intensity, shape, texture, arrangement, acquisition), factors as in the manifest without
        ``true_``, ``plate`` or ``position`` (row and column of the well), joined by ``+``.
    noise
        The standard deviation of the noise, relative to that between sites.
    seed
        The seed of noise and frequencies.
    manifest
        The manifest of a phantom, with columns ``true_*``.

    Raises
    ------
    EncoderError
        If there is no such level or factor, or the manifest is not that of a phantom.
    """

    feature_names = tuple(f"oracle_{index}" for index in range(_DIM))

    def __init__(
        self,
        name: str,
        what: str,
        channels: Sequence[str],
        *,
        noise: float = 0.0,
        seed: int = 0,
        manifest: Manifest,
    ) -> None:
        self.name = name
        self.noise = noise
        self._known = _standardise(_causes(what, manifest, name))
        self.what = what
        self.seed = seed
        self.weights_hash = hash_text(name)

    def embed_rows(self) -> NDArray[np.float32]:
        """Return the vectors (n, 128)."""
        rng = spawn(self.seed, "oracle", f"oracle/{self.what}")
        known = self._known + self.noise * rng.standard_normal(self._known.shape)
        frequency, phase = rng.standard_normal((known.shape[1], _DIM)), rng.uniform(0.0, 2.0 * np.pi, _DIM)
        features = np.cos(known @ frequency / np.sqrt(known.shape[1]) + phase) * np.sqrt(2.0 / _DIM)
        return np.asarray(features, dtype=np.float32)


def _causes(what: str, manifest: Manifest, name: str) -> pd.DataFrame:
    """Return what an oracle knows of each site, a column for each cause."""
    table = manifest.table
    there = [column.removeprefix(TRUTH) for column in table if column.startswith(TRUTH)]
    if not there:
        raise EncoderError(
            f"{manifest.source}: has no columns {TRUTH}*, which '{name}' needs; give a phantom's manifest"
        )
    chosen: list[pd.DataFrame] = []
    for part in what.split("+"):
        if part in _OF_WELLS:
            chosen.append(_of_wells(part, manifest, name))
        else:
            chosen.append(table[_true_columns(part, table.columns, there, name)].apply(parse_numbers))
    causes = pd.concat(chosen, axis=1)
    return causes.loc[:, ~causes.columns.duplicated()]


def _of_wells(part: str, manifest: Manifest, name: str) -> pd.DataFrame:
    """Return the plate of each site, or the position of its well."""
    places = known_positions(manifest.table)
    if places is None:
        raise EncoderError(f"'{name}': {manifest.source} has no plates with wells, which '{part}' needs")
    if part == _PLATE:
        return pd.get_dummies(manifest.table["plate"].astype("category"), prefix=_PLATE, dtype=float)
    return places[["row", "column"]]


def _true_columns(part: str, columns: Iterable[str], there: Sequence[str], name: str) -> list[str]:
    """Return the columns of a level or of a factor."""
    found = truth_columns(part, columns) if part in LEVELS else [TRUTH + part] if part in there else []
    if not found:
        raise EncoderError(f"'{name}': no level or factor '{part}'{did_you_mean(part, [*_OF_WELLS, *LEVELS, *there])}")
    return found


def _standardise(causes: pd.DataFrame) -> NDArray[np.float64]:
    """Return causes (n, k) with mean 0 and variance 1; unknown values are set to the mean."""
    values = causes.to_numpy(float)
    centred = values - np.nanmean(values, axis=0)
    scale = np.nanstd(values, axis=0)
    return np.nan_to_num(centred / np.where(scale > 0, scale, 1.0))
