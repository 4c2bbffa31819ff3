"""Power of an experiment: minimum detectable effects, noise ceilings, and ranks with ties."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from phenolens.metrics.bootstrap import percentile_interval
from phenolens.metrics.similarity import unit_rows


def minimum_detectable_effect(standard_error: float, *, level: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true effect that a two-sided test at `level` detects with probability `power`.

    Examples
    --------
    >>> round(minimum_detectable_effect(0.01), 4)
    0.028
    """
    return float((norm.ppf(1 - level / 2) + norm.ppf(power)) * standard_error)


def replicate_ceiling(x: NDArray[Any], labels: NDArray[Any], *, n_splits: int = 20, rng: np.random.Generator) -> float:
    """Return the reliability of similarities between labels given the number of replicates, at most 1.

    The replicates of each label are split into random halves and averaged. The correlation of the cosines between
    labels in both halves, corrected for the full number by the Spearman-Brown formula, is their share of variance
    without noise.

    Parameters
    ----------
    x
        (n, d) vectors.
    labels
        (n,) label of each row; labels with one row are ignored.
    n_splits
        The number of random splits that are averaged.
    rng
        The source of randomness.

    Returns
    -------
    The reliability; NaN with fewer than three labels with two rows. Near or below 0 for pure noise.
    """
    codes, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)[1:]
    kept = np.flatnonzero(counts[codes] >= 2)
    if len(np.unique(codes[kept])) < 3:
        return float("nan")
    x, codes = np.asarray(x, dtype=np.float64)[kept], np.unique(codes[kept], return_inverse=True)[1]
    counts = np.bincount(codes)
    upper = np.triu_indices(len(counts), 1)
    correlations = []
    for _ in range(n_splits):
        order = np.lexsort((rng.random(len(codes)), codes))
        place = np.empty(len(codes), np.intp)
        place[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
        first = place < counts[codes] // 2
        halves = []
        for half in (first, ~first):
            sums = np.zeros((len(counts), x.shape[1]))
            np.add.at(sums, codes[half], x[half])
            unit = unit_rows(sums)
            halves.append((unit @ unit.T)[upper])
        if min(half.std() for half in halves) == 0:
            return float("nan")
        correlations.append(np.corrcoef(halves[0], halves[1])[0, 1])
    agreement = float(np.mean(correlations))
    return 2 * agreement / (1 + agreement)


def tie_groups(draws: NDArray[Any], values: NDArray[Any]) -> NDArray[np.intp]:
    """Return the rank group (m,) of each model, 1 for the best: models that do not differ from a group's best share it.

    Parameters
    ----------
    draws
        (b, m) bootstrap draws, each joint for all models.
    values
        (m,) scores of the models; higher is better.

    Notes
    -----
    In the order of scores, a model joins the current group if the 95 % interval of its difference to the best model of
    that group includes zero, and starts the next group otherwise.
    """
    groups = np.zeros(len(values), np.intp)
    order = np.argsort(-np.asarray(values), kind="stable")
    best, group = order[0], 1
    for model in order:
        if percentile_interval(draws[:, best] - draws[:, model])[0] > 0:
            best, group = model, group + 1
        groups[model] = group
    return groups
