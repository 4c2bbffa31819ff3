"""A number with what is known of its uncertainty."""

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
