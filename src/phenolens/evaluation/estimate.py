"""A number with its uncertainty."""

from dataclasses import dataclass

_NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval and its p value; NaN where one is not defined.

    Attributes
    ----------
    value
        The number.
    low, high
        Its 95 % confidence limits.
    n_units
        The number of units of replication.
    p
        The unadjusted p value.
    p_adjusted
        The p value adjusted over the claims of the card; NaN if no claim is made.
    """

    value: float = _NAN
    low: float = _NAN
    high: float = _NAN
    n_units: int = 0
    p: float = _NAN
    p_adjusted: float = _NAN
