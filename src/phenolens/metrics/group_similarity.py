"""Similarity of the pairs within groups, such as the genes of a chromosome arm, among all pairs."""

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.relation_recall import PairNull


def group_similarity(null: PairNull, groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the probability that a pair within a group is more similar than any pair of rows, for each group.

    Parameters
    ----------
    null
        The cosines of all pairs of n rows.
    groups
        (n,) number of the group of each row, from 0 to g - 1; -1 for rows without one.

    Returns
    -------
    (g,) mean percentile of the pairs within each group, where ties count half; 0.5 for random groups, NaN for groups of
    fewer than two rows.

    Notes
    -----
    Source: the probability of superiority of Brunner & Munzel, Biom. J. 42 (2000), by which Lazar et al., Nat. Genet.
    56 (2024), compare pairs within chromosome arms; here against all pairs.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.0]])
    >>> group_similarity(PairNull(x), np.array([0, 0, 1, 1])).round(2)
    array([0.92, 0.5 ])
    """
    import torch

    result = np.full(int(groups.max()) + 1, np.nan)
    for group in range(len(result)):
        rows = null.vectors[torch.from_numpy(np.flatnonzero(groups == group))]
        if len(rows) > 1:
            above = torch.triu_indices(len(rows), len(rows), 1)
            result[group] = null.percentiles((rows @ rows.T)[above[0], above[1]]).mean()
    return result
