"""Paired comparisons: the same units scored by two encoders, resampled together."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.evaluation import Evaluation, Question, joint_draws
from phenolens.metrics import tie_groups

_DIFFERENCE = ("difference", "low", "high", "n_units", "detectable")
COLUMNS = ("task", "profiling", "encoder", "baseline", *_DIFFERENCE, "p", "seeds_low", "seeds_high")
PAIR_COLUMNS = ("task", "profiling", "encoder", "other", *_DIFFERENCE, "p")

OtherControls = dict[tuple[str, str], dict[str, NDArray[np.float64]]]
"""Question -> family -> scores without each part of the controls, as `ask_without_controls` gives them."""


def compare_families(evaluation: Evaluation, other_controls: OtherControls | None = None) -> pd.DataFrame:
    """Compare every encoder with every baseline, and each pair of baselines once: the lower score with the higher.

    An encoder's value for a unit is the mean over its seeds, so that no single draw of an untrained network
    stands for all of them.

    Parameters
    ----------
    evaluation
        The scores.
    other_controls
        What other controls would change of them; nothing if None.

    Returns
    -------
    One row per task, profiling, encoder and baseline: the paired difference (encoder minus baseline), its 95 %
    cluster-bootstrap interval over the units that both have, their number, the smallest difference that so many units
    find with 80 % power, and, for an encoder that is no baseline, the p value that the two are alike (`sign_flip_p`);
    and the least and the largest difference to one of the baseline's seeds.
    """
    rows = []
    for question in evaluation.questions.values():
        place = {each.encoder: number for number, each in enumerate(question.means)}
        for baseline, seeds in question.by_encoder.items():
            if not seeds[0].info.is_baseline:
                continue
            values = [each.score.value for each in seeds]
            for encoder, scores in question.by_encoder.items():
                both_baselines = scores[0].info.is_baseline
                if encoder == baseline or (both_baselines and place[encoder] < place[baseline]):
                    continue
                mean = np.mean([each.score.value for each in scores])
                row = _compare(question, encoder, baseline, other_controls, with_p=scores[0].info.is_tested)
                row |= {"baseline": baseline, "seeds_low": mean - max(values), "seeds_high": mean - min(values)}
                rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def compare_tested(questions: Sequence[Question], other_controls: OtherControls | None = None) -> pd.DataFrame:
    """Compare the encoders under test with each other, each pair once; parameters as of `compare_families`.

    Returns
    -------
    One row per task, profiling and pair: encoder minus ``other``, as in `compare_families`.
    """
    rows = []
    for question in questions:
        tested = [name for name, scores in question.by_encoder.items() if scores[0].info.is_tested]
        for one, other in combinations(tested, 2):
            rows.append(_compare(question, one, other, other_controls, with_p=True) | {"other": other})
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _compare(
    question: Question, one: str, other: str, other_controls: OtherControls | None, *, with_p: bool
) -> dict[str, object]:
    """Return what a row says of two encoders, but for the other's name."""
    found = question.difference(
        one, other, shared_variance=_shared(other_controls, question.key, one, other), with_p=with_p
    )
    known = found.estimate
    return {
        "task": question.task.id,
        "profiling": question.profiling,
        "encoder": one,
        "difference": known.value,
        "low": known.low,
        "high": known.high,
        "n_units": known.n_units,
        "detectable": found.detectable,
        "p": known.p,
    }


def _shared(other_controls: OtherControls | None, question: tuple[str, str], one: str, other: str) -> float:
    """Return the variance of a difference by what all units share: that of a jackknife over controls."""
    found = (other_controls or {}).get(question, {})
    if one not in found or other not in found:
        return 0.0
    gaps = found[one] - found[other]
    return float((len(gaps) - 1) / len(gaps) * ((gaps - gaps.mean()) ** 2).sum())


def rank_families(evaluation: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Rank the encoder families on every question, with ties: those that cannot be told from a group's best share it.

    Returns
    -------
    One row per task, profiling and family: its value over the units that all families have, and its rank group.
    """
    tables = [pd.DataFrame(columns=["task", "profiling", "family", "value", "rank_group"])]
    for question in evaluation.questions.values():
        rng = spawn(seed, "ranks", *question.key)
        joint = joint_draws(question.values, rng, se_inflation=question.first.se_inflation)
        if joint.n_units < 2:
            continue
        sign = 1 if question.first.higher_is_better else -1
        groups = tie_groups(sign * joint.draws, sign * joint.mean)
        table = pd.DataFrame({"family": list(question.values), "value": joint.mean, "rank_group": groups})
        tables.append(table.assign(task=question.task.id, profiling=question.profiling))
    ranked = pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
    ranked = ranked[["task", "profiling", "family", "value", "rank_group"]]
    return ranked.sort_values(["task", "profiling", "rank_group"], kind="stable", ignore_index=True)
