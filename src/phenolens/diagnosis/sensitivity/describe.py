"""Is the metric able to tell? The room that it leaves, what differences it finds, and whether its ranking stands."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.diagnosis.sensitivity.ceiling import reachable_score
from phenolens.diagnosis.sensitivity.dilution import STEP, Dilution, tell_dilutions
from phenolens.diagnosis.sensitivity.stability import by_distance, other_protocols, rank_agreement
from phenolens.evaluation import Evaluation

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


def describe_metrics(evaluation: Evaluation, *, seed: int = 0) -> tuple[pd.DataFrame, dict[str, str]]:
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
    evaluation
        The scores, and the profiles that they are of.
    seed
        Of what is drawn.

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
    profiles, questions = evaluation.profiles, evaluation.claiming
    rows: list[dict[str, object]] = []
    not_asked: dict[str, str] = {}
    for question in questions:
        task, profiling, best = question.task, question.profiling, question.best
        name = f"{task.id}, {profiling}"
        asked = {
            encoder: profiles.ranked(task, each.info.id, profiling)
            for encoder, each in question.one_seed.items()
            if encoder == best.encoder or task.retrieves_replicates
        }
        ceiling, ceiling_is, dilution = 1.0, _MAXIMUM, Dilution(_NAN, _NAN)
        protocols = [(question.values, other) for other in other_protocols(question, questions)]
        with _noted(not_asked, f"sensitivity of {name}"):
            dilution = tell_dilutions(task, asked[best.encoder], profiling, seed=seed)
        if task.retrieves_replicates:
            with _noted(not_asked, f"ceiling of {name}"):
                images = {e: made for e, made in asked.items() if question.one_seed[e].info.role != "oracle"}
                reachable = reachable_score(task, images, best.chance, profiling, seed=seed)
                if reachable > best.value:
                    ceiling, ceiling_is = reachable, "replicates"
                elif best.info.is_tested:  # the best baseline as its own ceiling would leave no room to anyone
                    ceiling, ceiling_is = best.value, best.encoder
            with _noted(not_asked, f"distances of {name}"):
                protocols.append(by_distance(task, asked, profiling, seed=seed))
        baseline = question.best_baseline
        simple = _NAN if baseline is None else baseline.value
        scores = {
            "chance": best.chance,
            "ceiling": ceiling,
            "ceiling_is": ceiling_is,
            "best_baseline": "" if baseline is None else baseline.encoder,
            "best_baseline_value": simple,
            "best_family": best.encoder,
            "best_value": best.value,
            "headroom": (ceiling - simple) / (ceiling - best.chance) if ceiling > best.chance else _NAN,
        }
        inflation = question.first.se_inflation
        agreement = rank_agreement(protocols, question.key, se_inflation=inflation, seed=seed)
        rows.append(
            {"task": task.id, "profiling": profiling}
            | scores
            | _grade(scores, dilution, question.best_of_many.low)
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
