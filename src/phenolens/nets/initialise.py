"""Ways to draw the weights of an untrained network."""

import re
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import nn

Initialisation = Literal["own", "orthogonal", "scaled"]
INITIALISATIONS: tuple[Initialisation, ...] = get_args(Initialisation)

_NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm
_SCALE = re.compile(r"gamma\w*|ls\d|scale|gain|skipinit_gain")  # what timm calls the factor of a residual branch
_CLOSED = 0.2  # no branch starts between this and 1


def draw(make: Callable[[], nn.Module], seed: int, how: Initialisation = "own") -> nn.Module:
    """Make a network with weights drawn from a seed; what is drawn elsewhere does not change.

    Parameters
    ----------
    make
        Makes the network as its architecture initialises it.
    seed
        Of the weights.
    how
        As in `initialise`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make()
        initialise(model, how)
    return model


def initialise(model: nn.Module, how: Initialisation) -> None:
    """Draw the weights of all linear and convolutional layers anew, and open all residual branches, in place.

    Recipes of training start residual branches at or near zero (LayerScale, the last norm of a block), where training
    opens them. Untrained, such a network would be nothing but its stem: the mean over patches of one linear projection.

    Parameters
    ----------
    model
        A network as its architecture initialises it.
    how
        ``own``: none are drawn anew. ``orthogonal``: orthonormal rows or columns. ``scaled``: normal, with the
        variance that keeps that of the signal, one over the number of inputs, or twice that before a rectifier (He et
        al., 2015).
    """
    for module in model.modules():
        _open(module)
        if how == "own" or not isinstance(module, nn.Linear | nn.Conv2d):
            continue
        if how == "orthogonal":
            nn.init.orthogonal_(module.weight)
        else:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu" if isinstance(module, nn.Conv2d) else "linear")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _open(module: nn.Module) -> None:
    """Set the factors of residual branches that start at or near zero to one."""
    for name, factor in module.named_parameters(recurse=False):
        is_factor = (name == "weight" and isinstance(module, _NORMS)) or _SCALE.fullmatch(name)
        if is_factor and bool((factor.abs() < _CLOSED).all()):
            nn.init.ones_(factor)
