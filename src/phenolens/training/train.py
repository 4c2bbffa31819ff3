"""Train a network and save it as a checkpoint; a stopped run is resumed."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from phenolens.core.errors import TrainingError, did_you_mean, reason_of
from phenolens.core.files import only_writer
from phenolens.datasets import Manifest
from phenolens.nets import Card, MaskedAutoencoder, MaskedUNet, build
from phenolens.training.callbacks import MODEL, NameBadBatch, Pictures, Save
from phenolens.training.classification import Classification
from phenolens.training.contrast import ContrastOfViews
from phenolens.training.data import CropStream, stream_loader
from phenolens.training.log import CsvLog
from phenolens.training.masked import MaskedImages
from phenolens.training.objective import Objective
from phenolens.training.options import (
    ClassifierOptions,
    ContrastiveOptions,
    DataOptions,
    MaskedAutoencoderOptions,
    ModelOptions,
    OptimiserOptions,
    RunOptions,
)
from phenolens.training.state import STATE, bad_state, read_steps

_log = logging.getLogger(__name__)

# Options that belong to the objective, not to the network.
_OF_OBJECTIVE = {"objective", "fourier_weight", "channels_per_step", "label", "views"}


def make_network(options: ModelOptions, n_channels: int, n_classes: int = 0) -> tuple[nn.Module, dict[str, Any]]:
    """Return an untrained network, and the options from which a card can build it again.

    Raises
    ------
    TrainingError
        If it cannot be built.
    """
    of_network = {key: value for key, value in options.model_dump().items() if key not in _OF_OBJECTIVE}
    if isinstance(options, ClassifierOptions):
        of_network["n_classes"] = n_classes
    try:
        return build(options.objective, of_network, n_channels), of_network
    except ValueError as error:
        raise TrainingError(str(error)) from error


def train(
    manifest: Manifest,
    channels: Sequence[str],
    model: ModelOptions,
    out: Path,
    *,
    data: DataOptions | None = None,
    optimiser: OptimiserOptions | None = None,
    run: RunOptions | None = None,
    seed: int = 0,
    recipe: str = "",
    licence: str = "",
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
) -> Path:
    """Train a network, and save it as a checkpoint, which can be used as an encoder.

    Parameters
    ----------
    manifest
        The sites.
    channels
        The channels to read, in order.
    model
        The network and its objective.
    out
        The folder for ``model.safetensors``, ``state.ckpt``, logs and pictures. If it holds a state, training is
        resumed from there.
    data, optimiser, run
        The input, the optimiser, and the length and place of the run.
    seed
        The seed of weights, order, crops and masks.
    recipe, licence
        The recipe as text, and the licence of the weights, for the card.
    callbacks
        Further callbacks of Lightning, such as one that diagnoses the encoder during training.
    progress
        Whether to draw a progress bar.

    Returns
    -------
    The path of the checkpoint.

    Raises
    ------
    TrainingError
        If options contradict each other or do not fit the images, the state in the folder is damaged or that of
        another network, or the loss is not finite.
    PhenolensError
        If another run is writing to the folder.
    """
    data, optimiser, run = data or DataOptions(), optimiser or OptimiserOptions(), run or RunOptions()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    labels, n_classes = _labels(model, manifest)
    torch.manual_seed(seed)
    network, options = make_network(model, len(channels), n_classes)
    check_fit(network, len(channels), data.crop)
    stream = CropStream(
        manifest,
        channels,
        data.crop,
        labels=labels,
        groups=_groups(model, manifest),
        flip=data.flip,
        keep_gib=data.keep_gib,
        seed=seed,
    )
    objective = make_objective(model, network, optimiser, run.steps, seed)
    if run.gradient_checkpointing:
        _checkpoint_gradients(network)
    if run.compile:
        network.compile()
    card = Card(
        model.objective,
        options,
        tuple(channels),
        steps=0,
        crop=data.crop,
        recipe=recipe,
        data_hash=manifest.fingerprint,
        licence=licence,
    )
    save = Save(out, card, run.save_every)
    every: list[Callback] = [NameBadBatch(out, stream), *callbacks]
    if run.ema is not None:
        every.insert(0, EMAWeightAveraging(decay=run.ema))
    if run.picture_every is not None and isinstance(objective, MaskedImages):
        every.append(Pictures(out, stream, run.picture_every))
    every.append(save)  # last, so that a state has all that was found out at its step
    state = out / STATE
    with _only_writer(out):
        done = read_steps(state, objective, run.steps)
        trainer = pl.Trainer(
            default_root_dir=out,
            max_steps=run.steps,
            precision=run.precision,
            devices=run.devices,
            strategy=run.strategy,
            accumulate_grad_batches=run.accumulate,
            gradient_clip_val=optimiser.clip,
            logger=_loggers(out, done),
            callbacks=every,
            log_every_n_steps=run.log_every,
            enable_checkpointing=False,
            enable_progress_bar=progress,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        loader = stream_loader(
            stream,
            start=done * data.batch_size,
            batch=_batch_of_device(data.batch_size, run.accumulate, trainer.world_size),
            workers=data.workers,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )
        if done:
            _log.info("resuming from step %d of %d", done, run.steps)
        try:
            trainer.fit(objective, loader, ckpt_path=state if state.is_file() else None, weights_only=True)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if state.is_file() and not save.has_begun:
                raise bad_state(state, reason_of(error)) from error
            if any(sign in str(error) for sign in ("shared memory", "DataLoader worker (pid")):
                raise TrainingError(
                    "a process that reads images has too little memory or shared memory (/dev/shm); set data.workers "
                    "to 0, or data.keep_gib so that all images are kept"
                ) from error
            raise
    return out / MODEL


def _loggers(out: Path, done: int) -> list[Logger]:
    """Return the log as a table and, where TensorBoard is installed, for TensorBoard too."""
    loggers: list[Logger] = [CsvLog(out / "log" / "metrics.csv", done)]
    if find_spec("tensorboard") is not None:
        loggers.append(TensorBoardLogger(out, name="", version="tensorboard"))
    return loggers


def _only_writer(out: Path) -> AbstractContextManager[None]:
    """Be the only run in the folder, together with the processes that this one starts for further devices."""
    return nullcontext() if getattr(rank_zero_only, "rank", 0) else only_writer(out)  # set when it is imported


def check_fit(network: nn.Module, n_channels: int, crop: int) -> None:
    """Refuse a crop that the network cannot divide into patches, before any image is read.

    Raises
    ------
    TrainingError
        If it is not a multiple of the patch size, or of 2 to the power of the depth.
    """
    side = 0
    if isinstance(network, MaskedAutoencoder):
        side = network.encoder.size.patch
    elif isinstance(network, MaskedUNet):
        side = max(network.patch, 2**network.depth)
    if side and crop % side:
        raise TrainingError(
            f"the crop of {crop} pixels is not a multiple of {side}; choose {crop - crop % side or side} or "
            f"{crop + side - crop % side}"
        )


def make_objective(
    options: ModelOptions, network: nn.Module, optimiser: OptimiserOptions, steps: int, seed: int
) -> Objective:
    """Return the objective of a network.

    Raises
    ------
    TrainingError
        If options contradict each other.
    """
    if isinstance(options, ClassifierOptions):
        return Classification(network, optimiser, steps=steps, seed=seed)
    if isinstance(options, ContrastiveOptions):
        return ContrastOfViews(network, optimiser, steps=steps, seed=seed)
    drawn = options.channels_per_step if isinstance(options, MaskedAutoencoderOptions) else None
    if drawn is not None and isinstance(options, MaskedAutoencoderOptions) and options.decoding == "joint":
        raise TrainingError("channels_per_step needs a channel-agnostic network: set decoding to per-channel or shared")
    return MaskedImages(
        network,  # type: ignore[arg-type]
        optimiser,
        steps=steps,
        seed=seed,
        fourier_weight=options.fourier_weight,
        channels_per_step=drawn,
    )


def _labels(options: ModelOptions, manifest: Manifest) -> tuple[np.ndarray[Any, np.dtype[np.intp]] | None, int]:
    """Return the class of each row (-1 without one) and the number of classes."""
    if not isinstance(options, ClassifierOptions):
        return None, 0
    table = manifest.table
    if options.label not in table:
        raise TrainingError(f"{manifest.source}: no column '{options.label}'{did_you_mean(options.label, table)}")
    code, names = pd.factorize(table[options.label].astype(object), sort=True)  # -1 where there is none
    if len(names) < 2:
        raise TrainingError(
            f"{manifest.source}: a classifier needs at least two values of '{options.label}', found {len(names)}"
        )
    return code.astype(np.intp), len(names)


def _groups(options: ModelOptions, manifest: Manifest) -> np.ndarray[Any, Any] | None:
    if not isinstance(options, ContrastiveOptions):
        return None
    table = manifest.table
    columns = [column for column in options.views if column in table]
    if len(columns) < len(options.views):
        return np.asarray(table.index.astype(str))
    return np.asarray(table[columns].astype(str).agg("\0".join, axis=1))


def _batch_of_device(batch: int, accumulate: int, world: int) -> int:
    if batch % (accumulate * world):
        raise TrainingError(
            f"a batch of {batch} cannot be divided among {world} devices in {accumulate} parts; make it a multiple of "
            f"{accumulate * world}"
        )
    return batch // (accumulate * world)


def _checkpoint_gradients(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, VisionTransformer):
            module.set_grad_checkpointing()
