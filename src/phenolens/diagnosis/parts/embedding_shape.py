"""The shape of an embedding, and whether it has collapsed, before any score is believed."""

from dataclasses import replace
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import (
    COMMON_PART,
    DOMINANT_COMPONENT,
    DOMINANT_FEATURE,
    Dominance,
    EmbeddingShape,
)
from phenolens.evaluation import Evaluation
from phenolens.metrics import (
    hubness,
    mean_pairwise_cosine,
    nearest_neighbours,
    participation_ratio,
    top_share,
    uniformity,
    unit_rows,
    variance_spectrum,
)

_MOST_ROWS = 5000  # for what compares all pairs
_NEIGHBOURS = 10
_LEAST_RELATIVE_SD = {"float32": 1e-4, "float64": 1e-6}  # so that cosines keep three digits of what differs
_TIE = 1e-7
_TIE_OF_MEAN = 1e-3  # of the mean distance to neighbours, where that is small
_ROUNDING = 1e-14  # of cosines


def describe_embeddings(evaluation: Evaluation) -> Found:
    """Describe the embeddings of encoders under test and of all seeds of their untrained counterparts.

    Returns
    -------
    `EmbeddingShape` records.
    """
    seed = evaluation.settings.seed
    shapes = []
    for encoder, vectors in evaluation.profiles.tested_and_counterparts().items():
        shape = describe_embedding(vectors, encoder, seed=seed)
        info = evaluation.profiles.infos[encoder]
        if not info.is_tested or info.feature_type != "vectors":  # measurements are standardised before all else
            shape = replace(shape, dominated_by="")
        shapes.append(shape)
    return Found(tuple(shapes))


def describe_embedding(vectors: AnnData | NDArray[Any], encoder: str = "", *, seed: int = 0) -> EmbeddingShape:
    """Describe the shape of an embedding (n, d), and say whether it has collapsed.

    It has where no finite rows are left, at least half of the rows repeat earlier ones, or the vectors differ by less
    than 1e-4 of their length; 1e-6 where they are kept in float64, as those with a larger common part are. One number
    per row may repeat. Comparisons of all pairs are made on at most 5,000 rows, drawn with `seed`.
    """
    whole = np.asarray(vectors.X if isinstance(vectors, AnnData) else vectors)
    finite = np.isfinite(whole).all(axis=1)
    x = np.asarray(whole[finite], dtype=np.float64)
    n, d = x.shape
    not_finite = len(whole) - n
    if n < 2:
        return EmbeddingShape(encoder, len(whole), d, not_finite, finding=f"{n} of {len(whole)} rows are finite")
    length = np.linalg.norm(x, axis=1)
    spectrum = variance_spectrum(x)
    deviation = float(np.sqrt(x.var(axis=0).sum()))
    size = float(np.sqrt((length**2).mean()))
    relative_sd = deviation / size if size > 0 else 0.0
    of_features = (unit_rows(x) ** 2).mean(axis=0)
    largest = int(of_features.argmax())
    duplicates = n - len(np.unique(whole[finite], axis=0))
    some = x if n <= _MOST_ROWS else x[np.sort(spawn(seed, "degeneracy").choice(n, _MOST_ROWS, replace=False))]
    neighbours, distance = nearest_neighbours(some, min(_NEIGHBOURS, len(some) - 1))
    finding = ""
    if relative_sd < _LEAST_RELATIVE_SD["float64" if whole.dtype == np.float64 else "float32"]:
        finding = f"collapsed: vectors differ by {relative_sd:.1g} of their length"
    elif duplicates >= n / 2 and d > 1:  # one number, such as a count, may well repeat
        finding = f"collapsed: {duplicates} of {n} rows repeat earlier ones"
    names = vectors.var_names if isinstance(vectors, AnnData) else np.arange(d)
    first_share = top_share(spectrum)
    return EmbeddingShape(
        encoder,
        n_rows=len(whole),
        n_features=d,
        not_finite=not_finite,
        zero=int((length == 0).sum()),
        duplicates=duplicates,
        dead=int((np.ptp(x, axis=0) == 0).sum()),
        rank=int((spectrum > spectrum[0] * (max(n, d) * np.finfo(np.float32).eps) ** 2).sum()),
        effective_dimensions=participation_ratio(spectrum),
        top_share=first_share,
        relative_sd=relative_sd,
        norm_variation=float(length.std() / length.mean()) if size > 0 else 0.0,
        mean_cosine=mean_pairwise_cosine(some),
        uniformity=uniformity(some),
        hubness=hubness(neighbours),
        ties=_share_of_ties(distance),
        largest_feature=str(names[largest]),
        feature_share=float(of_features[largest]),
        finding=finding,
        dominated_by="" if finding or d < 2 else _dominance(float(of_features[largest]), relative_sd, first_share),
    )


def _dominance(feature_share: float, relative_sd: float, first_component: float) -> Dominance:
    if feature_share >= DOMINANT_FEATURE:
        return "feature"
    if relative_sd < COMMON_PART:
        return "common part"
    return "component" if first_component >= DOMINANT_COMPONENT else ""


def _share_of_ties(distance: NDArray[np.float64]) -> float:
    """Return the share of rows whose nearest neighbour is as near as the next, by cosine distances (n, k)."""
    if distance.shape[1] < 2:
        return float("nan")
    width = max(min(_TIE, _TIE_OF_MEAN * float(distance.mean())), _ROUNDING)
    return float((np.diff(distance[:, :2], axis=1) < width).mean())
