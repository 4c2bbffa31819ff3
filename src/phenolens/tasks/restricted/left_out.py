"""Retrieval without candidates that share a plate, a position, a slide or the like with the query."""

import numpy as np

from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.tasks.restricted.candidates import Candidates


def leave_out(candidates: Candidates, *columns: str) -> Candidates:
    """Return candidates that do not share the value of one of several metadata columns with the query.

    Where all negatives of a query share its value (as controls of the same plate do), controls with other values become
    its negatives: positives and negatives then come from the same plates.
    """
    other = np.ones(candidates.negative.shape, dtype=bool)
    for column in columns:
        codes = candidates.obs[column].astype(str).to_numpy()
        other &= codes[candidates.queries][:, None] != codes
    negative = candidates.negative & other
    if "role" in candidates.obs:
        control = (candidates.obs["role"] == NEGATIVE_CONTROL).to_numpy()
        none = ~negative.any(axis=1)
        negative[none] = other[none] & control
    return candidates.restrict(np.take_along_axis(other, candidates.positives, axis=1), negative)
