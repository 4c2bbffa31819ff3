"""Vectors and factors of the same rows, and the linear algebra that regressions on blocks of columns share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.datasets import condition_names, known_positions, position_features
from phenolens.tasks import draw_whole

_MOST_ROWS = 2000
# Where a row was acquired, and what it is: the first of these columns that there is.
BATCHES = ("plate", "slide", "patient")
_TREATMENTS = ("perturbation", "label")


@dataclass(frozen=True, eq=False)
class ConceptData:
    """Vectors and factors of the same n rows.

    Attributes
    ----------
    batch, treatment
        (n,) plate (slide, patient) and perturbation (label) of each row; all empty where no column says so.
    position
        (n, p) numbers on which effects of the position on the plate may depend; p is 0 where it is not known.
    vectors
        Encoder (with its seed) -> (n, d).
    factors
        Concept -> its factors, a column each.
    halves
        Concept -> its factors, measured on one half and on the other half of the sites of each row; NaN where there is
        one site alone. Empty where factors are true, and without those of which there are no halves.
    """

    batch: NDArray[Any]
    treatment: NDArray[Any]
    position: NDArray[np.float64]
    vectors: Mapping[str, NDArray[np.float64]]
    factors: Mapping[str, pd.DataFrame]
    halves: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.batch)

    @cached_property
    def standardised(self) -> dict[str, NDArray[np.float64]]:
        """Concept -> its factors (n, k), standardised."""
        return {concept: standardise(table) for concept, table in self.factors.items()}


def draw_rows(
    embeddings: Mapping[str, AnnData],
    factors: Mapping[str, pd.DataFrame],
    halves: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]] | None = None,
    *,
    seed: int = 0,
) -> ConceptData:
    """Return the data of all rows or, of more than 2,000, of so many drawn at random.

    Whole treatments are drawn: of those with a row or two, nothing would be left beyond the treatment. Embeddings and
    factors have the same rows; rows of `halves` are looked up by name. See `ConceptData`.
    """
    obs = next(iter(embeddings.values())).obs
    rows = draw_whole(_labels(obs, _TREATMENTS), _MOST_ROWS, spawn(seed, "concepts", "rows"))
    obs = obs.iloc[rows]
    return ConceptData(
        _labels(obs, BATCHES),
        _labels(obs, _TREATMENTS),
        _position(obs),
        {encoder: np.asarray(each.X, dtype=np.float64)[rows] for encoder, each in embeddings.items()},
        {concept: table.iloc[rows] for concept, table in factors.items()},
        {
            concept: (one.reindex(obs.index), other.reindex(obs.index))
            for concept, (one, other) in (halves or {}).items()
        },
    )


def _position(obs: pd.DataFrame) -> NDArray[np.float64]:
    """Return numbers (n, p) on which effects of the position on the plate may depend; none where it is not known."""
    places = known_positions(obs)
    return np.empty((len(obs), 0)) if places is None else position_features(places)


def _labels(obs: pd.DataFrame, columns: Sequence[str]) -> NDArray[Any]:
    """Return what each row has in the first of these columns that there is; nothing if there is none."""
    column = next((column for column in columns if column in obs), None)
    if column is None:
        return np.full(len(obs), "")
    return (condition_names(obs) if column == "perturbation" else obs[column]).astype(str).to_numpy()


def standardise(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return standardised columns (n, k); what is not known of a row is put at the mean.

    Of numbers that are all positive, logarithms are taken: amounts, sizes and shares multiply each other.
    """
    values = table.to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    positive = (np.where(known, values, 1) > 0).all(axis=0)
    values = np.where(positive, np.log(np.where(known & positive, values, 1)), values)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, values, 0).sum(axis=0) / count
    return to_unit_variance(np.where(known, values - middle, 0))


def indicators(labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return a column (n, k) for each label, 1 where a row has it."""
    return pd.get_dummies(labels).to_numpy(dtype=np.float64)


def to_unit_variance(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return columns divided by their standard deviation, where they have one."""
    scale = x.std(axis=0)
    return x / np.where(scale > 0, scale, 1.0)


def orthonormal(*blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis (n, rank) of the columns (n, k) of several blocks."""
    columns = np.concatenate(blocks, axis=1)
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, values > values[0] * max(columns.shape) * np.finfo(float).eps]


def residuals(values: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a regression on an orthonormal basis leaves of columns (n, k)."""
    return values - basis @ (basis.T @ values)
