"""Speed of the baselines: classical features beside cp_measure's own featurizer, and cell graphs of a million cells.

    python benchmarks/baselines.py [--out FILE.json]

Classical features are timed through the embedding engine, reading and segmentation included, on simulated sites of 256
pixels and two channels; the peer measures the same masks in one process. Graphs are timed on uniformly random cells.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SITES = 192


def classical(folder: Path) -> dict[str, Any]:
    """Return sites per second of classical features, and of the peer, with all that it measures and one mask."""
    from cp_measure.featurizer import featurize, make_featurizer_config

    from phenolens.datasets import read_manifest
    from phenolens.embedding import embed
    from phenolens.encoders import create_encoder
    from phenolens.images import read_site
    from phenolens.simulation import simulate_cells

    manifest = read_manifest(
        simulate_cells(folder, preset="strong", plates=1, wells=SITES, size=256, channels=["dna", "er"])
    )
    channels = ("dna", "er")
    embed(manifest, ["cell-count"], channels=channels)  # the first start of processes is no part of the speed
    start = time.perf_counter()
    embed(manifest, ["classical-features"], channels=channels)
    ours = len(manifest) / (time.perf_counter() - start)
    start = time.perf_counter()
    embed(manifest, ["cell-count", "area-fraction", "classical-features", "cell-graph/positions"], channels=channels)
    together = len(manifest) / (time.perf_counter() - start)

    encoder: Any = create_encoder("classical-features", channels)
    pixels = np.stack([read_site(manifest.images(row)).pixels for row in range(12)])
    nuclei = encoder.segmentation.find(pixels, channels)
    config = make_featurizer_config(list(channels), objects=["nuclei"], correlation_costes=False)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        featurize(pixels / 65535.0, nuclei[:, None], config)
    peer = len(pixels) / (time.perf_counter() - start)
    start = time.perf_counter()
    encoder.embed(pixels, channels, nuclei)
    alone = len(pixels) / (time.perf_counter() - start)
    return {
        "sites_per_second": round(ours, 1),
        "sites_per_second_with_counts_and_graph": round(together, 1),
        "cells_per_site": round(float(np.mean([labels.max() for labels in nuclei])), 1),
        "one_process_no_segmentation": round(alone, 1),
        "cp_measure_featurize_nuclei_alone": round(peer, 1),
        "ratio": round(alone / peer, 2),
    }


def graphs() -> dict[str, Any]:
    """Return seconds for each part of a graph of a million cells, beside scipy's triangulation of them alone."""
    from scipy.spatial import Delaunay

    from phenolens.datasets import Cells
    from phenolens.encoders.cell_graph import build_graph, positions
    from phenolens.encoders.cell_graph.marks import composition, neighbourhoods
    from phenolens.encoders.cell_graph.pairs import close_pairs

    rng = np.random.default_rng(0)
    n, names = 1_000_000, tuple(f"type{index}" for index in range(20))
    cells = Cells(rng.uniform(0, 20_000, (n, 2)), (20_000.0, 20_000.0), None, rng.integers(0, len(names), n))
    seconds: dict[str, float] = {}

    def timed(name: str, call: Any) -> Any:
        start = time.perf_counter()
        result = call()
        seconds[name] = round(time.perf_counter() - start, 1)
        return result

    timed("scipy_delaunay_alone", lambda: Delaunay(cells.positions))
    graph = timed("graph", lambda: build_graph(cells.positions))
    pairs = timed("pairs", lambda: close_pairs(cells))
    timed("positions", lambda: positions.arrangement(cells, graph, pairs))
    timed("types", lambda: (composition(cells, names), neighbourhoods(cells, graph, pairs, names)))
    total = sum(value for name, value in seconds.items() if name != "scipy_delaunay_alone")
    return seconds | {
        "all_steps": round(total, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        "machine": {"cores": len(os.sched_getaffinity(0)), "processor": platform.machine()},
        "graph_of_a_million_cells": graphs(),
    }
    with tempfile.TemporaryDirectory() as folder:
        result["classical_features"] = classical(Path(folder) / "phantom")
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
