"""Training: it learns, it is the same under a seed, it goes on where it was killed, and it says what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from pydantic import TypeAdapter

from phenolens.core.errors import ImageError, TrainingError
from phenolens.datasets import Manifest, read_manifest
from phenolens.nets import build, load_weights, read_card
from phenolens.training import CropStream, DataOptions, ModelOptions, OptimiserOptions, RunOptions, stream_loader, train
from phenolens.training.classification import Classification
from phenolens.training.train import make_network, make_objective

TINY = {"width": 48, "depth": 2, "heads": 3, "patch": 8}
MASKED = {"objective": "masked-autoencoder", "size": TINY, "decoder": [32, 1, 4], "decoding": "shared"}
MODELS = [
    {**MASKED, "fourier_weight": 0.01},
    {**MASKED, "decoding": "joint"},
    {**MASKED, "decoding": "per-channel", "channels_per_step": 1},
    {"objective": "masked-unet", "width": 8, "depth": 2, "patch": 8},
    {"objective": "classifier", "backbone": "test_resnet"},
    {"objective": "contrastive", "backbone": "channel_vit_micro_patch8", "width": 16},
]
CHANNELS = ("dna", "er")


def options(model):
    return TypeAdapter(ModelOptions).validate_python(model)


def start(manifest, out, model, *, steps=6, batch=8, seed=0, **run):
    return train(
        manifest,
        CHANNELS,
        options(model),
        out,
        data=DataOptions(crop=32, batch_size=batch),
        optimiser=OptimiserOptions(name="adamw", learning_rate=2e-3),
        run=RunOptions(steps=steps, log_every=1, **{"devices": 1, **run}),
        seed=seed,
    )


def losses(out):
    table = pd.read_csv(out / "log" / "metrics.csv")
    return table.dropna(subset=["loss"]).drop_duplicates("step", keep="last").set_index("step")["loss"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["objective"] + model.get("decoding", ""))
def test_every_objective_trains_to_a_checkpoint_that_can_be_read(manifest, tmp_path, model):
    path = start(manifest, tmp_path, model)
    card = read_card(path)
    assert (card.architecture, card.channels, card.steps, card.crop) == (model["objective"], CHANNELS, 6, 32)
    assert card.data_hash == manifest.fingerprint
    network = build(card.architecture, card.options, len(card.channels))
    load_weights(network, path)
    assert len(losses(tmp_path)) == 6


VIEWS = {"objective": "contrastive", "backbone": "test_resnet", "width": 16, "views": ["site_id"]}


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4], VIEWS], ids=["masked", "classifier", "contrastive"])
def test_the_loss_falls(manifest, tmp_path, model):
    start(manifest, tmp_path, model, steps=60)
    found = losses(tmp_path).to_numpy()
    assert found[-8:].mean() < 0.8 * found[:4].mean()


def test_the_same_seed_gives_the_same_weights_and_another_does_not(manifest, tmp_path):
    paths = [start(manifest, tmp_path / str(index), MODELS[2], seed=seed) for index, seed in enumerate((1, 1, 2))]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes() != paths[2].read_bytes()


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 20, 200])
def test_the_rate_rises_to_its_peak_and_falls_in_any_number_of_steps(steps):
    peak = OptimiserOptions(name="adamw", learning_rate=3e-3)
    objective = Classification(torch.nn.Linear(2, 2), peak, steps=steps)
    schedule = objective.configure_optimizers()["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        schedule.optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(3e-3 if steps > 1 else 3e-3 / 25)
    assert np.argmax(rates) <= max(1, 0.1 * steps)
    assert (np.diff(rates[int(np.argmax(rates)) :]) < 0).all()


def test_accumulated_batches_are_one_large_batch(manifest, tmp_path):
    """With a loss that is a mean over samples and nothing drawn, two halves give the step of the whole."""
    model = {"objective": "classifier", "backbone": "microscopy_vit_micro_patch8"}
    whole = start(manifest, tmp_path / "whole", model, steps=3)
    halves = start(manifest, tmp_path / "halves", model, steps=3, accumulate=2)
    one, other = (_weights(path) for path in (whole, halves))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-5)


def _weights(path):
    card = read_card(path)
    network = build(card.architecture, card.options, len(card.channels))
    load_weights(network, path)
    return network.state_dict()


SCRIPT = """
import sys, torch
torch.set_num_threads(1)  # as in this process: sums of other threads round otherwise
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_training import MODELS, start
from phenolens.datasets import read_manifest
start(read_manifest({manifest!r}, names=["dna", "er"]), Path({out!r}), MODELS[2], steps=40, save_every=5)
"""


def test_killed_and_resumed_training_has_the_losses_of_one_that_was_not(folder, manifest, tmp_path):
    start(manifest, tmp_path / "whole", MODELS[2], steps=40, save_every=5)
    out = tmp_path / "killed"
    script = SCRIPT.format(tests=str(Path(__file__).parent), manifest=str(folder / "manifest.csv"), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "state.ckpt").is_file() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "model.safetensors").is_file() or read_card(out / "model.safetensors").steps < 40
    before = torch.load(out / "state.ckpt", weights_only=True)["global_step"]
    assert 0 < before < 40
    start(manifest, out, MODELS[2], steps=40, save_every=5)
    whole, resumed = losses(tmp_path / "whole"), losses(out)
    after = resumed[resumed.index >= before]
    assert len(after) == 40 - before
    np.testing.assert_array_equal(after, whole[after.index])
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_every_weight_that_is_trained_gets_a_gradient(model):
    """Several devices wait for the gradient of every weight."""
    made, _ = make_network(options(model), 2, n_classes=3)
    objective = make_objective(options(model), made, OptimiserOptions(), 10, 0)
    x = torch.randn(4, 2, 32, 32) if model["objective"] != "contrastive" else torch.randn(4, 2, 2, 32, 32)
    objective.train()
    objective.log = lambda *_, **__: None
    objective.loss(x, {"label": torch.tensor([0, 1, 2, 0])}, torch.Generator().manual_seed(0)).backward()
    silent = [name for name, weight in made.named_parameters() if weight.requires_grad and weight.grad is None]
    assert silent == []


TWO_PROCESSES = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_training import start
from phenolens.datasets import read_manifest
model = {{"objective": "classifier", "backbone": "microscopy_vit_micro_patch8"}}
manifest = read_manifest({manifest!r}, names=["dna", "er"])
start(manifest, Path({out!r}), model, steps=4, save_every=2, devices=2, strategy="ddp")
"""


def test_two_processes_take_the_steps_of_one(folder, manifest, tmp_path):
    model = {"objective": "classifier", "backbone": "microscopy_vit_micro_patch8"}
    whole = start(manifest, tmp_path / "whole", model, steps=4)
    out, script = tmp_path / "both", tmp_path / "script.py"
    names = {"tests": str(Path(__file__).parent), "manifest": str(folder / "manifest.csv"), "out": str(out)}
    script.write_text(TWO_PROCESSES.format(**names))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "could not be saved" not in done.stderr
    one, other = _weights(whole), _weights(out / "model.safetensors")
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-5)


def test_a_running_mean_is_kept_and_differs_from_the_last_weights(manifest, tmp_path):
    plain = _weights(start(manifest, tmp_path / "plain", MODELS[0], steps=8))
    mean = _weights(start(manifest, tmp_path / "mean", MODELS[0], steps=8, ema=0.9))
    assert plain.keys() == mean.keys()
    assert any(not torch.equal(plain[name], mean[name]) for name in plain)


def test_gradient_checkpointing_changes_nothing_but_memory(manifest, tmp_path):
    one = _weights(start(manifest, tmp_path / "a", MODELS[0], steps=3))
    other = _weights(start(manifest, tmp_path / "b", MODELS[0], steps=3, gradient_checkpointing=True))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-4, atol=1e-6)


def test_pictures_are_drawn(manifest, tmp_path):
    start(manifest, tmp_path, MODELS[0], steps=4, picture_every=2)
    assert [path.name for path in sorted(tmp_path.glob("*.png"))] == [
        "reconstruction_0000002.png",
        "reconstruction_0000004.png",
    ]


def test_a_loss_that_is_not_finite_stops_with_the_sites_and_a_state(manifest, tmp_path):
    with pytest.raises(TrainingError, match=r"not finite at step \d+; the batch's sites \(s\d+, .*bad_batch.json"):
        train(
            manifest,
            CHANNELS,
            options(MODELS[0]),
            tmp_path,
            data=DataOptions(crop=32, batch_size=8),
            optimiser=OptimiserOptions(name="adamw", learning_rate=1e30),
            run=RunOptions(steps=20, devices=1),
        )
    bad = json.loads((tmp_path / "bad_batch.json").read_text())
    assert len(bad["sites"]) == 8
    assert set(bad["sites"]) <= set(manifest.table.index)
    assert (tmp_path / "bad_state.safetensors").is_file()


def test_a_full_disk_leaves_the_last_good_checkpoint(manifest, tmp_path, monkeypatch, caplog):
    replace = os.replace
    calls = []

    def fail(source, target):
        if calls:
            raise OSError(28, "No space left on device")
        replace(source, target)
        if Path(target).name == "state.ckpt":
            calls.append(target)

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        start(manifest, tmp_path, MODELS[0], steps=4, save_every=2)
    assert torch.load(tmp_path / "state.ckpt", weights_only=True)["global_step"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"state.ckpt", "model.safetensors", "log", "tensorboard"}
    assert "could not be saved" in caplog.text


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        ({**MASKED, "size": {**TINY, "patch": 12}}, {}, "crop of 32 pixels is not a multiple of 12; choose 24 or 36"),
        (MODELS[3], {"crop": 20}, "crop of 20 pixels is not a multiple of 8; choose 16 or 24"),
        ({**MASKED, "size": "huge"}, {}, "no size 'huge'"),
        ({**MASKED, "channels_per_step": 1, "decoding": "joint"}, {}, "needs a channel-agnostic network"),
        ({"objective": "classifier", "backbone": "resnet81"}, {}, "timm has no model 'resnet81'"),
        ({"objective": "classifier", "label": "perturbatin"}, {}, "did you mean 'perturbation'"),
        (
            {"objective": "classifier", "label": "plate", "backbone": "test_resnet"},
            {},
            "needs at least two values of 'plate', found 1",
        ),
    ],
)
def test_refusals_before_any_step(manifest, tmp_path, model, data, message):
    with pytest.raises(TrainingError, match=message):
        train(
            manifest,
            CHANNELS,
            options(model),
            tmp_path,
            data=DataOptions(**{"crop": 32, "batch_size": 8, **data}),
            run=RunOptions(steps=2, devices=1),
        )


def test_images_smaller_than_the_crop_are_refused(manifest):
    with pytest.raises(ImageError, match="image of 40x40 is smaller than the crop of 64"):
        CropStream(manifest, CHANNELS, 64)


def test_the_first_image_may_be_one_of_the_few_that_are_left_out(tmp_path):
    table = pd.DataFrame({"site_id": [f"s{i}" for i in range(100)], "image": ["small.tif", *["a.tif"] * 99]})
    table.to_csv(tmp_path / "manifest.csv", index=False)
    for name, side in (("a", 32), ("small", 8)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.ones((side, side), np.uint16))
    manifest = read_manifest(tmp_path / "manifest.csv")
    for keep in (0, 1):
        stream = CropStream(manifest, ["gray"], 16, keep_gib=keep)
        assert stream[0]["pixels"].shape == (1, 16, 16)
    with pytest.raises(ImageError, match="s0: the image of 8x8 is smaller"):
        CropStream(manifest.take(np.arange(99)), ["gray"], 16)


def test_a_batch_that_cannot_be_shared_is_refused(manifest, tmp_path):
    with pytest.raises(TrainingError, match="batch of 8 cannot be divided among 1 devices in 3 parts"):
        start(manifest, tmp_path, MODELS[0], accumulate=3)


@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_the_stream_is_the_same_from_any_place_and_by_any_process(manifest, keep):
    stream = CropStream(manifest, CHANNELS, 24, keep_gib=keep, seed=3)
    whole = stream_loader(stream, start=0, batch=4, workers=0)
    first = [batch["index"].tolist() for _, batch in zip(range(6), whole, strict=False)]
    later = stream_loader(stream, start=8, batch=4, workers=2)
    resumed = [batch["index"].tolist() for _, batch in zip(range(4), later, strict=False)]
    assert resumed == first[2:]
    shared = [stream_loader(stream, start=0, batch=2, workers=0, rank=rank, world=2) for rank in (0, 1)]
    both = [one["index"].tolist() + other["index"].tolist() for _, one, other in zip(range(6), *shared, strict=False)]
    assert both == first
    assert torch.equal(stream[5]["pixels"], CropStream(manifest, CHANNELS, 24, seed=3)[5]["pixels"])
    epoch = [stream[index]["row"] for index in range(16)]
    assert sorted(epoch) == list(range(16))
    assert [stream[index]["row"] for index in range(16, 32)] != epoch


def sites_of(crop, folder, manifest):
    """The rows whose images hold a crop (C, H, W)."""
    found = []
    for row in range(len(manifest)):
        windows = np.lib.stride_tricks.sliding_window_view(tifffile.imread(folder / f"{row}.tif"), crop.shape)
        if (windows == crop).all(axis=(-1, -2, -3)).any():
            found.append(row)
    return found


def test_views_are_of_one_well(folder, manifest):
    groups = manifest.table["well"].to_numpy()
    stream = CropStream(manifest, CHANNELS, 24, groups=groups, flip=False)
    for index in range(4):
        item = stream[index]
        assert item["pixels"].shape == (2, 2, 24, 24)
        (one,), (other,) = (sites_of(crop.numpy(), folder, manifest) for crop in item["pixels"])
        assert one == item["row"]
        assert other != one
        assert groups[other] == groups[one]


def test_rows_without_a_label_are_left_out_and_unreadable_ones_stood_in_for(manifest, tmp_path, caplog):
    labels = np.arange(16) % 3 - 1
    stream = CropStream(manifest, CHANNELS, 24, labels=labels)
    assert {stream[index]["row"] for index in range(20)} == set(np.flatnonzero(labels >= 0))
    table = manifest.table.assign(image=[str(manifest.root / name) for name in manifest.table["image"]])
    (tmp_path / "broken.tif").write_bytes(b"no image")
    table.loc["s3", "image"] = str(tmp_path / "broken.tif")
    broken = Manifest(table, Path("/"), manifest.source, manifest.names)
    lazy = CropStream(broken, CHANNELS, 24)
    assert all(lazy[index]["pixels"].shape == (2, 24, 24) for index in range(16))
    assert "left out of training" in caplog.text
    with pytest.raises(TrainingError, match="1 of 16 sites cannot be read"):
        CropStream(broken, CHANNELS, 24, keep_gib=1.0)


def test_turns_keep_what_a_crop_holds(tmp_path):
    pixels = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    pd.DataFrame({"site_id": ["a"], "image": ["a.tif"]}).to_csv(tmp_path / "m.csv", index=False)
    stream = CropStream(read_manifest(tmp_path / "m.csv"), ("channel_0", "channel_2"), 16)
    found = {tuple(stream[index]["pixels"].flatten().tolist()) for index in range(64)}
    assert len(found) == 8
    assert all(sorted(each) == sorted(pixels[[0, 2]].ravel().tolist()) for each in found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.with_suffix(".pt"), "pickles can run code"),
        (lambda path: path.with_name("none.safetensors"), "no checkpoint at"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_card(change(tmp_path / "model.safetensors"))


def test_a_checkpoint_of_another_architecture_is_refused(manifest, tmp_path):
    path = start(manifest, tmp_path, MODELS[0], steps=1)
    other = build("masked-autoencoder", {"size": TINY, "decoder": [16, 1, 4], "decoding": "shared"}, 2)
    with pytest.raises(ValueError, match=r"tensor 'decoder\..*, not \("):
        load_weights(other, path)
    with pytest.raises(ValueError, match="does not hold weights of this MaskedUNet: tensor 'decoder"):
        load_weights(build("masked-unet", {}, 2), path)
    (tmp_path / "junk.safetensors").write_bytes(os.urandom(64))
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_card(tmp_path / "junk.safetensors")
