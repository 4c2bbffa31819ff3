"""A small data set to train on: two kinds of texture, in wells of two sites."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenolens.datasets import read_manifest


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Sixteen sites of two channels and 40 pixels: stripes along rows or along columns."""
    out = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :40]
    rows = []
    for index in range(16):
        kind = index // 2 % 2
        waves = np.sin((y if kind else x) * (0.6 + 0.05 * index))
        pixels = np.stack([500 + 200 * waves, 300 + 100 * waves[::-1]]) + rng.normal(0, 10, (2, 40, 40))
        tifffile.imwrite(out / f"{index}.tif", pixels.astype(np.uint16), photometric="minisblack")
        rows.append((f"s{index}", f"{index}.tif", "p1", f"A{index // 2 + 1:02d}", ["rows", "columns"][kind]))
    columns = ["site_id", "image", "plate", "well", "perturbation"]
    pd.DataFrame(rows, columns=columns).to_csv(out / "manifest.csv", index=False)
    return out


@pytest.fixture(scope="session")
def manifest(folder):
    return read_manifest(folder / "manifest.csv", names=["dna", "er"])
