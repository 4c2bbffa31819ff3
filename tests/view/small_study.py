"""A small study with images, and one whose every name is hostile: made in seconds."""

import numpy as np
import pandas as pd
import tifffile
import yaml
from anndata import AnnData
from made_up_study import Made, write_study

from phenolens.datasets import read_manifest
from phenolens.embedding import write_embeddings
from phenolens.encoders import as_file_name
from phenolens.report import Results

N_SITES = 48
HOSTILE = "\"'><script>window.hacked=1</script><img src=x onerror=window.hacked=1>=cmd(),;|{{7*7}}\u202e"
SIDE = 40


def name_of_count(word):
    """Return the name of a column; in a header, other separators would be taken for those of the table."""
    return f"count{word}".translate({ord(";"): None, ord("|"): None})


def write_images(folder, word=""):
    """Write a manifest of 48 sites of two channels; the bright one of site i is 1000 + 10 i."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(N_SITES):
        pixels = np.stack([rng.integers(100, 200, (SIDE, SIDE)), np.full((SIDE, SIDE), 1000 + 10 * i)])
        tifffile.imwrite(folder / "images" / f"{i}.tif", pixels.astype(np.uint16), photometric="minisblack")
        well = f"{chr(65 + i // 2 % 4)}{i // 8 % 3 + 1:02d}"
        role = "negative_control" if i % 6 == 0 else "treatment"
        rows.append(
            (f"site{i}{word}", f"images/{i}.tif", f"plate {i // 24}{word}", well, f"drug {i % 6}{word}", role, 0.5, i)
        )
    columns = ["site_id", "image", "plate", "well", "perturbation", "role", "mpp", name_of_count(word)]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


def make_study(folder, word=""):
    """Write a study of two encoders on these images into ``out``."""
    manifest = write_images(folder / "plates", word)
    names = {f"network{word}": Made(0.5), "counts": Made(0.3)}
    results = write_study(folder / "out", names)
    recipe = {"dataset": {"manifest": str(manifest), "names": ["dna", f"er{word}"]}}
    results.provenance["recipe"] = yaml.safe_dump(recipe)
    results.name = f"a small study{word}"
    results.save(folder / "out")
    obs = read_manifest(manifest).table
    rng = np.random.default_rng(1)
    for name in names:
        vectors = rng.normal(size=(N_SITES, 8)) + 3 * np.eye(8)[np.arange(N_SITES) % 6]
        path = folder / "out" / "embeddings" / f"{as_file_name(name)}.h5ad"
        write_embeddings(AnnData(vectors.astype(np.float32), obs=obs.astype({"plate": "category"})), path)
    assert Results.load(folder / "out").name == results.name
    return folder / "out"
