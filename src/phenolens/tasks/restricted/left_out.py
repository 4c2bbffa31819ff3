"""What is left of a score when nothing may help that shares a plate, a position, a slide or the like."""

import numpy as np

from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.tasks.restricted.candidates import Candidates


def leave_out(candidates: Candidates, column: str) -> Candidates:
    """Return candidates that do not share the value of a metadata column with the query.

    Where a query's negatives all share it, as the controls of its plate share its plate, they are the controls that do
    not: positives and negatives then come from the same others.
    """
    codes = candidates.obs[column].astype(str).to_numpy()
    other = codes[candidates.queries][:, None] != codes
    negative = candidates.negative & other
    if "role" in candidates.obs:
        control = (candidates.obs["role"] == NEGATIVE_CONTROL).to_numpy()
        none = ~negative.any(axis=1)
        negative[none] = other[none] & control
    return candidates.restrict(np.take_along_axis(other, candidates.positives, axis=1), negative)
