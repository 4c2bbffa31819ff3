"""A small data set on disk."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenolens.datasets import read_manifest


@pytest.fixture
def folder(tmp_path):
    """Twelve sites of two channels in six wells, one file per channel, each site of its own brightness."""
    rng = np.random.default_rng(0)
    rows = []
    for index in range(12):
        row = {"site_id": f"s{index}", "plate": "p1", "well": f"A{index // 2 + 1:02d}", "site": index % 2}
        row["role"] = "negative_control" if index < 6 else "treatment"
        row["perturbation"] = "dmso" if index < 6 else "drug"
        for channel in ("dna", "er"):
            pixels = rng.poisson(50 + 20 * index, (48, 48)).astype(np.uint16)
            row[f"image_{channel}"] = f"{channel}_{index}.tif"
            tifffile.imwrite(tmp_path / row[f"image_{channel}"], pixels)
        rows.append(row)
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


@pytest.fixture
def manifest(folder):
    return read_manifest(folder / "manifest.csv")
