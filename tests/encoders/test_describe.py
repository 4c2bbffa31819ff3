"""What is known of an encoder: from its name once, and carried ever after."""

import pytest

from phenolens.core.errors import EncoderError
from phenolens.encoders import EncoderInfo, describe_encoder, find_encoder

KNOWN = [
    EncoderInfo("cell-count", "cell-count", None, "baseline", "quantities", "", "cell-count"),
    EncoderInfo(
        "cell-graph/positions@edges=knn",
        "cell-graph/positions@edges=knn",
        role="baseline",
        feature_type="measurements",
        measures="cell-graph/positions",
    ),
    EncoderInfo("untrained/resnet18@mixing=joint", "untrained/resnet18@mixing=joint,seed=0", 0, "untrained"),
    EncoderInfo("twin/timm/resnet18", "twin/timm/resnet18@seed=2", 2, "untrained"),
    EncoderInfo(
        "timm/resnet18@mixing=joint,weights=a",
        "timm/resnet18@mixing=joint,weights=runs/a.safetensors",
        counterpart="twin/timm/resnet18@mixing=joint",
    ),
    EncoderInfo("checkpoint:run", "checkpoint:out/run", counterpart="twin/checkpoint:run"),
    EncoderInfo("oracle/density@noise=0.3", "oracle/density@noise=0.3,seed=1", 1, "oracle"),
    EncoderInfo("my embeddings", "my embeddings"),
    EncoderInfo("mine@version 2", "mine@version 2"),
]


@pytest.mark.parametrize("info", KNOWN, ids=lambda info: info.model)
def test_what_the_registry_knows(info):
    assert describe_encoder(info.model) == info
    assert info.id == (info.name if info.seed is None else info.model)
    assert info.is_baseline == (info.role in ("baseline", "untrained")) == (not info.is_tested)


@pytest.mark.parametrize("info", KNOWN, ids=lambda info: info.model)
def test_a_dictionary_and_back(info):
    content = info.as_dict()
    assert EncoderInfo.from_dict(content) == info
    assert None not in content.values()


def test_a_name_of_its_own():
    info = describe_encoder("untrained/resnet18@mixing=joint,seed=3", "small net")
    assert (info.name, info.seed, info.role, info.id) == ("small net", 3, "untrained", "small net@seed=3")
    assert describe_encoder("cell-count@diameter=9", "density").measures == "cell-count"
    dino = describe_encoder("timm/vit_small_patch14_dinov2", "DINOv2")
    assert (dino.id, dino.counterpart) == ("DINOv2", "twin/timm/vit_small_patch14_dinov2")


def test_a_seed_keeps_its_place_in_the_name():
    assert describe_encoder("untrained/resnet18@seed=1,mixing=joint").id == "untrained/resnet18@seed=1,mixing=joint"
    assert describe_encoder("untrained/resnet18@seed=1,mixing=joint").name == "untrained/resnet18@mixing=joint"


def test_a_damaged_record_is_told_in_one_line():
    with pytest.raises(EncoderError, match="'a': no role 'baselin'; did you mean 'baseline'"):
        EncoderInfo.from_dict({"name": "a", "model": "a", "role": "baselin"})
    with pytest.raises(EncoderError, match="description of an encoder lacks its model"):
        EncoderInfo.from_dict({"name": "a"})


def test_a_counterpart_is_described_by_the_entry_of_its_network():
    key, entry = find_encoder("twin/hf/recursionpharma/OpenPhenom")
    assert (key, entry.factory) == ("twin/hf/", find_encoder("hf/a/b")[1].factory)
    assert (entry.role, entry.seeded, entry.counterpart) == ("untrained", True, False)
