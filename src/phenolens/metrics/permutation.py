"""P values from permuting labels, and their adjustment for many tests."""

from itertools import combinations, islice, product
from math import comb, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.retrieval import average_precision

_TOLERANCE = 1e-12  # a permuted statistic that equals the observed one must count as reaching it
_CELLS_PER_BLOCK = 4_000_000


def replicate_average_precision(
    similarity: NDArray[Any], replicate: NDArray[np.bool_], plates: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the mean over replicates of the AP with which each finds the others before same-plate controls.

    Parameters
    ----------
    similarity
        (n, n) similarity among the replicates of one perturbation and the controls.
    replicate
        (r, n) r labellings: True for a replicate, False for a control.
    plates
        (n,) plate of each well.

    Returns
    -------
    (r,) mean average precision of each labelling, over the replicates that have a control on their plate;
    NaN where none has.
    """
    codes = np.unique(plates, return_inverse=True)[1]
    n = len(codes)
    result = np.empty(len(replicate))
    per_block = max(1, _CELLS_PER_BLOCK // max(1, n * int(replicate[0].sum())))
    for start in range(0, len(replicate), per_block):
        block = replicate[start : start + per_block]
        labelling, query = np.nonzero(block)
        positive = block[labelling]
        negative = ~positive & (codes[query][:, None] == codes[None, :])
        positive = positive.copy()
        positive[np.arange(len(query)), query] = False
        ap = average_precision(similarity[query], positive, negative)
        defined = ~np.isnan(ap)
        total = np.bincount(labelling, np.where(defined, ap, 0), minlength=len(block))
        count = np.bincount(labelling, defined, minlength=len(block))
        result[start : start + len(block)] = np.divide(total, count, out=np.full(len(block), np.nan), where=count > 0)
    return result


def replicate_retrieval_p(
    similarity: NDArray[Any],
    replicate: NDArray[np.bool_],
    plates: NDArray[Any],
    *,
    n_permutations: int = 2000,
    rng: np.random.Generator,
) -> float:
    """Return the p value of the replicates' mean AP when labels are permuted within plates.

    Under the null hypothesis the replicates are further control wells, so that within a plate any of its
    wells could have held them. Because whole labellings are drawn, the dependence between the queries of one
    perturbation is kept. When there are at most `n_permutations` labellings all of them are enumerated.

    Parameters
    ----------
    similarity, plates
        As in `replicate_average_precision`.
    replicate
        (n,) the observed labelling.
    n_permutations
        How many labellings to draw.
    rng
        The source of randomness; unused when all labellings are enumerated.

    Returns
    -------
    p in (0, 1], never 0: the observed labelling counts as one of its own null; NaN where undefined.
    """
    observed = replicate_average_precision(similarity, replicate[None], plates)[0]
    if np.isnan(observed):
        return float("nan")
    wells = [np.flatnonzero(plates == plate) for plate in np.unique(plates)]
    taken = [int(replicate[members].sum()) for members in wells]
    n_labellings = prod(comb(len(members), k) for members, k in zip(wells, taken, strict=True))
    exact = n_labellings <= n_permutations
    labellings = np.zeros((n_labellings if exact else n_permutations, len(plates)), dtype=bool)
    if exact:
        choices = product(*(combinations(members, k) for members, k in zip(wells, taken, strict=True)))
        for row, choice in enumerate(islice(choices, n_labellings)):
            labellings[row, [well for part in choice for well in part]] = True
    else:
        for members, k in zip(wells, taken, strict=True):
            order = rng.random((n_permutations, len(members))).argsort(axis=1)
            np.put_along_axis(labellings, members[order[:, :k]], values=True, axis=1)
    null = replicate_average_precision(similarity, labellings, plates)
    null = null[~np.isnan(null)]
    reached = int((null >= observed - _TOLERANCE).sum())
    # Enumeration includes the observed labelling; a sample does not, so it is added.
    return reached / len(null) if exact else (1 + reached) / (1 + len(null))


def benjamini_hochberg(p: NDArray[Any]) -> NDArray[np.float64]:
    """Return p values (n,) adjusted to control the false discovery rate; NaN stay NaN and do not count.

    Source: Benjamini & Hochberg, J. R. Stat. Soc. B 57 (1995).

    Examples
    --------
    >>> import numpy as np
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.04, 0.04])
    """
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
