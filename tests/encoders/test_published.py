"""OpenPhenom's published layout, from a local file made by its description: timm's transformer under its keys."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file
from timm.models.vision_transformer import ParallelScalingBlock, VisionTransformer

from phenolens.core.errors import EncoderError
from phenolens.encoders import counterpart_of, create_encoder
from phenolens.images import self_standardise
from phenolens.nets import sincos_positions

CHANNELS = ("dna", "er", "rna")


@pytest.fixture(scope="module")
def reference():
    """The backbone as it is published: positions of eleven channels as a tensor of the file."""
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=256,
        patch_size=16,
        in_chans=1,
        num_classes=0,
        global_pool="avg",
        embed_dim=384,
        depth=12,
        num_heads=6,
        qkv_bias=False,
        qk_norm=True,
        init_values=1e-4,
        drop_path_rate=0.1,
        pos_embed="none",
        block_fn=ParallelScalingBlock,
    ).eval()
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def weights(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "model.safetensors"
    state = {f"encoder.vit_backbone.{key}": value.contiguous() for key, value in reference.state_dict().items()}
    positions = torch.cat([torch.zeros(1, 384), sincos_positions(16, 16, 384).repeat(11, 1)])[None]
    save_file(state | {"encoder.vit_backbone.pos_embed": positions, "decoder.mask_token": torch.zeros(1, 1, 256)}, path)
    return path


@torch.inference_mode()
def plain(reference, x):
    """What the published forward pass does: a loop over channels, positions for each, the class token first."""
    x = self_standardise(torch.from_numpy(x))
    tokens = torch.stack([reference.patch_embed.proj(x[:, [c]]) for c in range(x.shape[1])], dim=2)
    tokens = tokens.flatten(2).transpose(1, 2) + sincos_positions(16, 16, 384).repeat(x.shape[1], 1)
    tokens = torch.cat([reference.cls_token.expand(len(x), -1, -1), tokens], dim=1)
    return reference.fc_norm(reference.blocks(tokens)[:, 1:].mean(dim=1)).numpy()


def test_vectors_are_those_of_the_published_forward_pass(reference, weights):
    x = np.random.default_rng(0).integers(0, 255, (2, 3, 256, 256)).astype(np.uint8)
    encoder = create_encoder(f"hf/recursionpharma/OpenPhenom@weights={weights}", CHANNELS)
    assert encoder.dim == 384
    assert_allclose(encoder.embed(x, CHANNELS), plain(reference, x), rtol=1e-3, atol=1e-4)


def test_it_takes_any_channels_and_has_a_twin(weights):
    name = f"hf/recursionpharma/OpenPhenom@weights={weights}"
    x = np.random.default_rng(1).integers(0, 255, (1, 5, 64, 64)).astype(np.uint8)
    assert create_encoder(name, tuple("abcde")).embed(x, tuple("abcde")).shape == (1, 384)
    assert counterpart_of(name) == "twin/hf/recursionpharma/OpenPhenom"
    assert create_encoder(f"{counterpart_of(name)}@seed=1", tuple("abcde")).dim == 384


def test_another_layout_is_refused(weights, tmp_path):
    save_file({"encoder.vit_backbone.cls_token": torch.zeros(1, 1, 192)}, tmp_path / "tiny.safetensors")
    with pytest.raises(EncoderError, match="does not hold weights of a ViT-S/16 of OpenPhenom's layout"):
        create_encoder(f"hf/a/b@weights={tmp_path / 'tiny.safetensors'}", ("dna",))
    with pytest.raises(EncoderError, match="pickles can run code"):
        create_encoder("hf/a/b@weights=model.pt", ("dna",))
