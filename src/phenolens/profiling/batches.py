"""The rows of each batch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Batches:
    """The rows of each batch.

    Parameters
    ----------
    labels
        (n,) batch of each row.
    """

    def __init__(self, labels: NDArray[Any]) -> None:
        self.names, codes = np.unique(np.asarray(labels), return_inverse=True)
        self._order = np.argsort(codes, kind="stable")
        self._ends = np.cumsum(np.bincount(codes))

    def __iter__(self) -> Iterator[tuple[Any, NDArray[np.intp]]]:
        """Yield the label and the row numbers of each batch."""
        return zip(self.names, np.split(self._order, self._ends[:-1]), strict=True)
