"""Diagnose an encoder while it trains: is it ahead of what it started from?"""

import copy
import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from phenolens.datasets import Manifest
from phenolens.embedding import embed
from phenolens.encoders.network import Network, NetworkEncoder
from phenolens.evaluation import evaluate
from phenolens.images import Crop
from phenolens.nets import embedder, initialise
from phenolens.tasks import Task

_log = logging.getLogger(__name__)

FILE = "diagnosis.csv"
_NAME, _TWIN = "checkpoint:in-training", "twin/checkpoint:in-training"
_COLUMNS = ("step", "task", "profiling", "value", "twin", "gain", "low", "high", "n_units")

_LOGGED = ("step", "task", "gain", "low", "high")


class DiagnoseWhileTraining(Callback):
    """Ask tasks of the encoder and of its own twin at step 0, every so many steps.

    Parameters
    ----------
    folder
        Where ``diagnosis.csv`` goes: one row per step and question, with the gain over the twin and its 95 % interval.
    manifest, channels, crop
        The images that are asked about.
    tasks
        The questions.
    every
        In steps.
    profilings
        The ways of post-processing.
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
        self.folder = folder
        self.manifest = manifest
        self.channels = tuple(channels)
        self.tasks = tasks
        self.every = every
        self.crop = crop
        self.profilings = profilings
        self._twin: torch.nn.Module | None = None
        self._asked = -1

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Keep what training starts from, with open residual branches; an earlier state is not loaded yet."""
        self._twin = copy.deepcopy(embedder(module.model)).cpu()  # type: ignore[arg-type]
        initialise(self._twin, "own")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask every so many steps."""
        step = trainer.global_step
        if step == self._asked or step % self.every or not trainer.is_global_zero:
            return
        self._asked = step
        rows = self.ask(step, copy.deepcopy(embedder(module.model)), str(module.device))  # type: ignore[arg-type]
        path = self.folder / FILE
        is_new = not path.is_file()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            if is_new:
                writer.writeheader()
            writer.writerows(rows)
        for row in rows:
            module.log(f"gain/{row['task']}", row["gain"])
            _log.info("step %d, %s: %+.3f [%.3f, %.3f] over its twin", *(row[name] for name in _LOGGED))

    def ask(self, step: int, network: torch.nn.Module, device: str) -> list[dict[str, Any]]:
        """Return one row per question, in the columns of the file."""
        assert self._twin is not None  # noqa: S101 - set up before any step
        encoders = [
            NetworkEncoder(name, Network(model, self.channels), device=device)
            for name, model in ((_NAME, network), (_TWIN, copy.deepcopy(self._twin)))
        ]
        embedded = embed(self.manifest, encoders, channels=self.channels, crop=self.crop, workers=0, device=device)
        evaluation = evaluate(embedded.embeddings, self.tasks, profilings=self.profilings)
        return [
            {
                "step": step,
                "task": question.task.id,
                "profiling": question.profiling,
                "value": question.mean_of(_NAME).value,
                "twin": question.mean_of(_TWIN).value,
                "gain": gain.value,
                "low": gain.low,
                "high": gain.high,
                "n_units": gain.n_units,
            }
            for question in evaluation.questions.values()
            if {_NAME, _TWIN} <= set(question.by_encoder)
            for gain in [question.difference(_NAME, _TWIN, with_p=False).estimate]
        ]
