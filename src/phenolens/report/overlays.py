"""Overlays: outlines of the nuclei that were found, over the image."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from phenolens.core.errors import EncoderError, ImageError, ManifestError
from phenolens.datasets import Manifest
from phenolens.encoders.nuclei import Segmentation
from phenolens.images import CAVEATS, RGB, NucleiOptions, Site, caveats_of, read_mask, read_site

_SITES = 6
_SIDE = 480
_OUTLINE = (255, 210, 0)


def draw_overlay(site: Site, labels: NDArray[np.int32], most: int | None = None) -> Image.Image:
    """Return an image of the nuclei with their outlines.

    Parameters
    ----------
    site
        The nuclear channel alone, stretched from the 0.5th to the 99.8th percentile; or red, green and blue.
    labels
        (H, W) labels of nuclei.
    most
        The longest side in pixels; that of the image if None.
    """
    pixels = _colours(site)
    height, width = labels.shape
    if most is not None and max(height, width) > most:
        smaller = (max(1, width * most // max(height, width)), max(1, height * most // max(height, width)))
        pixels = np.array(Image.fromarray(pixels).resize(smaller, Image.Resampling.LANCZOS))
        # Outlines are drawn on the smaller image, where they would otherwise fade.
        labels = np.array(Image.fromarray(labels).resize(smaller, Image.Resampling.NEAREST))
    outline = (labels > 0) & (ndimage.minimum_filter(labels, 3) != ndimage.maximum_filter(labels, 3))
    pixels[outline] = _OUTLINE
    return Image.fromarray(pixels)


def _colours(site: Site) -> NDArray[np.uint8]:
    if site.channels == RGB:
        full = np.iinfo(site.pixels.dtype).max if site.pixels.dtype.kind in "iu" else 1
        return np.ascontiguousarray(np.moveaxis(site.pixels / full * 255, 0, -1).clip(0, 255).astype(np.uint8))
    plane = site.pixels[0].astype(np.float32)
    low, high = np.percentile(plane, [0.5, 99.8])
    grey = (np.clip((plane - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def write_overlays(
    manifest: Manifest, channels: tuple[str, ...], nuclei: NucleiOptions, folder: Path
) -> list[dict[str, str]]:
    """Write overlays of a few sites, spread over the manifest: what baselines on nuclei rest on.

    Parameters
    ----------
    manifest
        The sites.
    channels
        The channels of the study.
    nuclei
        How nuclei are found in images without masks.
    folder
        Where to write nuclei/*.png.

    Returns
    -------
    Caption and file, relative to `folder`, of each; none if the nuclear channel is unknown.
    """
    try:
        segmentation = Segmentation.choose("overlays", channels, None, None)
    except EncoderError:
        return []  # the panel says that baselines on nuclei are missing
    overlays: list[dict[str, str]] = []
    rows = np.unique(np.linspace(0, len(manifest) - 1, min(_SITES, len(manifest))).astype(int))
    for row in rows.tolist():
        try:
            site, labels = look_at(manifest, row, segmentation, nuclei)
        except (ImageError, ManifestError):
            continue  # the quarantine list has it
        (folder / "nuclei").mkdir(parents=True, exist_ok=True)
        file = f"nuclei/{len(overlays):02d}.png"
        draw_overlay(site, labels, _SIDE).save(folder / file)
        found = [
            caveat
            for caveat, applies in zip(
                CAVEATS, caveats_of(labels[None], [site], given="mask" in manifest.table), strict=True
            )
            if applies
        ]
        caveat = f"; one of the sites that {found[0]}" if found else ""
        overlays.append(
            {"caption": f"{site.site_id}: {len(np.unique(labels[labels > 0]))} nuclei{caveat}", "file": file}
        )
    return overlays


def look_at(
    manifest: Manifest, row: int, segmentation: Segmentation, nuclei: NucleiOptions
) -> tuple[Site, NDArray[np.int32]]:
    """Return the channels of a site that show its nuclei, and their labels: its mask, or what is found.

    Raises
    ------
    ImageError, ManifestError
        If the image or its mask cannot be read.
    """
    whole = read_site(manifest.images(row), manifest.names, site_id=str(manifest.table.index[row]))
    mpp = manifest.mpp(row)
    site = Site(whole.select(segmentation.channels).pixels, segmentation.channels, whole.site_id, mpp)
    mask = manifest.mask(row)
    height, width = site.pixels.shape[1:]
    if mask is not None:
        return site, read_mask(mask, (height, width), nuclei.masks)
    return site, segmentation.find(site.pixels[None], site.channels, nuclei, mpp)[0]
