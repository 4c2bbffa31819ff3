"""What a card shows of itself in a notebook."""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from phenolens.core.numbers import decimals_for, interval, number

if TYPE_CHECKING:
    from phenolens.diagnosis.evidence import Verdict

_MOST = 20


def verdicts_html(title: str, verdicts: Sequence["Verdict"]) -> str:
    """Return a table of verdicts as HTML: sentence, effect with its interval, adjusted p value.

    Parameters
    ----------
    title
        What is written above it.
    verdicts
        The verdicts, of which at most 20 are shown.
    """
    rows = "".join(_row(each) for each in verdicts[:_MOST])
    more = len(verdicts) - _MOST
    rest = f"<p>and {more} more: <code>to_frame()</code> has all</p>" if more > 0 else ""
    if not verdicts:
        rest = "<p>No verdicts: see what was skipped, and why.</p>"
    head = "<tr><th>Verdict</th><th>Effect [95 % interval]</th><th>adjusted p</th></tr>"
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if verdicts else ""
    return f"<div><p><b>{escape(title)}</b></p>{table}{rest}</div>"


def _row(verdict: "Verdict") -> str:
    effect, p = "", ""
    if math.isfinite(verdict.effect):
        decimals = decimals_for([verdict.high - verdict.low])
        limits = interval(verdict.low, verdict.high, decimals) if math.isfinite(verdict.low) else ""
        effect = f"{number(verdict.effect, decimals)} {limits}".strip()
    if math.isfinite(verdict.p_adjusted):
        p = f"{verdict.p_adjusted:.2g}"
    sentence = f'<td style="text-align:left"><b>{escape(verdict.title)}.</b> {escape(verdict.claim)}</td>'
    return f"<tr>{sentence}<td>{escape(effect)}</td><td>{p}</td></tr>"
