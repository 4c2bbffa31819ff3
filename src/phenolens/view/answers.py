"""What the page asks, and the answers: plain values, which the page shows as text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast, get_args

import numpy as np
import pandas as pd

from phenolens.core.errors import ImageError, PhenolensError
from phenolens.report.map_columns import hover_columns, map_columns
from phenolens.view.pictures import Contrast, Shown
from phenolens.view.study import Study
from phenolens.view.vectors import LANDMARKS

NEAREST = 6
SIDES = (96, 256)
"""The sides that thumbnails may have."""

_SHOWN = re.compile(
    r"([0-9]{1,4}),([0-9a-f]{6}),(-?[0-9.]{1,20}(?:e[+-]?[0-9]{1,3})?),(-?[0-9.]{1,20}(?:e[+-]?[0-9]{1,3})?)"
)


class Answers:
    """Answers on one study."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._columns = map_columns(study.sites, everything=True)

    def start(self) -> dict[str, Any]:
        """Return all but what is asked for one by one: names of encoders, columns and sites, and the channels."""
        study = self.study
        return {
            "name": study.name,
            "notes": study.notes,
            "sites": len(study.sites),
            "encoders": [{"name": each.name, "baseline": each.is_baseline} for each in study.encoders],
            "columns": [{"name": column["name"], "kind": column["kind"]} for column in self._columns],
            "hover": hover_columns(study.sites),
            "channels": [] if study.pictures is None else [asdict(each) for each in study.pictures.channels],
        }

    def column(self, number: int) -> dict[str, Any]:
        """Return the values of a column, as `map_columns` has them."""
        return self._columns[number]

    def map(self, number: int) -> dict[str, Any]:
        """Return the map of an encoder, or the problem that there is none."""
        try:
            points = self.study.encoders[number].layout()
        except PhenolensError as error:
            return {"problem": str(error)}
        n = len(points)
        note = f"All {n:,} sites, laid out by t-SNE"
        if n > LANDMARKS:
            note = (
                f"{LANDMARKS:,} of {n:,} sites, drawn at random with a fixed seed, are laid out by t-SNE; each other "
                "site stands among those of them that are nearest to it"
            )
        x, y = np.round(points, 4).T.tolist()
        return {"x": x, "y": y, "note": note}

    def site(self, number: int) -> dict[str, Any]:
        """Return the metadata of a site, and its image in numbers, or the problem that there is none."""
        row = self.study.sites.iloc[number]
        known = {str(name): _as_text(value) for name, value in row.items() if not pd.isna(value)}
        found: dict[str, Any] = {"site": str(self.study.sites.index[number]), "metadata": list(known.items())}
        if self.study.pictures is not None:
            try:
                found["image"] = self.study.pictures.describe(number)
            except ImageError as error:
                found["problem"] = str(error)
        return found

    def neighbours(self, number: int) -> list[dict[str, Any]]:
        """Return the nearest sites of one by each encoder, and what they share with it; its own well is passed over."""
        sites = self.study.sites
        own_well = np.arange(len(sites)) == number
        if {"plate", "well"} <= set(sites.columns):
            own_well |= _same(sites["plate"], number) & _same(sites["well"], number)
        shares = {column: _same(sites[column], number) for column in ("perturbation", "plate") if column in sites}
        found = []
        for encoder in self.study.encoders:
            rows, cosines = encoder.nearest(number, NEAREST, own_well)
            nearest = [
                {
                    "site": row,
                    "cosine": round(cosine, 3),
                    "shares": [name for name, same in shares.items() if same[row]],
                }
                for row, cosine in zip(rows, cosines, strict=True)
            ]
            found.append({"encoder": encoder.name, "baseline": encoder.is_baseline, "nearest": nearest})
        return found

    def picture(self, number: int, query: Mapping[str, Sequence[str]]) -> bytes:
        """Return the image of a site as PNG.

        Parameters
        ----------
        number
            The site.
        query
            ``c``: number, colour, and what is black and full, of each channel to show; ``contrast``; ``side`` of a
            thumbnail.

        Raises
        ------
        LookupError
            If there are no images, or no such channel.
        ValueError
            If the query says something else.
        """
        pictures = self.study.pictures
        if pictures is None:
            raise LookupError("no images")
        shown = tuple(_shown(text, len(pictures.channels)) for text in query.get("c", ()))
        contrast = query.get("contrast", ["given"])[0]
        side = int(query["side"][0]) if "side" in query else None
        if contrast not in get_args(Contrast) or side not in (None, *SIDES):
            raise ValueError("no such contrast or side")
        return pictures.picture(number, shown, cast("Contrast", contrast), side)


def _same(values: "pd.Series[Any]", number: int) -> np.ndarray:
    """Return which rows have the value of one row; a missing value is like no other."""
    return (values == values.iloc[number]).fillna(False).to_numpy(dtype=bool)


def _as_text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _shown(text: str, n_channels: int) -> Shown:
    match = _SHOWN.fullmatch(text)
    if match is None or int(match[1]) >= n_channels:
        raise ValueError("no such channel")
    red, green, blue = bytes.fromhex(match[2])
    return Shown(int(match[1]), (red, green, blue), float(match[3]), float(match[4]))
