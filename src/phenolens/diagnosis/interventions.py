"""What does it use? How much of a score is left once something has been taken from the pixels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.diagnosis.retention import compare_retention
from phenolens.embedding import encoder_info
from phenolens.evaluation import Evaluation
from phenolens.metrics import mean_pairwise_cosine, unit_rows
from phenolens.profiling import profile
from phenolens.tasks import Task


def compare_interventions(
    evaluation: Evaluation, changed: Mapping[str, Mapping[str, AnnData]], tasks: Sequence[Task]
) -> pd.DataFrame:
    """Score encoders on changed images, and say how much of what they knew above chance is left.

    Everything is changed alike, what a probe learns from and what it is asked about: what is lost cannot be told from
    the pixels that are left, whereas a mere shift of the vectors costs nothing.

    Parameters
    ----------
    evaluation
        The scores on images as they are; the changed ones are evaluated with the same settings.
    changed
        Intervention -> encoder -> its vectors of the changed images.
    tasks
        As in `evaluate`.

    Returns
    -------
    One row per intervention, encoder and question: ``intervention``, and what `compare_retention` says.
    """
    quick = [task.without_p() for task in tasks]
    tables = []
    for intervention, embeddings in changed.items():
        left = compare_retention(evaluation, evaluation.rescore(embeddings, quick), seed=evaluation.settings.seed)
        left.insert(0, "intervention", intervention)
        tables.append(left)
    return pd.concat(tables, ignore_index=True)


def embedding_shift(original: Mapping[str, AnnData], changed: Mapping[str, Mapping[str, AnnData]]) -> pd.DataFrame:
    """Return how far interventions move vectors: 0 not at all, 1 as far as two random wells are apart.

    Returns
    -------
    One row per encoder family and intervention: ``shift``, the mean cosine distance between a well before and after,
    relative to that between different wells before, both around the mean of the wells before.
    """
    rows = []
    for intervention, embeddings in changed.items():
        for name, vectors in embeddings.items():
            before, after = (profile(each, "raw", level="well") for each in (original[name], vectors))
            shared = before.obs_names.intersection(after.obs_names)
            x, y = (np.asarray(each[shared].X, dtype=np.float64) for each in (before, after))
            middle = x.mean(axis=0)
            moved = 1 - float((unit_rows(x - middle) * unit_rows(y - middle)).sum(axis=1).mean())
            shift = moved / (1 - mean_pairwise_cosine(x - middle))
            rows.append({"family": encoder_info(vectors, name).name, "intervention": intervention, "shift": shift})
    table = pd.DataFrame(rows, columns=["family", "intervention", "shift"])
    return table.groupby(["family", "intervention"], sort=False, as_index=False)["shift"].mean()
