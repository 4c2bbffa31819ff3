"""Callbacks of training: states to resume from, checkpoints, and pictures of reconstructions."""

import json
import logging
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image

from phenolens.core.files import replaced_whole, write_whole
from phenolens.images import self_standardise
from phenolens.nets import Card, save_checkpoint, unpatchify
from phenolens.training.data import CropStream
from phenolens.training.masked import MaskedImages
from phenolens.training.objective import NotFiniteError
from phenolens.training.state import STATE

_log = logging.getLogger(__name__)

MODEL = "model.safetensors"
_PREFIX = "model."  # of the names of the network's weights in an objective


class Save(Callback):
    """Save the state of training and the network, atomically.

    Parameters
    ----------
    folder
        The folder to write to.
    card
        The card of the network, without the number of steps.
    every
        The interval in steps.
    """

    def __init__(self, folder: Path, card: Card, every: int) -> None:
        self.folder = folder
        self.card = card
        self.every = every
        self.has_begun = False
        self._saved = -1

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Note that an earlier state, if any, has been taken over."""
        self.has_begun = True

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save at every interval."""
        step = trainer.global_step
        if step != self._saved and (step % self.every == 0 or step == trainer.max_steps):
            self._saved = step
            self.save(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Save the network again, whose weights may now be a running mean."""
        self._save_network(trainer)

    def save(self, trainer: Trainer, module: LightningModule) -> None:
        """Save both now; if this fails, as on a full disk, the earlier files stay."""
        state = self.folder / STATE
        # All processes take part in gathering the state, and only the first writes it.
        place = replaced_whole(state) if trainer.is_global_zero else nullcontext(state)
        try:
            self._save_network(trainer)
            with place as path:  # the state last: what follows a step, such as its row of the log, then follows at once
                trainer.save_checkpoint(path, weights_only=False)  # optimiser and loops too
        except OSError as error:
            _log.warning("step %d could not be saved (%s); the earlier state stays", trainer.global_step, error)

    def _save_network(self, trainer: Trainer) -> None:
        every = trainer.strategy.lightning_module_state_dict()  # gathered from all devices if weights are sharded
        if trainer.is_global_zero:
            weights = {name.removeprefix(_PREFIX): value for name, value in every.items() if name.startswith(_PREFIX)}
            save_checkpoint(weights, replace(self.card, steps=trainer.global_step), self.folder / MODEL)


class NameBadBatch(Callback):
    """If the loss is not finite, save the names of the sites in the batch, and the weights.

    Parameters
    ----------
    folder
        The folder to write to.
    stream
        The stream of crops, for the names of sites.
    """

    def __init__(self, folder: Path, stream: CropStream) -> None:
        self.folder = folder
        self.stream = stream

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """Write ``bad_batch.json`` and ``bad_state.safetensors``."""
        if isinstance(exception, NotFiniteError):
            sites = self.stream.site_ids(exception.rows)
            text = json.dumps({"step": exception.step, "sites": sites}, indent=1)
            write_whole(self.folder / "bad_batch.json", f"{text}\n".encode())
            card = Card("state at a loss that is not finite", {}, (), exception.step, self.stream.crop)
            weights = module.model.state_dict()  # type: ignore[union-attr]
            save_checkpoint(weights, card, self.folder / "bad_state.safetensors")
            exception.args = (
                f"the loss is not finite at step {exception.step}; the batch's sites ({', '.join(sites[:3])}, ...) are "
                f"in {self.folder / 'bad_batch.json'}; lower the learning rate, or check these images",
            )


class Pictures(Callback):
    """Draw the first images masked, reconstructed and original.

    Parameters
    ----------
    folder
        The folder to write to.
    stream
        The stream of crops.
    every
        The interval in steps.
    """

    def __init__(self, folder: Path, stream: CropStream, every: int) -> None:
        self.folder = folder
        self.every = every
        self.images = torch.stack([stream[index]["pixels"] for index in range(4)])

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw at every interval."""
        step = trainer.global_step
        if not isinstance(module, MaskedImages) or step % self.every or not trainer.is_global_zero:
            return
        x = self_standardise(self.images.to(module.device))
        module.eval()
        found = module.reconstruct(x, torch.Generator(module.device).manual_seed(0))
        module.train()
        shape = (found.target.shape[1] if found.target.shape[1] > 1 else x.shape[1], *x.shape[2:])
        hidden = found.hidden[..., None]
        visible = found.target.masked_fill(hidden, float(x.min()))
        reconstructed = torch.where(hidden, found.predicted.to(found.target.dtype), found.target)
        rows = [unpatchify(each, found.patch, shape)[:, 0] for each in (visible, reconstructed, found.target)]
        sheet = torch.cat([torch.cat(list(row), dim=1) for row in rows], dim=0).float().cpu().numpy()
        low, high = np.percentile(x[:, 0].float().cpu().numpy(), [0.5, 99.5])
        gray = np.clip((sheet - low) / max(high - low, 1e-6), 0, 1) * 255
        Image.fromarray(gray.astype(np.uint8)).save(self.folder / f"reconstruction_{step:07d}.png")
