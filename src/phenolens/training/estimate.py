"""Estimates of a training run before it is started: parameters, operations, memory, hours."""

from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from phenolens.nets import Classifier, Contrastive, MaskedAutoencoder, MaskedUNet, embedder
from phenolens.training.options import DataOptions, ModelOptions, OptimiserOptions, RunOptions
from phenolens.training.train import check_fit, make_network

_GIB = 2.0**30


@dataclass(frozen=True)
class Estimate:
    """The cost of a training run.

    Attributes
    ----------
    parameters, encoder_parameters
        Parameters of the whole network, and of its encoder.
    flops_per_step
        Operations of a step over all devices, forward and backward; a multiply-add counts as two.
    state_gib
        Weights, gradients and optimiser state on one device, without sharding.
    activations_gib
        Activations that one device keeps for the backward pass of a batch, scaled from one image.
    images
        The total number of crops.
    gpu_hours
        Hours on the given device at the given utilisation.
    """

    parameters: int
    encoder_parameters: int
    flops_per_step: float
    state_gib: float
    activations_gib: float
    images: int
    gpu_hours: float


def estimate(
    model: ModelOptions,
    n_channels: int,
    *,
    n_classes: int = 2,
    data: DataOptions | None = None,
    optimiser: OptimiserOptions | None = None,
    run: RunOptions | None = None,
    devices: int = 1,
    teraflops: float = 989.0,
    utilisation: float = 0.4,
) -> Estimate:
    """Estimate the cost of a training run from one forward and backward pass of one image.

    Parameters
    ----------
    model, n_channels, n_classes, data, optimiser, run
        As in `train`.
    devices
        The number of devices.
    teraflops, utilisation
        The peak of a device in 10^12 operations per second, and the share of it that is reached. The default peak is
        that of an H100 or H200 in bf16 (NVIDIA's data sheet, without sparsity).

    Raises
    ------
    TrainingError
        If the network cannot be built, or the crop does not fit it.
    """
    data, optimiser, run = data or DataOptions(), optimiser or OptimiserOptions(), run or RunOptions()
    network, _ = make_network(model, n_channels, n_classes)
    check_fit(network, n_channels, data.crop)
    kept = 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    image = torch.randn(1, n_channels, data.crop, data.crop)
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):  # operations of fused attention are not counted on all devices
        _loss(network, image).backward()
    weights = {parameter.data_ptr() for parameter in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: tensor if tensor.data_ptr() in weights else count(tensor), lambda tensor: tensor
    ):
        _loss(network, image)
    flops = counter.get_total_flops() * data.batch_size
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    moments = 1 if optimiser.name == "lion" else 2
    half = 0.5 if run.precision != "32-true" else 1.0
    per_device = data.batch_size / run.accumulate / devices
    layers = 0.1 if run.gradient_checkpointing else 1.0
    return Estimate(
        n_parameters,
        sum(parameter.numel() for parameter in embedder(network).parameters()),
        flops,
        4 * (2 + moments) * n_parameters / _GIB,
        kept * per_device * half * layers / _GIB,
        data.batch_size * run.steps,
        flops * run.steps / (teraflops * 1e12 * utilisation) / 3600,
    )


def _loss(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    if isinstance(network, MaskedAutoencoder):
        return network(x).loss()
    if isinstance(network, MaskedUNet):
        return network.reconstruct(x).loss()
    if isinstance(network, Contrastive):
        return network.eval()(torch.stack([x, x], dim=1))
    assert isinstance(network, Classifier)  # noqa: S101 - there are no others
    return network.eval()(x).sum()
