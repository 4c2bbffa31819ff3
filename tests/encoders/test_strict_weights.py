"""Every tensor of a file and of a network must match; what a file may hold besides is stated. Cards come first."""

import json
import struct

import pytest
import timm
import torch
from safetensors.torch import save_file

from phenolens.core.errors import EncoderError
from phenolens.encoders import create_encoder
from phenolens.nets import SIZES, MicroscopyViT, build_shapes

RGB = ("red", "green", "blue")


def weights_of(architecture, **options):
    torch.manual_seed(0)
    state = timm.create_model(architecture, pretrained=False, **options).state_dict()
    return {name: value.contiguous() for name, value in state.items()}


def refused(tmp_path, state, name):
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(EncoderError) as caught:
        create_encoder(f"{name}@weights={tmp_path / 'w.safetensors'}", RGB)
    assert "\n" not in str(caught.value)
    assert "w.safetensors: does not hold weights of" in str(caught.value)
    return str(caught.value)


def test_a_deeper_network_of_the_same_family_is_another_network(tmp_path):
    state = weights_of("resnet34")
    assert "tensor 'layer1.2.bn1.bias' is no part of it" in refused(tmp_path, state, "timm/resnet18")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state | {"norm.extra": torch.zeros(2)}, "'norm.extra' is no part of it"),
        (lambda state: {name: state[name] for name in sorted(state)[1:]}, "is missing"),
        (
            lambda state: state | {"blocks.0.norm1.weight": torch.zeros(7)},
            r"'blocks.0.norm1.weight' is (7,), not (64,)",
        ),
        (lambda state: {f"model.{name}": value for name, value in state.items()}, "is missing"),
        (lambda state: {}, "is missing"),
    ],
)
def test_tensors_that_are_added_lacking_renamed_or_of_another_shape(tmp_path, change, said):
    assert said in refused(tmp_path, change(weights_of("test_vit")), "timm/test_vit")


@pytest.mark.parametrize("n_classes", [0, 7, 1000])
@pytest.mark.parametrize("architecture", ["test_resnet", "test_vit", "test_convnext"])
def test_any_classifier_or_none_is_left_out(tmp_path, architecture, n_classes):
    save_file(weights_of(architecture, num_classes=n_classes), tmp_path / "w.safetensors")
    own = create_encoder(f"timm/{architecture}@weights={tmp_path / 'w.safetensors'}", RGB)
    state = weights_of(architecture, num_classes=n_classes)
    for name, value in own.model.state_dict().items():
        assert torch.equal(value, state[name])


@pytest.mark.parametrize("planes", [1, 3])
def test_weights_of_gray_and_of_colour_images_serve_single_channels(tmp_path, planes):
    save_file(weights_of("test_resnet", in_chans=planes), tmp_path / "w.safetensors")
    encoder = create_encoder(f"timm/test_resnet@weights={tmp_path / 'w.safetensors'}", ("dna",))
    (first, kernels), *_ = encoder.model.state_dict().items()
    assert torch.allclose(kernels, weights_of("test_resnet", in_chans=planes)[first].sum(dim=1, keepdim=True))


def test_weights_for_another_number_of_channels_are_refused(tmp_path):
    assert "'conv1.weight' is" in refused(tmp_path, weights_of("resnet18", in_chans=5), "timm/resnet18")


def test_the_published_layout_may_hold_its_decoder_and_nothing_else(tmp_path):
    state = MicroscopyViT(SIZES["small_patch16"], None).backbone.state_dict()
    state = {f"encoder.vit_backbone.{name}": value.contiguous() for name, value in state.items()}
    decoder = {"decoder.mask_token": torch.zeros(1), "decoder_pred.bias": torch.zeros(1)}
    save_file(state | decoder, tmp_path / "w.safetensors")
    create_encoder(f"hf/a/b@weights={tmp_path / 'w.safetensors'}", RGB)
    for extra in ("encoder.vit_backbone.blocks.12.norm.weight", "second_encoder.cls_token"):
        said = refused(tmp_path, state | {extra: torch.zeros(1)}, "hf/a/b")
        assert f"tensor '{extra}' is no part of it" in said


def write_card(path, text):
    """Write a .safetensors file without tensors, whose metadata hold a card."""
    header = json.dumps({"__metadata__": {"card": text}}).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def card(architecture="masked-autoencoder", options=None, **fields):
    size = {"width": 96, "depth": 1, "heads": 3, "patch": 8}
    described = {"architecture": architecture, "options": {"size": size} if options is None else options}
    return described | {"channels": ["gray"], "steps": 1, "crop": 32, "version": 1} | fields


def of_size(**size):
    return card(options={"size": {"width": 96, "depth": 1, "heads": 3, "patch": 8} | size})


CARDS = {
    "a giant": card("classifier", {"backbone": "vit_giant_patch14_clip_224", "n_classes": 2}),
    "countless classes": card("classifier", {"backbone": "test_vit", "n_classes": 10**12}),
    "no network of timm": card("classifier", {"backbone": "vit_of_mine", "n_classes": 2}),
    "a list as backbone": card("contrastive", {"backbone": ["test_vit"]}),
    "a million blocks": of_size(depth=10**6),
    "no blocks": of_size(depth=-1),
    "half a block": of_size(depth=1.5),
    "blocks in words": of_size(depth="three"),
    "no heads": of_size(heads=0),
    "heads that do not divide": of_size(heads=7),
    "no patch": of_size(patch=0),
    "huge width": of_size(width=3 * 2**40),
    "deep decoder": card(options={"size": "micro_patch8", "decoder": [16, 10**6, 4]}),
    "flat decoder": card(options={"size": "micro_patch8", "decoder": 3}),
    "deep U-Net": card("masked-unet", {"width": 8, "depth": 10**6, "patch": 8}),
    "overflowing U-Net": card("masked-unet", {"width": 8, "depth": 200, "patch": 8}),
    "unknown option": card("masked-unet", {"colour": 1}),
    "unknown architecture": card("perceptron", {}),
    "options as list": card("classifier", [1, 2]),
    "architecture as list": card(["classifier"], {}),
    "channels as number": card(channels=3),
    "no channels": card(channels=[]),
    "channels without names": card(channels=[None]),
    "no crop": card(crop="32"),
    "further field": card(colour=1),
    "a list": [1, 2],
    "a number": 3,
}


# What the card says is wrong is told before its tensors are looked at.
WORDS = {
    "options as list": "options that are not named",
    "architecture as list": "an architecture that is no text",
    "no channels": "channels without names",
    "channels without names": "channels without names",
    "no crop": "a crop that is no number of pixels",
}


@pytest.mark.parametrize("prefix", ["", "twin/"])
@pytest.mark.parametrize("kind", CARDS)
def test_a_card_that_describes_no_network_of_its_file_is_refused_at_once(tmp_path, kind, prefix):
    path = write_card(tmp_path / "model.safetensors", json.dumps(CARDS[kind]))
    with pytest.raises(EncoderError, match=r"model\.safetensors: ") as caught:
        create_encoder(f"{prefix}checkpoint:{path}", ("gray",))
    assert "\n" not in str(caught.value)
    assert WORDS.get(kind, "") in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "", "{", "[1]" + " " * 2**21]
)
def test_a_card_that_is_no_json_is_refused(tmp_path, text):
    path = write_card(tmp_path / "model.safetensors", text)
    with pytest.raises(EncoderError, match=r"model\.safetensors: ") as caught:
        create_encoder(f"checkpoint:{path}", ("gray",))
    assert "\n" not in str(caught.value)


def test_shapes_are_known_without_memory():
    shapes = build_shapes("classifier", {"backbone": "vit_giant_patch14_clip_224", "n_classes": 2}, 5)
    assert shapes["backbone.patch_embed.proj.weight"] == (1408, 5, 14, 14)
    assert torch.get_default_device() == torch.device("cpu")
