"""The objective of masked images: reconstruct hidden patches."""

from typing import Any

import torch

from phenolens.nets import MaskedAutoencoder, MaskedUNet, Reconstruction
from phenolens.training.objective import Objective


class MaskedImages(Objective):
    """A masked autoencoder or U-Net.

    Parameters
    ----------
    fourier_weight
        The weight of the Fourier loss.
    channels_per_step
        The number of channels drawn in each step; all if None.
    **rest
        As in `Objective`.
    """

    def __init__(
        self,
        model: MaskedAutoencoder | MaskedUNet,
        *args: Any,
        fourier_weight: float = 0.0,
        channels_per_step: int | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(model, *args, **rest)
        self.fourier_weight = fourier_weight
        self.channels_per_step = channels_per_step

    def loss(self, x: torch.Tensor, batch: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
        """Return the reconstruction error of hidden patches; see `Objective.loss`."""
        return self.reconstruct(x, generator).loss(self.fourier_weight)

    def reconstruct(self, x: torch.Tensor, generator: torch.Generator) -> Reconstruction:
        """Hide patches of standardised images (B, C, H, W), in channels drawn for this step, and reconstruct them."""
        model = self.model
        if isinstance(model, MaskedUNet):
            return model.reconstruct(x, generator)
        channels = None
        if self.channels_per_step is not None and self.channels_per_step < x.shape[1]:
            order = torch.randperm(x.shape[1], generator=generator, device=generator.device)
            channels = order[: self.channels_per_step].sort().values
            x = x[:, channels]
        return model(x, channels=channels, generator=generator)
