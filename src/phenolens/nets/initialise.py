"""Initialisation of untrained networks."""

import re
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import nn

Initialisation = Literal["own", "orthogonal", "scaled"]
INITIALISATIONS: tuple[Initialisation, ...] = get_args(Initialisation)

_NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm
_SCALE = re.compile(r"gamma\w*|ls\d|scale|gain|skipinit_gain")  # timm's names for the factor of a residual branch
_CLOSED = 0.2  # no branch is initialised between this and 1


def draw(make: Callable[[], nn.Module], seed: int, how: Initialisation = "own") -> nn.Module:
    """Create a network with weights drawn from a seed, without changing the global random state.

    Parameters
    ----------
    make
        Returns the network with the initialisation of its architecture.
    seed
        The seed of the weights.
    how
        As in `initialise`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make()
        initialise(model, how)
    return model


@torch.no_grad()
def redraw(model: nn.Module) -> None:
    """Draw the weights of any network anew, in place, from the global random state.

    Each module that can reset its parameters (``reset_parameters``, as all layers of torch have) does so, inner modules
    before those that hold them. A parameter that is then still as before, such as a class token, keeps its values, in
    random order. Buffers stay, except those that a reset sets back, such as the statistics of batch normalisation.

    Parameters
    ----------
    model
        A network of any origin.

    Raises
    ------
    ValueError
        If all parameters are as before: there are none, or each has only one value.
    """
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for module in reversed(list(model.modules())):
        reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
        if callable(reset):
            reset()
    for name, value in model.named_parameters():
        if torch.equal(value, before[name]):
            order = torch.randperm(value.numel(), device=value.device)
            value.copy_(value.flatten()[order].reshape(value.shape))
    if all(torch.equal(value, before[name]) for name, value in model.named_parameters()):
        raise ValueError("it has no weights that could be drawn anew")


def initialise(model: nn.Module, how: Initialisation) -> None:
    """Draw new weights of all linear and convolutional layers, and open all residual branches, in place.

    Architectures often initialise residual branches at or near zero (LayerScale, the last norm of a block), and
    training opens them. Without training, such a network would be only its stem: the mean over patches of a linear
    projection.

    Parameters
    ----------
    model
        A network with the initialisation of its architecture.
    how
        ``own``: the weights of the architecture's initialisation. ``orthogonal``: orthonormal rows or columns.
        ``scaled``: normal, with a variance that keeps that of the signal: one over the number of inputs, or twice that
        before a rectifier (He et al., 2015).
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
    """Set factors of residual branches at or near zero to one."""
    for name, factor in module.named_parameters(recurse=False):
        is_factor = (name == "weight" and isinstance(module, _NORMS)) or _SCALE.fullmatch(name)
        if is_factor and bool((factor.abs() < _CLOSED).all()):
            nn.init.ones_(factor)
