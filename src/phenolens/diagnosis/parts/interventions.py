"""How much of a score is left once something has been taken from the pixels, and how far the vectors moved."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import AfterIntervention
from phenolens.diagnosis.retention import compare_retention, skipped_after
from phenolens.embedding import encoder_info
from phenolens.evaluation import Evaluation, Profiles
from phenolens.metrics import mean_pairwise_cosine, unit_rows
from phenolens.profiling import profile

PART = "interventions"


def compare_interventions(evaluation: Evaluation, changed: Mapping[str, Mapping[str, AnnData]]) -> Found:
    """Score encoders on changed images, and say how much of what they scored above chance is left.

    All images are changed alike, those that a probe learns from and those that it predicts: a mere shift of the vectors
    costs nothing, and what is lost is not in the pixels that are left.

    Parameters
    ----------
    evaluation
        The scores on images as they are; the changed ones are evaluated with the same tasks and settings.
    changed
        Intervention -> encoder (with its seed) -> its vectors of the changed images.

    Returns
    -------
    One `AfterIntervention` per intervention, question and encoder.
    """
    tasks = [task.without_p() for task in evaluation.tasks]
    found = Found()
    for intervention, embeddings in changed.items():
        after = evaluation.rescore(embeddings, tasks)
        shifts = _shifts(evaluation.profiles, embeddings)
        records = []
        for retention in compare_retention(evaluation, after):
            shift = shifts[retention.encoder]
            records.append(AfterIntervention(**vars(retention), intervention=intervention, shift=shift))
        found += Found(tuple(records), skipped_after(evaluation, after, PART, intervention))
    return found


def _shifts(profiles: Profiles, changed: Mapping[str, AnnData]) -> dict[str, float]:
    """Return encoder -> how far its vectors moved, the mean over its seeds."""
    names = []
    shifts = []
    for encoder, vectors in changed.items():
        names.append(encoder_info(vectors, encoder).name)
        shifts.append(_shift(profiles.averaged(encoder), profile(vectors, "raw", level="well")))
    return dict(pd.Series(shifts, names, dtype=float).groupby(level=0).mean())


def _shift(before: AnnData, after: AnnData) -> float:
    """Return the mean cosine distance between a well before and after, relative to that between different wells before.

    Both are around the mean of the wells before: 0 if nothing moved, 1 if as far as two random wells are apart.
    """
    shared = before.obs_names.intersection(after.obs_names)
    x = np.asarray(before[shared].X, dtype=np.float64)
    y = np.asarray(after[shared].X, dtype=np.float64)
    middle = x.mean(axis=0)
    moved = 1 - float((unit_rows(x - middle) * unit_rows(y - middle)).sum(axis=1).mean())
    return moved / (1 - mean_pairwise_cosine(x - middle))
