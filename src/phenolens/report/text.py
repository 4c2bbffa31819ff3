"""Numbers and names in the words of the page."""

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

_BREAK_AFTER = "/@=,:_|"
_MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"


def number(value: float | None, decimals: int = 3, *, signed: bool = False) -> str:
    """Write a number with a fixed count of decimals, a true minus sign, and a dash where there is none.

    Examples
    --------
    >>> number(0.1234), number(0.1234, 2, signed=True), number(float("nan")) == MISSING
    ('0.123', '+0.12', True)
    """
    if value is None or not math.isfinite(value):
        return MISSING
    rounded = round(value, decimals) + 0.0  # -0.0 becomes 0.0
    text = f"{rounded:+.{decimals}f}" if signed and rounded else f"{rounded:.{decimals}f}"
    return text.replace("-", _MINUS)


def interval(low: float | None, high: float | None, decimals: int = 3) -> str:
    """Write an interval as ``[low, high]``, or as nothing if a limit is missing.

    Examples
    --------
    >>> interval(0.081, 0.139, 2)
    '[0.08, 0.14]'
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, decimals)}, {number(high, decimals)}]"


def decimals_for(widths: Iterable[float]) -> int:
    """Tell how many decimals are worth writing, given the widths of the intervals: 2 to 4.

    Examples
    --------
    >>> decimals_for([0.06, 0.08]), decimals_for([0.008]), decimals_for([])
    (2, 3, 3)
    """
    known = sorted(w for w in widths if math.isfinite(w) and w > 0)
    if not known:
        return 3
    return min(4, max(2, math.ceil(-math.log10(known[len(known) // 2]))))


def count(value: object, singular: str = "", plural: str = "") -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> count(1, "well"), count(12345, "well"), count(2, "family", "families")
    ('1 well', '12,345 wells', '2 families')
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return MISSING
    noun = singular if value == 1 else (plural or f"{singular}s" if singular else "")
    return f"{int(value):,} {noun}".strip()


def listed(words: Sequence[str], limit: int = 6) -> str:
    """Join words as a sentence does.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], limit=2)
    ('a, b and c', 'a, b and 2 more')
    """
    if len(words) > limit:
        words = [*words[:limit], f"{len(words) - limit} more"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""


def task_words(task: str) -> tuple[str, str]:
    """Split a task's id into a title and the way its data were split.

    Examples
    --------
    >>> task_words("linear-probe:phenotype|grouped by movie")
    ('Linear probe: phenotype', 'grouped by movie')
    """
    head, _, split = task.partition("|")
    kind, _, target = head.partition(":")
    kind = kind.replace("-", " ").replace("_", " ").strip()
    title = kind[:1].upper() + kind[1:]
    return (f"{title}: {target}" if target else title) or task, split


def task_phrase(task: str) -> str:
    """Name a task within a sentence.

    Examples
    --------
    >>> task_phrase("linear-probe:phenotype|random")
    'linear probe: phenotype (random)'
    """
    title, split = task_words(task)
    title = title[:1].lower() + title[1:]
    return f"{title} ({split})" if split else title


def breakable(name: object) -> Markup:
    """Escape a name and allow line breaks after its joints, so that long names fit narrow columns."""
    return Markup("").join(escape(c) + (Markup("<wbr>") if c in _BREAK_AFTER else Markup("")) for c in str(name))


def caveat_word(caveat: str) -> str:
    """Shorten a caveat to the word that stands beside a score.

    Examples
    --------
    >>> caveat_word("leaking: 77 of 77 movies stand on both sides"), caveat_word("few units")
    ('leaking', 'caveat')
    """
    word, colon, _ = caveat.partition(":")
    return word.strip() if colon and 0 < len(word.strip()) <= 16 else "caveat"
