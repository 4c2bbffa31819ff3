"""Images of what interventions do show what the study embeds."""

import numpy as np
import pandas as pd
import tifffile
from PIL import Image

from phenolens.datasets import read_manifest
from phenolens.images import NucleiOptions
from phenolens.report import write_changed

SIDE = 64


def make_manifest(folder):
    """Return a site of noise alone, in which no segmentation finds what its mask says."""
    noise = np.random.default_rng(0).integers(100, 10_000, (SIDE, SIDE))
    tifffile.imwrite(folder / "dna.tif", noise.astype(np.uint16))
    mask = np.zeros((SIDE, SIDE), np.uint16)
    mask[8:24, 8:24], mask[40:56, 32:48] = 1, 2
    tifffile.imwrite(folder / "mask.tif", mask)
    table = pd.DataFrame({"site_id": ["one"], "image_dna": ["dna.tif"], "mask": ["mask.tif"]})
    table.to_csv(folder / "manifest.csv", index=False)
    return read_manifest(folder / "manifest.csv"), mask > 0


def test_nuclei_alone_are_those_of_the_mask(tmp_path):
    manifest, inside = make_manifest(tmp_path)
    write_changed(manifest, ("dna",), ["nuclei-only", "blur:4"], NucleiOptions(), tmp_path)
    images = pd.read_csv(tmp_path / "changed" / "images.csv")
    assert list(images["caption"]) == ["as it is", "nuclei-only", "blur:4"]
    shown = np.array(Image.open(tmp_path / images["file"][1]).convert("L"))
    assert shown.shape == inside.shape
    assert len(np.unique(shown[inside])) > 3
    assert len(np.unique(shown[~inside])) == 1


def test_without_nuclei_the_other_images_are_shown(tmp_path):
    manifest, _ = make_manifest(tmp_path)
    (tmp_path / "mask.tif").write_bytes(b"broken")
    write_changed(manifest, ("dna",), ["nuclei-only", "blur:4"], NucleiOptions(), tmp_path)
    assert list(pd.read_csv(tmp_path / "changed" / "images.csv")["caption"]) == ["as it is", "blur:4"]
