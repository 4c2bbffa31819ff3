"""Whether the members of sets of rows are more similar to each other than to all other rows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, rankdata

from phenolens.metrics.similarity import cosine_similarity

_ROWS_AT_ONCE = 512
_DECIMALS = 6  # cosines that differ by less are ties


class SimilarityRanks:
    """The ranks of all rows by their cosine with each row, from which sets of rows are scored by look-up.

    Parameters
    ----------
    x
        (n, d) vectors.
    """

    def __init__(self, x: NDArray[Any]) -> None:
        n = len(x)
        # Of row i, how many other rows each row is more similar to; ties count half.
        self._less_similar = np.empty((n, n), dtype=np.float32)
        for start in range(0, n, _ROWS_AT_ONCE):
            rows = np.arange(start, min(start + _ROWS_AT_ONCE, n))
            similarity = np.round(cosine_similarity(x[rows], x), _DECIMALS)
            similarity[np.arange(len(rows)), rows] = -np.inf
            self._less_similar[rows] = rankdata(similarity, axis=1) - 2  # the row itself comes first, with rank 1

    def auc(self, sets: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how often a member is more similar to another member than to a row outside of the set.

        The mean over members of the area under the ROC curve by which their cosines tell members from all other rows:
        0.5 for a random set.

        Parameters
        ----------
        sets
            (s, k) row numbers, different ones in each set; 1 < k < n.

        Returns
        -------
        (s,) numbers from 0 to 1.

        Examples
        --------
        >>> import numpy as np
        >>> x = np.array([[1, 0], [1, 0.1], [0, 1], [-1, 0]])
        >>> SimilarityRanks(x).auc(np.array([[0, 1], [0, 3]]))
        array([1., 0.])
        """
        sets = np.asarray(sets)
        k = sets.shape[1]
        others = len(self._less_similar) - k
        within = self._less_similar[sets[:, :, None], sets[:, None, :]].astype(np.float64)
        diagonal = np.arange(k)
        within[:, diagonal, diagonal] = 0
        # Members that are less similar than other members are no rows outside of the set.
        among_members = k * (k - 1) * (k - 2) / 2
        return np.asarray((within.sum(axis=(1, 2)) - among_members) / (k * (k - 1) * others))


class SetSimilarity(NamedTuple):
    """Cosines between members of a set, beside those of members and all other rows.

    Attributes
    ----------
    within, between
        The two means.
    ks
        The largest difference of their distribution functions (Kolmogorov-Smirnov).
    """

    within: float
    between: float
    ks: float


def set_similarity(x: NDArray[Any], rows: NDArray[np.intp]) -> SetSimilarity:
    """Compare cosines (n, d) within a set of row numbers (k,) with those between it and all other rows."""
    others = np.setdiff1d(np.arange(len(x)), rows)
    within = cosine_similarity(x[rows], x[rows])[np.triu_indices(len(rows), k=1)]
    between = cosine_similarity(x[rows], x[others]).ravel()
    return SetSimilarity(float(within.mean()), float(between.mean()), float(ks_2samp(within, between).statistic))
