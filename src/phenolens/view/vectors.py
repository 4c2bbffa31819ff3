"""The vectors of one encoder: their map, and who is near to whom."""

from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from phenolens.report.embedding_map import layout_points

LANDMARKS = 2000
_COMPONENTS, _AMONG = 50, 5
_BLOCK = 4096
_SEED = 0


class Vectors:
    """Vectors of all sites by one encoder.

    Parameters
    ----------
    name
        The encoder.
    values
        Finite numbers, shape (n, d).
    is_baseline
        Whether it is a baseline, or under test.
    """

    def __init__(self, name: str, values: NDArray[np.floating], *, is_baseline: bool = False) -> None:
        self.name = name
        self.is_baseline = is_baseline
        centred = values - values.mean(axis=0, dtype=np.float64)
        largest = float(np.abs(values).max(initial=0))
        self._values = np.where(np.abs(centred) > 1e-7 * largest, centred, 0).astype(np.float32)
        self._laying_out = Lock()

    @cached_property
    def _lengths(self) -> NDArray[np.float32]:
        return np.maximum(np.linalg.norm(self._values, axis=1), 1e-12)

    def nearest(self, row: int, k: int, passed_over: NDArray[np.bool_]) -> tuple[list[int], list[float]]:
        """Return the sites nearest to one, and their cosines: of raw vectors less their mean, as in the report.

        Parameters
        ----------
        row
            The site.
        k
            How many to return.
        passed_over
            Mask (n,) of sites that do not count, such as those of its own well.
        """
        cosines = (self._values @ self._values[row]) / (self._lengths * self._lengths[row])
        cosines[passed_over] = -np.inf
        order = np.argsort(-cosines, kind="stable")[:k]
        order = order[np.isfinite(cosines[order])]
        return order.tolist(), cosines[order].tolist()

    def layout(self) -> NDArray[np.float64]:
        """Return the place of each site on a map, shape (n, 2), within -1..1; computed once, in seconds.

        Up to `LANDMARKS` sites are laid out by t-SNE, as in the report. Of more, a sample is, and every other site
        stands among the sites of the sample that are nearest to it.

        Raises
        ------
        PhenolensError
            If there are too few sites, or all vectors are the same.
        """
        with self._laying_out:
            return self._layout

    @cached_property
    def _layout(self) -> NDArray[np.float64]:
        n, d = self._values.shape
        if n <= LANDMARKS:
            return layout_points(self._values)
        chosen = np.sort(np.random.default_rng(_SEED).choice(n, LANDMARKS, replace=False))
        points = np.empty((n, 2))
        points[chosen] = layout_points(self._values[chosen])
        pca = PCA(min(_COMPONENTS, d), random_state=_SEED).fit(self._values[chosen])
        landmarks = _directions(pca.transform(self._values[chosen]))
        others = np.setdiff1d(np.arange(n), chosen)
        for start in range(0, len(others), _BLOCK):
            rows = others[start : start + _BLOCK]
            cosines = _directions(pca.transform(self._values[rows])) @ landmarks.T
            near = np.argpartition(-cosines, _AMONG, axis=1)[:, :_AMONG]
            # The nearest counts most, so that few sites stand between groups to which they are not near.
            weights = 1 / (1.001 - np.take_along_axis(cosines, near, axis=1)) ** 2
            weights /= weights.sum(axis=1, keepdims=True)
            points[rows] = np.einsum("nk,nkd->nd", weights, points[chosen][near])
        return points


def _directions(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
