"""Example images: what the numbers are about."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

from phenolens.core.errors import EncoderError, ImageError, ManifestError
from phenolens.core.random import spawn
from phenolens.datasets import Manifest, condition_names
from phenolens.encoders.nuclei import Segmentation
from phenolens.images import RGB, NucleiOptions, Site, find_intervention, nuclear_channel, read_site
from phenolens.report.overlays import look_at

_MOST = 12
_SIDE = 240
_MOST_THUMBNAILS = 300
TILE = 64
"""The side of a thumbnail, in pixels."""
ACROSS = 20
"""How many thumbnails stand beside each other on their sheet."""
SHEET, SITES = "thumbnails/sheet.jpg", "thumbnails/sites.csv"
CHANGED = "changed/images.csv"
AS_IT_IS = "as it is"
"""The caption of the site before interventions."""
# Blue for the nuclei, then colours that stay apart for most colour-blind readers.
_COLOURS = ((0.2, 0.35, 1.0), (0.2, 0.9, 0.35), (1.0, 0.45, 0.1), (0.95, 0.3, 0.9), (0.9, 0.85, 0.2))


def write_examples(manifest: Manifest, channels: Sequence[str], folder: Path) -> list[dict[str, str]]:
    """Write one image for each of up to twelve perturbations or labels, all on the same intensity scale.

    Parameters
    ----------
    manifest
        The sites.
    channels
        The channels to show, each in its own colour.
    folder
        Where to write examples/*.png.

    Returns
    -------
    Caption and file, relative to `folder`, of each.
    """
    chosen = _read(manifest, channels, _choose(manifest, _MOST))
    if not chosen:
        return []
    low, high = intensity_range([site for _, site in chosen])
    (folder / "examples").mkdir(parents=True, exist_ok=True)
    examples = []
    for number, (name, site) in enumerate(chosen):
        file = f"examples/{number:02d}.png"
        _to_picture(site, low, high).save(folder / file)
        examples.append({"caption": " · ".join(part for part in (name, site.site_id) if part), "file": file})
    return examples


def write_thumbnails(manifest: Manifest, channels: Sequence[str], folder: Path) -> None:
    """Write small images of up to 300 sites, spread over all perturbations, onto one sheet, and a list of its sites.

    Parameters
    ----------
    manifest, channels, folder
        As of `write_examples`; written are ``thumbnails/sheet.jpg`` and ``thumbnails/sites.csv``.
    """
    chosen = _read(manifest, channels, _spread(manifest, _MOST_THUMBNAILS))
    if not chosen:
        return
    low, high = intensity_range([site for _, site in chosen])
    rows = math.ceil(len(chosen) / ACROSS)
    sheet = Image.new("RGB", (ACROSS * TILE, rows * TILE))
    for number, (_, site) in enumerate(chosen):
        tile = ImageOps.fit(_to_picture(site, low, high), (TILE, TILE), Image.Resampling.LANCZOS)
        sheet.paste(tile, (number % ACROSS * TILE, number // ACROSS * TILE))
    (folder / SHEET).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(folder / SHEET, quality=82)
    pd.DataFrame({"site_id": [site.site_id for _, site in chosen]}).to_csv(folder / SITES, index=False)


def write_changed(
    manifest: Manifest, channels: Sequence[str], names: Sequence[str], nuclei: NucleiOptions, folder: Path
) -> None:
    """Write one site as it is and after each intervention, all on the same intensity scale.

    Parameters
    ----------
    manifest, channels, folder
        As of `write_examples`; written are ``changed/*.png`` and ``changed/images.csv``.
    names
        The interventions.
    nuclei
        How nuclei are found in images without masks.
    """
    chosen = _no_control(manifest, channels)
    if chosen is None:
        return
    row, site = chosen
    low, high = intensity_range([site])
    pictures = {AS_IT_IS: site}
    found = [find_intervention(name, site.channels) for name in names]
    labels = _nuclei(manifest, channels, row, nuclei) if any(each.needs_nuclei for each in found) else None
    for each in found:
        if each.needs_nuclei and labels is None:
            continue
        rng = spawn(0, "intervention", each.name, site.site_id)  # as when the site is embedded
        (pixels,) = each.apply(site.pixels[np.newaxis], site.channels, rng, labels)
        pictures[each.name] = Site(pixels, site.channels, site.site_id)
    (folder / CHANGED).parent.mkdir(parents=True, exist_ok=True)
    files = []
    for number, picture in enumerate(pictures.values()):
        files.append(f"changed/{number:02d}.png")
        _to_picture(picture, low, high).save(folder / files[-1])
    pd.DataFrame({"caption": list(pictures), "file": files}).to_csv(folder / CHANGED, index=False)


def _no_control(manifest: Manifest, channels: Sequence[str]) -> tuple[int, Site] | None:
    """Return row and site of what is no control, where there is something else; None if none can be read."""
    for name, row in reversed(_choose(manifest, 2)):
        for _, site in _read(manifest, channels, [(name, row)]):
            return row, site
    return None


def _nuclei(manifest: Manifest, channels: Sequence[str], row: int, options: NucleiOptions) -> NDArray[np.int32] | None:
    """Return labels of nuclei (1, H, W), as when the site is embedded; None if there are none to be had."""
    try:
        segmentation = Segmentation.choose("interventions", channels, None, None)
        _, labels = look_at(manifest, row, segmentation, options)
    except (EncoderError, ImageError, ManifestError):
        return None
    return labels[np.newaxis]


def _read(manifest: Manifest, channels: Sequence[str], rows: Sequence[tuple[str, int]]) -> list[tuple[str, Site]]:
    """Return name and site of rows of a manifest; what cannot be read is left out, as the quarantine list has it."""
    found = []
    for name, row in rows:
        try:
            site = read_site(manifest.images(row), manifest.names, site_id=str(manifest.table.index[row]))
            found.append((name, site.select(channels)))
        except ImageError:
            continue
    return found


def _spread(manifest: Manifest, most: int) -> list[tuple[str, int]]:
    """Return name and row of sites: the first of each group, then the second of each, and so on."""
    order = _named_rows(manifest)
    order["turn"] = order.groupby("name").cumcount()
    chosen = order.sort_values(["turn", "row"], kind="stable").head(most)
    return [(str(name), int(row)) for name, row in chosen[["name", "row"]].to_numpy()]


def _choose(manifest: Manifest, most: int) -> list[tuple[str, int]]:
    """Return name and row of one site for each of up to `most` groups, spread over all, a control first."""
    order = _named_rows(manifest)
    firsts = order.drop_duplicates("name").sort_values(["control", "row"], kind="stable")
    if len(firsts) == 1:
        firsts = order
    spread = np.unique(np.linspace(0, len(firsts) - 1, min(most, len(firsts))).astype(int))
    return [(str(name), int(row)) for name, row in firsts[["name", "row"]].to_numpy()[spread]]


def _named_rows(manifest: Manifest) -> pd.DataFrame:
    """Return the perturbation or label of each row, its number, and whether it is no control."""
    table = manifest.table
    if "perturbation" in table:
        names = condition_names(table)
    elif "label" in table:
        names = table["label"].fillna("")
    else:
        names = pd.Series("", index=table.index)
    return pd.DataFrame({"name": names.to_numpy(), "row": range(len(table)), "control": ~manifest.controls})


def intensity_range(sites: Sequence[Site]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the intensities (C,) shown as black and as full, the same for all sites.

    Parameters
    ----------
    sites
        Some of the sites, with the same channels.
    """
    per_site = np.array([np.percentile(site.pixels, [1, 99.7], axis=(1, 2)) for site in sites])
    low, high = np.median(per_site[:, 0], axis=0), per_site[:, 1].max(axis=0)
    return low, np.maximum(high, low + 1e-6)


def _to_picture(site: Site, low: NDArray[Any], high: NDArray[Any]) -> Image.Image:
    if site.channels == RGB and site.pixels.dtype == np.uint8:
        colour = np.moveaxis(site.pixels, 0, -1)
    else:
        scale = (slice(None), None, None)
        shown = np.clip((site.pixels - low[scale]) / (high - low)[scale], 0, 1) ** 0.7
        colour = 255 * np.clip(np.einsum("chw,ck->hwk", shown, channel_colours(site.channels)), 0, 1)
    picture = Image.fromarray(colour.astype(np.uint8))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return picture


def channel_colours(channels: Sequence[str]) -> NDArray[np.float64]:
    """Return a colour (C, 3) for each channel; white if there is only one.

    Parameters
    ----------
    channels
        Their names; that of the nuclei is blue.
    """
    if len(channels) == 1:
        return np.ones((1, 3))
    nuclei = nuclear_channel(channels)
    order = sorted(range(len(channels)), key=lambda index: channels[index] != nuclei)
    colours = np.empty((len(channels), 3))
    for place, index in enumerate(order):
        colours[index] = _COLOURS[place % len(_COLOURS)]
    return colours
