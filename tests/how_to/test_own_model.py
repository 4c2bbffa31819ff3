"""What docs/own_model.md shows works: in Python, in a recipe, and while a model trains."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from torch import nn

import phenolens as pl
from phenolens.cli import main
from phenolens.core.errors import EncoderError
from phenolens.encoders.own import _call

GUIDE = Path(__file__).parents[2] / "docs" / "own_model.md"
IN_TEN_LINES, MY_MODELS, WATCH = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)

NETWORK = """
import torch
from torch import nn

def my_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 6, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""
RECIPE = """
name: mine
dataset: {manifest: manifest.csv}
encoders: [python:my_models:vit]
leave_out: {"[!t]*": a quick test}
embedding: {workers: 0}
tasks: [{task: replicate-retrieval, measures: distinctiveness}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twelve wells of two channels with stripes, in four perturbations."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    rows = []
    for index in range(12):
        kind = index % 4
        waves = np.sin((x if kind % 2 else y) * (0.3 + 0.2 * kind) + rng.uniform(0, 6))
        pixels = 500 + 200 * waves + rng.normal(0, 60, (2, 64, 64))
        for channel, name in enumerate(("dna", "er")):
            tifffile.imwrite(tmp_path / f"{index}_{name}.tif", pixels[channel].astype(np.uint16))
        files = (f"{index}_dna.tif", f"{index}_er.tif")
        rows.append((f"s{index}", *files, "p1", f"A{index + 1:02d}", "abcd"[kind], "treatment"))
    columns = ["site_id", "image_dna", "image_er", "plate", "well", "perturbation", "role"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "manifest.csv", index=False)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "my_models.py").write_text(NETWORK + MY_MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    _call.cache_clear()
    yield tmp_path
    sys.modules.pop("my_models", None)


def test_ten_lines(folder, capsys):
    found = {}
    exec(NETWORK + IN_TEN_LINES, found)  # noqa: S102 - of our own page
    assert list(found["embedded"].embeddings) == [
        "mine",
        *(f"twin/mine@seed={seed}" for seed in range(3)),
        "cell-count",
        "pixel-statistics",
    ]
    assert IN_TEN_LINES.count("\n") - IN_TEN_LINES.count("\n\n") <= 10
    assert "mine" in capsys.readouterr().out
    exec(WATCH, found)  # noqa: S102
    (row,) = found["watch"].check(0, found["model"])
    (question,) = pl.evaluate(found["embedded"].embeddings, found["tasks"]).questions.values()
    assert row.value == pytest.approx(question.mean_of("mine").value)
    assert row.untrained == pytest.approx(question.mean_of("twin/mine").value)


def test_a_function_is_embedded_beside_processes_that_read_images(folder):
    manifest = pl.read_manifest("manifest.csv")
    own = pl.encoder(lambda x: x.amax(dim=(2, 3)), name="brightest", channels=["er"], normalise="raw")
    embedded = pl.embed(manifest, [own, "pixel-statistics"], workers=2)
    expected = [tifffile.imread(folder / file).max() for file in manifest.table["image_er"]]
    assert embedded.embeddings["brightest"].X[:, 0].tolist() == expected


def test_two_models_of_one_name_are_refused(folder):
    one, other = (pl.encoder(nn.Conv2d(1, depth, 3), name="mine", channels=["er"]) for depth in (2, 3))
    with pytest.raises(EncoderError, match="both 'mine' and 'mine' are called 'mine'"):
        pl.embed(pl.read_manifest("manifest.csv"), [one, other], workers=0)


@pytest.mark.integration
def test_a_recipe_runs_code_only_if_that_is_allowed(folder):
    with pytest.raises(pl.PhenolensError, match=r"encoders.0: 'python:my_models:vit' runs Python code;.*--allow-code"):
        pl.read_recipe("recipe.yaml")
    assert "my_models" not in sys.modules
    with pl.allow_code():
        results = pl.run(pl.read_recipe("recipe.yaml"), "out")
    ids = [each["id"] for each in results.encoders]
    assert ids == ["python:my_models:vit", *(f"twin/python:my_models:vit@seed={seed}" for seed in range(3))]
    assert {each["baseline"] for each in results.encoders[1:]} == {True}
    assert len({each["weights_hash"] for each in results.encoders}) == 4
    with pytest.raises(EncoderError, match="runs Python code"):
        pl.create_encoder("twin/python:my_models:vit@seed=0", ["dna", "er"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("python:my_models:no_such", r"AttributeError: .*no_such.*check the module and its function"),
        ("python:no_such_module:vit", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("python:my_models:my_network", r"returns Sequential; return phenolens.encoder\("),
        ("python:my_models", "write python:PACKAGE.MODULE:FUNCTION"),
    ],
)
def test_code_that_returns_no_encoder_is_named(folder, name, said):
    with pl.allow_code(), pytest.raises(EncoderError, match=said):
        pl.create_encoder(name, ["dna", "er"])


def test_the_command_line_names_the_flag(folder, capsys):
    arguments = ["embed", "manifest.csv", "--encoder", "python:my_models:vit", "--out", "vectors", "--workers", "0"]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 1
    assert "runs Python code; if you trust it, allow it by --allow-code" in capsys.readouterr().err
    assert "my_models" not in sys.modules
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--allow-code"])
    assert stop.value.code == 0
    assert "python:my_models:vit: 12 sites x 6" in capsys.readouterr().out
