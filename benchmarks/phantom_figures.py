"""One figure per factor of simulated cells, weak to strong, tiles of tissue, and the time that a plate takes.

python benchmarks/phantom_figures.py     writes docs/images/phantom/*.png
python benchmarks/phantom_figures.py --time    prints seconds for a 384-well plate and growth over four sizes
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw

from phenolens.simulation import CELL_PAINTING, CLASSES, FACTORS, simulate_cells, simulate_tissue
from phenolens.simulation.biology import Perturbation, choose_preset
from phenolens.simulation.screen import SitePlan, plan_screen, simulate_site

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "phantom"
SIDE = 180
STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)
SHOWN = {
    "dna_amount": "dna", "nuclear_area": "dna", "elongation": "dna", "mitotic": "dna", "dying": "dna",
    "er_amount": "er", "texture": "er", "rna_amount": "rna", "nucleoli": "rna", "mito_amount": "mito",
    "mito_spacing": "mito", "segregation": "mito", "golgi_spread": "golgi", "fibres": "actin", "alignment": "actin",
}  # fmt: skip


def plan(channel: str, ratios: dict[str, float]) -> SitePlan:
    chosen = choose_preset("one-factor", {"acquisition": 0})
    plans = plan_screen(1, 9, SIDE, (channel,), 4, chosen, [Perturbation("shown", "crispr", ratios)])
    # Every step shows the same well, with the same draws.
    return next(own for own in plans if own.well.perturbation)


def draw(name: str) -> None:
    factor, channel = FACTORS[name], SHOWN.get(name, "agp")
    steps = STEPS if factor.both_ways else tuple(abs(step) for step in (0.0, 0.25, 0.5, 0.75, 1.0))
    ratios = [float(np.exp(1.4 * step * factor.effect)) for step in steps]
    panels = [simulate_site(plan(channel, {name: ratio}))[0][0].astype(float) for ratio in ratios]
    low, high = 100.0, max(float(np.percentile(panel, 99.7)) for panel in panels)
    row = np.hstack([np.pad(np.clip((p - low) / (high - low), 0, 1), 2, constant_values=1) for p in panels])
    picture = Image.new("L", (row.shape[1], row.shape[0] + 18), 255)
    picture.paste(Image.fromarray((255 * row).astype(np.uint8)), (0, 18))
    pen = ImageDraw.Draw(picture)
    for number, ratio in enumerate(ratios):
        value = factor.default * ratio
        value = value if factor.most is None else min(value, factor.most)
        value = max(value, 1.0) if name == "elongation" else value
        pen.text((number * (SIDE + 4) + 4, 3), f"{value:.3g}" + (f"   ({channel})" if number == 0 else ""), fill=0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture.save(FOLDER / f"{name}.png", optimize=True)


def draw_slides() -> None:
    """Draw one tile of either class of each preset, and a multiplexed tile."""
    columns = []
    for preset in CLASSES:
        with tempfile.TemporaryDirectory() as folder:
            simulate_tissue(Path(folder), preset=preset, patients=1, slides=2, tiles=1, seed=6)
            tiles = [np.asarray(Image.open(Path(folder) / f"images/patient1_slide{n}_0_0.png")) for n in (1, 2)]
        columns.append(np.vstack([np.pad(tile, ((2, 2), (2, 2), (0, 0)), constant_values=255) for tile in tiles]))
    Image.fromarray(np.hstack(columns)).quantize(128).save(FOLDER / "tissue.png", optimize=True)
    with tempfile.TemporaryDirectory() as folder:
        simulate_tissue(Path(folder), variant="multiplex", patients=1, slides=1, tiles=1, seed=6)
        pixels = tifffile.imread(Path(folder) / "images/patient1_slide1_0_0.tif").astype(float)
    shown = [np.pad(np.clip((c - 100) / (np.percentile(c, 99.5) - 100), 0, 1), 2, constant_values=1) for c in pixels]
    Image.fromarray((255 * np.hstack(shown)).astype(np.uint8)).save(FOLDER / "markers.png", optimize=True)


def measure() -> None:
    for wells in (48, 96, 192, 384):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            simulate_cells(Path(folder), preset="strong", plates=1, wells=wells, channels=CELL_PAINTING)
            print(json.dumps({"wells": wells, "seconds": round(time.perf_counter() - start, 1)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", action="store_true")
    if parser.parse_args().time:
        measure()
        return
    for name in FACTORS:
        draw(name)
    draw_slides()


if __name__ == "__main__":
    main()
