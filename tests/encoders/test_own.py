"""A model of the user: what it may return, its untrained counterpart, and what is refused."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

import phenolens as pl
from phenolens.core.errors import EncoderError
from phenolens.images import scale_to_unit, self_standardise, standardise
from phenolens.nets import redraw

CHANNELS = ("dna", "er")


def conv_net(channels=2):
    return nn.Sequential(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def images(n=3, side=24, channels=2):
    return np.random.default_rng(0).integers(0, 4000, (n, channels, side, side)).astype(np.uint16)


def vectors_of(model, pixels, **options):
    options = {"channels": CHANNELS, "name": "mine", "seeds": 0} | options
    ((_, encoder),) = pl.encoder(model, **options).create(CHANNELS)
    return encoder.embed(pixels, CHANNELS)


def test_a_module_gives_the_vectors_that_it_gives_by_itself():
    net, pixels = conv_net().eval(), torch.from_numpy(images())
    with torch.no_grad():
        expected = net(self_standardise(pixels)).numpy()
        of_unit = net(scale_to_unit(pixels)).numpy()
        of_raw = net(pixels.float()).numpy()
        of_given = net(standardise(scale_to_unit(pixels), [0.1, 0.2], [0.3, 0.4])).numpy()
    assert_allclose(vectors_of(net, pixels), expected, rtol=1e-5)
    assert_allclose(vectors_of(net, pixels, normalise="unit"), of_unit, rtol=1e-5)
    assert_allclose(vectors_of(net, pixels, normalise="raw"), of_raw, rtol=1e-5)
    assert_allclose(vectors_of(net, pixels, normalise=([0.1, 0.2], [0.3, 0.4])), of_given, rtol=1e-4)


def test_channels_are_taken_by_name_and_in_the_order_of_the_model():
    net, pixels = conv_net(), images()
    ((_, encoder),) = pl.encoder(net, name="mine", channels=["er", "dna"], seeds=0).create(("x", *CHANNELS))
    swapped = vectors_of(net, pixels[:, ::-1].copy())
    with_another = np.concatenate([pixels[:, :1] * 0, pixels], axis=1)
    assert_allclose(encoder.embed(with_another, ("x", *CHANNELS)), swapped, rtol=1e-5)


def test_a_model_of_one_channel_reads_them_one_by_one():
    net, pixels = conv_net(1), images()
    found = vectors_of(net, pixels, mixing="concat")
    first = vectors_of(net, pixels, channels=["dna"])
    assert found.shape == (3, 12)
    assert_allclose(found[:, :6], first, rtol=1e-5)


def summary(x):
    """Return two numbers per channel of images (B, C, H, W)."""
    return torch.cat([x.mean(dim=(2, 3)), x.std(dim=(2, 3))], dim=1)


@pytest.mark.parametrize(
    ("returns", "options"),
    [
        (summary, {}),
        (lambda x: summary(x).numpy(), {}),
        (lambda x: (summary(x), None), {}),
        (lambda x: [summary(x)], {}),
        (lambda x: OrderedDict(last_hidden_state=summary(x)), {}),
        (lambda x: {"other": x, "wanted": summary(x)}, {"output": lambda found: found["wanted"]}),
        (lambda x: summary(x)[:, None].repeat(1, 7, 1), {}),
        (lambda x: summary(x)[:, :, None, None].repeat(1, 1, 3, 3), {}),
    ],
    ids=["tensor", "array", "tuple", "list", "mapping", "output", "tokens", "maps"],
)
def test_what_a_function_may_return(returns, options):
    pixels = images()
    expected = summary(torch.from_numpy(pixels).float()).numpy()
    assert_allclose(vectors_of(returns, pixels, normalise="raw", **options), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (lambda x: x.mean(), {}, r"'mine' returns \(\) for 2 images"),
        (lambda x: x.flatten(0, 1).mean(dim=2), {}, r"'mine' returns \(4, 256\) for 2 images"),
        (lambda x: x[:, :, None], {}, r"returns \(2, 2, 1, 256, 256\)"),
        (lambda x: "no", {}, "'mine' returns str, not a tensor; set output"),
        (lambda x: summary(x) / 0, {}, "NaN or infinite"),
        (lambda x: summary(x) - summary(x).mean(dim=0), {}, "must depend on its image only"),
        (lambda x: torch.rand(len(x), 3), {}, "must depend on its image only"),
        (conv_net(3), {}, r"fails for images of 2 channels and 256 x 256 pixels .*check channels, size and mixing"),
        (nn.Sequential(nn.Flatten(), nn.Linear(32, 3)), {"size": 8}, "fails for images of 2 channels and 8 x 8"),
        (conv_net(), {"channels": ["dna", "ER"]}, "reads a channel 'ER'; did you mean 'er'"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_image_is_read(model, options, said):
    with pytest.raises(EncoderError, match=said):
        vectors_of(model, images(), **options)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("timm/resnet18", {}, "a torch module or a function, found str"),
        (lambda x: x, {"name": None}, "'<lambda>' is no name; give name="),
        (conv_net(), {"name": "cell-count"}, "the name of another encoder"),
        (conv_net(), {"name": "../mine"}, "is no name"),
        (conv_net(), {"channels": "dna"}, "channels is a list of names"),
        (conv_net(), {"mixing": "both"}, "mixing is joint or concat, found 'both'"),
        (conv_net(), {"normalise": "zscore"}, "normalise is image, unit, raw"),
    ],
)
def test_what_is_no_description_of_a_model_is_refused(model, options, said):
    with pytest.raises(EncoderError, match=said):
        pl.encoder(model, **({"name": "mine", "channels": CHANNELS} | options))


def test_the_module_itself_stays_as_it_is():
    net = conv_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    pl.encoder(net, name="mine", channels=CHANNELS).create(CHANNELS)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_untrained_counterparts_have_other_weights_by_seed():
    net, state = conv_net(), torch.random.get_rng_state()
    mine = pl.encoder(net, name="mine", channels=CHANNELS)
    made = {info.id: (info, encoder) for info, encoder in mine.create(CHANNELS)}
    again = {info.id: encoder.weights_hash for info, encoder in mine.create(CHANNELS)}
    assert list(made) == ["mine", "twin/mine@seed=0", "twin/mine@seed=1", "twin/mine@seed=2"]
    assert [info.role for info, _ in made.values()] == ["tested", *["untrained"] * 3]
    assert {info.name for info, _ in made.values()} == {"mine", "twin/mine"}
    assert made["mine"][0].counterpart == "twin/mine"
    assert {name: encoder.weights_hash for name, (_, encoder) in made.items()} == again
    assert len(set(again.values())) == 4
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_hash_changes_with_whatever_changes_vectors():
    net = conv_net().eval()

    def hash_of(model=net, **options):
        options = {"name": "mine", "channels": CHANNELS, "seeds": 0} | options
        ((_, encoder),) = pl.encoder(model, **options).create(CHANNELS)
        return encoder.weights_hash

    hashes = {
        hash_of(),
        hash_of(normalise="unit"),
        hash_of(size=32),
        hash_of(size=256),
        hash_of(output=lambda found: found[:, :3]),
        hash_of(conv_net()),
        hash_of(channels=("er", "dna")),
        hash_of(summary),
        hash_of(lambda x: 2 * summary(x)),
    }
    assert len(hashes) == 9
    assert hash_of() == hash_of()


class WithToken(nn.Module):
    """A module with a parameter that no reset reaches."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.arange(8.0))
        self.attention = nn.MultiheadAttention(8, 2)
        self.norm = nn.BatchNorm1d(8)
        self.register_buffer("positions", torch.arange(5.0))


def test_every_weight_is_drawn_anew():
    torch.manual_seed(0)
    net = WithToken()
    for value in net.parameters():
        nn.init.normal_(value, mean=3)
    net.token.data = torch.arange(8.0)
    net.norm.running_mean += 5
    net.norm.running_var += 5
    before = {name: value.clone() for name, value in net.state_dict().items()}
    redraw(net)
    after = net.state_dict()
    unchanged = [name for name in before if torch.equal(before[name], after[name])]
    assert unchanged == ["positions", "norm.num_batches_tracked"]
    assert sorted(after["token"].tolist()) == list(range(8))
    assert float(after["attention.in_proj_weight"].abs().max()) < 1
    assert after["norm.running_mean"].tolist() == [0.0] * 8
    assert after["norm.weight"].tolist() == [1.0] * 8


class SetsItself(nn.Linear):
    """A layer with an initialisation of its own."""

    def reset_parameters(self):
        nn.init.constant_(self.bias, 7)
        nn.init.normal_(self.weight, 100, 1)


class OfItsOwnKind(nn.Module):
    """A module that initialises the layers that it holds."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def reset_parameters(self):
        nn.init.normal_(self.inner.weight, 50, 1)


def test_an_initialisation_of_its_own_is_kept():
    outer, layer = OfItsOwnKind(), SetsItself(3, 3)
    redraw(outer)
    redraw(layer)
    assert float(outer.inner.weight.detach().mean()) == pytest.approx(50, abs=3)
    assert float(layer.weight.detach().mean()) == pytest.approx(100, abs=3)


@pytest.mark.parametrize(
    "model", [nn.Flatten(), nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())], ids=["flatten", "pooling"]
)
def test_what_has_no_weights_has_no_counterpart(model):
    mine = pl.encoder(model, name="mine", channels=CHANNELS, size=8)
    with pytest.raises(EncoderError, match=r"has no untrained counterpart .it has no weights.*seeds=0"):
        mine.create(CHANNELS)
    assert vectors_of(model, images(side=8), size=8).shape[0] == 3


def test_a_function_has_no_counterpart_and_that_is_said(caplog):
    mine = pl.encoder(summary, channels=CHANNELS)
    ((info, _),) = mine.create(CHANNELS)
    assert (info.id, info.role, info.counterpart) == ("summary", "tested", "")
    assert "its untrained counterpart cannot be drawn" in caplog.text
