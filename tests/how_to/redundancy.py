"""What docs/extending.md adds to a diagnosis: a metric, a record, a part and a rule."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.numbers import percent
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import Record
from phenolens.diagnosis.rules import Each, Rule
from phenolens.evaluation import Estimate, Evaluation


def redundant_share(x: NDArray[Any], least: float = 0.99) -> float:
    """Return the share of columns of `x` (n, d) that nearly repeat an earlier one: |Pearson's r| of at least `least`.

    Columns that do not vary repeat nothing.

    Examples
    --------
    >>> import numpy as np
    >>> redundant_share(np.array([[0.0, 0.0, 1.0], [1.0, 2.0, 0.0], [2.0, 4.0, 1.0]]))
    0.3333333333333333
    """
    x = np.asarray(x, dtype=np.float64) - np.mean(x, axis=0)
    length = np.linalg.norm(x, axis=0)
    x = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    repeats_earlier = np.triu(np.abs(x.T @ x) >= least, 1).any(axis=0)
    return float(repeats_earlier.mean())


@dataclass(frozen=True)
class Redundancy(Record):
    """How many features of an encoder nearly repeat another.

    Attributes
    ----------
    encoder
        The encoder, with its seed.
    share
        The share of its features.
    """

    encoder: str
    share: float


def find_redundancy(evaluation: Evaluation) -> Found:
    """Return `Redundancy` records of the encoders under test."""
    records = []
    for encoder, vectors in evaluation.profiles.tested().items():
        records.append(Redundancy(encoder, redundant_share(np.asarray(vectors.X))))
    return Found(tuple(records))


MANY = 0.5

REDUNDANCY = Rule[Redundancy](
    kind="redundancy",
    title="Redundant features",
    about=Each(Redundancy),
    condition=f"at least {MANY:.0%} of the features of an encoder under test nearly repeat another",
    when=lambda found: found.share >= MANY,
    sentence=lambda found: f"{percent(found.share)} of the features of {found.encoder} nearly repeat another.",
    effect=lambda found: Estimate(found.share),
)
