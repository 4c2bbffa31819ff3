"""Scores of all encoders in all tasks, and statistics derived from them."""

from phenolens.evaluation.estimate import Estimate
from phenolens.evaluation.evaluate import Evaluation, Settings, evaluate, score_strata
from phenolens.evaluation.left_out import LeftOut, leave_out, noise_of_difference
from phenolens.evaluation.paired import (
    JointDraws,
    PairedDifference,
    UnitValues,
    joint_draws,
    mean_by_unit,
    paired_difference,
    paired_p,
    values_by_unit,
)
from phenolens.evaluation.profiles import Profiles
from phenolens.evaluation.question import ALPHA, EncoderScore, MeanScore, Question, StratumScore
from phenolens.evaluation.shared_noise import SharedNoise
from phenolens.evaluation.shared_rows import select_shared, share_rows, shared_names
from phenolens.evaluation.significance import UnitSignificance, significant_units, unit_significance
from phenolens.evaluation.skipped import Skipped
from phenolens.evaluation.tables import confusion_records, stratum_records, summaries, tabulate_scores, tabulate_units

__all__ = [
    "ALPHA",
    "EncoderScore",
    "Estimate",
    "Evaluation",
    "JointDraws",
    "LeftOut",
    "MeanScore",
    "PairedDifference",
    "Profiles",
    "Question",
    "Settings",
    "SharedNoise",
    "Skipped",
    "StratumScore",
    "UnitSignificance",
    "UnitValues",
    "confusion_records",
    "evaluate",
    "joint_draws",
    "leave_out",
    "mean_by_unit",
    "noise_of_difference",
    "paired_difference",
    "paired_p",
    "score_strata",
    "select_shared",
    "share_rows",
    "shared_names",
    "significant_units",
    "stratum_records",
    "summaries",
    "tabulate_scores",
    "tabulate_units",
    "unit_significance",
    "values_by_unit",
]
