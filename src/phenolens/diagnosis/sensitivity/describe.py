"""Is the metric able to tell? The room that it leaves, what differences it finds, and whether its ranking stands."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.diagnosis.asking import rows_asked
from phenolens.diagnosis.claims import limits_of_best, means_by_family, supports_gains
from phenolens.diagnosis.comparison import by_question, family_values
from phenolens.diagnosis.sensitivity.ceiling import reachable_score
from phenolens.diagnosis.sensitivity.dilution import STEP, Dilution, tell_dilutions
from phenolens.diagnosis.sensitivity.stability import by_distance, other_protocols, rank_agreement
from phenolens.encoders import is_baseline
from phenolens.tasks import Evaluation, ReplicateRetrieval

COLUMNS = (
    "task",
    "profiling",
    "chance",
    "ceiling",
    "ceiling_is",
    "best_baseline",
    "best_baseline_value",
    "best_family",
    "best_value",
    "headroom",
    "finest",
    "sensitivity",
    "able",
    "grade",
    "why",
    "stability",
    "tau_low",
    "tau_high",
    "protocols",
)
TELLS, TELLS_GROSS, CANNOT_TELL = "tells", "tells only gross differences", "cannot tell"
LITTLE_ROOM = "leaves little room"
_FINE = 0.5  # of the variance: a metric that finds only larger losses tells gross differences
_LEAST_ROOM = 0.1
_MAXIMUM = "maximum"
_NAN = float("nan")


def describe_metrics(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    *,
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Ask of every question that supports claims whether its metric is able to tell better encoders from worse.

    *Headroom* is the share of the range between chance and ceiling that the best baseline leaves. The ceiling is the
    metric's maximum; for replicate retrieval it is what is known to be reachable in spite of the noise between
    replicates: the score of the best family, or what all families together reach (`reachable_score`). This is a lower
    bound of what could be reached.

    *Sensitivity* is whether the best family is told from copies of it that are known to be worse (`tell_dilutions`).

    *Stability* is whether families keep their ranks when the same is asked otherwise (`rank_agreement`): after other
    post-processing, by another probe or measure and, for replicate retrieval, by Euclidean distances.

    Means over seeds are ranked. Where vectors are looked at again, one seed stands for its family, and of larger data
    4,000 wells or rows (1,000 for distances): on all of them finer differences may be told.

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
    One row per question, and what could not be asked -> why. ``ceiling_is``: ``maximum``, ``replicates``, or the family
    that reaches it, if it is no baseline. ``headroom``: NaN without a baseline, or a ceiling above chance. ``finest``,
    ``sensitivity``: as in `Dilution`. ``able``: whether the best family is told from chance, as the best of so many,
    and from a copy that has lost all truth. ``grade``: ``tells``; ``leaves little room``, if baselines leave less
    than a tenth of the range; ``tells only gross differences``, if only losses of more than half of the variance are
    told; ``cannot tell``. ``why``: in words. ``stability``: mean Kendall's tau over so many ``protocols``, with 95 %
    limits.
    """
    questions = {key: own for key, own in by_question(evaluation.answers).items() if supports_gains(own)}
    rows: list[dict[str, object]] = []
    not_asked: dict[str, str] = {}
    for (name, how), answers in questions.items():
        task, spread, means = answers[0].task, answers[0].score.spread, means_by_family(answers)
        best, value, chance = means[["family", "value", "chance"]].iloc[0]
        encoders = {answer.family: answer.encoder for answer in reversed(answers)}
        profiles = {
            family: rows_asked(task, encoder, embeddings[encoder], how, batch_by=batch_by, seed=seed)
            for family, encoder in encoders.items()
            if family == best or isinstance(task, ReplicateRetrieval)
        }
        ceiling, ceiling_is, dilution = 1.0, _MAXIMUM, Dilution(_NAN, _NAN)
        protocols = [(family_values(answers), other) for other in other_protocols(task, how, questions)]
        with _noted(not_asked, f"sensitivity of {name}, {how}"):
            dilution = tell_dilutions(task, profiles[best], how, seed=seed)
        if isinstance(task, ReplicateRetrieval):
            with _noted(not_asked, f"ceiling of {name}, {how}"):
                reachable = reachable_score(task, profiles, chance, how, seed=seed)
                if reachable > value:
                    ceiling, ceiling_is = reachable, "replicates"
                elif not is_baseline(best):  # the best baseline as its own ceiling would leave no room to anyone
                    ceiling, ceiling_is = value, best
            with _noted(not_asked, f"distances of {name}, {how}"):
                protocols.append(by_distance(task, profiles, how, seed=seed))
        baselines = means[means["family"].map(is_baseline).astype(bool)]
        baseline, simple = baselines[["family", "value"]].iloc[0] if len(baselines) else ("", _NAN)
        scores = {
            "chance": chance,
            "ceiling": ceiling,
            "ceiling_is": ceiling_is,
            "best_baseline": baseline,
            "best_baseline_value": simple,
            "best_family": best,
            "best_value": value,
            "headroom": (ceiling - simple) / (ceiling - chance) if ceiling > chance else _NAN,
        }
        low, _ = limits_of_best(answers, seed=seed)
        agreement = rank_agreement(protocols, (name, how), spread=spread, seed=seed)
        rows.append(
            {"task": name, "profiling": how}
            | scores
            | _grade(scores, dilution, low)
            | dict(zip(("stability", "tau_low", "tau_high", "protocols"), agreement, strict=True))
        )
    return pd.DataFrame(rows, columns=list(COLUMNS)), not_asked


@contextmanager
def _noted(not_asked: dict[str, str], part: str) -> Iterator[None]:
    """Note why a part cannot be asked, where it cannot."""
    try:
        yield
    except (TaskNotApplicable, ProfilingError) as error:
        not_asked[part] = str(error)


def _grade(scores: Mapping[str, Any], dilution: Dilution, low: float) -> dict[str, Any]:
    """Say what a metric tells and why, given the lower limit of the best family as the best of so many."""
    best, finest = scores["best_family"], dilution.finest
    if np.isnan(low):
        grade, why = CANNOT_TELL, "there is one unit only, and nothing to tell chance by"
    elif low <= scores["chance"]:
        said = f"{best} at {scores['best_value']:.2f}, cannot be told from chance, {scores['chance']:.2f}"
        grade, why = CANNOT_TELL, f"the best family, {said}"
    elif np.isnan(dilution.sensitivity):
        grade, why = CANNOT_TELL, f"no copies of {best} could be scored"
    elif np.isnan(finest):
        grade, why = CANNOT_TELL, f"{best} cannot be told from a copy that has lost all truth"
    else:
        grade = TELLS if finest <= _FINE else TELLS_GROSS
        why = f"{best} is told from a copy that has lost {finest:.0%} of its variance"
        why += f", not from one that has lost {finest - STEP:.0%}" if finest > STEP else ""
        if scores["headroom"] < _LEAST_ROOM:
            of = "the range of the metric" if scores["ceiling_is"] == _MAXIMUM else "what is known to be reachable"
            held = f"{scores['best_baseline']} at {scores['best_baseline_value']:.2f} leaves "
            held += f"{scores['headroom']:.0%} of {of}"
            grade, why = (LITTLE_ROOM, held) if grade == TELLS else (grade, f"{why}; {held}")
    return {
        "finest": finest,
        "sensitivity": dilution.sensitivity,
        "able": grade != CANNOT_TELL,
        "grade": grade,
        "why": why,
    }
