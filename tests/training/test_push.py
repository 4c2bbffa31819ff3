"""A checkpoint that is pushed to a hub is pulled from it as the same encoder. The hub is a folder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from phenolens.core.errors import EncoderError, TrainingError
from phenolens.encoders import counterpart_of, create_encoder, weights
from phenolens.nets import Card, build, read_card, save_checkpoint
from phenolens.training import push

OPTIONS = {"backbone": "test_resnet", "n_classes": 3}
CHANNELS = ("dna", "er")


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    card = Card("classifier", OPTIONS, CHANNELS, 12, 32, recipe="name: mine", licence="cc-by-4.0")
    save_checkpoint(build("classifier", OPTIONS, 2).state_dict(), card, tmp_path / "model.safetensors")
    return tmp_path


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A folder in place of the hub: folders of repositories, one commit each."""
    root = tmp_path / "hub"

    def create_repo(self, repository, *, private, exist_ok):
        assert exist_ok
        (root / repository).mkdir(parents=True, exist_ok=True)
        (root / repository / "private").write_text(str(private))

    def create_commit(self, repository, operations, *, commit_message):
        for operation in operations:
            with operation.as_file() as content:
                (root / repository / operation.path_in_repo).write_bytes(content.read())

    def download(repository, file, revision=None):
        if revision not in (None, "main") or not (root / repository / file).is_file():
            raise LocalEntryNotFoundError(f"no {repository}")
        shutil.copytree(root / repository, root / "cache", dirs_exist_ok=True)
        return str(root / "cache" / file)

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "create_commit", create_commit)
    monkeypatch.setattr(weights, "hf_hub_download", download)
    return root


def test_what_is_pushed_is_pulled_as_the_same_encoder(checkpoint, hub):
    name = push(checkpoint, "me/mine")
    assert name == "checkpoint:hf/me/mine"
    x = np.random.default_rng(0).poisson(200, (2, 2, 32, 32)).astype(np.uint16)
    here, there = (create_encoder(each, CHANNELS) for each in (f"checkpoint:{checkpoint}", f"{name}@revision=main"))
    assert (here.embed(x, CHANNELS) == there.embed(x, CHANNELS)).all()
    assert here.weights_hash == there.weights_hash
    twin = create_encoder(counterpart_of(name), CHANNELS)
    assert twin.dim == here.dim
    assert twin.weights_hash != here.weights_hash


def test_card_and_page_say_what_it_is(checkpoint, hub):
    push(checkpoint / "model.safetensors", "me/mine", private=False)
    card = json.loads((hub / "me/mine/card.json").read_text())
    assert (card["architecture"], card["licence"], card["channels"]) == ("classifier", "cc-by-4.0", list(CHANNELS))
    page = (hub / "me/mine/README.md").read_text()
    assert "license: cc-by-4.0" in page
    assert "--encoder checkpoint:hf/me/mine" in page
    assert "name: mine" in page
    assert (hub / "me/mine/private").read_text() == "False"


def test_nothing_is_published_without_a_licence(checkpoint, hub):
    card = read_card(checkpoint / "model.safetensors")
    silent = Card(card.architecture, card.options, card.channels, card.steps, card.crop)
    save_checkpoint(build("classifier", OPTIONS, 2).state_dict(), silent, checkpoint / "model.safetensors")
    with pytest.raises(TrainingError, match="gives no licence of the weights"):
        push(checkpoint, "me/mine")
    assert not hub.exists()
    push(checkpoint, "me/mine", licence="mit")
    assert json.loads((hub / "me/mine/card.json").read_text())["licence"] == "mit"


def test_what_goes_wrong_is_one_line(checkpoint, hub, monkeypatch):
    with pytest.raises(TrainingError, match="no checkpoint at"):
        push(Path("nowhere.safetensors"), "me/mine")
    with pytest.raises(EncoderError, match=r"the weights cannot be obtained \(no me/other\); check the name"):
        create_encoder("checkpoint:hf/me/other", CHANNELS)

    def refuse(self, *arguments, **options):
        raise HFValidationError("401 unauthorised\nlong text")

    monkeypatch.setattr(HfApi, "create_repo", refuse)
    with pytest.raises(TrainingError, match=r"the hub refuses me/mine \(401 unauthorised\); .* hf auth login"):
        push(checkpoint, "me/mine")
