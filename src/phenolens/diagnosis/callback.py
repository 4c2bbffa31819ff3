"""Callbacks of Lightning that score an encoder while it trains: is it better than the untrained network?"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from phenolens.datasets import Manifest
from phenolens.diagnosis.while_training import ScoresWhileTraining, TrainingDiagnosis
from phenolens.encoders.network import Network, NetworkEncoder
from phenolens.images import Crop
from phenolens.nets import embedder, initialise
from phenolens.tasks import Task

_TRAINED, _UNTRAINED = "checkpoint:in-training", "twin/checkpoint:in-training"


class LightningDiagnosis(Callback):
    """Score a model of yours while Lightning trains it, at the start and every so many steps.

    Parameters
    ----------
    diagnosis
        What is scored; its function `encoder` gets the `LightningModule`.
    """

    def __init__(self, diagnosis: TrainingDiagnosis) -> None:
        self.diagnosis = diagnosis

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Score what training starts from."""
        if trainer.is_global_zero:
            self.diagnosis.check(trainer.global_step, module)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Score the model if it is due."""
        if trainer.is_global_zero:
            self.diagnosis.check(trainer.global_step, module)


class DiagnoseWhileTraining(Callback):
    """Score the encoder and its untrained counterpart, the network at step 0, every so many steps of `train`.

    Parameters
    ----------
    folder, manifest, channels, tasks, crop, profilings
        As in `ScoresWhileTraining`.
    every
        In steps.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        channels: Sequence[str],
        tasks: Sequence[Task],
        every: int,
        *,
        crop: Crop | None = None,
        profilings: Sequence[str] = ("raw",),
    ) -> None:
        self.channels = tuple(channels)
        self.every = every
        self._scores = ScoresWhileTraining(
            folder, manifest, tasks, channels=self.channels, crop=crop, profilings=profilings
        )
        self._untrained: torch.nn.Module | None = None
        self._has_begun = False
        self._last_step = -1

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Keep what training starts from, with open residual branches; an earlier state is not loaded yet."""
        self._untrained = copy.deepcopy(embedder(module.model)).cpu()  # type: ignore[arg-type]
        initialise(self._untrained, "own")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Evaluate the network every so many steps."""
        step = trainer.global_step
        if step == self._last_step or step % self.every or not trainer.is_global_zero:
            return
        self._last_step = step
        device = str(module.device)
        if not self._has_begun:
            assert self._untrained is not None  # noqa: S101 - set up before any step
            self._scores.begin(self._as_encoder(_UNTRAINED, self._untrained, device), device)
            self._has_begun = True
        network = copy.deepcopy(embedder(module.model))  # type: ignore[arg-type]
        for row in self._scores.add(step, self._as_encoder(_TRAINED, network, device), device):
            module.log(f"gain/{row.task}", row.gain)

    def _as_encoder(self, name: str, network: torch.nn.Module, device: str) -> NetworkEncoder:
        return NetworkEncoder(name, Network(network, self.channels), device=device)
