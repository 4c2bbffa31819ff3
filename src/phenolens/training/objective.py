"""What all objectives share: standardised images, the recipe's optimisers, randomness that can be resumed."""

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
    """A network and what it minimises; a subclass says the loss of a batch.

    Parameters
    ----------
    model
        The network.
    optimiser
        How weights are changed.
    steps
        How many changes there will be.
    seed
        Of masks, dropped paths and drawn channels.
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
            As the stream gives it: ``row``, ``index``, ``label``.
        generator
            Of whatever is drawn, on the device.
        """
        raise NotImplementedError

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch; all that is drawn follows from the batch's place in the stream."""
        seed = _seed(self.seed, int(batch["index"][0]))
        torch.manual_seed(seed)  # for what draws on the global state, such as dropped paths
        generator = torch.Generator(self.device).manual_seed(seed)
        pixels = batch["pixels"]
        x = self_standardise(pixels.flatten(0, -4)).reshape(pixels.shape)
        loss = self.loss(x, batch, generator)
        if not torch.isfinite(loss):
            raise NotFiniteError(batch["row"].tolist(), self.global_step)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its one-cycle schedule; norms, biases and tokens are not decayed."""
        own = self.optimiser
        decayed = [p for p in self.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": own.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimiser: torch.optim.Optimizer = (
            Lion(groups, lr=own.learning_rate, betas=own.betas)
            if own.name == "lion"
            else torch.optim.AdamW(groups, lr=own.learning_rate, betas=own.betas, fused=True)
        )
        steps = max(3, self.steps)  # its shortest; its peak lies at the second step at the earliest
        schedule = OneCycleLR(
            optimiser,
            own.learning_rate,
            total_steps=steps,
            pct_start=max(own.warm_up, 2 / steps),
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
