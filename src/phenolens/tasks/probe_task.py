"""The base class of probes, which train a model on rows of some groups and predict those of other groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from phenolens.profiling import Level
from phenolens.tasks.base import Task
from phenolens.tasks.sampling import at_most

if TYPE_CHECKING:
    from anndata import AnnData


class ProbeTask(Task):
    """A task that trains on the rows of some groups and predicts those of others."""

    if TYPE_CHECKING:  # options of every probe, which subclasses declare
        group: str | None
        level: Literal["well", "site"]

    @property
    def aggregation(self) -> Level:
        """Whether it scores profiles of wells or of sites."""
        return self.level

    @property
    def split_by(self) -> str | None:
        """The column of groups; see `Task.split_by`."""
        return self.group

    @property
    def units_have_strength(self) -> bool:
        """Whether units differ in phenotypic strength; groups do not."""
        return False

    def sample(self, rows: AnnData, most: int, rng: np.random.Generator) -> AnnData:
        """Return at most `most` rows."""
        return rows[at_most(np.arange(len(rows)), most, rng)]


def standardise(
    train: NDArray[Any], test: NDArray[Any], *, components: int | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return training and test vectors, standardised and reduced to principal components of the training rows.

    Parameters
    ----------
    train, test
        Vectors (n, d) and (m, d).
    components
        The largest number of principal components; no reduction if None.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    if components is None:
        return train, test
    reduction = PCA(min(components, *train.shape), svd_solver="full").fit(train)
    return reduction.transform(train), reduction.transform(test)
