"""A number with what is known of its uncertainty."""

import math
from dataclasses import dataclass

_NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval, and the test of whether it is anything; NaN where there is none.

    Attributes
    ----------
    value
        The number.
    low, high
        Its 95 % limits.
    n_units
        How many units of replication it rests on.
    p
        The p value, as it is.
    p_adjusted
        The p value adjusted over all claims of the card; NaN where no claim is made.
    """

    value: float = _NAN
    low: float = _NAN
    high: float = _NAN
    n_units: int = 0
    p: float = _NAN
    p_adjusted: float = _NAN

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether its limits are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def lies_above(self, level: float) -> bool:
        """Whether the whole interval lies above a level; no if it is not known."""
        return self.low > level

    def lies_below(self, level: float) -> bool:
        """Whether the whole interval lies below a level; no if it is not known."""
        return self.high < level

    def __neg__(self) -> "Estimate":
        return Estimate(-self.value, -self.high, -self.low, self.n_units, self.p, self.p_adjusted)

    def __rsub__(self, whole: float) -> "Estimate":
        return Estimate(whole - self.value, whole - self.high, whole - self.low, self.n_units, self.p, self.p_adjusted)
