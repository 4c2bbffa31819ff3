"""Evidence in words: sentences, each with the effect, the interval and the p value that it rests on."""

from phenolens.diagnosis.verdicts.judge import judge
from phenolens.diagnosis.verdicts.verdict import Verdict

__all__ = ["Verdict", "judge"]
