"""Speed, memory and agreement beside the tools that people use, each pair in one run on one machine.

    python benchmarks/against_peers.py [--only NAME] [--out benchmarks/results/against_peers.json]

Each contender runs in a process of its own, so that peak memory is its own; ours is run after a warm-up that imports
and touches everything, and the median of several rounds counts. Peers are run once: they take long.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")
ROUNDS = 3


def retrieval_data(n: int, d: int = 128, replicates: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(n) // replicates)
    x = rng.normal(size=(n, d)) + 0.5 * rng.normal(size=(labels.max() + 1, d))[labels]
    return {"x": x.astype(np.float32), "labels": labels}


def plate_data(n: int) -> dict[str, Any]:
    """Plates of 384 wells, 64 of them controls; six replicates on as many plates."""
    rng = np.random.default_rng(0)
    plates = np.arange(n) // 384
    control = np.arange(n) % 384 < 64
    labels = np.full(n, -1)
    labels[~control] = rng.permutation(np.arange((~control).sum()) // 6)
    return {"x": rng.normal(size=(n, 128)).astype(np.float32), "labels": labels, "plates": plates, "control": control}


def relation_data(n: int) -> dict[str, Any]:
    """A map of genes, and five sources of as many relations as the public ones have."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 128)).astype(np.float32)
    sizes = {"CORUM": 37_649, "HuMAP": 58_538, "Reactome": 22_865, "SIGNOR": 12_177, "StringDB": 58_059}
    share = n / 20_000
    sources = {}
    for name, size in sizes.items():
        pairs = np.sort(rng.integers(n, size=(int(size * share), 2)), axis=1)
        sources[name] = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return {"x": x, "sources": sources}


def batch_data(n_batches: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n = n_batches * 384
    batch = np.arange(n) // 384
    controls = np.arange(n) % 384 < 192
    x = rng.normal(size=(n, 128)) @ rng.normal(size=(128, 128)) + rng.normal(size=(n_batches, 128))[batch]
    return {"x": x, "batch": batch, "controls": controls}


def profile_data(n: int, d: int = 500) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3}


def bootstrap_data(n_units: int) -> dict[str, Any]:
    return {"values": np.random.default_rng(0).random((n_units, 20))}


# Ours.


def our_labels(x: Any, labels: Any) -> Any:
    from phenolens.metrics import label_average_precision

    return label_average_precision(x, labels)


def our_controls(x: Any, labels: Any, plates: Any, control: Any) -> Any:
    from phenolens.metrics import control_average_precision

    return control_average_precision(x, labels, plates, control)[~control]


def our_relations(x: Any, sources: Any) -> Any:
    from phenolens.metrics import PairNull, distinct_pairs

    null = PairNull(x)
    placed = [null.place(distinct_pairs(pairs)) for pairs in sources.values()]
    return np.array([(own.lower + own.upper).mean() for own in placed])


def our_tvn(x: Any, batch: Any, controls: Any) -> Any:
    from phenolens.profiling import TVN

    TVN(shrinkage=0.0, coral=0.5).fit_transform(x, controls=controls, batch=batch)


def our_sphering(x: Any) -> Any:
    from phenolens.profiling import Sphering

    return Sphering(shrinkage=0.0).fit(x).whitening_


def our_bootstrap(values: Any) -> Any:
    from phenolens.metrics import cluster_bootstrap

    cluster_bootstrap(values, np.arange(len(values)), n_draws=10_000, rng=np.random.default_rng(1))


# Peers.


def copairs_labels(x: Any, labels: Any) -> Any:
    import pandas as pd
    from copairs.map import average_precision

    meta = pd.DataFrame({"label": labels})
    found = average_precision(meta, x, ["label"], [], [], ["label"], progress_bar=False)
    return found.sort_index()["average_precision"].to_numpy()


def copairs_controls(x: Any, labels: Any, plates: Any, control: Any) -> Any:
    import pandas as pd
    from copairs.map import average_precision

    meta = pd.DataFrame({"label": labels, "plate": plates, "control": control})
    meta["partner"] = np.where(control, -1 - np.arange(len(meta)), labels)  # controls have no partners
    found = average_precision(meta, x, ["partner"], [], ["plate"], ["control"], progress_bar=False)
    return found.sort_index()["average_precision"].to_numpy()[~control]


def efaar_relations(x: Any, sources: Any) -> Any:
    import pandas as pd
    from efaar_benchmarking.benchmarking import known_relationship_benchmark
    from sklearn.utils import Bunch

    names = np.array([f"G{i}" for i in range(len(x))])
    with tempfile.TemporaryDirectory() as folder:
        for name, pairs in sources.items():
            pd.DataFrame(names[pairs], columns=["entity1", "entity2"]).to_csv(f"{folder}/{name}.txt", index=False)
        table = Bunch(features=pd.DataFrame(x), metadata=pd.DataFrame({"gene": names}))
        found = known_relationship_benchmark(table, "gene", list(sources), [(0.05, 0.95)], benchmark_data_dir=folder)
    return found["recall_0.05_0.95"].to_numpy()


def efaar_tvn(x: Any, batch: Any, controls: Any) -> Any:
    import pandas as pd
    from efaar_benchmarking.efaar import tvn_on_controls

    meta = pd.DataFrame({"gene": np.where(controls, "control", "x"), "batch": batch})
    tvn_on_controls(x, meta, "gene", "control", "batch")


def pycytominer_sphering(x: Any) -> Any:
    import pandas as pd
    from pycytominer.operations import Spherize

    return np.asarray(Spherize(epsilon=0, method="ZCA").fit(pd.DataFrame(x)).W)


def loop_bootstrap(values: Any) -> Any:
    rng = np.random.default_rng(1)
    for _ in range(10_000):
        values[rng.integers(len(values), size=len(values))].mean(axis=0)


JOBS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], list[int], int]] = {
    # name: data, ours, peer, four sizes, the size that is run beside the peer
    "ap_all_others": (retrieval_data, our_labels, copairs_labels, [9_216, 18_432, 36_864, 100_000], 9_216),
    "ap_same_plate_controls": (plate_data, our_controls, copairs_controls, [9_216, 18_432, 36_864, 73_728], 36_864),
    "relationship_recall": (relation_data, our_relations, efaar_relations, [2_500, 5_000, 10_000, 20_000], 20_000),
    "tvn_coral": (batch_data, our_tvn, efaar_tvn, [50, 100, 200, 400], 400),
    "sphering_fit": (profile_data, our_sphering, pycytominer_sphering, [1_500, 3_000, 6_000, 12_000], 12_000),
    "paired_bootstrap": (bootstrap_data, our_bootstrap, loop_bootstrap, [625, 1_250, 2_500, 5_000], 5_000),
}


def _measure(function: Callable[..., Any], data: dict[str, Any], warm: dict[str, Any], rounds: int, pipe: Any) -> None:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    function(**warm)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = function(**data)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send(
        ({"seconds": statistics.median(seconds), "gib": peak / 2**20, "gib_after_warm_up": before / 2**20}, found)
    )


def measure(function: Callable[..., Any], make: Callable[[int], Any], n: int, smallest: int, rounds: int) -> Any:
    """Return what a function took on data of size n, in a process of its own, and what it found."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    warm = make(smallest // 2)
    process = multiprocessing.get_context("spawn").Process(
        target=_measure, args=(function, make(n), warm, rounds, theirs)
    )
    process.start()
    theirs.close()
    found = ours.recv()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=JOBS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {"machine": {"cores": os.cpu_count(), "python": platform.python_version()}}
    for name, (make, ours, peer, sizes, beside) in JOBS.items():
        if arguments.only not in (None, name):
            continue
        rows = []
        for n in sizes:
            mine, value = measure(ours, make, n, sizes[0], ROUNDS if n < 50_000 else 1)
            row = {"n": n, "ours": mine}
            if n == beside:
                row["peer"], expected = measure(peer, make, n, sizes[0], 1)
                row["ratio"] = row["peer"]["seconds"] / mine["seconds"]
                row["peer_name"] = peer.__name__
                if value is not None:
                    row["largest_difference"] = float(np.nanmax(np.abs(value - expected)))
                    row["mean_difference"] = float(abs(np.nanmean(value) - np.nanmean(expected)))
            rows.append(row)
            print(name, json.dumps(row), file=sys.stderr, flush=True)
        results[name] = rows
    text = json.dumps(results, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
