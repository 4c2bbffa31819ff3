"""Embedding from files against a bare forward loop of the same network on a batch already in memory.

Run with ``python benchmarks/embedding_throughput.py``; writes ``results/embedding_throughput.json``. The
two are timed in turn, round by round, and the medians of the rounds' ratios are what counts: at least 0.90.
"""

import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import torch

from phenolens.datasets import read_manifest
from phenolens.embedding import embed
from phenolens.encoders import Encoder, create_encoder

N_SITES, BATCH, ROUNDS = 384, 16, 5
CHANNELS = ("dna", "er", "agp", "mito", "rna", "bf")
ENCODER = "untrained/vit_small_patch16"


def write_sites(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for index in range(N_SITES):
        pixels = rng.poisson(30, (len(CHANNELS), 256, 256)).astype(np.uint8)
        tifffile.imwrite(folder / f"{index}.tif", pixels, photometric="minisblack")
        rows.append({"site_id": index, "image": f"{index}.tif"})
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


def bare_loop(model: torch.nn.Module, precision: str) -> float:
    batch = torch.randn(BATCH, len(CHANNELS), 256, 256)
    start = time.perf_counter()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        for _ in range(N_SITES // BATCH):
            model(batch)
    return N_SITES / (time.perf_counter() - start)


def embedding(manifest: Path, encoder: Encoder, precision: str) -> float:
    sites = read_manifest(manifest, names=CHANNELS)
    start = time.perf_counter()
    embed(sites, [encoder], batch_size=BATCH, precision=precision, device="cpu")
    return N_SITES / (time.perf_counter() - start)


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_sites(Path(folder))
        for precision in ("fp32", "bf16"):
            encoder = create_encoder(ENCODER, CHANNELS, precision=precision)
            bare_loop(encoder.model, precision)
            rounds = []
            for _ in range(ROUNDS):
                rounds.append((embedding(manifest, encoder, precision), bare_loop(encoder.model, precision)))
            row = {
                "precision": precision,
                "embed_sites_per_second": round(statistics.median(one for one, _ in rounds), 1),
                "bare_sites_per_second": round(statistics.median(two for _, two in rounds), 1),
                "ratio_median": round(statistics.median(one / two for one, two in rounds), 3),
                "ratios": [round(one / two, 3) for one, two in rounds],
            }
            print(row, flush=True)
            rows.append(row)
    result = {
        "encoder": ENCODER,
        "images": f"{N_SITES} sites, {len(CHANNELS)} channels of 256 px, uint8, uncompressed TIFF",
        "batch": BATCH,
        "machine": f"{torch.get_num_threads()} cores, {torch.backends.cpu.get_cpu_capability()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rows": rows,
    }
    path = Path(__file__).parent / "results" / "embedding_throughput.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
