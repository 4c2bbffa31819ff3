"""Torch modules alone: what their names promise."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from phenolens.images import self_standardise
from phenolens.nets import (
    INITIALISATIONS,
    GraphNetwork,
    MaskedAutoencoder,
    MicroscopyViT,
    RandomConvolutions,
    Size,
    initialise,
    sincos_positions,
)


@pytest.fixture
def vit():
    torch.manual_seed(0)
    model = MicroscopyViT(Size(48, 2, 3, 8), None).eval()
    initialise(model, "scaled")
    return model


@torch.inference_mode()
def test_channels_of_any_number_and_order(vit):
    x = torch.randn(2, 3, 32, 32)
    assert vit(x).shape == (2, 48)
    torch.testing.assert_close(vit(x[:, [2, 0, 1]]), vit(x), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(vit(x[:, :2]), vit(x), atol=1e-3)


@torch.inference_mode()
def test_where_a_patch_lies_matters(vit):
    x = torch.randn(1, 1, 32, 32)
    moved = torch.roll(x, (8, 8), dims=(2, 3))
    assert not torch.allclose(vit(moved), vit(x), atol=1e-6)


def test_positions_are_unique_and_near_for_neighbours():
    found = sincos_positions(5, 7, 32)
    assert found.shape == (35, 32)
    assert len(torch.unique(found.round(decimals=5), dim=0)) == 35
    grid = found.reshape(5, 7, 32)
    assert (grid[2, 3] - grid[2, 4]).norm() < (grid[2, 3] - grid[4, 6]).norm()
    y, x = np.mgrid[:5, :7]
    frequency = 10_000.0 ** -(np.arange(8) / 8)
    np.testing.assert_allclose(grid[..., :8], np.sin(y[..., None] * frequency), atol=1e-6)
    np.testing.assert_allclose(grid[..., 24:], np.cos(x[..., None] * frequency), atol=1e-6)
    with pytest.raises(ValueError, match="multiple of 4"):
        sincos_positions(2, 2, 30)


@pytest.mark.parametrize("how", INITIALISATIONS)
def test_initialisations(how):
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=0)
    initialise(model, how)
    weight = model.layer3[0].conv1.weight.detach().flatten(1)
    if how == "orthogonal":
        torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)), atol=1e-4, rtol=0)
    if how == "scaled":
        assert abs(weight.var().item() * weight.shape[1] - 2) < 0.1
    assert model.eval()(torch.randn(1, 3, 64, 64)).std() > 0


CLOSED = {  # architectures whose residual branches start at or near zero, and what closes them
    "resnet18": "bn2.weight",
    "regnety_002": "bn.weight",
    "eca_nfnet_l0": "gain",
    "dm_nfnet_f0": "skipinit_gain",
    "swinv2_cr_tiny_224": "norm2.weight",
    "levit_128s": "bn.weight",
    "vit_relpos_small_patch16_224": "ls1.gamma",
    "cait_xxs24_224": "gamma_1",
    "convnext_atto": "gamma",
    "resmlp_12_224": "ls1",
    "poolformer_s12": "scale",
    "swiftformer_xs": "gamma",
}


def factors(model):
    """The parameters that are one small number throughout, but for those that are added."""
    return {
        name
        for name, value in model.named_parameters()
        if not any(word in name for word in ("bias", "beta", "pos"))
        and (value == value.flatten()[0]).all()
        and value.flatten()[0].abs() < 0.2
    }


@pytest.mark.parametrize("architecture", CLOSED)
def test_residual_branches_of_untrained_networks_are_open(architecture):
    torch.manual_seed(0)
    model = timm.create_model(architecture, num_classes=0)
    assert any(name.endswith(CLOSED[architecture]) for name in factors(model))
    initialise(model, "own")
    assert not factors(model)


@torch.inference_mode()
def test_an_untrained_autoencoder_is_more_than_the_mean_of_its_patches():
    def share_of_blocks(model):
        """How much of what tells images apart is lost without the blocks."""
        whole = model(x)
        model.backbone.blocks = nn.Identity()
        stem = model(x)
        return float((whole - stem).std(dim=0).mean() / whole.std(dim=0).mean())

    torch.manual_seed(0)
    x = self_standardise(torch.rand(16, 2, 64, 64) ** torch.linspace(0.2, 5, 16)[:, None, None, None])
    closed, opened = (MaskedAutoencoder(Size(48, 2, 3, 8), 2, decoder=(32, 1, 2)).encoder.eval() for _ in range(2))
    initialise(opened, "own")
    assert share_of_blocks(closed) < 0.01
    assert share_of_blocks(opened) > 0.5


@torch.inference_mode()
def test_random_kernels_are_blind_to_brightness_and_see_scale():
    torch.manual_seed(0)
    bank = RandomConvolutions(2, kernels=4).eval()
    x = torch.randn(3, 2, 40, 40)
    found = bank(x)
    assert found.shape == (3, bank.num_features)
    torch.testing.assert_close(bank(x + 5), found, rtol=1e-3, atol=1e-3)
    smooth = torch.nn.functional.avg_pool2d(x, 5, stride=1, padding=2)
    assert not torch.allclose(bank(smooth / smooth.std()), found, atol=0.05)
    assert torch.isfinite(bank(torch.randn(1, 2, 5, 60))).all()


@torch.inference_mode()
def test_pooled_answers_equal_those_of_a_plain_loop():
    torch.manual_seed(1)
    bank = RandomConvolutions(1, kernels=2)
    x = torch.randn(1, 1, 30, 30)
    expected = []
    for each in bank.banks:
        maps = torch.nn.functional.conv2d(x, each.weight, each.bias, each.stride, dilation=each.dilation)[0]
        expected += [(one > 0).float().mean() for one in maps]
        expected += [one.max() for one in maps]
        expected += [one.std(unbiased=False) for one in maps]
    torch.testing.assert_close(bank(x)[0], torch.stack(expected), rtol=1e-5, atol=1e-5)


def ring(n):
    """Nodes on a ring, each linked with the next and the one before."""
    node = torch.arange(n)
    return torch.stack([node.repeat(2), torch.cat([(node + 1) % n, (node - 1) % n])])


@torch.inference_mode()
def test_a_graph_network_sees_neighbours_and_not_the_order_of_nodes():
    torch.manual_seed(0)
    model = GraphNetwork(3, 8, 2)
    x = torch.randn(12, 3)
    moved = torch.roll(x, 4, dims=0)
    torch.testing.assert_close(model.pool(x, ring(12)), model.pool(moved, ring(12)), rtol=1e-4, atol=1e-5)
    shuffled = x[torch.randperm(12)]
    assert not torch.allclose(model.pool(x, ring(12)), model.pool(shuffled, ring(12)), atol=1e-3)


def test_a_graph_network_learns_to_guess_what_its_neighbours_tell():
    torch.manual_seed(0)
    x = torch.sin(torch.arange(64) / 64 * 2 * torch.pi * 3)[:, None]
    model = GraphNetwork(1, 16, 2)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(150):
        loss = model.masked_loss(x, ring(64), torch.rand(64) < 0.2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-20:]) < 0.2 * np.mean(losses[:5])
