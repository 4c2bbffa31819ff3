"""The base class of objectives: standardised images, optimisers, and randomness that can be resumed."""

import hashlib
from typing import Any

import torch
from lightning.pytorch import LightningModule
from timm.optim.lion import Lion
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from phenolens.core.errors import TrainingError
from phenolens.images import self_standardise
from phenolens.training.options import OptimiserOptions


class Objective(LightningModule):
    """A network and its loss, which subclasses define.

    Parameters
    ----------
    model
        The network.
    optimiser
        The options of the optimiser.
    steps
        The number of steps.
    seed
        The seed of masks, dropped paths and drawn channels.
    """

    def __init__(self, model: nn.Module, optimiser: OptimiserOptions, *, steps: int, seed: int = 0) -> None:
        super().__init__()
        self.model = model
        self.optimiser = optimiser
        self.steps = steps
        self.seed = seed

    def loss(self, x: torch.Tensor, batch: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
        """Return the loss of standardised images.

        Parameters
        ----------
        x
            (B, C, H, W), or (B, 2, C, H, W) for pairs of views.
        batch
            The batch of the stream, with ``row``, ``index`` and ``label``.
        generator
            The source of randomness, on the device.
        """
        raise NotImplementedError

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch; all draws are determined by the position of the batch in the stream."""
        seed = _seed(self.seed, int(batch["index"][0]))
        torch.manual_seed(seed)  # for draws from the global state, such as dropped paths
        generator = torch.Generator(self.device).manual_seed(seed)
        pixels = batch["pixels"]
        x = self_standardise(pixels.flatten(0, -4)).reshape(pixels.shape)
        loss = self.loss(x, batch, generator)
        if not torch.isfinite(loss):
            raise NotFiniteError(batch["row"].tolist(), self.global_step)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its one-cycle schedule; norms, biases and tokens have no weight decay."""
        options = self.optimiser
        decayed = [p for p in self.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimiser: torch.optim.Optimizer = (
            Lion(groups, lr=options.learning_rate, betas=options.betas)
            if options.name == "lion"
            else torch.optim.AdamW(groups, lr=options.learning_rate, betas=options.betas, fused=True)
        )
        steps = max(3, self.steps)  # its shortest; its peak lies at the second step at the earliest
        schedule = OneCycleLR(
            optimiser,
            options.learning_rate,
            total_steps=steps,
            pct_start=max(options.warm_up, 2 / steps),
            cycle_momentum=False,
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class NotFiniteError(TrainingError):
    """The loss is NaN or infinite.

    Attributes
    ----------
    rows
        The rows of the batch.
    step
        The step.
    """

    def __init__(self, rows: list[int], step: int) -> None:
        super().__init__(f"the loss is not finite at step {step}, rows {rows[:8]}")
        self.rows = rows
        self.step = step


def _seed(seed: int, place: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{place}".encode()).digest()[:7])
