"""What does it use? How much of a score is left once something has been taken from the pixels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.diagnosis.claims import supports_gains
from phenolens.diagnosis.comparison import by_question, family_values, joint_draws, paired_p
from phenolens.encoders import EncoderName
from phenolens.metrics import percentile_interval, unit_rows
from phenolens.profiling import profile
from phenolens.randomness import spawn
from phenolens.tasks import Answer, Evaluation, Task, evaluate

COLUMNS = (
    "family",
    "intervention",
    "task",
    "profiling",
    "value",
    "before",
    "chance",
    "retention",
    "low",
    "high",
    "p",
)


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
    One row per encoder family, intervention and question: the score, that before, chance, and the ``retention``, the
    share of the distance from chance that is left, with its 95 % interval over the units that both have, and the p
    value that nothing was lost or won (`sign_flip_p`); NaN where the score before cannot be told from chance.
    """
    before = by_question(evaluation.answers)
    rows: list[tuple[object, ...]] = []
    for intervention, embeddings in changed.items():
        after = evaluate(embeddings, tasks, profilings=profilings, batch_by=batch_by, seed=seed)
        for question, answers in by_question(after.answers).items():
            if question in before and supports_gains(before[question]):
                rows += [
                    (family, intervention, *question, *_retention(own, before[question], family, question, seed))
                    for family, own in _by_family(answers).items()
                ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


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
            u, v = unit_rows(x - middle), unit_rows(y - middle)
            n = len(u)
            apart = 1 - (float(u.sum(axis=0) @ u.sum(axis=0)) - n) / (n * (n - 1))
            rows.append((EncoderName.parse(name).family, intervention, float(1 - (u * v).sum(axis=1).mean()) / apart))
    table = pd.DataFrame(rows, columns=["family", "intervention", "shift"])
    return table.groupby(["family", "intervention"], sort=False, as_index=False)["shift"].mean()


def _by_family(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    families: dict[str, list[Answer]] = {}
    for answer in answers:
        families.setdefault(answer.family, []).append(answer)
    return families


def _retention(
    after: Sequence[Answer], before: Sequence[Answer], family: str, question: tuple[str, str], seed: int
) -> tuple[float, float, float, float, float, float, float]:
    """Return the score, that before, chance, the share of the distance that is left, its limits, and the p value."""
    own = [answer for answer in before if answer.family == family]
    values = {"after": family_values(after)[family], "before": family_values(own)[family]}
    chance = float(np.mean([answer.score.chance for answer in own]))
    mean, draws, n_units = joint_draws(values, spawn(seed, "retention", *question), order=own[0].score.order)
    nan = float("nan")
    if n_units < 2 or percentile_interval(draws[:, 1])[0] <= chance:
        return float(mean[0]), float(mean[1]), chance, nan, nan, nan, nan
    shares: NDArray[np.float64] = (draws[:, 0] - chance) / np.maximum(draws[:, 1] - chance, 1e-12)
    low, high = percentile_interval(shares)
    rng = spawn(seed, "retention p", *question)
    p = paired_p(values["after"], values["before"], rng, order=own[0].score.order)
    return float(mean[0]), float(mean[1]), chance, float((mean[0] - chance) / (mean[1] - chance)), low, high, p
