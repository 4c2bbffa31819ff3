"""How much of the variance of vectors each concept explains: what is large in them, not what can be read off them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phenolens.diagnosis.parts.concepts.data import ConceptData, indicators, orthonormal


@dataclass(frozen=True)
class VarianceShares:
    """What a block of factors explains of one encoder (with its seed); fields as in `ExplainedVariance`."""

    encoder: str
    block: str
    alone: float
    beyond: float
    of_first_component: float
    first_component: float


def explained_variance(data: ConceptData) -> list[VarianceShares]:
    """Return the adjusted shares that linear regressions on the batch, the treatment and each concept explain."""
    blocks: dict[str, NDArray[np.float64]] = {}
    for name, labels in (("batch", data.batch), ("treatment", data.treatment)):
        if len(set(labels)) > 1:
            blocks[name] = indicators(labels)
    blocks |= data.standardised
    constant = np.ones((data.n_rows, 1))
    all_blocks = orthonormal(constant, *blocks.values())
    bases = {name: orthonormal(constant, block) for name, block in blocks.items()}
    all_but = {name: orthonormal(constant, *_without(name, blocks)) for name in blocks}
    found = []
    for encoder, vectors in data.vectors.items():
        x = vectors - vectors.mean(axis=0)
        total = float((x**2).sum())
        explained = _adjusted_share(x, all_blocks, total)
        first = _first_component(x)
        length = float((first**2).sum())
        for name, basis in bases.items():
            shares = VarianceShares(
                encoder,
                name,
                alone=_adjusted_share(x, basis, total),
                beyond=explained - _adjusted_share(x, all_but[name], total),
                of_first_component=_adjusted_share(first, basis, length),
                first_component=length / total if total else float("nan"),
            )
            found.append(shares)
    return found


def _without(name: str, blocks: dict[str, NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    return [block for other, block in blocks.items() if other != name]


def _first_component(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores (n, 1) of centred rows on their first principal component."""
    gram = x.T @ x if len(x) >= x.shape[1] else x @ x.T
    direction = np.linalg.eigh(gram)[1][:, -1:]
    if len(x) >= x.shape[1]:
        return x @ direction
    return direction * np.linalg.norm(x.T @ direction)


def _adjusted_share(x: NDArray[np.float64], basis: NDArray[np.float64], total: float) -> float:
    """Return the adjusted share of the variance of centred `x` that lies in a space that holds the intercept."""
    n, k = basis.shape
    if total == 0 or n <= k:
        return float("nan")
    share = float(((basis.T @ x) ** 2).sum()) / total
    return 1 - (1 - share) * (n - 1) / (n - k)
