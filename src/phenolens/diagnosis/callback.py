"""Diagnose an encoder while it trains: is it better than the untrained network that it started from?"""

import copy
import csv
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from phenolens.core.files import replaced_whole
from phenolens.datasets import Manifest
from phenolens.embedding import embed
from phenolens.encoders.network import Network, NetworkEncoder
from phenolens.evaluation import evaluate
from phenolens.images import Crop
from phenolens.nets import embedder, initialise
from phenolens.tasks import Task

_log = logging.getLogger(__name__)

FILE = "diagnosis.csv"
_TRAINED, _UNTRAINED = "checkpoint:in-training", "twin/checkpoint:in-training"


@dataclass(frozen=True)
class GainAtStep:
    """A row of the file: the encoder after so many steps, beside its untrained counterpart, in one question.

    Attributes
    ----------
    step
        How many steps it was trained.
    task, profiling
        The question.
    value, untrained
        The scores of the encoder and of its untrained counterpart.
    gain, low, high
        Their paired difference with its 95 % interval.
    n_units
        Over how many units.
    """

    step: int
    task: str
    profiling: str
    value: float
    untrained: float
    gain: float
    low: float
    high: float
    n_units: int


class DiagnoseWhileTraining(Callback):
    """Score the encoder and its untrained counterpart, the network at step 0, every so many steps.

    Parameters
    ----------
    folder
        Where ``diagnosis.csv`` goes: one row per step and question, with the gain over the untrained counterpart.
    manifest, channels, crop
        The images that are embedded.
    tasks
        What is scored.
    every
        In steps.
    profilings
        The post-processings.
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
        self._untrained: torch.nn.Module | None = None
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
        network = copy.deepcopy(embedder(module.model))  # type: ignore[arg-type]
        rows = self.evaluate_network(step, network, str(module.device))
        self._write(rows)
        for row in rows:
            module.log(f"gain/{row.task}", row.gain)
            gain = f"{row.gain:+.3f} [{row.low:.3f}, {row.high:.3f}]"
            _log.info("step %d, %s: %s over its untrained counterpart", row.step, row.task, gain)

    def evaluate_network(self, step: int, network: torch.nn.Module, device: str) -> list[GainAtStep]:
        """Return the gain over the untrained counterpart in each question that both could be scored in."""
        assert self._untrained is not None  # noqa: S101 - set up before any step
        encoders = [
            NetworkEncoder(_TRAINED, Network(network, self.channels), device=device),
            NetworkEncoder(_UNTRAINED, Network(copy.deepcopy(self._untrained), self.channels), device=device),
        ]
        embedded = embed(self.manifest, encoders, channels=self.channels, crop=self.crop, workers=0, device=device)
        evaluation = evaluate(embedded.embeddings, self.tasks, profilings=self.profilings)
        rows: list[GainAtStep] = []
        for question in evaluation.questions.values():
            if not {_TRAINED, _UNTRAINED} <= set(question.by_encoder):
                continue
            gain = question.difference(_TRAINED, _UNTRAINED, with_p=False).estimate
            rows.append(
                GainAtStep(
                    step=step,
                    task=question.task.id,
                    profiling=question.profiling,
                    value=question.mean_of(_TRAINED).value,
                    untrained=question.mean_of(_UNTRAINED).value,
                    gain=gain.value,
                    low=gain.low,
                    high=gain.high,
                    n_units=gain.n_units,
                )
            )
        return rows

    def _write(self, rows: Sequence[GainAtStep]) -> None:
        """Add rows; those of the same or later steps are of a run that was stopped before it could save its state."""
        if not rows:
            return
        path = self.folder / FILE
        earlier = []
        if path.is_file():
            with path.open(newline="") as file:
                earlier = [row for row in csv.DictReader(file) if int(row["step"]) < rows[0].step]
        with replaced_whole(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, [each.name for each in fields(GainAtStep)])
            writer.writeheader()
            writer.writerows([*earlier, *(asdict(row) for row in rows)])
