"""An encoder evaluated while it trains: its gain over its untrained counterpart is written down, step by step."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from lightning.pytorch import LightningModule, Trainer
from pydantic import TypeAdapter
from torch import nn

import phenolens as pl
from phenolens.core.errors import EncoderError
from phenolens.datasets import read_manifest
from phenolens.diagnosis.callback import DiagnoseWhileTraining
from phenolens.diagnosis.while_training import FILE
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
    assert list(table)[:7] == ["step", "task", "profiling", "value", "chance", "untrained", "gain"]
    assert table["baseline"].isna().all()
    assert table["chance"].tolist() == [0.5, 0.5]
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


TASK = make_task("knn-probe", label="label", group="group", folds=5)


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


def scored(model):
    return pl.encoder(model[:4], name="mine", channels=["gray"])


def images_and_labels(manifest):
    files = [manifest.source.parent / name for name in manifest.table["image"]]
    images = torch.stack([torch.from_numpy(tifffile.imread(file).astype(np.float32)) for file in files])
    images = (images - 500)[:, None] / 200
    return images, torch.tensor((manifest.table["label"] == "columns").to_numpy().astype(int))


def test_any_loop_is_watched_and_goes_on_as_if_it_were_not(manifest, tmp_path):
    def train_net(watch):
        net = small_net()
        images, labels = images_and_labels(manifest)
        optimiser = torch.optim.Adam(net.parameters(), 0.02)
        for step in range(40):
            if watch is not None:
                watch.check(step, net)
            batch = torch.randint(0, 40, (16,))
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimiser.step()
            assert net.training
        if watch is not None:
            watch.check(40, net)
        return net

    watch = pl.TrainingDiagnosis(scored, manifest, [TASK], tmp_path / "out", every=20, baselines=["pixel-statistics"])
    watched, alone = train_net(watch), train_net(None)
    for one, other in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one, other)
    table = pd.read_csv(tmp_path / "out" / FILE)
    assert table["step"].tolist() == [0, 20, 40]
    assert table["untrained"].nunique() == table["baseline_value"].nunique() == 1
    assert set(table["baseline"]) == {"pixel-statistics"}
    assert table["gain"].to_numpy() == pytest.approx((table["value"] - table["untrained"]).to_numpy())
    over_baseline = (table["value"] - table["baseline_value"]).to_numpy()
    assert table["baseline_gain"].to_numpy() == pytest.approx(over_baseline)
    by_hand = pl.embed(manifest, [scored(watched)], workers=0).embeddings
    (question,) = pl.evaluate(by_hand, [TASK]).questions.values()
    assert table["value"].iloc[-1] == pytest.approx(question.mean_of("mine").value)
    assert table["untrained"].iloc[-1] == pytest.approx(question.mean_of("twin/mine").value)


def test_what_does_not_fit_stops_before_training_and_later_only_warns(manifest, tmp_path, caplog):
    net = small_net()
    watch = pl.TrainingDiagnosis(scored, manifest, [TASK], tmp_path / "out", every=1, baselines=["no-such"])
    with pytest.raises(EncoderError, match="no encoder 'no-such'"):
        watch.check(0, net)
    watch = pl.TrainingDiagnosis(scored, manifest, [TASK], tmp_path / "out", every=1, baselines=[])
    (row,) = watch.check(0, net)
    assert (row.step, row.baseline) == (0, "")
    nn.init.constant_(net[0].weight, float("nan"))
    assert watch.check(1, net) == []
    assert "step 1 could not be scored, and training goes on: 'mine' returns NaN" in caplog.text


class Own(LightningModule):
    """A classifier of somebody."""

    def __init__(self, data):
        super().__init__()
        self.net = small_net()
        self.data = data

    def training_step(self, batch, index):
        images, labels = batch
        return nn.functional.cross_entropy(self.net(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.02)

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.data, batch_size=20)


@pytest.mark.training
def test_lightning(manifest, tmp_path):
    data = torch.utils.data.TensorDataset(*images_and_labels(manifest))
    watch = pl.TrainingDiagnosis(lambda own: scored(own.net), manifest, [TASK], tmp_path, every=2, baselines=[])
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    Trainer(max_steps=4, callbacks=[pl.LightningDiagnosis(watch)], **quiet).fit(Own(data))
    assert pd.read_csv(tmp_path / FILE)["step"].tolist() == [0, 2, 4]


class WithLoss(nn.Module):
    """A model as Hugging Face's Trainer trains it."""

    def __init__(self):
        super().__init__()
        self.net = small_net()

    def forward(self, images, labels):
        return {"loss": nn.functional.cross_entropy(self.net(images), labels)}


@pytest.mark.training
def test_trainer_of_hugging_face(manifest, tmp_path, monkeypatch):
    import transformers.trainer  # noqa: PLC0415 - takes seconds

    # Here, tests/datasets would be taken for Hugging Face's package of that name.
    monkeypatch.setattr(transformers.trainer, "is_datasets_available", lambda: False)
    data = [{"images": image, "labels": label} for image, label in zip(*images_and_labels(manifest), strict=True)]
    watch = pl.TrainingDiagnosis(lambda model: scored(model.net), manifest, [TASK], tmp_path, every=2, baselines=[])
    options = transformers.TrainingArguments(
        str(tmp_path / "hf"),
        max_steps=4,
        per_device_train_batch_size=20,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
    )
    trainer = transformers.Trainer(WithLoss(), options, train_dataset=data, callbacks=[pl.TrainerDiagnosis(watch)])
    trainer.train()
    assert pd.read_csv(tmp_path / FILE)["step"].tolist() == [0, 2, 4]
