"""The DNA channel of simulated cells beside real ones: counts, sizes, contrast, spread and spectrum.

    python benchmarks/phantom_against_real.py DATA [--panels FILE.png] [--out FILE.json]

DATA is the folder with bbbc013_sbs and dsb2018_nuclei. Lengths are in nuclear diameters, because magnifications differ.
The panels, real and simulated side by side at one scale, are for looking at; real images are not kept here.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import zoom
from skimage.measure import regionprops
from skimage.transform import rescale

from phenolens.images import read_image, segment_nuclei
from phenolens.simulation import simulate_cells

N = 60
PANEL, DIAMETER = 220, 22.0


def bbbc013(data: Path) -> Iterator[NDArray[np.float64]]:
    folder = data / "bbbc013_sbs"
    for image in pd.read_csv(folder / "metadata.csv")["image_dna"][:N]:
        yield read_image(folder / image)[0][0].astype(float)


def dsb2018(data: Path) -> Iterator[NDArray[np.float64]]:
    folder = data / "dsb2018_nuclei"
    found = 0
    for path in sorted(folder.rglob("*.png")) + sorted(folder.rglob("*.tif")):
        if "mask" in str(path).lower():
            continue
        pixels = read_image(path)[0].astype(float)
        grey = pixels[0]
        # Fluorescence is bright on black and grey; the set holds stained tissue too.
        if np.ptp(pixels, axis=0).max() < 1 and np.median(grey) < grey.mean():
            yield grey
            found += 1
        if found == N:
            return


def phantom(_: Path) -> Iterator[NDArray[np.float64]]:
    with tempfile.TemporaryDirectory() as folder:
        manifest = simulate_cells(Path(folder), plates=2, wells=N // 2, channels=["dna"], seed=3)
        for image in pd.read_csv(manifest)["image"]:
            yield read_image(Path(folder) / image)[0][0].astype(float)


def describe(pixels: NDArray[np.float64]) -> dict[str, float] | None:
    labels = segment_nuclei(pixels)
    nuclei = [own for own in regionprops(labels, pixels) if own.area > 20]
    if len(nuclei) < 4:
        return None
    areas, means = np.array([own.area for own in nuclei]), np.array([own.intensity_mean for own in nuclei])
    diameter = float(np.sqrt(4 * np.median(areas) / np.pi))
    background = pixels[labels == 0]
    noise = np.median(np.abs(background - np.median(background))) * 1.4826
    return {
        "diameter_pixels": diameter,
        "nuclei_per_100_diameters2": 100 * len(nuclei) * diameter**2 / pixels.size,
        "area_cv": float(areas.std() / areas.mean()),
        "elongation": float(np.median([own.axis_major_length / max(own.axis_minor_length, 1) for own in nuclei])),
        "intensity_cv": float(means.std() / (means.mean() - np.median(background))),
        "signal_to_background_sd": float((np.median(means) - np.median(background)) / max(noise, 1e-9)),
        "texture_in_nuclei": float(
            np.median(
                [own.image_intensity[own.image].std() / (own.intensity_mean - np.median(background)) for own in nuclei]
            )
        ),
        "spectrum_slope": slope(pixels, diameter),
    }


def slope(pixels: NDArray[np.float64], diameter: float) -> float:
    """The fall of the log power spectrum between one and a quarter of a nuclear diameter."""
    window = np.hanning(pixels.shape[0])[:, None] * np.hanning(pixels.shape[1])
    power = np.abs(np.fft.rfft2((pixels - pixels.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(pixels.shape[0])[:, None], np.fft.rfftfreq(pixels.shape[1])) * diameter
    edges = np.geomspace(1.0, 4.0, 9)
    levels = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(edges)]
    return float(np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(levels), 1)[0])


def panel(pixels: NDArray[np.float64], diameter: float) -> NDArray[np.uint8]:
    scaled = rescale(pixels, DIAMETER / diameter, anti_aliasing=True)
    if min(scaled.shape) < PANEL:
        scaled = zoom(scaled, PANEL / min(scaled.shape) + 0.01, order=1)
    cut = scaled[:PANEL, :PANEL]
    low, high = np.percentile(cut, [1, 99.7])
    return np.uint8(255 * np.clip((cut - low) / (high - low), 0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--panels", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    rows = []
    for name, source in (("bbbc013", bbbc013), ("dsb2018", dsb2018), ("phantom", phantom)):
        images = list(source(arguments.data))
        table = [(describe(pixels), pixels) for pixels in images]
        kept = [(facts, pixels) for facts, pixels in table if facts]
        frame = pd.DataFrame([facts for facts, _ in kept])
        results[name] = {
            column: [round(float(q), 3) for q in frame[column].quantile([0.1, 0.5, 0.9])] for column in frame
        } | {"n": len(kept)}
        rows.append(
            np.hstack([panel(pixels, facts["diameter_pixels"]) for facts, pixels in kept[:: len(kept) // 5][:5]])
        )
    text = json.dumps(results, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    if arguments.panels:
        Image.fromarray(np.vstack(rows)).save(arguments.panels)


if __name__ == "__main__":
    main()
