"""The options of a training run, checked before any work starts."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_FAILED = 0.01
"""The largest share of sites that may be left out of training, since they cannot be read."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MaskedAutoencoderOptions(_Options):
    """A masked autoencoder.

    Attributes
    ----------
    size
        One of `phenolens.nets.SIZES`, or its settings.
    decoding
        ``joint``, ``per-channel`` or ``shared``, as in `MaskedAutoencoder`.
    mask_ratio
        The share of patches that are hidden.
    decoder
        Width, depth and heads of the decoder; those of the publication if None.
    fourier_weight
        The weight of the Fourier loss; 0.01 in the models called "+".
    channels_per_step
        The number of channels drawn in each step; all if None. For channel-agnostic models.
    """

    objective: Literal["masked-autoencoder"]
    size: str | dict[str, Any] = "small_patch16"
    decoding: Literal["joint", "per-channel", "shared"] = "joint"
    mask_ratio: float = Field(0.75, gt=0, lt=1)
    decoder: tuple[int, int, int] | None = None
    fourier_weight: float = Field(0.0, ge=0, lt=1)
    channels_per_step: int | None = Field(None, ge=1)


class MaskedUNetOptions(_Options):
    """A masked U-Net; see `MaskedUNet`."""

    objective: Literal["masked-unet"]
    width: int = Field(32, ge=1)
    depth: int = Field(4, ge=1)
    patch: int = Field(16, ge=1)
    mask_ratio: float = Field(0.25, gt=0, lt=1)
    fourier_weight: float = Field(0.0, ge=0, lt=1)


class ClassifierOptions(_Options):
    """A classifier of a metadata column, such as the perturbation.

    Attributes
    ----------
    backbone
        Any timm network, ``microscopy_vit_SIZE`` or ``channel_vit_SIZE``.
    label
        The metadata column to predict; rows without a value are left out.
    """

    objective: Literal["classifier"]
    backbone: str = "densenet161"
    label: str = "perturbation"


class ContrastiveOptions(_Options):
    """Contrastive learning: pairs of views are sites of the same well, or share the value of other columns.

    Attributes
    ----------
    backbone
        As in `ClassifierOptions`.
    width, temperature
        As in `Contrastive`.
    views
        The metadata columns that rows must share to be views of the same thing; the row itself if a column is
        missing.
    """

    objective: Literal["contrastive"]
    backbone: str = "microscopy_vit_small_patch16"
    width: int = Field(128, ge=2)
    temperature: float = Field(0.2, gt=0)
    views: tuple[str, ...] = ("plate", "well")


ModelOptions = Annotated[
    MaskedAutoencoderOptions | MaskedUNetOptions | ClassifierOptions | ContrastiveOptions,
    Field(discriminator="objective"),
]


class OptimiserOptions(_Options):
    """The optimiser; by default Lion with a one-cycle schedule.

    Attributes
    ----------
    name
        ``lion`` or ``adamw``.
    learning_rate
        The peak learning rate.
    weight_decay, betas
        As in the optimiser.
    warm_up
        The share of steps until the peak, after which a cosine decreases the rate.
    clip
        The largest norm of gradients, which are clipped; no limit if None.
    """

    name: Literal["lion", "adamw"] = "lion"
    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    betas: tuple[float, float] = (0.9, 0.95)
    warm_up: float = Field(0.1, gt=0, lt=1)
    clip: float | None = Field(None, gt=0)


class DataOptions(_Options):
    """The input of a network.

    Attributes
    ----------
    crop
        The side of random crops in pixels.
    batch_size
        The number of crops in a step, over all devices and accumulated batches.
    flip
        Whether crops are flipped and rotated by multiples of 90 degrees at random.
    keep_gib
        The memory in GiB in which images are kept if all fit.
    workers
        The number of processes that read images, if these are not kept.
    """

    crop: int = Field(256, ge=8)
    batch_size: int = Field(64, ge=1)
    flip: bool = True
    keep_gib: float = Field(4.0, ge=0)
    workers: int = Field(2, ge=0)


class RunOptions(_Options):
    """The length and the place of a training run.

    Attributes
    ----------
    steps
        The number of optimiser steps.
    precision, devices, strategy
        As in Lightning's Trainer: ``bf16-mixed``, ...; ``auto`` or a number; ``auto``, ``ddp``, ``fsdp``.
    accumulate
        The number of batches whose gradients are accumulated in each step.
    gradient_checkpointing
        Whether activations are recomputed instead of kept.
    compile
        Whether to use `torch.compile`.
    ema
        The decay of an exponential moving average of the weights, which is then saved; none if None.
    save_every, log_every, picture_every
        Intervals in steps.
    """

    steps: int = Field(1000, ge=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    devices: int | Literal["auto"] = "auto"
    strategy: str = "auto"
    accumulate: int = Field(1, ge=1)
    gradient_checkpointing: bool = False
    compile: bool = False
    ema: float | None = Field(None, gt=0, lt=1)
    save_every: int = Field(500, ge=1)
    log_every: int = Field(10, ge=1)
    picture_every: int | None = Field(None, ge=1)
