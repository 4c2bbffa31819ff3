"""The figure of a scaling study: scores against the operations of training, one panel per question."""

from pathlib import Path

import numpy as np
import pandas as pd
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from phenolens.core.files import write_whole
from phenolens.report.figures import figure_text

_COLOUR = "#2563eb"
_GRAY = "#6b7280"


def write_scaling(scores: pd.DataFrame, fits: pd.DataFrame, path: Path, title: str) -> None:
    """Write a self-contained page: each run with its interval, its untrained twin, and the line with its slope.

    Parameters
    ----------
    scores
        One row per run, task and profiling: ``run, flops, value, low, high, twin, chance, metric``.
    fits
        As `phenolens.diagnosis.fit_scaling` gives them.
    path
        The page.
    title
        Of the page.
    """
    names = [
        f"{figure_text(f'{row.task}, {row.profiling}')}<br>"
        f"<sub>{row.slope:+.3f} [{row.low:+.3f}, {row.high:+.3f}] for ten times the operations</sub>"
        for row in fits.itertuples()
    ]
    figure = make_subplots(rows=len(fits), cols=1, subplot_titles=names, vertical_spacing=0.3 / max(1, len(fits)))
    for place, fit in enumerate(fits.itertuples(), start=1):
        own = scores[(scores["task"] == fit.task) & (scores["profiling"] == fit.profiling)].sort_values("flops")
        x = own["flops"].to_numpy(dtype=float)
        value = own["value"].to_numpy(dtype=float)
        ends = np.array([x.min(), x.max()])
        line = fit.at_most + fit.slope * (np.log10(ends) - np.log10(x.max()))
        up, down = own["high"] - value, value - own["low"]
        traces = [
            go.Scatter(
                x=x,
                y=value,
                mode="markers",
                name="trained, 95 % interval",
                text=[figure_text(run) for run in own["run"]],
                error_y={"type": "data", "array": up, "arrayminus": down, "color": _COLOUR, "thickness": 1},
                marker={"color": _COLOUR, "size": 9},
            ),
            go.Scatter(
                x=x,
                y=own["twin"],
                mode="markers",
                name="untrained twins, mean",
                text=[figure_text(run) for run in own["run"]],
                marker={"color": _GRAY, "size": 9, "symbol": "x-thin-open"},
            ),
            go.Scatter(x=ends, y=line, mode="lines", name="line", line={"color": _COLOUR, "dash": "dot", "width": 1}),
        ]
        for trace in traces:
            figure.add_trace(trace.update(showlegend=place == 1), row=place, col=1)
        figure.update_xaxes(type="log", title="operations of training", row=place, col=1)
        figure.update_yaxes(title=figure_text(str(own["metric"].iloc[0])), row=place, col=1)
    figure.update_layout(
        title=figure_text(title),
        template="plotly_white",
        height=120 + 380 * len(fits),
        legend={"orientation": "h", "y": -0.15 / max(1, len(fits))},
    )
    write_whole(path, figure.to_html(include_plotlyjs=True).encode())
