"""The figure of a scaling study: scores against the operations of training, one panel per question."""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from phenolens.core.files import write_whole
from phenolens.diagnosis.scaling import RunScore, ScalingFit

_COLOUR = "#2563eb"
_GRAY = "#6b7280"


def write_scaling(scores: Sequence[RunScore], fits: Sequence[ScalingFit], path: Path, title: str) -> None:
    """Write a self-contained page: each run with its interval, its untrained counterpart, and the line with its slope.

    Parameters
    ----------
    scores
        Of every run in every question.
    fits
        As `fit_scaling` returns them.
    path
        The page.
    title
        Of the page.
    """
    table = pd.DataFrame(scores)
    names = [
        f"{_figure_text(f'{fit.task}, {fit.profiling}')}<br>"
        f"<sub>{fit.slope.value:+.3f} [{fit.slope.low:+.3f}, {fit.slope.high:+.3f}] for ten times the operations</sub>"
        for fit in fits
    ]
    figure = make_subplots(rows=len(fits), cols=1, subplot_titles=names, vertical_spacing=0.3 / max(1, len(fits)))
    for place, fit in enumerate(fits, start=1):
        runs = table[(table["task"] == fit.task) & (table["profiling"] == fit.profiling)].sort_values("flops")
        x = runs["flops"].to_numpy(dtype=float)
        value = runs["value"].to_numpy(dtype=float)
        text = [_figure_text(run) for run in runs["run"]]
        ends = np.array([x.min(), x.max()])
        line = fit.value_at_most_compute + fit.slope.value * (np.log10(ends) - np.log10(x.max()))
        up, down = runs["high"] - value, value - runs["low"]
        traces = [
            go.Scatter(
                x=x,
                y=value,
                mode="markers",
                name="trained, 95 % interval",
                text=text,
                error_y={"type": "data", "array": up, "arrayminus": down, "color": _COLOUR, "thickness": 1},
                marker={"color": _COLOUR, "size": 9},
            ),
            go.Scatter(
                x=x,
                y=runs["untrained"],
                mode="markers",
                name="untrained counterparts, mean",
                text=text,
                marker={"color": _GRAY, "size": 9, "symbol": "x-thin-open"},
            ),
            go.Scatter(x=ends, y=line, mode="lines", name="line", line={"color": _COLOUR, "dash": "dot", "width": 1}),
        ]
        for trace in traces:
            figure.add_trace(trace.update(showlegend=place == 1), row=place, col=1)
        figure.update_xaxes(type="log", title="operations of training", row=place, col=1)
        figure.update_yaxes(title=_figure_text(str(runs["metric"].iloc[0])), row=place, col=1)
    figure.update_layout(
        title=_figure_text(title),
        template="plotly_white",
        height=120 + 380 * len(fits),
        legend={"orientation": "h", "y": -0.15 / max(1, len(fits))},
    )
    write_whole(path, figure.to_html(include_plotlyjs=True).encode())


def _figure_text(text: str) -> str:
    """Keep plotly from reading a stranger's name as markup: it knows links, line breaks and entities."""
    return html.escape(text, quote=False)
