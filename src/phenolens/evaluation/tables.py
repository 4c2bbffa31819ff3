"""An evaluation as tables and plain records, for files and the command line."""

from typing import Any

import pandas as pd

from phenolens.evaluation.evaluate import Evaluation
from phenolens.evaluation.paired import UNIT_KEY
from phenolens.evaluation.question import EncoderScore, StratumScore
from phenolens.evaluation.significance import significant_units


def tabulate_scores(evaluation: Evaluation) -> pd.DataFrame:
    """Return one row per score: encoder and question, value with chance and interval, units, leak and notes.

    ``normalised`` is the value between chance (0) and a perfect score (1), the mean over units.
    """
    return pd.DataFrame([_score_record(each) for each in evaluation.scores])


def tabulate_units(evaluation: Evaluation) -> pd.DataFrame:
    """Return the values of units behind every score, and which of an encoder's units are significant."""
    significant = {key: significant_units(evaluation, question) for key, question in evaluation.questions.items()}
    tables = []
    for each in evaluation.scores:
        flags = significant[each.task.id, each.profiling][each.encoder]
        units = each.score.units
        of_unit = flags.loc[pd.MultiIndex.from_frame(units[UNIT_KEY])].array
        tables.append(units.assign(significant=of_unit, **_names(each)))
    return pd.concat(tables, ignore_index=True)


def summaries(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return one record per score: its row, further numbers, and the scores of its strata."""
    found = []
    for each in evaluation.scores:
        record = _score_record(each)
        record["interval"] = [record.pop("low"), record.pop("high")]
        record |= each.score.details.get("", {})
        if each.strata:
            record[each.score.strata_are] = {stratum.stratum: _stratum_record(stratum) for stratum in each.strata}
        found.append(record)
    return found


def stratum_records(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return one record per score and stratum that is an answer of its own, such as a source of relations."""
    return [
        _names(each) | {"part": stratum.stratum} | _stratum_record(stratum)
        for each in evaluation.scores
        for stratum in each.strata
    ]


def confusion_records(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return, per score of a classifier, its classes and how many rows of each are taken for each."""
    found = []
    for each in evaluation.scores:
        counts = each.score.confusion
        if counts is not None:
            found.append(_names(each) | {"classes": list(map(str, counts.index)), "counts": counts.to_numpy().tolist()})
    return found


def _names(each: EncoderScore) -> dict[str, Any]:
    return {
        "encoder": each.encoder,
        "encoder_id": each.info.id,
        "profiling": each.profiling,
        "task": each.task.id,
    }


def _score_record(each: EncoderScore) -> dict[str, Any]:
    return {
        "encoder": each.encoder,
        "encoder_id": each.info.id,
        "baseline": each.info.is_baseline,
        "profiling": each.profiling,
        "task": each.task.id,
        "metric": each.score.metric,
        "unit": each.score.unit,
        "value": each.estimate.value,
        "chance": each.score.chance,
        "normalised": each.score.normalised,
        "low": each.estimate.low,
        "high": each.estimate.high,
        "minimum_detectable": each.detectable,
        "n_units": each.estimate.n_units,
        "higher_is_better": each.score.higher_is_better,
        "leak": "" if each.score.leak is None else each.score.leak.text,
        "notes": [note.text for note in each.score.notes],
    }


def _stratum_record(stratum: StratumScore) -> dict[str, Any]:
    estimate = stratum.estimate
    return {
        "value": estimate.value,
        "chance": stratum.chance,
        "interval": [estimate.low, estimate.high],
        "n_units": estimate.n_units,
        **stratum.details,
    }
