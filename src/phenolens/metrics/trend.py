"""Monotone trends of responses with dose."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from phenolens.metrics.permutation import permutation_p


def rank_trend(
    dose: NDArray[Any], response: NDArray[Any], *, n_permutations: int = 2000, rng: np.random.Generator
) -> tuple[float, float]:
    """Return Spearman's correlation of response with dose, and its one-sided p value under permutation of responses.

    Parameters
    ----------
    dose, response
        (n,) dose and response of each well.
    n_permutations
        The number of permutations.
    rng
        The source of randomness.

    Returns
    -------
    Correlation in -1..1 and p in (0, 1], small for an increase; both NaN if doses or responses are constant.
    """
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (dose, response)]
    length = float(np.prod([np.linalg.norm(rank) for rank in ranks]))
    if length == 0:
        return float("nan"), float("nan")
    shuffled = rng.permuted(np.broadcast_to(ranks[1], (n_permutations, len(ranks[1]))), axis=1)
    observed = float(ranks[0] @ ranks[1]) / length
    return observed, permutation_p(observed, shuffled @ ranks[0] / length)
