"""What cosines of vectors see little beside: a part that all vectors share, or a single feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenolens.metrics import unit_rows
from phenolens.tasks import Note, notes_of

if TYPE_CHECKING:
    from anndata import AnnData

_COMMON = 0.999  # of the length: cosines are then all above 0.99
_FEATURE = 0.99  # of the squared length
_DIFFERS = 1e-7  # of the length: less is rounding of vectors that are all equal


def note_dominance(profiles: AnnData) -> tuple[Note, ...]:
    """Return a note where a common part or one feature makes up nearly all of the vectors (n, d) that cosines compare.

    Cosines remain what the task is defined by; the note says what they cannot show, and what would free it.
    """
    unit = unit_rows(profiles.X)
    if unit.shape[1] < 2 or len(unit) < 2:
        return ()
    common = float(np.linalg.norm(unit.mean(axis=0)))
    differs = float(np.sqrt(((unit - unit.mean(axis=0)) ** 2).sum(axis=1).mean()))
    if common >= _COMMON and differs > _DIFFERS:
        return notes_of(
            common_part=(
                f"all vectors share a common part and differ by {differs:.1g} of their length, so that cosines rank by "
                "how far vectors lie apart, not by the direction in which they differ; centre them first, e.g. by "
                "profiling pca-centre-scale"
            )
        )
    shares = (unit**2).mean(axis=0)
    largest = int(shares.argmax())
    if shares[largest] >= _FEATURE and differs > _DIFFERS:
        feature = f"feature '{profiles.var_names[largest]}'"
        return notes_of(
            dominant_feature=(
                f"{feature} makes up at least {_FEATURE:.0%} of the squared length of the vectors, so that cosines "
                "show little else; scale features first, e.g. by profiling robust-z or tvn"
            )
        )
    return ()
