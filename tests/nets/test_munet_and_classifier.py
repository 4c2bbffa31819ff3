"""The masked U-Net and the classifier: shapes, what is hidden, learning, and statistics that adapt."""

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from phenolens.nets import Classifier, MaskedUNet, adapt_batch_norm
from phenolens.nets.patches import patchify, unpatchify


def test_a_masked_unet_fills_in_a_quarter_and_embeds():
    torch.manual_seed(0)
    model = MaskedUNet(2, width=8, depth=2, patch=8)
    x = torch.randn(3, 2, 32, 64)
    found = model.reconstruct(x)
    assert found.predicted.shape == found.target.shape == (3, 1, 32, 128)
    assert found.hidden.float().mean().item() == pytest.approx(0.25)
    assert model(x).shape == (3, model.num_features) == (3, 32)
    found.loss(0.01).backward()
    with pytest.raises(ValueError, match="cannot be halved 2 times"):
        model(torch.zeros(1, 2, 32, 30))


def test_a_masked_unet_does_not_see_what_is_hidden():
    """What is hidden changes the target, and nothing of what is guessed."""
    torch.manual_seed(0)
    model = MaskedUNet(2, width=8, depth=2, patch=8).eval()
    x = torch.randn(1, 2, 32, 32)
    first = model.reconstruct(x, torch.Generator().manual_seed(3))
    changed = patchify(x, 8, per_channel=False)
    changed[first.hidden] += 10
    second = model.reconstruct(unpatchify(changed, 8, (2, 32, 32)), torch.Generator().manual_seed(3))
    assert torch.equal(first.hidden, second.hidden)
    torch.testing.assert_close(first.predicted, second.predicted)
    assert not torch.allclose(first.target, second.target)


def test_a_masked_unet_learns():
    torch.manual_seed(0)
    model = MaskedUNet(1, width=16, depth=2, patch=8)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    images = torch.stack([torch.sin((x + y) / (2 + i)) for i in range(4)])[:, None]
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for step in range(30):
        loss = model.reconstruct(images, torch.Generator().manual_seed(step)).loss()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.5 * losses[0]


def test_a_classifier_fits_what_is_plain():
    torch.manual_seed(0)
    model = Classifier(timm.create_model("test_resnet", num_classes=0, in_chans=1), 3)
    x = torch.randn(12, 1, 32, 32) + 2 * torch.arange(3).repeat(4)[:, None, None, None]
    y = torch.arange(3).repeat(4)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(30):
        loss = F.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.2


def test_statistics_adapt_to_the_images_given():
    """A plate that is brighter by a gain and an offset is brought back to what the network knows."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=0, in_chans=1)
    x = torch.randn(64, 1, 32, 32)
    assert adapt_batch_norm(model, [x]) > 0
    before = model(x)
    brighter = 1.7 * x
    shifted = model(brighter)
    adapt_batch_norm(model, brighter.split(64))
    assert not model.training
    assert (model(brighter) - before).norm() < 0.2 * (shifted - before).norm()
    assert adapt_batch_norm(torch.nn.Linear(2, 2), []) == 0
