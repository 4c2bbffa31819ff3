"""Monotone trends of responses with dose."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from phenolens.metrics.permutation import permutation_p


def rank_trend(
    dose: NDArray[Any],
    response: NDArray[Any],
    *,
    groups: NDArray[Any] | None = None,
    n_permutations: int = 2000,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return Spearman's correlation of response with dose, and its one-sided p value under permutation of responses.

    Parameters
    ----------
    dose, response
        (n,) dose and response of each well.
    groups
        (n,) group of each well, such as its plate, within which responses are permuted; one group if None.
    n_permutations
        The number of permutations.
    rng
        The source of randomness.

    Returns
    -------
    Correlation in -1..1 and p in (0, 1], small for an increase; both NaN if doses or responses are constant. p is 1 if
    doses are constant within every group.
    """
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (dose, response)]
    length = float(np.prod([np.linalg.norm(rank) for rank in ranks]))
    if length == 0:
        return float("nan"), float("nan")
    shuffled = np.tile(ranks[1], (n_permutations, 1))
    codes = np.zeros(len(ranks[1]), np.intp) if groups is None else np.unique(groups, return_inverse=True)[1]
    for code in range(codes.max() + 1):
        of_group = codes == code
        shuffled[:, of_group] = rng.permuted(shuffled[:, of_group], axis=1)
    observed = float(ranks[0] @ ranks[1]) / length
    return observed, permutation_p(observed, shuffled @ ranks[0] / length)
