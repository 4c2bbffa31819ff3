"""Network encoders: seeds, mixing, sizes, precision, and weights from a file."""

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file

from phenolens.core.errors import EncoderError
from phenolens.encoders import create_encoder

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 255, (2, 2, 64, 64)).astype(np.uint8)


def test_a_seed_decides_the_weights():
    one, same, other = (
        create_encoder(f"untrained/resnet18@seed={seed}", ("a", "b")).weights_hash for seed in (0, 0, 1)
    )
    assert one == same != other


def test_making_an_untrained_network_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    create_encoder("untrained/resnet18", ("a",))
    assert torch.equal(torch.rand(3), expected)


def test_every_block_of_an_untrained_resnet_takes_part():
    model = create_encoder("untrained/resnet18", ("a",)).model
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert all(norm.weight.any() for norm in norms)


def test_concat_is_each_channel_by_itself():
    both = create_encoder("untrained/resnet18@mixing=concat", ("a", "b"))
    one = create_encoder("untrained/resnet18@mixing=concat", ("a",))
    vectors = both.embed(PIXELS, ("a", "b"))
    assert_allclose(vectors[:, :512], one.embed(PIXELS[:, :1], ("a",)), rtol=1e-4, atol=1e-5)
    assert_allclose(vectors[:, 512:], one.embed(PIXELS[:, 1:], ("a",)), rtol=1e-4, atol=1e-5)


def test_self_standardised_vectors_ignore_gain_and_offset():
    encoder = create_encoder("untrained/resnet18", ("a", "b"))
    pixels = PIXELS.astype(np.float32)
    assert_allclose(encoder.embed(pixels, ("a", "b")), encoder.embed(3 * pixels + 50, ("a", "b")), rtol=1e-3, atol=1e-4)


def test_bf16_stays_near_fp32():
    fp32 = create_encoder("untrained/vit_small_patch16", ("a", "b"))
    bf16 = create_encoder("untrained/vit_small_patch16", ("a", "b"), precision="bf16")
    one, two = (encoder.embed(PIXELS, ("a", "b")) for encoder in (fp32, bf16))
    assert two.dtype == np.float32
    for x, y in zip(one, two, strict=True):
        assert x @ y / np.linalg.norm(x) / np.linalg.norm(y) > 0.999


def test_oblong_images_are_refused_by_a_network_of_squares():
    encoder = create_encoder("untrained/vit_small_patch16", ("a",))
    with pytest.raises(EncoderError, match="squares of 256 pixels, found 32 x 64; set a crop"):
        encoder.embed(np.zeros((1, 1, 32, 64), np.uint8), ("a",))
    resnet = create_encoder("untrained/resnet18", ("a",))
    assert resnet.embed(np.zeros((1, 1, 32, 64), np.uint8), ("a",)).shape == (1, 512)


@pytest.fixture
def replica(tmp_path):
    """A small trained model's file, as the hub holds it."""
    torch.manual_seed(1)
    model = timm.create_model("test_resnet", pretrained=False)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    return model.eval(), tmp_path / "w.safetensors"


def test_weights_from_a_file_on_colour_images_equal_the_model_itself(replica):
    model, path = replica
    rgb = ("red", "green", "blue")
    encoder = create_encoder(f"timm/test_resnet@weights={path}", rgb)
    size = encoder.input_size
    pixels = RNG.integers(0, 255, (2, 3, size, size)).astype(np.uint8)
    config = model.pretrained_cfg
    mean, sd = (torch.tensor(config[key])[None, :, None, None] for key in ("mean", "std"))
    with torch.inference_mode():
        x = (torch.from_numpy(pixels).float() / 255 - mean) / sd
        expected = model.forward_head(model.forward_features(x), pre_logits=True)
    assert_allclose(encoder.embed(pixels, rgb), expected, rtol=1e-4, atol=1e-5)


def test_colour_weights_take_any_channels_one_at_a_time(replica):
    _, path = replica
    encoder = create_encoder(f"timm/test_resnet@weights={path}", ("a", "b"))
    assert encoder.mixing == "concat"
    vectors = encoder.embed(PIXELS, ("a", "b"))
    swapped = encoder.embed(PIXELS[:, ::-1].copy(), ("a", "b"))
    half = encoder.dim // 2
    assert_allclose(vectors[:, :half], swapped[:, half:], rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_fit_or_are_no_safetensors(replica, tmp_path):
    _, path = replica
    with pytest.raises(EncoderError, match="does not hold weights of timm's test_vit") as caught:
        create_encoder(f"timm/test_vit@weights={path}", ("a",))
    assert "\n" not in str(caught.value)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not safe")
    with pytest.raises(EncoderError, match="is not a safetensors file"):
        create_encoder(f"timm/test_vit@weights={broken}", ("a",))


def test_without_the_hub_the_next_step_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match=r"give a local file: timm/test_vit.*@weights=FILE\.safetensors"):
        create_encoder("timm/test_vit", ("a",))
