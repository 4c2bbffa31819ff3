"""Gains over the best baseline among strong and weak phenotypes, doses, classes and kinds of perturbation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import condition_names, treated
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import StratumGain
from phenolens.evaluation import (
    Estimate,
    Evaluation,
    Question,
    Skipped,
    UnitValues,
    joint_draws,
    mean_by_unit,
    paired_p,
)
from phenolens.metrics import percentile_interval
from phenolens.tasks import numbers

_FEWEST_UNITS = 12  # of which a third is a stratum
_FEWEST_OF_THIRD = 0.2  # of all units: where more of them tie, thirds are none
_FEWEST_FOR_LIMITS = 6  # clusters of units, of fewer of which a bootstrap knows too little
_MOST_DOSES = 6
_MOST_CLASSES = 50

Strata = dict[str, NDArray[np.bool_]]


def compare_strata(evaluation: Evaluation) -> Found:
    """Hold every encoder under test against the best baseline, stratum by stratum.

    The baseline is the best over the whole question, so that none is chosen for a stratum. Strata are described and not
    claimed: their p values are not adjusted for their number.

    ``strength``: thirds of the perturbations by how well *other* encoders find them, on average over those whose
    interval lies above chance. The encoder and its baseline have no say in it: of two equal encoders, the one whose
    values made the strata would lead among the strong, by its luck there, and fall behind among the weak (regression to
    the mean). Encoders that err as one of the two does can still tilt it. Probes have groups, which have no strength.

    ``dose``: each dose, or thirds of the conditions by dose where there are more than six. ``perturbation_type``: as in
    the manifest. ``class``: the strata of the score itself, such as the classes of a probe; where they are scores of
    their own, by what they are (``sources``, ``targets``).

    Parameters
    ----------
    evaluation
        The scores; the metadata of the vectors tell doses and kinds of perturbations.

    Returns
    -------
    A `StratumGain` for each question that supports claims, encoder under test, and stratum, over the units that both
    encoders have there; of fewer than six, limits and p are NaN. Strata that do not arise in the data, such as doses
    where there are none, are not mentioned; what arises and cannot be evaluated is skipped.
    """
    obs = max(evaluation.profiles.embeddings.values(), key=len).obs
    metadata = {column: _by_name(obs, column) for column in ("dose", "dose_unit", "perturbation_type")}
    found = Found()
    for question in evaluation.claiming:
        best = question.best_baseline
        if best is None:
            continue
        for mean in question.tested:
            pair = _Pair(question, mean.encoder, best.encoder, metadata)
            for by in ("strength", "dose", "perturbation_type", question.first.strata_are or "class"):
                found += _compare(pair, by, evaluation.settings.seed)
    return found


def _by_name(obs: pd.DataFrame, column: str) -> "pd.Series[Any]":
    """Return condition or perturbation -> its value in a column, where all its rows that have one have the same."""
    if not {"perturbation", column} <= set(obs):
        return pd.Series(dtype=object)
    rows = obs[treated(obs)]
    names = pd.concat([condition_names(rows), rows["perturbation"].astype(str)])
    values = pd.concat([rows[column].astype(object)] * 2).groupby(names.to_numpy())
    return values.first()[values.nunique() == 1]


@dataclass(frozen=True, eq=False)
class _Pair:
    """An encoder under test and the best baseline in one question, with the metadata of units."""

    question: Question
    encoder: str
    baseline: str
    metadata: Mapping[str, "pd.Series[Any]"]

    @cached_property
    def chance(self) -> UnitValues:
        """Chance in the form of an encoder's values."""
        units = [each.score.units for each in self.question.by_encoder[self.encoder]]
        return mean_by_unit([table.assign(value=table["chance"]) for table in units])

    def others(self) -> list[UnitValues]:
        """Return the values of all other encoders that are above chance."""
        found = []
        for name, values in self.question.values.items():
            if name not in (self.encoder, self.baseline) and self.question.is_above_chance(name):
                found.append(values)
        return found

    def split(self, by: str) -> Strata:
        """Return stratum -> mask of the encoder's values, in order; empty if there are no such strata."""
        index = self.question.values[self.encoder].index
        units = index.get_level_values("unit")
        match by:
            case "strength":
                return _by_strength(units, self.others()) if self.question.task.units_have_strength else {}
            case "dose":
                dose = numbers(self.metadata["dose"].reindex(units), "strata")
                return _by_dose(dose, self.metadata["dose_unit"].reindex(units).dropna())
            case "perturbation_type":
                return _each(self.metadata[by].reindex(units))
            case _:
                return _each(index.get_level_values("stratum").to_series())

    def skip(self, by: str, reason: str) -> Found:
        """Return why there are no gains in strata of one kind."""
        return Found(skipped=(Skipped("strata", reason, by, *self.question.key, encoder=self.encoder),))


def _compare(pair: _Pair, by: str, seed: int) -> Found:
    """Return the gains in the strata of one kind."""
    try:
        strata = pair.split(by)
    except TaskNotApplicable as error:
        return pair.skip(by, str(error))
    if len(strata) < 2:
        return Found()
    records, too_small = [], []
    for stratum, mask in strata.items():
        record = _gain(pair, by, stratum, mask, seed)
        if record is None:
            too_small.append(stratum)
        else:
            records.append(record)
    found = Found(tuple(records))
    return found + pair.skip(by, f"fewer than 2 independent units in {', '.join(too_small)}") if too_small else found


def _gain(pair: _Pair, by: str, stratum: str, mask: NDArray[np.bool_], seed: int) -> StratumGain | None:
    """Return the gain in one stratum; None if it has fewer than two clusters of units."""
    question, baseline = pair.question, pair.question.values[pair.baseline]
    here, inflation = question.values[pair.encoder][mask], question.first.se_inflation
    names = (*question.key, by, stratum)
    values = {"encoder": here, "baseline": baseline, "chance": pair.chance}
    joint = joint_draws(values, spawn(seed, "strata", *names), se_inflation=inflation)
    if joint.n_clusters < 2:
        return None
    value, baseline_value, chance = map(float, joint.mean)
    gain = Estimate(value - baseline_value, n_units=joint.n_units)
    if joint.n_clusters >= _FEWEST_FOR_LIMITS:
        low, high = percentile_interval(joint.draws[:, 0] - joint.draws[:, 1])
        p = paired_p(here, baseline, spawn(seed, "strata p", *names), se_inflation=inflation)
        gain = replace(gain, low=low, high=high, p=p)
    return StratumGain(
        encoder=pair.encoder,
        baseline=pair.baseline,
        task=question.task.id,
        profiling=question.profiling,
        by=by,
        stratum=stratum,
        value=value,
        baseline_value=baseline_value,
        chance=chance,
        gain=gain,
    )


def _by_strength(units: "pd.Index[Any]", others: Sequence[UnitValues]) -> Strata:
    if not others:
        raise TaskNotApplicable("strength is measured by other encoders, of which none is distinguishable from chance")
    strength = pd.concat([each["value"] for each in others], axis=1, join="inner").mean(axis=1).groupby("unit").mean()
    strength = strength[strength.index.isin(units)]
    if len(strength) < _FEWEST_UNITS:
        raise TaskNotApplicable(f"thirds by strength need at least {_FEWEST_UNITS} units, found {len(strength)}")
    thirds = _thirds(strength, ("weak", "middle", "strong"), units)
    sizes = [len(set(units[mask])) for mask in thirds.values()]
    if len(sizes) < 3 or min(sizes) < _FEWEST_OF_THIRD * len(strength):
        raise TaskNotApplicable(f"too many of {len(strength)} units are found equally well for thirds by strength")
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
        raise TaskNotApplicable(f"at most {_MOST_CLASSES} are described one by one, found {len(found)}")
    return {str(value): (values == value).to_numpy() for value in found}


def _thirds(values: "pd.Series[float]", names: Sequence[str], units: "pd.Index[Any]") -> Strata:
    """Return thirds of the units by value; those of equal value stay together, so that a third may be empty."""
    third = np.ceil(3 * values.rank() / len(values)).reindex(units)
    masks = {name: (third == number).to_numpy() for number, name in enumerate(names, 1)}
    return {name: mask for name, mask in masks.items() if mask.any()}
