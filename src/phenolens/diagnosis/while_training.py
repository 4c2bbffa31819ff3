"""Score a model while it trains: beside its untrained counterpart and baselines, in any loop."""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from anndata import AnnData

from phenolens.core.errors import PhenolensError
from phenolens.core.files import replaced_whole
from phenolens.datasets import Manifest
from phenolens.diagnosis.records import NAN
from phenolens.embedding import embed
from phenolens.encoders import COUNTERPART
from phenolens.encoders.network import NetworkEncoder
from phenolens.encoders.own import OwnModel
from phenolens.evaluation import Question, evaluate
from phenolens.images import Crop
from phenolens.tasks import Task

_log = logging.getLogger(__name__)

FILE = "diagnosis.csv"


@dataclass(frozen=True)
class GainAtStep:
    """A row of the file: the encoder after so many steps, beside its untrained counterpart, in one question.

    Attributes
    ----------
    step
        How many steps it was trained.
    task, profiling
        The question.
    value, chance, untrained
        The score of the encoder, the chance level, and the score of its untrained counterpart.
    gain, low, high
        The paired difference to the untrained counterpart with its 95 % interval.
    n_units
        Over how many units.
    baseline, baseline_value
        The best of the other baselines, and its score; empty and NaN if there are none.
    baseline_gain, baseline_low, baseline_high
        The paired difference to it with its 95 % interval.
    """

    step: int
    task: str
    profiling: str
    value: float
    chance: float
    untrained: float
    gain: float
    low: float
    high: float
    n_units: int
    baseline: str = ""
    baseline_value: float = NAN
    baseline_gain: float = NAN
    baseline_low: float = NAN
    baseline_high: float = NAN


class ScoresWhileTraining:
    """The scores of an encoder in training, and the file that they are written to.

    Parameters
    ----------
    folder
        Where ``diagnosis.csv`` goes: one row per step and question.
    manifest, channels, crop
        The images that are embedded; all channels if None.
    tasks, profilings
        What is scored.
    baselines
        Names of encoders that it is compared with; embedded once.
    """

    def __init__(
        self,
        folder: str | Path,
        manifest: Manifest,
        tasks: Sequence[Task],
        *,
        channels: Sequence[str] | None = None,
        crop: Crop | None = None,
        profilings: Sequence[str] = ("raw",),
        baselines: Sequence[str] = (),
    ) -> None:
        self.folder = Path(folder)
        self.manifest = manifest
        self.tasks = tasks
        self.channels = channels
        self.crop = crop
        self.profilings = profilings
        self.baselines = tuple(baselines)
        self._beside: Mapping[str, AnnData] = {}

    def begin(self, untrained: OwnModel | NetworkEncoder, device: str) -> None:
        """Embed what stays the same: baselines, and the untrained counterpart or the model that brings its own."""
        self._beside = self._embed([untrained, *self.baselines], device)

    def add(self, step: int, encoder: OwnModel | NetworkEncoder, device: str) -> list[GainAtStep]:
        """Score the encoder after so many steps; return the rows that were written."""
        embeddings = {**self._beside, **self._embed([encoder], device)}
        evaluation = evaluate(embeddings, self.tasks, profilings=self.profilings)
        found = [_row(step, question, encoder.name) for question in evaluation.questions.values()]
        rows = [row for row in found if row is not None]
        self._write(rows)
        for row in rows:
            gain = f"{row.gain:+.3f} [{row.low:.3f}, {row.high:.3f}]"
            _log.info("step %d, %s: %s over its untrained counterpart", row.step, row.task, gain)
        return rows

    def _embed(self, encoders: Sequence[Any], device: str) -> Mapping[str, AnnData]:
        with torch.random.fork_rng(devices=[]):  # the random numbers of training go on as if nothing had been read
            embedded = embed(self.manifest, encoders, channels=self.channels, crop=self.crop, workers=0, device=device)
        return embedded.embeddings

    def _write(self, rows: Sequence[GainAtStep]) -> None:
        """Add rows; those of the same or later steps are of a run that was stopped before it could save its state."""
        if not rows:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / FILE
        earlier = []
        if path.is_file():
            with path.open(newline="") as file:
                earlier = [row for row in csv.DictReader(file) if int(row["step"]) < rows[0].step]
        with replaced_whole(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, [each.name for each in fields(GainAtStep)])
            writer.writeheader()
            writer.writerows([*earlier, *(asdict(row) for row in rows)])


def _row(step: int, question: Question, trained: str) -> GainAtStep | None:
    """Return the numbers of one question; None if the encoder could not be scored in it."""
    if trained not in question.by_encoder:
        return None
    mean = question.mean_of(trained)
    row = GainAtStep(
        step=step,
        task=question.task.id,
        profiling=question.profiling,
        value=mean.value,
        chance=mean.chance,
        untrained=NAN,
        gain=NAN,
        low=NAN,
        high=NAN,
        n_units=len(question.values[trained]),
    )
    untrained = COUNTERPART + trained
    if untrained in question.by_encoder:
        gain = question.difference(trained, untrained, with_p=False).estimate
        of_untrained = question.mean_of(untrained).value
        row = replace(row, untrained=of_untrained, gain=gain.value, low=gain.low, high=gain.high, n_units=gain.n_units)
    others = [each for each in question.baselines if each.encoder != untrained]
    if others:
        best = others[0]
        gain = question.difference(trained, best.encoder, with_p=False).estimate
        row = replace(
            row,
            baseline=best.encoder,
            baseline_value=best.value,
            baseline_gain=gain.value,
            baseline_low=gain.low,
            baseline_high=gain.high,
        )
    return row


class TrainingDiagnosis:
    """Score a model of yours while your loop trains it; call `check` after each step.

    What each score is compared with is embedded once: the untrained counterpart (`phenolens.encoder`) and baselines.
    The model itself, and the random numbers of training, stay as they are.

    Parameters
    ----------
    encoder
        From the model that `check` gets, returns what is scored: ``phenolens.encoder(...)`` of it or of a part of it.
    manifest, crop
        The images.
    tasks, profilings
        What is scored.
    folder
        Where ``diagnosis.csv`` goes; see `GainAtStep` for its columns.
    every
        In steps.
    baselines
        Names of encoders.
    """

    def __init__(
        self,
        encoder: Callable[[Any], OwnModel],
        manifest: Manifest,
        tasks: Sequence[Task],
        folder: str | Path,
        *,
        every: int,
        baselines: Sequence[str] = ("cell-count", "pixel-statistics"),
        crop: Crop | None = None,
        profilings: Sequence[str] = ("raw",),
    ) -> None:
        self.encoder = encoder
        self.every = every
        self._scores = ScoresWhileTraining(
            folder, manifest, tasks, crop=crop, profilings=profilings, baselines=baselines
        )
        self._last_step = -1

    def check(self, step: int, model: Any) -> list[GainAtStep]:
        """Score the model if it is due: at the first call, and every so many steps.

        Parameters
        ----------
        step
            How many steps it was trained.
        model
            The model.

        Returns
        -------
        list of GainAtStep
            What was written; nothing if it is not due.

        Raises
        ------
        PhenolensError
            At the first call, if something does not fit. Later, training goes on with a warning.
        """
        is_first = self._last_step < 0
        if step == self._last_step or (step % self.every and not is_first):
            return []
        self._last_step = step
        parameters = model.parameters() if isinstance(model, torch.nn.Module) else ()
        device = str(next((each.device for each in parameters), "cpu"))
        if is_first:
            own = self.encoder(model)
            self._scores.begin(own, device)
            return self._scores.add(step, replace(own, seeds=0), device)
        try:
            return self._scores.add(step, replace(self.encoder(model), seeds=0), device)
        except PhenolensError as error:
            _log.warning("step %d could not be scored, and training goes on: %s", step, error)
            return []
