"""What a training run leaves on disk: a state that is read only if it is whole, and a log that resumed runs add to."""

import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import TypeAdapter

from phenolens.core.errors import TrainingError
from phenolens.training import DataOptions, ModelOptions, RunOptions, train
from phenolens.training.log import CsvLog
from phenolens.training.state import read_steps

MODEL = {
    "objective": "masked-autoencoder",
    "size": {"width": 48, "depth": 2, "heads": 3, "patch": 8},
    "decoder": [32, 1, 4],
    "decoding": "shared",
}


def start(manifest, out, *, steps=6, model=MODEL, **run):
    options = TypeAdapter(ModelOptions).validate_python(model)
    limits = RunOptions(**{"steps": steps, "log_every": 1, "save_every": 3, "devices": 1, **run})
    return train(manifest, ("dna", "er"), options, out, data=DataOptions(crop=32, batch_size=8), run=limits)


@pytest.fixture(scope="module")
def trained(manifest, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    start(manifest, out)
    return (out / "state.ckpt").read_bytes()


def cut(content, rng):
    return content[: int(rng.integers(len(content)))]


def zeroed(content, rng):
    at = int(rng.integers(len(content) - 512))
    return content[:at] + bytes(512) + content[at + 512 :]


def flipped(content, rng):
    changed = bytearray(content)
    for place in rng.integers(len(content), size=5):
        changed[place] ^= 255
    return bytes(changed)


@pytest.mark.parametrize("damage", [cut, zeroed, flipped])
@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_state_is_refused_or_the_same(tmp_path, trained, damage, seed):
    path = tmp_path / "state.ckpt"
    path.write_bytes(trained)
    network = torch.nn.Module()
    for name, value in torch.load(path, weights_only=True)["state_dict"].items():
        network.register_buffer(name.replace(".", "|"), value)
    whole = {name.replace("|", "."): value for name, value in network.state_dict().items()}
    network.state_dict = lambda: whole
    path.write_bytes(damage(trained, np.random.default_rng(seed)))
    try:
        assert read_steps(path, network, 6) == 6  # what is between the parts of a file means nothing
    except TrainingError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either way is right
        assert str(path) in str(error)  # noqa: PT017
        assert "delete it to start again" in str(error)  # noqa: PT017


class Evil:
    def __reduce__(self):
        return (open, ("pwned", "w"))


def test_training_from_a_damaged_state_ends_in_one_line(manifest, tmp_path, trained, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state.ckpt").write_bytes(trained[: len(trained) // 2])
    with pytest.raises(TrainingError, match="training cannot go on from this state"):
        start(manifest, tmp_path)
    (tmp_path / "state.ckpt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(TrainingError, match="training cannot go on from this state"):
        start(manifest, tmp_path)
    torch.save({"global_step": 3, "state_dict": {}, "evil": Evil()}, tmp_path / "state.ckpt")
    with pytest.raises(TrainingError, match="training cannot go on from this state"):
        start(manifest, tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_a_state_of_another_network_or_without_an_optimiser_is_refused(manifest, tmp_path, trained):
    path = tmp_path / "state.ckpt"
    path.write_bytes(trained)
    with pytest.raises(TrainingError, match="the state of another network, which differs in"):
        start(manifest, tmp_path, model={**MODEL, "size": {**MODEL["size"], "width": 24}})
    content = torch.load(path, weights_only=True)
    for missing in ("loops", "optimizer_states"):
        torch.save({key: value for key, value in content.items() if key != missing}, path)
        with pytest.raises(TrainingError, match="training cannot go on from this state") as caught:
            start(manifest, tmp_path)
        assert "\n" not in str(caught.value)
    torch.save({**content, "global_step": -1}, path)
    with pytest.raises(TrainingError, match="after which step"):
        start(manifest, tmp_path)


def test_a_compressed_state_is_not_expanded(tmp_path):
    path = tmp_path / "state.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(10**7))
    with pytest.raises(TrainingError, match="compressed"):
        read_steps(path, torch.nn.Module(), 6)


def test_a_state_of_a_shorter_run_is_refused(manifest, tmp_path, trained):
    (tmp_path / "state.ckpt").write_bytes(trained)
    with pytest.raises(TrainingError, match="the state of a run of 6 steps"):
        start(manifest, tmp_path, steps=9)


class Killed(BaseException):
    """What ends a run here, as a signal would."""


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("kills", [[4], [1, 5, 8]])
def test_a_resumed_run_has_the_log_of_one_that_was_not_stopped(manifest, tmp_path, monkeypatch, kills, ema):
    start(manifest, tmp_path / "whole", steps=9, ema=ema)
    write = CsvLog.log_metrics
    for step in kills:

        def stop(log, metrics, step=None, last=step):
            write(log, metrics, step)
            if step == last:
                raise Killed

        monkeypatch.setattr(CsvLog, "log_metrics", stop)
        with pytest.raises(Killed):
            start(manifest, tmp_path / "killed", steps=9, ema=ema)
        monkeypatch.setattr(CsvLog, "log_metrics", write)
    start(manifest, tmp_path / "killed", steps=9, ema=ema)
    whole, found = (pd.read_csv(tmp_path / name / "log" / "metrics.csv") for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(found, whole)


def test_a_log_takes_new_columns_and_passes_over_half_a_line(tmp_path):
    path = tmp_path / "log" / "metrics.csv"
    log = CsvLog(path, 0)
    log.log_metrics({"loss": 1.0}, 0)
    log.log_metrics({"loss": 0.5, "gain/x": 2.0}, 1)
    with path.open("a") as file:
        file.write("0.2")
    resumed = CsvLog(path, 1)
    resumed.log_metrics({"loss": 0.25}, 1)
    table = pd.read_csv(path)
    assert table["step"].tolist() == [0, 1]
    assert table["loss"].tolist() == [1.0, 0.25]
    assert list(path.parent.iterdir()) == [path]
