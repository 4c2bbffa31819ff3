"""How much data does it need? Probes that learn from few rows of each class, and retrieval with few replicates."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import condition_names, treated
from phenolens.diagnosis.asking import ask_again, rows_asked, sample_rows
from phenolens.diagnosis.claims import means_by_family, supports_gains
from phenolens.diagnosis.comparison import by_question, family_values, joint_draws, paired_difference
from phenolens.encoders import is_baseline
from phenolens.metrics import percentile_interval
from phenolens.tasks import Answer, Evaluation, Probe, ReplicateRetrieval

COLUMNS = (
    "family",
    "baseline",
    "task",
    "profiling",
    "data",
    "amount",
    "value",
    "chance",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "n_units",
    "caveat",
)
_SHOTS = (1, 5, 20, 100)
_MOST_LEARNED = 1000  # rows that a probe learns from with few shots
_REPLICATES = (2, 3, 4, 8, 16, 32)
_DRAWS = 3  # of the replicates that are kept
_MOST_WELLS = 1000  # treated

Curve = dict[int, list[Answer]]  # amount -> an answer for each draw


def data_efficiency(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    *,
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Ask encoders under test, and the best baseline of each question, again with less data.

    Probes learn from 1, 5, 20 and 100 rows of each class, as their option `shots` has it, where the smallest class has
    more and 1,000 rows are not exceeded; probes whose shots are set already are left out. Replicate retrieval is asked
    of 2, 3, 4, 8, 16 and 32 wells of each perturbation, where the median perturbation has more: random ones, from as
    many plates as possible, in the mean over three draws. A perturbation with no more keeps what it has, and all
    controls stay. Wells find each other one by one: more of them raise chance, and narrow intervals, and need not raise
    the score above chance.

    Post-processing has seen all data: it is the question that has less. Only the first way of post-processing of each
    task is asked, one seed of each family, and a sample of whole perturbations beyond 1,000 treated wells.

    Parameters
    ----------
    embeddings
        Encoder -> its vectors of the same sites.
    evaluation
        What the tasks said of them.
    batch_by, seed
        As in `evaluate`.

    Returns
    -------
    One row per question that supports claims, family and amount, the last of all data: the value, its 95 % interval
    over units, and chance; and the paired difference to the best baseline on the same amount, with its interval, NaN
    for the baseline itself. ``data`` is ``shots``, rows of each class to learn from (of all data: their mean), or
    ``replicates``, wells of a perturbation (of all data: their median). ``caveat`` says so where there was no less to
    ask with, or a sample was asked; without numbers, why nothing could be.
    """
    first: dict[str, list[Answer]] = {}
    for (task_id, _), answers in by_question(evaluation.answers).items():
        first.setdefault(task_id, answers)
    rows: list[tuple[object, ...]] = []
    for answers in first.values():
        task, how = answers[0].task, answers[0].profiling
        few_shots = isinstance(task, Probe) and task.shots is None
        families = means_by_family(answers)["family"]
        is_base = families.map(is_baseline).astype(bool)
        best, tested = families[is_base].head(1).tolist(), families[~is_base].tolist()
        if not tested or not supports_gains(answers) or not (few_shots or isinstance(task, ReplicateRetrieval)):
            continue
        one_seed = {answer.family: answer for answer in reversed(answers)}
        against: Curve = {}
        for family in [*best, *tested]:
            answer = one_seed[family]
            name = (family, "".join(best), task.id, how, "shots" if few_shots else "replicates")
            profiles = rows_asked(task, answer.encoder, embeddings[answer.encoder], how, batch_by=batch_by, seed=seed)
            try:
                curve, caveat = (_by_shots if few_shots else _by_replicates)(answer, profiles, seed)
            except TaskNotApplicable as error:
                rows.append((*name, 0, *[float("nan")] * 7, 0, str(error)))
                continue
            for amount, asked in curve.items():
                rng = spawn(seed, "efficiency", task.id, how)
                rows.append((*name, amount, *_compare(asked, against.get(amount), rng), caveat))
            if family in best:
                against = curve
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_shots(answer: Answer, profiles: AnnData, seed: int) -> tuple[Curve, str]:
    """Return a probe's answers by how many rows of each class it learns from, and a note."""
    task = answer.task
    assert isinstance(task, Probe)  # noqa: S101 - its caller has looked
    learned = answer.score.units.groupby("stratum")["weight"].sum() * (1 - 1 / task.folds)
    amounts = [n for n in _SHOTS if n <= learned.min() - 1 and n * len(learned) <= _MOST_LEARNED]
    curve = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")  # of few rows each is nearly one
        for amount in amounts:
            fewer = task.model_copy(update={"shots": amount})
            score = ask_again(fewer, profiles, np.asarray(profiles.X), answer.profiling, seed=seed)
            curve[amount] = [replace(answer, score=score)]
    curve[round(learned.mean())] = [answer]
    note = (
        f"{len(learned)} classes, the smallest with {learned.min():.0f} rows to learn from, leave no fewer to ask with"
    )
    return curve, "" if amounts else note


def _by_replicates(answer: Answer, profiles: AnnData, seed: int) -> tuple[Curve, str]:
    """Return the answers of replicate retrieval by how many wells of each perturbation there are, and a note."""
    assert isinstance(answer.task, ReplicateRetrieval)  # noqa: S101 - its caller has looked
    rows = sample_rows(answer.task, profiles, most=_MOST_WELLS, seed=seed)
    wells = np.flatnonzero(treated(rows.obs))
    counts = condition_names(rows.obs).iloc[wells].value_counts()
    if counts.max() < 2:
        raise TaskNotApplicable(f"no perturbation has two wells in a sample of {len(wells)}")
    most = int(counts[counts > 1].median())
    amounts = [n for n in _REPLICATES if n < most]
    curve: Curve = {}
    for amount in [*amounts, most]:
        curve[amount] = []
        for draw in range(_DRAWS if amount < most else 1):
            kept = np.ones(len(rows), dtype=bool)
            if amount < most:
                rng = spawn(seed, "replicates", str(amount), str(draw))
                kept[wells] = False
                kept[wells[_some_of_each(rows.obs.iloc[wells], amount, rng)]] = True
            own = rows[kept]
            score = ask_again(answer.task, own, np.asarray(own.X), answer.profiling, seed=seed)
            curve[amount].append(replace(answer, score=score))
    notes = ["" if amounts else f"the median perturbation has {most} wells, too few for fewer"]
    whole = treated(profiles.obs).sum()
    notes.append("" if len(wells) == whole else f"a sample of {len(wells)} of {whole} treated wells")
    return curve, "; ".join(filter(None, notes))


def _some_of_each(obs: pd.DataFrame, amount: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return so many random rows of each condition, from as many plates as possible."""
    order = rng.permutation(len(obs))
    table = pd.DataFrame({"name": condition_names(obs), "plate": obs["plate"].astype(str) if "plate" in obs else ""})
    table = table.iloc[order].assign(row=order)
    turn = table.groupby(["name", "plate"]).cumcount().to_numpy()  # every plate gives one before any gives another
    return table.iloc[np.argsort(turn, kind="stable")].groupby("name").head(amount)["row"].to_numpy()


def _compare(answers: Sequence[Answer], best: Sequence[Answer] | None, rng: np.random.Generator) -> tuple[float, ...]:
    """Return value, chance, limits, the difference to the best baseline, its limits, and the number of units."""
    score = answers[0].score
    values = {"own": family_values(answers)[answers[0].family]}
    if best:
        values["best"] = family_values(best)[best[0].family]
    mean, draws, n_units = joint_draws(values, rng, spread=score.order)  # limits as the score itself has them
    chance = float(np.mean([answer.score.chance for answer in answers]))
    nothing = (float("nan"),) * 3
    if n_units < 2:
        return (float("nan"), chance, *nothing[:2], *nothing, n_units)
    difference = paired_difference(values["own"], values["best"], rng, spread=score.spread)[:3] if best else nothing
    return (float(mean[0]), chance, *percentile_interval(draws[:, 0]), *difference, n_units)
