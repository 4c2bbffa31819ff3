"""A small data set on disk: two plates, one image file per channel, masks beside them."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenolens.datasets import read_manifest


@pytest.fixture
def folder(tmp_path):
    """Eight sites of two plates; site i has i discs, labelled in its mask with gaps."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    rows = []
    for index in range(8):
        labels = np.zeros((96, 96), np.uint16)
        for place in range(index):
            labels[(y - 16 - 30 * (place // 3)) ** 2 + (x - 16 - 30 * (place % 3)) ** 2 < 64] = 3 * place + 2
        row = {"site_id": f"s{index}", "plate": f"p{index % 2}", "well": f"{'AB'[index % 2]}{index // 2 + 1:02d}"}
        row |= {"batch": "one", "role": "treatment", "perturbation": f"drug{index}", "mask": f"mask_{index}.tif"}
        tifffile.imwrite(tmp_path / row["mask"], labels)
        for channel, level in (("dna", 900), ("er", 300)):
            row[f"image_{channel}"] = f"{channel}_{index}.tif"
            pixels = rng.poisson(100 + level * (labels > 0)).astype(np.uint16)
            tifffile.imwrite(tmp_path / row[f"image_{channel}"], pixels)
        rows.append(row)
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


@pytest.fixture
def manifest(folder):
    return read_manifest(folder / "manifest.csv")
