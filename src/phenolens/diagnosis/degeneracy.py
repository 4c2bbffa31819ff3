"""Is this an embedding at all? Its shape, before any score is believed."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.metrics import (
    hubness,
    mean_pairwise_cosine,
    nearest_neighbours,
    participation_ratio,
    top_share,
    uniformity,
    variance_spectrum,
)

_MOST_ROWS = 5000  # for what compares all pairs
_NEIGHBOURS = 10
_SPREAD = 1e-4  # of the vectors, relative to their length: below it, float32 has three digits left for differences
_TIE = 1e-7


@dataclass(frozen=True)
class Degeneracy:
    """The shape of an embedding.

    Attributes
    ----------
    n_rows, n_features
        Its size.
    not_finite
        Rows with NaN or infinite values; all else is of the other rows.
    zero
        Rows that are all zero.
    duplicates
        Rows that equal an earlier one.
    dead
        Features that do not vary.
    rank
        Numerical rank of the centred vectors.
    effective_dimensions
        Participation ratio of their variances.
    top_share
        Share of the variance along the first principal component.
    spread
        Standard deviation of the vectors around their mean, relative to their root mean square length.
    norm_variation
        Standard deviation of the lengths, relative to their mean.
    mean_cosine
        Over pairs of rows; 0 if isotropic, 1 if all point the same way.
    uniformity
        0 if all rows point the same way, lower if spread over the sphere.
    hubness
        Skewness of how often rows are among others' nearest.
    ties
        Share of rows whose nearest neighbour is as near as the next.
    finding
        What makes it unfit for scores; empty if nothing does.
    """

    n_rows: int
    n_features: int
    not_finite: int
    zero: int
    duplicates: int
    dead: int
    rank: int
    effective_dimensions: float
    top_share: float
    spread: float
    norm_variation: float
    mean_cosine: float
    uniformity: float
    hubness: float
    ties: float
    finding: str

    def as_dict(self) -> dict[str, Any]:
        """Return all of it by name."""
        return asdict(self)


def describe_degeneracy(vectors: AnnData | NDArray[Any], *, seed: int = 0) -> Degeneracy:
    """Describe the shape of an embedding (n, d), and say whether it has collapsed.

    It has where no finite rows are left, at least half of the rows repeat earlier ones, or the vectors differ by less
    than 1e-4 of their length. One number per row may repeat. Comparisons of all pairs are made on at most 5,000 rows,
    drawn with `seed`.
    """
    whole = np.asarray(vectors.X if isinstance(vectors, AnnData) else vectors)
    finite = np.isfinite(whole).all(axis=1)
    x = np.asarray(whole[finite], dtype=np.float64)
    n, d = x.shape
    if n < 2:
        nan = float("nan")
        bad, why = len(whole) - n, f"{n} of {len(whole)} rows are finite"
        return Degeneracy(len(whole), d, bad, 0, 0, 0, 0, nan, nan, nan, nan, nan, nan, nan, nan, why)
    length = np.linalg.norm(x, axis=1)
    variances = x.var(axis=0)
    spectrum = variance_spectrum(x)
    deviation = float(np.sqrt(variances.sum()))
    size = float(np.sqrt((length**2).mean()))
    spread = deviation / size if size > 0 else 0.0
    duplicates = n - len(np.unique(whole[finite], axis=0))
    some = x if n <= _MOST_ROWS else x[np.sort(spawn(seed, "degeneracy").choice(n, _MOST_ROWS, replace=False))]
    neighbours, distance = nearest_neighbours(some, min(_NEIGHBOURS, len(some) - 1))
    finding = ""
    if spread < _SPREAD:
        finding = f"collapsed: vectors differ by {spread:.1g} of their length"
    elif duplicates >= n / 2 and d > 1:  # one number, such as a count, may well repeat
        finding = f"collapsed: {duplicates} of {n} rows repeat earlier ones"
    return Degeneracy(
        n_rows=len(whole),
        n_features=d,
        not_finite=int((~finite).sum()),
        zero=int((length == 0).sum()),
        duplicates=duplicates,
        dead=int((np.ptp(x, axis=0) == 0).sum()),
        rank=int((spectrum > spectrum[0] * (max(n, d) * np.finfo(np.float32).eps) ** 2).sum()),
        effective_dimensions=participation_ratio(spectrum),
        top_share=top_share(spectrum),
        spread=spread,
        norm_variation=float(length.std() / length.mean()) if size > 0 else 0.0,
        mean_cosine=mean_pairwise_cosine(some),
        uniformity=uniformity(some),
        hubness=hubness(neighbours),
        ties=float((np.diff(distance[:, :2], axis=1) < _TIE).mean()) if distance.shape[1] > 1 else float("nan"),
        finding=finding,
    )
