"""A few sites are tried first: what cannot work ends at once, and validation says what it costs."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

from phenolens.cli import main
from phenolens.core.errors import EmbeddingError, EncoderError, ImageError, RecipeError
from phenolens.datasets import read_manifest
from phenolens.embedding import embed_to_folder
from phenolens.images import Crop
from phenolens.recipes import read_recipe
from phenolens.workflows.study import run
from phenolens.workflows.validate import validate

SITES, SIDE = 60, 48


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plate")
    rng = np.random.default_rng(0)
    for number in range(SITES):
        tifffile.imwrite(folder / f"{number}.tif", rng.integers(0, 4000, (SIDE, SIDE), dtype=np.uint16))
    table = pd.DataFrame({"site_id": [f"s{i}" for i in range(SITES)], "image": [f"{i}.tif" for i in range(SITES)]})
    table["patient"] = np.arange(SITES) // 6
    table["label"] = list("xyz") * (SITES // 3)
    table.to_csv(folder / "manifest.csv", index=False)
    return folder


def study(folder, tmp_path, **changes):
    content = {
        "name": "tried",
        "dataset": {"manifest": str(folder / "manifest.csv"), "kind": "cells"},
        "leave_out": {"untrained/*": "slow"},
        "encoders": ["untrained/channel_vit_micro_patch8"],
        "tasks": [{"task": "knn-probe", "label": "label", "group": "patient"}],
        "seeds": 1,
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


@pytest.mark.parametrize(
    ("command", "message"),
    [("validate", "60 of 60 sites cannot be used: s0: "), ("run", "3 of 60 sites were tried first: ")],
)
def test_a_crop_larger_than_the_images_ends_before_any_work(plate, tmp_path, command, message, monkeypatch):
    opened = []
    read = tifffile.TiffFile.__init__

    def counted(self, *args, **options):
        opened.append(args)
        read(self, *args, **options)

    monkeypatch.setattr(tifffile.TiffFile, "__init__", counted)
    path = study(plate, tmp_path, embedding={"crop": {"mode": "centre", "size": 64}, "workers": 0})
    out = tmp_path / "out"
    with pytest.raises(EmbeddingError, match=f"{message}.*48x48 is smaller than the crop of 64x64"):
        validate(path) if command == "validate" else run(read_recipe(path), out)
    assert len(opened) < 12
    assert not list(out.glob("embeddings/*.h5ad"))


def test_sites_that_fail_beside_others_do_not_end_it(plate, tmp_path):
    table = pd.read_csv(plate / "manifest.csv")
    tifffile.imwrite(tmp_path / "small.tif", np.ones((8, 8), np.uint16))
    table["image"] = [str(plate / name) for name in table["image"]]
    table.loc[0, "image"] = str(tmp_path / "small.tif")
    table.to_csv(tmp_path / "manifest.csv", index=False)
    crop = Crop("centre", 32)
    manifest = read_manifest(tmp_path / "manifest.csv")
    found = embed_to_folder(manifest, ["pixel-statistics"], tmp_path / "out", crop=crop, workers=0, max_failed=0.1)
    assert list(found.quarantine) == ["s0"]
    crops = {"crop": {"mode": "centre", "size": 32}}
    with pytest.raises(EmbeddingError, match="1 of 60 sites cannot be used: s0: the image of 8x8 is smaller"):
        validate(study(tmp_path, tmp_path, embedding=crops))
    warnings = validate(study(tmp_path, tmp_path, embedding=crops | {"max_failed": 0.1})).warnings
    assert sum(text.startswith("1 of 60 sites cannot be used: s0: ") for text in warnings) == 1
    assert sum(text.startswith("of 3 sites that were tried, s0: ") for text in warnings) == 1


def test_validation_says_what_embedding_takes(plate, tmp_path, capsys):
    found = validate(study(plate, tmp_path))
    assert found.cost.seconds > 0
    assert 0.1 < found.cost.gib < 8
    assert found.cost.n_encoders > 3
    with pytest.raises(SystemExit) as stopped:
        main(["validate", str(study(plate, tmp_path))])
    assert stopped.value.code == 0
    assert f"embedding them with {found.cost.n_encoders} encoders on " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"leave_out": {"untraind/*": "slow"}}, RecipeError, "no baseline 'untraind/*' in the panel"),
        ({"encoders": ["checkpoint:nowhere.ckpt"]}, EncoderError, "nowhere.ckpt"),
        ({"interventions": ["blurr"]}, ImageError, "blurr"),
    ],
)
def test_validation_finds_what_a_run_would_find(plate, tmp_path, changes, error, message):
    with pytest.raises(error) as caught:
        validate(study(plate, tmp_path, **changes))
    assert message in str(caught.value)
