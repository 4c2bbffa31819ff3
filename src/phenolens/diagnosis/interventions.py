"""What does it use? How much of a score is left once something has been taken from the pixels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.diagnosis.asking import without_p
from phenolens.diagnosis.retention import compare_retention
from phenolens.encoders import EncoderName
from phenolens.metrics import mean_pairwise_cosine, unit_rows
from phenolens.profiling import profile
from phenolens.tasks import Evaluation, Task, evaluate


def compare_interventions(
    evaluation: Evaluation,
    changed: Mapping[str, Mapping[str, AnnData]],
    tasks: Sequence[Task],
    *,
    profilings: Sequence[str] = ("raw",),
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Score encoders on changed images, and say how much of what they knew above chance is left.

    Everything is changed alike, what a probe learns from and what it is asked about: what is lost cannot be told from
    the pixels that are left, whereas a mere shift of the vectors costs nothing.

    Parameters
    ----------
    evaluation
        The answers on images as they are.
    changed
        Intervention -> encoder -> its vectors of the changed images.
    tasks, profilings, batch_by, seed
        As in `evaluate`.

    Returns
    -------
    One row per intervention, encoder family and question: ``intervention``, and what `compare_retention` says.
    """
    tables = {
        intervention: compare_retention(
            evaluation,
            evaluate(
                embeddings, [without_p(task) for task in tasks], profilings=profilings, batch_by=batch_by, seed=seed
            ),
            seed=seed,
        )
        for intervention, embeddings in changed.items()
    }
    return pd.concat(tables, names=["intervention"]).reset_index(level=0).reset_index(drop=True)


def embedding_shift(original: Mapping[str, AnnData], changed: Mapping[str, Mapping[str, AnnData]]) -> pd.DataFrame:
    """Return how far interventions move vectors: 0 not at all, 1 as far as two random wells are apart.

    Returns
    -------
    One row per encoder family and intervention: ``shift``, the mean cosine distance between a well before and after,
    relative to that between different wells before, both around the mean of the wells before.
    """
    rows = []
    for intervention, embeddings in changed.items():
        for name, own in embeddings.items():
            before, after = (profile(vectors, "raw", level="well") for vectors in (original[name], own))
            shared = before.obs_names.intersection(after.obs_names)
            x, y = (np.asarray(vectors[shared].X, dtype=np.float64) for vectors in (before, after))
            middle = x.mean(axis=0)
            moved = 1 - float((unit_rows(x - middle) * unit_rows(y - middle)).sum(axis=1).mean())
            rows.append((EncoderName.parse(name).family, intervention, moved / (1 - mean_pairwise_cosine(x - middle))))
    table = pd.DataFrame(rows, columns=["family", "intervention", "shift"])
    return table.groupby(["family", "intervention"], sort=False, as_index=False)["shift"].mean()
