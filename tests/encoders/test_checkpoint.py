"""Trained networks as encoders, their twins, and their layers."""

import numpy as np
import pytest
import tifffile
import torch
from numpy.testing import assert_allclose

from phenolens.core.errors import EncoderError
from phenolens.datasets import read_manifest
from phenolens.encoders import EncoderName, counterpart_of, create_encoder, describe_encoder
from phenolens.images import self_standardise
from phenolens.nets import Card, adapt_batch_norm, build, load_weights, save_checkpoint

TINY = {"width": 48, "depth": 3, "heads": 3, "patch": 8}
OPTIONS = {
    "masked-autoencoder": {"size": TINY, "decoder": [16, 1, 4], "decoding": "shared"},
    "masked-unet": {"width": 8, "depth": 2, "patch": 8},
    "classifier": {"backbone": "test_resnet", "n_classes": 3},
    "contrastive": {"backbone": "microscopy_vit_micro_patch8", "width": 8},
}


def save(folder, architecture, options=None, channels=("dna", "er")):
    torch.manual_seed(5)
    options = options or OPTIONS[architecture]
    folder.mkdir(exist_ok=True)
    model = build(architecture, options, len(channels))
    for parameter in model.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    save_checkpoint(model.state_dict(), Card(architecture, options, channels, 10, 32), folder / "model.safetensors")
    return folder


def images(n=2, c=2, size=32):
    return np.random.default_rng(0).poisson(200, (n, c, size, size)).astype(np.uint16)


@pytest.mark.parametrize("architecture", OPTIONS)
def test_a_checkpoint_is_an_encoder_at_once_and_has_a_twin(tmp_path, architecture):
    name = f"checkpoint:{save(tmp_path / 'run', architecture)}"
    encoder = create_encoder(name, ("dna", "er"))
    vectors = encoder.embed(images(), ("dna", "er"))
    assert vectors.shape == (2, encoder.dim)
    assert np.isfinite(vectors).all()
    assert_allclose(create_encoder(f"{name}/model.safetensors", ("dna", "er")).embed(images(), ("dna", "er")), vectors)
    assert not describe_encoder(name).is_baseline
    twin = counterpart_of(name)
    assert describe_encoder(twin).is_baseline
    seeds = [create_encoder(str(one), ("dna", "er")) for one in EncoderName.parse(twin).seeds(2)]
    assert {one.dim for one in seeds} == {encoder.dim}
    assert len({one.weights_hash for one in [*seeds, encoder]}) == 3


def test_a_joint_network_finds_its_channels_and_an_agnostic_one_takes_any(tmp_path):
    joint = f"checkpoint:{save(tmp_path / 'joint', 'masked-unet')}"
    x = images(c=3)
    expected = create_encoder(joint, ("dna", "er")).embed(x[:, [1, 2]], ("dna", "er"))
    assert_allclose(create_encoder(joint, ("gfp", "dna", "er")).embed(x, ("gfp", "dna", "er")), expected, rtol=1e-4)
    with pytest.raises(EncoderError, match="was trained on a channel 'er'; did you mean 'err'"):
        create_encoder(joint, ("dna", "err"))
    free = f"checkpoint:{save(tmp_path / 'free', 'masked-autoencoder')}"
    assert create_encoder(free, ("a", "b", "c")).embed(x, ("a", "b", "c")).shape == (2, 48)


def test_an_image_that_no_patch_divides_asks_for_a_crop(tmp_path):
    encoder = create_encoder(f"checkpoint:{save(tmp_path / 'run', 'masked-autoencoder')}", ("dna", "er"))
    with pytest.raises(EncoderError, match="patches of 8 pixels do not divide an image of 30 x 30; set a crop"):
        encoder.embed(images(size=30), ("dna", "er"))


def test_bad_checkpoints_are_refused_in_one_line(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"pickle")
    for name, message in (
        (f"checkpoint:{tmp_path / 'model.pt'}", "pickles can run code"),
        (f"checkpoint:{tmp_path / 'none.safetensors'}", "no checkpoint at"),
        (f"twin/checkpoint:{tmp_path / 'none.safetensors'}", "no checkpoint at"),
    ):
        with pytest.raises(EncoderError, match=message):
            create_encoder(name, ("dna",))
    folder = save(tmp_path / "run", "masked-unet")
    wrong = Card("masked-unet", {"width": 8, "depth": 3, "patch": 8}, ("dna", "er"), 1, 32)
    save_checkpoint(build("masked-unet", OPTIONS["masked-unet"], 2).state_dict(), wrong, folder / "model.safetensors")
    with pytest.raises(EncoderError, match="does not hold weights of the masked-unet of its card: tensor 'down"):
        create_encoder(f"checkpoint:{folder}", ("dna", "er"))


@pytest.mark.parametrize(
    ("base", "last", "width", "tokens"),
    [
        ("untrained/vit_small_patch16", 12, 384, True),
        ("untrained/resnet18", 5, 512, False),
        ("untrained/channel_vit_micro_patch8", 4, 96, True),
    ],
)
def test_layers_are_options_of_a_name(base, last, width, tokens):
    x = images(size=64)
    whole = create_encoder(base, ("dna", "er"))
    assert whole.layers == tuple(range(1, last + 1))
    own = {layer: create_encoder(f"{base}@layer={layer}", ("dna", "er")) for layer in (1, last)}
    assert own[last].dim == width
    first, final = (each.embed(x, ("dna", "er")) for each in own.values())
    assert first.shape != final.shape or not np.allclose(first, final)
    if tokens:
        assert create_encoder(f"{base}@layer=2,pool=class", ("dna", "er")).embed(x, ("dna", "er")).shape == (2, width)
    with pytest.raises(EncoderError, match=f"no layer {last + 1}; layers run from 1 to {last}"):
        create_encoder(f"{base}@layer={last + 1}", ("dna", "er"))
    with pytest.raises(EncoderError, match="pool needs a layer"):
        create_encoder(f"{base}@pool=class", ("dna", "er"))


def test_the_channels_of_an_agnostic_network_can_be_kept_apart():
    base = "untrained/channel_vit_micro_patch8"
    apart = create_encoder(f"{base}@layer=3,pool=channels", ("dna", "er"))
    mean = create_encoder(f"{base}@layer=3", ("dna", "er"))
    x = images()
    assert apart.dim == 2 * mean.dim
    vectors = apart.embed(x, ("dna", "er")).reshape(2, 2, -1)
    assert_allclose(vectors.mean(axis=1), mean.embed(x, ("dna", "er")), rtol=1e-4, atol=1e-5)


def test_a_network_without_a_class_token_says_so():
    with pytest.raises(EncoderError, match="has no class token"):
        create_encoder("untrained/resnet18@layer=3,pool=class", ("dna",))


def test_statistics_of_normalisation_adapt_to_the_manifest(tmp_path):
    folder = save(tmp_path / "run", "classifier")
    x = images(n=6)
    x[:, 1] += np.add.outer(np.arange(32), np.arange(32)).astype(np.uint16) * 9
    for row, image in enumerate(x):
        tifffile.imwrite(tmp_path / f"{row}.tif", image, photometric="minisblack")
    (tmp_path / "broken.tif").write_bytes(b"II*")
    names = [*map(str, range(6)), "broken"]
    table = "site_id,image\n" + "".join(f"s{name},{name}.tif\n" for name in names)
    (tmp_path / "manifest.csv").write_text(table)
    manifest = read_manifest(tmp_path / "manifest.csv", names=["dna", "er"])
    base = f"checkpoint:{folder}"
    adapted = create_encoder(f"{base}@adapt=true", ("dna", "er"), manifest=manifest)

    model = build("classifier", OPTIONS["classifier"], 2)
    load_weights(model, folder / "model.safetensors")
    standard = self_standardise(torch.from_numpy(x))
    adapt_batch_norm(model, [standard])
    with torch.no_grad():
        assert_allclose(adapted.embed(x, ("dna", "er")), model.backbone(standard).numpy(), rtol=1e-4, atol=1e-5)
    as_it_was = create_encoder(base, ("dna", "er"))
    assert not np.allclose(adapted.embed(x, ("dna", "er")), as_it_was.embed(x, ("dna", "er")), rtol=0.01)
    assert adapted.weights_hash != as_it_was.weights_hash
    twin = create_encoder(f"{counterpart_of(f'{base}@adapt=true')},seed=0", ("dna", "er"), manifest=manifest)
    assert twin.weights_hash != create_encoder(f"{counterpart_of(base)}@seed=0", ("dna", "er")).weights_hash
    with pytest.raises(EncoderError, match="give the manifest"):
        create_encoder(f"{base}@adapt=true", ("dna", "er"))
    plain = save(tmp_path / "plain", "masked-autoencoder")
    with pytest.raises(EncoderError, match="no batch normalisation to adapt"):
        create_encoder(f"checkpoint:{plain}@adapt=true", ("dna", "er"), manifest=manifest)
    with pytest.raises(EncoderError, match="needs images, and there are none"):
        create_encoder(base, (), manifest=manifest)
