"""Where does it win? Gains over the best baseline among strong and weak phenotypes, doses, classes and kinds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import condition_names, treated
from phenolens.evaluation import Evaluation, Question, joint_draws, paired_p
from phenolens.metrics import percentile_interval
from phenolens.tasks import Task, numbers

COLUMNS = (
    "family",
    "baseline",
    "task",
    "profiling",
    "by",
    "stratum",
    "value",
    "baseline_value",
    "chance",
    "difference",
    "low",
    "high",
    "p",
    "n_units",
    "caveat",
)
_KEY = ["unit", "stratum"]
_FEWEST_UNITS = 12  # of which a third is a stratum
_FEWEST_OF_THIRD = 0.2  # of all units: where more of them tie, thirds are none
_FEWEST_FOR_LIMITS = 6  # units, of fewer of which a bootstrap knows too little
_MOST_DOSES = 6
_MOST_CLASSES = 50

Strata = dict[str, NDArray[np.bool_]]


def compare_strata(evaluation: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Hold every encoder under test against the best baseline, stratum by stratum.

    The baseline is the best over the whole question, so that none is chosen for a stratum. Strata are described and not
    claimed: their p values are not adjusted for their number.

    ``strength``: thirds of the perturbations by how well *other* families find them, on average over those whose
    interval lies above chance. The encoder and its baseline have no say in it: of two equal encoders, the one whose own
    values made the strata would lead among the strong, by its luck there, and fall behind among the weak (regression to
    the mean). Families that err as one of the two does can still tilt it. Probes have groups, which have no strength.

    ``dose``: each dose, or thirds of the conditions by dose where there are more than six. ``perturbation_type``: as in
    the manifest. ``class``: the strata of the score itself, such as the classes of a probe; where they are answers of
    their own, by what they are (``sources``, ``targets``).

    Parameters
    ----------
    evaluation
        The scores; the metadata of the vectors tell doses and kinds of perturbations.
    seed
        Of bootstrap and sign flips.

    Returns
    -------
    One row per question that supports claims, family under test, and stratum: the ``value`` of both and ``chance`` over
    the units that both have there, their number, the paired ``difference`` with its 95 % interval, and the p value that
    the two are alike; limits and p are NaN of fewer than six units. Strata that do not arise in the data, such as doses
    where there are none, have no rows; what arises and cannot be asked has one without numbers, and the reason in
    ``caveat``.
    """
    obs = max(evaluation.profiles.embeddings.values(), key=len).obs
    known = {column: _by_name(obs, column) for column in ("dose", "dose_unit", "perturbation_type")}
    rows: list[dict[str, object]] = []
    for question in evaluation.claiming:
        best = question.best_baseline
        if best is None:
            continue
        able = {each.encoder for each in question.means if question.is_above_chance(each.encoder)}
        for mean in question.tested:
            encoder = mean.encoder
            able_others = able - {encoder, best.encoder}
            others = [values for name, values in question.values.items() if name in able_others]
            pair = {"encoder": question.values[encoder], "best": question.values[best.encoder]}
            pair["chance"] = _chances(question, encoder)
            asked: dict[str, object] = {"family": encoder, "baseline": best.encoder, "task": question.task.id}
            asked["profiling"] = question.profiling
            for by in ("strength", "dose", "perturbation_type", question.first.strata_are or "class"):
                try:
                    strata = _stratify(by, pair["encoder"].index, others, known, question.task)
                except TaskNotApplicable as error:
                    rows.append(asked | {"by": by, "stratum": "", "n_units": 0, "caveat": str(error)})
                    continue
                for stratum, mask in strata.items() if len(strata) > 1 else ():
                    names = (*question.key, by, stratum)
                    found = _compare(pair, mask, question.first.se_inflation, seed, names)
                    rows.append(asked | {"by": by, "stratum": stratum} | found | {"caveat": ""})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_name(obs: pd.DataFrame, column: str) -> "pd.Series[Any]":
    """Return condition or perturbation -> its value in a column, where all its rows that have one have the same."""
    if not {"perturbation", column} <= set(obs):
        return pd.Series(dtype=object)
    rows = obs[treated(obs)]
    names = pd.concat([condition_names(rows), rows["perturbation"].astype(str)])
    values = pd.concat([rows[column].astype(object)] * 2).groupby(names.to_numpy())
    return values.first()[values.nunique() == 1]


def _chances(question: Question, encoder: str) -> pd.DataFrame:
    """Return chance in the form of an encoder's values."""
    units = pd.concat([each.score.units for each in question.by_encoder[encoder]])
    return units.groupby(_KEY)[["chance", "weight"]].mean().rename(columns={"chance": "value"})


def _stratify(
    by: str,
    index: pd.MultiIndex,
    others: Sequence[pd.DataFrame],
    known: Mapping[str, "pd.Series[Any]"],
    task: Task,
) -> Strata:
    """Return stratum -> mask of a score's rows, in order; empty if there are no such strata."""
    units = index.get_level_values("unit")
    match by:
        case "strength":
            return _by_strength(units, others) if task.units_have_strength else {}
        case "dose":
            return _by_dose(numbers(known["dose"].reindex(units), "strata"), known["dose_unit"].reindex(units).dropna())
        case "perturbation_type":
            return _each(known[by].reindex(units))
        case _:
            return _each(index.get_level_values("stratum").to_series())


def _by_strength(units: "pd.Index[Any]", others: Sequence[pd.DataFrame]) -> Strata:
    if not others:
        raise TaskNotApplicable("no other family is above chance for certain, by which strength could be told")
    strength = pd.concat([each["value"] for each in others], axis=1, join="inner").mean(axis=1).groupby("unit").mean()
    strength = strength[strength.index.isin(units)]
    if len(strength) < _FEWEST_UNITS:
        raise TaskNotApplicable(f"{len(strength)} units are too few to be parted by strength; {_FEWEST_UNITS} are not")
    thirds = _thirds(strength, ("weak", "middle", "strong"), units)
    sizes = [len(set(units[mask])) for mask in thirds.values()]
    if len(sizes) < 3 or min(sizes) < _FEWEST_OF_THIRD * len(strength):
        raise TaskNotApplicable(f"of {len(strength)} units so many are found equally well that strength has no thirds")
    return thirds


def _by_dose(dose: "pd.Series[float]", unit: "pd.Series[Any]") -> Strata:
    doses = np.sort(dose.dropna().unique())
    if len(doses) > 1 and unit.nunique() > 1:
        raise TaskNotApplicable(f"doses are in several units: {', '.join(sorted(unit.astype(str).unique()))}")
    if len(doses) > _MOST_DOSES:
        return _thirds(dose.dropna().groupby(level=0).first(), ("low", "middle", "high"), dose.index)
    of = f" {unit.iloc[0]}" if len(unit) else ""
    return {f"{value:g}{of}": (dose == value).to_numpy() for value in doses}


def _each(values: "pd.Series[Any]") -> Strata:
    found = sorted(values.dropna().unique())
    if len(found) > _MOST_CLASSES:
        raise TaskNotApplicable(f"{len(found)} are too many to be described one by one; {_MOST_CLASSES} are not")
    return {str(value): (values == value).to_numpy() for value in found}


def _thirds(values: "pd.Series[float]", names: Sequence[str], units: "pd.Index[Any]") -> Strata:
    """Return thirds of the units by value; those of equal value stay together, so that a third may be empty."""
    third = np.ceil(3 * values.rank() / len(values)).reindex(units)
    masks = {name: (third == number).to_numpy() for number, name in enumerate(names, 1)}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _compare(
    pair: Mapping[str, pd.DataFrame], mask: NDArray[np.bool_], se_inflation: float, seed: int, names: Sequence[str]
) -> dict[str, float]:
    """Return both values, chance, the difference, its limits, its p value, and the number of units in a stratum."""
    here = pair["encoder"][mask]
    joint = joint_draws({**pair, "encoder": here}, spawn(seed, "strata", *names), se_inflation=se_inflation)
    row: dict[str, float] = {"n_units": joint.n_units}
    if joint.n_units < 2:
        return row
    value, baseline_value, chance = map(float, joint.mean)
    row |= {"value": value, "baseline_value": baseline_value, "chance": chance, "difference": value - baseline_value}
    if joint.n_units >= _FEWEST_FOR_LIMITS:
        row["low"], row["high"] = percentile_interval(joint.draws[:, 0] - joint.draws[:, 1])
        row["p"] = paired_p(here, pair["best"], spawn(seed, "strata p", *names), se_inflation=se_inflation)
    return row
