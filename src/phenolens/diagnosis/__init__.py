"""What did it learn? Paired comparisons with the baselines, and verdicts in words."""

from phenolens.diagnosis.comparison import compare_families, rank_families
from phenolens.diagnosis.scaling import fit_scaling
from phenolens.diagnosis.verdicts import Verdict, judge

__all__ = ["Verdict", "compare_families", "fit_scaling", "judge", "rank_families"]
