"""Significance of the units of a score, decided here once for verdicts, tables and charts."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phenolens.evaluation.evaluate import Evaluation
from phenolens.evaluation.paired import UNIT_KEY
from phenolens.evaluation.question import ALPHA, Question

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class UnitSignificance:
    """Significance of the units of one encoder's score.

    Attributes
    ----------
    p
        By (unit, stratum): the p value adjusted over the units (median over seeds), times the number of such claims;
        NaN where no p value was computed.
    least_p
        The smallest value that any of them can reach, if all are active; 0 if unknown.
    fewest
        The smallest number of active units that can be found: fewer are not significant after adjustment, even if no
        exchange of labels reaches them.
    """

    p: "pd.Series[float]"
    least_p: float
    fewest: int = 1

    @property
    def n_significant(self) -> int:
        """The number of units that are significant at a false discovery rate of 5 %."""
        return int((self.p <= ALPHA).sum())

    @property
    def n_units(self) -> int:
        """The number of units."""
        return len(self.p)

    @property
    def can_be_any(self) -> bool:
        """Whether any unit could be significant with these data, even for a perfect encoder."""
        return self.least_p <= ALPHA


def unit_significance(evaluation: Evaluation, question: Question, encoder: str) -> UnitSignificance:
    """Return the significance of the units of an encoder's score.

    For phenotypic activity, p values are multiplied by the number of such questions and by the number of encoders that
    the card makes claims about: those under test, or the baselines if none is.
    """
    times = 1
    if question.task.measures_activity:
        n_questions = sum(other.task.measures_activity for other in evaluation.questions.values())
        times = n_questions * (len(question.tested) or len(question.means))
    scores = question.by_encoder[encoder]
    by_seed = pd.concat([each.score.units.set_index(UNIT_KEY)["p_adjusted"] for each in scores])
    p = (times * by_seed.groupby(level=UNIT_KEY, sort=False).median()).clip(upper=1.0)
    details = [each.score.details.get("", {}) for each in scores]
    least = min(detail.get("least_p_adjusted", 0.0) for detail in details)
    least_of_one = min(detail.get("least_p", 0.0) for detail in details)
    # Benjamini & Hochberg: j p values as small as that are significant if n / j times it is at most alpha.
    fewest = max(1, math.ceil(times * len(p) * least_of_one / ALPHA - _ROUNDING))
    return UnitSignificance(p, times * least, fewest)


def significant_units(evaluation: Evaluation, question: Question) -> dict[str, "pd.Series[bool]"]:
    """Return encoder -> whether each (unit, stratum) is significant; missing where no p value was computed."""
    found = {}
    for encoder in question.by_encoder:
        p = unit_significance(evaluation, question, encoder).p
        flags = pd.Series(p.to_numpy() <= ALPHA, index=p.index, dtype="boolean")
        found[encoder] = flags.mask(np.isnan(p.to_numpy()))
    return found
