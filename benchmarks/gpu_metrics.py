"""The kernels on a GPU beside the same kernels on the CPU: equal answers, and how much faster.

python benchmarks/gpu_metrics.py [--out benchmarks/results/gpu_metrics.json]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phenolens.metrics import (
    PairNull,
    control_average_precision,
    label_average_precision,
    multilabel_average_precision,
    nearest_neighbours,
    separation,
    uniformity,
)


def jobs(n: int) -> dict[str, Callable[[str], Any]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 128)).astype(np.float32)
    labels, plates = rng.permutation(n) // 6, np.arange(n) // 384
    control = np.arange(n) % 384 < 64
    pairs = rng.integers(n, size=(50_000, 2))
    rows, marks = np.repeat(np.arange(2_000), 2), np.tile([0, 1], 2_000) + 2 * rng.integers(200, size=4_000)
    return {
        "ap_all_others": lambda device: label_average_precision(x, labels, device=device),
        "ap_same_plate_controls": lambda device: control_average_precision(x, labels, plates, control, device=device),
        "ap_several_labels": lambda device: multilabel_average_precision(x[:2_000], rows, marks, device=device),
        "relation_recall": lambda device: PairNull(x, device=device).place(pairs).upper,
        "pair_separation": lambda device: np.array([separation(x, labels, device=device).auroc]),
        "neighbours": lambda device: nearest_neighbours(x, 20, device=device)[1],
        "uniformity": lambda device: np.array([uniformity(x, device=device)]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rows", type=int, default=30_720)
    arguments = parser.parse_args()
    results: dict[str, Any] = {"device": torch.cuda.get_device_name()}
    for name, job in jobs(arguments.rows).items():
        found, seconds = {}, {}
        for device in ("cpu", "cuda"):
            job(device)
            start = time.perf_counter()
            found[device] = job(device)
            seconds[device] = time.perf_counter() - start
        difference = float(np.nanmean(np.abs(found["cpu"] - found["cuda"])))
        results[name] = {"n": arguments.rows, **seconds, "mean_difference": difference}
        print(name, json.dumps(results[name]), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
