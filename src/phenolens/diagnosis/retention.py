"""How much of a score is left once something has been taken away."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from phenolens.core.random import spawn
from phenolens.diagnosis.claims import supports_gains
from phenolens.diagnosis.comparison import by_question, family_values, joint_draws, paired_p
from phenolens.metrics import percentile_interval
from phenolens.tasks import Answer, Evaluation

COLUMNS = ("family", "task", "profiling", "value", "before", "chance", "retention", "low", "high", "p", "n_units")


def compare_retention(before: Evaluation, after: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Compare scores after something was taken away with those before.

    Parameters
    ----------
    before, after
        Answers to the same questions; those of which there are no answers before are left out.
    seed
        Of the bootstrap.

    Returns
    -------
    One row per encoder family and question: the score, that before, chance before, and the ``retention``, the share of
    the distance from chance that is left, with its 95 % interval over the units that both have, and the p value that
    nothing was lost or won (`sign_flip_p`), NaN where the score before cannot be told from chance; and the number of
    these units.
    """
    earlier = by_question(before.answers)
    rows: list[tuple[object, ...]] = []
    for question, answers in by_question(after.answers).items():
        if question in earlier and supports_gains(earlier[question]):
            for family in dict.fromkeys(answer.family for answer in answers):
                own, then = ([a for a in part if a.family == family] for part in (earlier[question], answers))
                values = {"after": family_values(then)[family], "before": family_values(own)[family]}
                chance = (_chance(own), _chance(then))
                rows.append((family, *question, *retain(values, chance, question, own[0].score.spread, seed)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def retain(
    values: Mapping[str, pd.DataFrame], chance: tuple[float, float], question: tuple[str, str], spread: float, seed: int
) -> tuple[float, ...]:
    """Return the score, that before, chance, the share of the distance that is left, its limits, p, and the units.

    Parameters
    ----------
    values
        ``after`` and ``before``: values and weights by (unit, stratum), as `family_values` gives them.
    chance
        Before, and after.
    question
        Task and profiling.
    spread
        By how much a difference varies more than its mean over drawn units; see `Score.spread`.
    seed
        Of the bootstrap.
    """
    mean, draws, n_units = joint_draws(values, spawn(seed, "retention", *question), spread=spread)
    scores = (float(mean[0]), float(mean[1]), chance[0])
    if n_units < 2 or percentile_interval(draws[:, 1])[0] <= chance[0]:
        return (*scores, *[float("nan")] * 4, n_units)
    left, whole = draws[:, 0] - chance[1], np.maximum(draws[:, 1] - chance[0], 1e-12)
    p = paired_p(values["after"], values["before"], spawn(seed, "retention p", *question), spread=spread)
    share = (scores[0] - chance[1]) / (scores[1] - chance[0])
    return (*scores, share, *percentile_interval(left / whole), p, n_units)


def _chance(answers: Sequence[Answer]) -> float:
    return float(np.mean([answer.score.chance for answer in answers]))
