"""Ways to draw the weights of an untrained network."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import nn

Initialisation = Literal["own", "orthogonal", "scaled"]
INITIALISATIONS: tuple[Initialisation, ...] = get_args(Initialisation)


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
    """Draw the weights of all linear and convolutional layers anew, in place.

    Parameters
    ----------
    model
        A network as its architecture initialises it.
    how
        ``own``: nothing more. ``orthogonal``: orthonormal rows or columns. ``scaled``: normal, with the variance that
        keeps that of the signal, one over the number of inputs, or twice that before a rectifier (He et al., 2015).
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.any():
            # timm zeroes the last norm of each residual branch, which would remove the branch for good here.
            nn.init.ones_(module.weight)
        if how == "own" or not isinstance(module, nn.Linear | nn.Conv2d):
            continue
        if how == "orthogonal":
            nn.init.orthogonal_(module.weight)
        else:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu" if isinstance(module, nn.Conv2d) else "linear")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
