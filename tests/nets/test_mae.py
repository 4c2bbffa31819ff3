"""Masked autoencoders: patches and masks by their properties, losses against plain formulas, learning on a tiny set."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from phenolens.nets import MaskedAutoencoder, MicroscopyViT, Size
from phenolens.nets.decoders import ChannelDecoder, StackedBlock, StackedLinear
from phenolens.nets.losses import fourier_magnitude, masked_l2
from phenolens.nets.patches import patchify, random_mask, unpatchify

TINY = Size(48, 2, 3, 8)
DECODER = (32, 1, 4)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 2, 4]))
@settings(max_examples=30, deadline=None)
def test_patches_are_cut_and_put_together_again(b, c, rows, columns, patch):
    x = torch.arange(b * c * rows * columns * patch**2, dtype=torch.float32).reshape(b, c, rows * patch, -1)
    for per_channel in (True, False):
        patches = patchify(x, patch, per_channel=per_channel)
        assert patches.shape[1] == (c if per_channel else 1)
        assert torch.equal(unpatchify(patches, patch, tuple(x.shape[1:])), x)
    first = patchify(x, patch, per_channel=True)[0, -1, 0]
    assert torch.equal(first, x[0, -1, :patch, :patch].flatten())


def test_a_patch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="patches of 8 pixels do not divide an image of 20 x 16"):
        patchify(torch.zeros(1, 1, 20, 16), 8, per_channel=True)
    with pytest.raises(ValueError, match="do not divide"):
        MicroscopyViT(TINY, None)(torch.zeros(1, 1, 20, 16))


@given(st.integers(1, 4), st.integers(2, 60), st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_masks_hide_their_share_and_restore_the_order(b, tokens, ratio):
    mask = random_mask(b, tokens, ratio, torch.device("cpu"), torch.Generator().manual_seed(0))
    seen = mask.visible.shape[1]
    assert 1 <= seen < tokens
    assert abs(seen - tokens * (1 - ratio)) <= 1
    assert (mask.hidden.sum(1) == tokens - seen).all()
    x = torch.arange(tokens).expand(b, -1)
    shown = x.gather(1, mask.visible)
    assert not mask.hidden.gather(1, mask.visible).any()
    everything = torch.cat([shown, torch.full((b, tokens - seen), -1)], dim=1).gather(1, mask.restore)
    assert torch.equal(everything, torch.where(mask.hidden, -1, x))


def test_squared_error_counts_hidden_patches_alone():
    rng = torch.Generator().manual_seed(0)
    one, other = torch.rand(2, 3, 4, 6, generator=rng), torch.rand(2, 3, 4, 6, generator=rng)
    hidden = torch.rand(2, 3, 4, generator=rng) < 0.5
    expected = np.mean([((one - other)[tuple(at)] ** 2).mean() for at in hidden.nonzero().tolist()])
    assert masked_l2(one, other, hidden).item() == pytest.approx(expected, rel=1e-5)
    assert masked_l2(one, other).item() == pytest.approx(((one - other) ** 2).mean().item())


def test_fourier_loss_on_patches_and_images_with_and_without_channels():
    rng = torch.Generator().manual_seed(1)
    one, other = torch.rand(2, 3, 16, 16, generator=rng), torch.rand(2, 3, 16, 16, generator=rng)

    def plain(a, b):
        return np.abs(np.abs(np.fft.fft2(a, norm="ortho")) - np.abs(np.fft.fft2(b, norm="ortho"))).mean()

    assert fourier_magnitude(one, other).item() == pytest.approx(plain(one, other), rel=1e-4)
    assert fourier_magnitude(one[:, 0], other[:, 0]).item() == pytest.approx(plain(one[:, 0], other[:, 0]), rel=1e-4)
    for per_channel in (True, False):
        patches = [patchify(each, 8, per_channel=per_channel) for each in (one, other)]
        hidden = torch.rand(patches[0].shape[:3], generator=rng) < 0.5
        squares = [each[hidden].reshape(-1, 8, 8).numpy() for each in patches]
        assert fourier_magnitude(*patches, hidden, patch=8).item() == pytest.approx(plain(*squares), rel=1e-4)
    assert fourier_magnitude(one, torch.roll(one, (3, 5), (2, 3))).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("decoding", ["joint", "per-channel", "shared"])
def test_reconstructions_have_the_shape_of_their_patches(decoding):
    torch.manual_seed(0)
    model = MaskedAutoencoder(TINY, 3, decoding=decoding, decoder=DECODER)
    found = model(torch.randn(2, 3, 32, 24))
    groups, values = (1, 3 * 64) if decoding == "joint" else (3, 64)
    assert found.predicted.shape == found.target.shape == (2, groups, 12, values)
    assert found.hidden.float().mean().item() == pytest.approx(0.75, abs=0.05)
    for weight in (0.0, 0.01):
        loss = found.loss(weight)
        assert torch.isfinite(loss)
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


def test_hidden_patches_are_not_seen():
    """What is hidden changes the target, and nothing of what is guessed."""
    torch.manual_seed(0)
    model = MaskedAutoencoder(TINY, 2, decoding="shared", decoder=DECODER).eval()
    x = torch.randn(1, 2, 32, 32)
    first = model(x, generator=torch.Generator().manual_seed(3))
    changed = patchify(x, 8, per_channel=True)
    changed[first.hidden] += 10
    second = model(unpatchify(changed, 8, (2, 32, 32)), generator=torch.Generator().manual_seed(3))
    assert torch.equal(first.hidden, second.hidden)
    torch.testing.assert_close(first.predicted, second.predicted)
    assert not torch.allclose(first.target, second.target)


def test_a_shared_decoder_takes_any_channels_and_their_own_ones_those_of_training():
    torch.manual_seed(0)
    shared = MaskedAutoencoder(TINY, 3, decoding="shared", decoder=DECODER)
    assert shared(torch.randn(1, 5, 16, 16)).predicted.shape[1] == 5
    own = MaskedAutoencoder(TINY, 3, decoding="per-channel", decoder=DECODER)
    assert own(torch.randn(1, 2, 16, 16), channels=torch.tensor([2, 0])).predicted.shape[1] == 2
    with pytest.raises(ValueError, match="5 channels, but only 3 have a decoder"):
        own(torch.randn(1, 5, 16, 16))


def test_the_decoder_of_a_channel_follows_it_when_channels_are_reordered():
    torch.manual_seed(0)
    decoder = ChannelDecoder(16, 4, 3, width=16, depth=2, heads=2).eval()
    mask = random_mask(1, 12, 0.5, torch.device("cpu"))
    encoded = torch.randn(1, 7, 16)
    x = torch.randn(1, 3, 4, 16)
    order = torch.tensor([2, 0, 1])
    for block in decoder.blocks:
        plain = block(x, torch.arange(3))
        torch.testing.assert_close(block(x[:, order], order), plain[:, order])
    assert decoder(encoded, mask, torch.zeros(4, 16)).shape == (1, 3, 4, 4)


def test_stacked_layers_equal_a_loop_over_channels():
    torch.manual_seed(0)
    layer, x = StackedLinear(3, 5, 4), torch.randn(2, 3, 6, 5)
    looped = torch.stack([x[:, c] @ layer.weight[c] + layer.bias[c] for c in range(3)], dim=1)
    torch.testing.assert_close(layer(x, torch.arange(3)), looped)


def test_gradients_of_stacked_blocks_and_losses_are_those_of_differences():
    torch.manual_seed(0)
    block = StackedBlock(2, 4, 2).double()
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda each: block(each, torch.tensor([1, 0])), (x,), eps=1e-6, atol=1e-5)


def test_thirty_steps_fit_four_images():
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    images = torch.stack([torch.sin(x / (2 + i)) * torch.cos(y / (3 + i)) for i in range(4)])[:, None].repeat(
        1, 2, 1, 1
    )
    model = MaskedAutoencoder(TINY, 2, decoding="shared", decoder=(64, 2, 4))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for step in range(30):
        loss = model(images, generator=torch.Generator().manual_seed(step)).loss(0.01)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.35 * losses[0]
