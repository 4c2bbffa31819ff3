"""Nuclei of eight imaging domains: how the classical segmentation counts beside the annotated masks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenolens.datasets import read_manifest
from phenolens.embedding import embed

# Domain -> least correlation of counts with the masks, and largest median relative error; all are in docs/results.md.
DOMAINS = {
    "fluor_256x256": (0.9, 0.15),
    "fluor_360x360": (0.65, 0.3),
    "fluor_640x512": (0.9, 0.2),
    "fluor_696x520": (0.9, 0.1),
    "tissue_purple_bg": (0.85, 0.35),
    "tissue_white_bg": (0.9, 0.3),
}


@pytest.fixture(scope="module")
def folder(data_dir, tmp_path_factory):
    """The manifest cut up by domain: images of one domain share their channels."""
    table = pd.read_csv(data_dir / "dsb2018_nuclei" / "metadata.csv")
    out = tmp_path_factory.mktemp("dsb")
    for column in ("image", "label_mask"):
        table[column] = [str(data_dir / "dsb2018_nuclei" / name) for name in table[column]]
    for domain, own in table.groupby("domain"):
        own.drop(columns="label_mask").to_csv(out / f"{domain}.csv", index=False)
    table.rename(columns={"label_mask": "mask"}).to_csv(out / "masked.csv", index=False)
    return out


@pytest.mark.parametrize("domain", DOMAINS)
def test_counts_follow_the_masks(folder: Path, domain):
    manifest = read_manifest(folder / f"{domain}.csv", columns={"site_id": "id"})
    vectors = embed(manifest, ["cell-count", "area-fraction"]).embeddings
    found = vectors["cell-count"].X[:, 0]
    true = vectors["cell-count"].obs["n_nuclei"].astype(float).to_numpy()
    least, largest = DOMAINS[domain]
    assert np.corrcoef(found, true)[0, 1] > least
    assert np.median(np.abs(found - true) / true) < largest
    area = vectors["area-fraction"].obs["nuclear_area_fraction"].astype(float).to_numpy()
    assert np.corrcoef(vectors["area-fraction"].X[:, 0], area)[0, 1] > 0.85


def test_given_masks_counts_are_those_of_the_annotation(folder: Path):
    table = pd.read_csv(folder / "masked.csv")
    own = table[table["domain"] == "fluor_256x256"]
    own.to_csv(folder / "own.csv", index=False)
    vectors = embed(read_manifest(folder / "own.csv", columns={"site_id": "id"}), ["cell-count"]).embeddings
    assert vectors["cell-count"].X[:, 0].tolist() == own["n_nuclei"].tolist()
