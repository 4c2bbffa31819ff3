"""Specifications of the drawn figures, and the safe way to put data into a page.

Colours are names of CSS properties such as ``--accent``: the page's script puts the colours of the reader's
scheme in their place, so that one specification serves light, dark and paper.
"""

import html
import json
import math
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


@dataclass(frozen=True)
class Curve:
    """The values of one encoder over all units."""

    label: str
    colour: str
    names: list[str]
    values: list[float]
    significant: list[bool]


def sorted_curve(
    curves: list[Curve], chance: float, metric: str, unit: str, *, higher_is_better: bool
) -> dict[str, Any]:
    """Draw each encoder's values from best to worst, every unit with its name.

    Parameters
    ----------
    curves
        One curve per encoder.
    chance
        The chance level, NaN if unknown.
    metric, unit
        Titles of the axes.
    higher_is_better
        The direction of the sort.

    Returns
    -------
    dict
        ``data`` and ``layout`` of a plotly figure.
    """
    data = [_curve_trace(c, higher_is_better=higher_is_better) for c in curves]
    shapes, notes = [], []
    if math.isfinite(chance):
        line = {"color": "--chance", "dash": "dash", "width": 1.3}
        shapes.append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": chance, "y1": chance, "line": line})
        notes.append(
            {
                "xref": "paper",
                "x": 1,
                "y": chance,
                "text": "chance",
                "showarrow": False,
                "xanchor": "right",
                "yanchor": "bottom",
                "font": {"color": "--muted", "size": 11},
            }
        )
    layout = base_layout()
    layout["xaxis"] |= {"title": {"text": f"{figure_text(unit)}, from best to worst"}, "showgrid": False}
    layout["yaxis"] |= {"title": {"text": figure_text(metric)}}
    layout |= {"shapes": shapes, "annotations": notes, "height": 340}
    return {"data": data, "layout": layout}


def _curve_trace(curve: Curve, *, higher_is_better: bool) -> dict[str, Any]:
    known = [
        (v, n, s) for v, n, s in zip(curve.values, curve.names, curve.significant, strict=True) if math.isfinite(v)
    ]
    known.sort(key=lambda e: (-e[0] if higher_is_better else e[0], e[1]))
    # Hollow and filled dots differ without any colour.
    symbols = ["circle" if s else "circle-open" for _, _, s in known]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": figure_text(curve.label),
        "x": list(range(1, len(known) + 1)),
        "y": [float(f"{v:.5g}") for v, _, _ in known],
        "text": [figure_text(n) + (" (adjusted p \u2264 0.05)" if s else "") for _, n, s in known],
        "hovertemplate": "%{text}<br>%{y} (rank %{x})<extra></extra>",
        "line": {"color": curve.colour, "width": 1},
        "marker": {"color": curve.colour, "size": 6, "symbol": symbols},
    }


def base_layout() -> dict[str, Any]:
    """Return the calm layout every figure starts from."""
    axis = {
        "zeroline": False,
        "gridcolor": "--rule",
        "linecolor": "--rule",
        "tickfont": {"color": "--muted", "size": 12},
        "automargin": True,
    }
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 13, "color": "--text"},
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": dict(axis),
        "yaxis": dict(axis),
        "hoverlabel": {
            "bgcolor": "--raised",
            "bordercolor": "--rule",
            "font": {"color": "--text", "size": 13},
            "align": "left",
        },
        "showlegend": False,
        "hovermode": "closest",
    }


def figure_text(text: str) -> str:
    """Keep plotly from reading a stranger's name as markup: it knows links, line breaks and entities."""
    return html.escape(text, quote=False)


def script_json(data: Any) -> Markup:
    """Write data as JSON that no content can break out of a script element with.

    Raises
    ------
    ValueError
        If the data hold NaN, which JSON does not know.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing that could end the element is left
