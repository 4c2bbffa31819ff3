"""How well a measurement agrees with itself."""

import numpy as np
from numpy.typing import NDArray


def split_half_reliability(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the reliability of the mean of two halves of a measurement: the share of its variance that is no error.

    The correlation r of the halves is that of a measurement of half the length; of both together, the reliability is
    2 r / (1 + r). No measurement correlates with anything else by more than the root of its reliability, so that
    r / sqrt(reliability) is the correlation that would be found without errors (Spearman, Am. J. Psychol. 15, 1904).

    Parameters
    ----------
    one, other
        (n, k) the measurements of the same n rows by either half.

    Returns
    -------
    (k,) reliabilities from 0, where halves do not agree, to 1; NaN of columns that do not vary.

    Notes
    -----
    Source: Spearman, Br. J. Psychol. 3 (1910); Brown, Br. J. Psychol. 3 (1910).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(10_000, 1))
    >>> one, other = (truth + rng.normal(size=(10_000, 1)) for _ in range(2))
    >>> split_half_reliability(one, other).round(2)  # errors of the mean have half the variance of the truth
    array([0.67])
    """
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    scale = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    r = np.divide((one * other).sum(axis=0), scale, out=np.full(one.shape[1], np.nan), where=scale > 0)
    r = np.maximum(r, 0)
    return 2 * r / (1 + r)
