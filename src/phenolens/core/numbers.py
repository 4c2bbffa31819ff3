"""Formats of numbers, for all output."""

import math
from collections.abc import Sequence

MISSING = "\N{EN DASH}"


def number(value: float | None, decimals: int = 3, *, signed: bool = False) -> str:
    """Write a number with a fixed count of decimals, or a dash if it is missing.

    Examples
    --------
    >>> number(0.1234), number(0.1234, 2, signed=True), number(-0.0001, 2), number(float("nan")) == MISSING
    ('0.123', '+0.12', '0.00', True)
    """
    if value is None or not math.isfinite(value):
        return MISSING
    rounded = round(value, decimals) + 0.0  # -0.0 becomes 0.0
    return f"{rounded:+.{decimals}f}" if signed and rounded else f"{rounded:.{decimals}f}"


def interval(low: float | None, high: float | None, decimals: int = 3) -> str:
    """Write an interval as ``[low, high]``, or an empty text if a limit is missing.

    Examples
    --------
    >>> interval(0.081, 0.139, 2), interval(0.081, float("nan"))
    ('[0.08, 0.14]', '')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, decimals)}, {number(high, decimals)}]"


def within(value: float | None, low: float | None, high: float | None, decimals: int = 2) -> str:
    """Write a number and its interval, if there is one.

    Examples
    --------
    >>> within(0.1, 0.081, 0.139), within(0.1, float("nan"), float("nan"))
    ('0.10 [0.08, 0.14]', '0.10')
    """
    return f"{number(value, decimals)} {interval(low, high, decimals)}".rstrip()


def difference_within(difference: float, low: float, high: float) -> str:
    """Write a difference and its interval, with as many decimals as distinguish its limits.

    Examples
    --------
    >>> difference_within(0.1, 0.081, 0.139), difference_within(-0.012, -0.019, -0.004)
    ('+0.10 [0.08, 0.14]', '-0.012 [-0.019, -0.004]')
    """
    decimals = 2 if max(abs(low), abs(high)) >= 0.02 or not abs(difference) > 0 else 3
    return f"{number(difference, decimals, signed=True)} {interval(low, high, decimals)}".rstrip()


def percent(share: float | None) -> str:
    """Write a share.

    Examples
    --------
    >>> percent(0.123), percent(-0.001), percent(float("nan")) == MISSING
    ('12%', '0%', True)
    """
    if share is None or not math.isfinite(share):
        return MISSING
    return f"{round(share, 2) + 0.0:.0%}"


def share_within(share: float | None, low: float | None, high: float | None) -> str:
    """Write a share and its interval, if there is one.

    Examples
    --------
    >>> share_within(0.123, 0.05, 0.2), share_within(0.123, float("nan"), 0.2)
    ('12% [5%, 20%]', '12%')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return percent(share)
    return f"{percent(share)} [{percent(low)}, {percent(high)}]"


def p_words(p: float) -> str:
    """Write a p value for a sentence.

    Examples
    --------
    >>> p_words(0.0342), p_words(0.0002)
    ('0.034', 'below 0.001')
    """
    return "below 0.001" if p < 0.001 else number(p, 3)


def count(value: object, singular: str = "", plural: str = "") -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> count(1, "well"), count(12345, "well"), count(2, "assay", "assays in all"), count(3)
    ('1 well', '12,345 wells', '2 assays in all', '3')
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return MISSING
    noun = singular if value == 1 else (plural or f"{singular}s" if singular else "")
    return f"{int(value):,} {noun}".strip()


def listed(words: Sequence[str], limit: int = 6) -> str:
    """Join words for a sentence.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], limit=2)
    ('a, b and c', 'a, b and 2 more')
    """
    if len(words) > limit:
        words = [*words[:limit], f"{len(words) - limit} more"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""


def decimals_for(widths: Sequence[float]) -> int:
    """Return the number of decimals, 2 to 4, that suits the widths of intervals.

    Examples
    --------
    >>> decimals_for([0.06, 0.08]), decimals_for([0.008]), decimals_for([])
    (2, 3, 3)
    """
    known = sorted(width for width in widths if math.isfinite(width) and width > 0)
    if not known:
        return 3
    return min(4, max(2, math.ceil(-math.log10(known[len(known) // 2]))))


def duration(seconds: float) -> str:
    """Write how long something takes, in the largest unit of which it takes one and a half.

    Examples
    --------
    >>> duration(40), duration(100), duration(6000), duration(1e6)
    ('40 s', '2 min', '1.7 h', '11.6 days')
    """
    for unit, length, decimals in (("days", 86400, 1), ("h", 3600, 1), ("min", 60, 0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.{decimals}f} {unit}"
    return f"{seconds:.0f} s"
