"""Counts of nuclei beside the annotated masks of the 2018 Data Science Bowl, by domain.

    python benchmarks/nuclei.py FOLDER [--out FILE.json]

FOLDER holds metadata.csv, images and labels. Constants of the segmentation were chosen on every second image of each
domain, from the first; the others are reported separately. Crops of one field may be in both halves.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.images import CAVEATS, RGB, Site, caveats_of, find_nuclei, read_image


def measure(folder: Path, row: Any) -> dict[str, Any]:
    """Return what is found in an image, and how it fits the annotation."""
    pixels = read_image(folder / row.image)[0]
    site = Site(pixels, RGB if len(pixels) == len(RGB) else ("dna",), row.id)
    start = time.perf_counter()
    labels = find_nuclei(site)
    seconds = time.perf_counter() - start
    caveats = caveats_of(labels[None], [site])
    return {
        "found": int(labels.max()),
        "area": float((labels > 0).mean()),
        "seconds": seconds,
        "f1": f1(labels, read_image(folder / row.label_mask)[0][0].astype(np.int64)),
        "caveat": "; ".join(what for what, applies in zip(CAVEATS, caveats, strict=True) if applies),
    }


def f1(found: NDArray[Any], true: NDArray[Any]) -> float:
    """Return the F1 score of objects that overlap by more than half of their union."""
    n = int(true.max()) + 1
    both = np.bincount((found.astype(np.int64) * n + true).ravel(), minlength=(int(found.max()) + 1) * n).reshape(-1, n)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    hits = int((both[1:, 1:] > union[1:, 1:] / 2).sum())
    return 2 * hits / max(1, int(found.max()) + len(np.unique(true[true > 0])))


def summary(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the figures of each domain."""
    result = {}
    for domain, own in table.groupby("domain"):
        error = (own["found"] - own["n_nuclei"]).abs() / own["n_nuclei"]
        result[str(domain)] = {
            "images": len(own),
            "correlation_of_counts": correlation(own["found"], own["n_nuclei"]),
            "found_by_annotated": round(float(own["found"].sum() / own["n_nuclei"].sum()), 3),
            "median_error": round(float(error.median()), 3),
            "correlation_of_area": correlation(own["area"], own["nuclear_area_fraction"]),
            "f1": round(float(own["f1"].mean()), 3),
            "with_caveat": int((own["caveat"] != "").sum()),
            "seconds_per_image": round(float(own["seconds"].median()), 3),
        }
    return result


def correlation(a: "pd.Series[Any]", b: "pd.Series[Any]") -> float | None:
    """Return Pearson's r; None for too few images, or if one does not vary."""
    if len(a) < 3 or a.nunique() < 2 or b.nunique() < 2:
        return None
    return round(float(np.corrcoef(a, b)[0, 1]), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    table = pd.read_csv(arguments.folder / "metadata.csv")
    found = pd.DataFrame([measure(arguments.folder, row) for row in table.itertuples()], index=table.index)
    table = table.join(found)
    reported = table.groupby("domain").cumcount() % 2 == 1
    result = {"reported_half": summary(table[reported]), "all": summary(table)}
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
