"""The images of sites as PNG: whole or as thumbnails, each channel with its colour and contrast."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from phenolens.core.errors import ImageError, ManifestError
from phenolens.datasets import Manifest
from phenolens.embedding import first_site
from phenolens.images import RGB, Site, read_site
from phenolens.report.examples import channel_colours, intensity_range

Contrast = Literal["given", "percentiles", "extremes"]
"""Where black and full lie: as given; at the 1st and 99.7th percentile, or at minimum and maximum, of each site."""

_PERCENTILES = (1, 99.7)
_SAMPLED = 12
_KEPT_SITES, _KEPT_PICTURES = 6, 1024
_NO_IMAGE = 96


@dataclass(frozen=True)
class Channel:
    """A channel, and how it is shown at first: its colour, and the intensities shown as black and as full."""

    name: str
    colour: str
    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    """How a channel is shown: its number, its colour (red, green, blue), and what is black and full."""

    channel: int
    colour: tuple[int, int, int]
    low: float
    high: float


class Pictures:
    """The images that a manifest names for given sites.

    Parameters
    ----------
    manifest
        The manifest.
    sites
        The names of the sites; those that the manifest does not have have no image.

    Raises
    ------
    ManifestError
        If the manifest has none of the sites.
    ImageError
        If none of their images can be read.
    """

    def __init__(self, manifest: Manifest, sites: Sequence[str]) -> None:
        self.rows = manifest.table.index.get_indexer(list(sites))
        known = self.rows[self.rows >= 0]
        if not len(known):
            raise ManifestError(
                f"{manifest.source}: has none of the embedded sites, such as '{sites[0]}'; name their manifest"
            )
        self.manifest = manifest
        self._names = first_site(manifest.take(known)).channels
        self._site = lru_cache(_KEPT_SITES)(self._read)
        self._thumbnail = lru_cache(_KEPT_PICTURES)(self._draw)
        self.channels = self._describe(known)

    def _describe(self, known: NDArray[np.intp]) -> list[Channel]:
        if self._names == RGB:
            return [Channel(*each, 0, 255) for each in zip(RGB, ("#ff0000", "#00ff00", "#0000ff"), strict=True)]
        spread = np.unique(np.linspace(0, len(known) - 1, min(_SAMPLED, len(known))).astype(int))
        sites = []
        for row in known[spread]:
            try:
                sites.append(self._read_row(int(row)))
            except ImageError:
                continue
        low, high = intensity_range(sites or [first_site(self.manifest.take(known))])
        colours = ["#" + bytes(np.round(255 * each).astype(np.uint8)).hex() for each in channel_colours(self._names)]
        return [Channel(*each) for each in zip(self._names, colours, _rounded(low), _rounded(high), strict=True)]

    def _read_row(self, row: int) -> Site:
        name = str(self.manifest.table.index[row])
        return read_site(self.manifest.images(row), self.manifest.names, site_id=name).select(self._names)

    def _read(self, number: int) -> Site:
        row = int(self.rows[number])
        if row < 0:
            raise ImageError("the manifest does not have this site")
        return self._read_row(row)

    def describe(self, number: int) -> dict[str, Any]:
        """Return size, microns per pixel and the range of each channel of a site.

        Raises
        ------
        ImageError
            If its image cannot be read.
        """
        site = self._site(number)
        return {
            "height": site.pixels.shape[1],
            "width": site.pixels.shape[2],
            "mpp": self.manifest.mpp(int(self.rows[number])) or site.mpp,
            "ranges": {
                contrast: [list(each) for each in zip(*map(_rounded, _range(site, contrast)), strict=True)]
                for contrast in ("percentiles", "extremes")
            },
        }

    def picture(self, number: int, shown: tuple[Shown, ...], contrast: Contrast, side: int | None) -> bytes:
        """Return a site as PNG; what cannot be read is a crossed-out square.

        Parameters
        ----------
        number
            The site.
        shown
            The channels.
        contrast
            What is black and full.
        side
            The side of a thumbnail; None for the whole image.
        """
        # The whole image is large, and asked for with ever other contrasts: only thumbnails are kept.
        draw = self._draw if side is None else self._thumbnail
        return draw(number, shown, contrast, side)

    def _draw(self, number: int, shown: tuple[Shown, ...], contrast: Contrast, side: int | None) -> bytes:
        try:
            site = self._site(number)
        except ImageError:
            return _crossed_out()
        low, high = np.zeros(len(self._names)), np.zeros(len(self._names))
        if contrast == "given":
            for each in shown:
                low[each.channel], high[each.channel] = each.low, each.high
        else:
            low, high = _range(site, contrast)
        height, width = site.pixels.shape[1:]
        step = 1 if side is None else max(1, min(height, width) // (2 * side))
        mixed = np.zeros((len(range(0, height, step)), len(range(0, width, step)), 3), dtype=np.float32)
        for each in shown:
            plane = site.pixels[each.channel, ::step, ::step].astype(np.float32)
            span = max(float(high[each.channel] - low[each.channel]), 1e-6)
            np.clip((plane - np.float32(low[each.channel])) / np.float32(span), 0, 1, out=plane)
            for sample, strength in enumerate(each.colour):
                if strength:
                    mixed[..., sample] += plane * np.float32(strength)
        picture = Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))
        if side is not None:
            picture = ImageOps.fit(picture, (side, side), Image.Resampling.BILINEAR)
        return _as_png(picture)


def _range(site: Site, contrast: Contrast) -> tuple[NDArray[Any], NDArray[Any]]:
    if contrast == "extremes":
        return site.pixels.min(axis=(1, 2)).astype(float), site.pixels.max(axis=(1, 2)).astype(float)
    low, high = np.percentile(site.pixels, _PERCENTILES, axis=(1, 2))
    return low, high


def _rounded(values: NDArray[Any]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _crossed_out() -> bytes:
    square = np.full((_NO_IMAGE, _NO_IMAGE), 40, np.uint8)
    diagonal = np.eye(_NO_IMAGE, dtype=bool)
    square[diagonal | diagonal[:, ::-1]] = 110
    return _as_png(Image.fromarray(square))


def _as_png(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG", compress_level=1)
    return content.getvalue()
