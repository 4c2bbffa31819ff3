"""Answers of given values, and what a card would say of them."""

import numpy as np
import pandas as pd

from phenolens.diagnosis import compare_families
from phenolens.diagnosis.claims import control_claims
from phenolens.diagnosis.comparison import PAIR_COLUMNS, compare_tested
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.knowledge.ask import PAIR_COLUMNS as LEVEL_PAIR_COLUMNS
from phenolens.diagnosis.knowledge.ask import VARIANCE_COLUMNS
from phenolens.diagnosis.nuisance import COLUMNS as NUISANCE_COLUMNS
from phenolens.diagnosis.retention import COLUMNS
from phenolens.diagnosis.sensitivity.describe import COLUMNS as METRIC_COLUMNS
from phenolens.diagnosis.verdicts.judge import judge
from phenolens.diagnosis.where.selection import COLUMNS as SWEEP_COLUMNS
from phenolens.diagnosis.where.strata import COLUMNS as STRATA_COLUMNS
from phenolens.tasks import Answer, Evaluation, Score, make_task
from phenolens.tasks.base import unit_table

RETRIEVAL = make_task("replicate-retrieval")
RANDOM = make_task("linear-probe", label="kind", group="movie", split="random")
GROUPED = make_task("linear-probe", label="kind", group="movie")


def answer(encoder, values, task=RETRIEVAL, caveat="", p=0.5, details=None):
    units = unit_table([f"u{i}" for i in range(len(values))], values, chance=0.1, p=p)
    score = Score("mAP", "perturbation", units, caveat, details=details or {})
    low, high = score.interval(np.random.default_rng(0))
    return Answer(encoder, "raw", task, score, low, high)


EMPTY = {
    "pairs": list(PAIR_COLUMNS),
    "ranks": [],
    "metrics": list(METRIC_COLUMNS),
    "shortcuts": ["shortcut", "way", "fit", *COLUMNS],
    "similarities": [],
    "nuisances": list(NUISANCE_COLUMNS),
    "interventions": ["intervention", *COLUMNS, "shift"],
    "levels": ["family", "level", "r", "p"],
    "level_pairs": list(LEVEL_PAIR_COLUMNS),
    "factors": [],
    "variance": list(VARIANCE_COLUMNS),
    "strata": list(STRATA_COLUMNS),
    "efficiency": [],
    "sweep": list(SWEEP_COLUMNS),
    "degeneracy": ["encoder", "finding"],
}
CLAIMED = ("comparisons", "pairs", "shortcuts", "interventions", "levels", "level_pairs")


def verdicts(*answers, **found):
    evaluation = Evaluation(list(answers), [])
    tables = {name: pd.DataFrame(columns=columns) for name, columns in EMPTY.items()}
    tables |= {"comparisons": compare_families(evaluation), "pairs": compare_tested(evaluation)} | found
    tables |= control_claims(evaluation, {name: tables[name] for name in CLAIMED})
    tables["comparisons"] = tables["comparisons"].assign(scaled=np.nan)
    return judge(evaluation, Evidence(**tables, truth=False, not_asked={}))
