"""An encoder evaluated while it trains: its gain over its untrained counterpart is written down, step by step."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from lightning.pytorch import LightningModule, Trainer
from pydantic import TypeAdapter

from phenolens.datasets import read_manifest
from phenolens.diagnosis.callback import FILE, DiagnoseWhileTraining
from phenolens.nets import MaskedAutoencoder, Size
from phenolens.tasks import make_task
from phenolens.training import DataOptions, ModelOptions, OptimiserOptions, RunOptions, train


@pytest.fixture
def manifest(tmp_path):
    """Forty sites: stripes along rows or along columns, in ten wells."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    rows = []
    for index in range(40):
        kind = index % 2
        waves = np.sin((y if kind else x) * rng.uniform(0.5, 0.9) + rng.uniform(0, 6))
        pixels = 500 + 200 * waves + rng.normal(0, 60, (32, 32))
        tifffile.imwrite(tmp_path / f"{index}.tif", pixels.astype(np.uint16))
        rows.append((f"s{index}", f"{index}.tif", ["rows", "columns"][kind], f"g{index // 4}"))
    pd.DataFrame(rows, columns=["site_id", "image", "label", "group"]).to_csv(tmp_path / "m.csv", index=False)
    return read_manifest(tmp_path / "m.csv")


def test_the_gain_over_step_zero_is_written_down(manifest, tmp_path):
    model = TypeAdapter(ModelOptions).validate_python(
        {"objective": "classifier", "backbone": "test_resnet", "label": "label"}
    )
    task = make_task("knn-probe", label="label", group="group", folds=5)
    callback = DiagnoseWhileTraining(tmp_path, manifest, ["gray"], [task], every=20)
    train(
        manifest,
        ["gray"],
        model,
        tmp_path / "out",
        data=DataOptions(crop=32, batch_size=16, flip=False),
        optimiser=OptimiserOptions(name="adamw", learning_rate=3e-3),
        run=RunOptions(steps=40, devices=1),
        callbacks=[callback],
    )
    table = pd.read_csv(tmp_path / FILE)
    assert list(table) == ["step", "task", "profiling", "value", "untrained", "gain", "low", "high", "n_units"]
    assert table["step"].tolist() == [20, 40]
    assert table["untrained"].nunique() == 1
    assert table["gain"].to_numpy() == pytest.approx((table["value"] - table["untrained"]).to_numpy())
    assert (table["low"] <= table["gain"]).all()
    assert table["value"].iloc[-1] > 0.9


def test_what_it_started_from_has_open_branches_and_what_is_trained_keeps_its_own(manifest, tmp_path):
    torch.manual_seed(0)
    module = LightningModule()
    module.model = MaskedAutoencoder(Size(16, 1, 2, 8), 1, decoder=(16, 1, 2))
    callback = DiagnoseWhileTraining(tmp_path, manifest, ["gray"], [], every=1)
    callback.setup(Trainer(logger=False, enable_checkpointing=False), module, "fit")

    def scales(network):
        return [float(value.detach().max()) for name, value in network.named_parameters() if name.endswith("gamma")]

    assert set(scales(callback._untrained)) == {1.0}
    assert max(scales(module.model.encoder)) == pytest.approx(1e-4)
