"""A model of the user as an encoder: any module of torch, or any function."""

import copy
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal

import torch
from torch import nn

from phenolens.core.errors import EncoderError, did_you_mean, reason_of
from phenolens.encoders.base import hash_text
from phenolens.encoders.describe import is_registered
from phenolens.encoders.info import EncoderInfo
from phenolens.encoders.network import Mixing, Network, NetworkEncoder, Untrained, hash_weights
from phenolens.encoders.own_code import PYTHON, refuse_code
from phenolens.encoders.registry import COUNTERPART
from phenolens.nets import redraw

Normalise = Literal["image", "unit", "raw"] | tuple[Sequence[float], Sequence[float]]

_log = logging.getLogger(__name__)

_NAME = re.compile(r"\w[\w .-]*")
_PROBE_SIDE = 256  # pixels of images that a model is tried on if it takes any size
_SAME = 1e-3  # relative; by how much batches of different size may change a vector


@dataclass(frozen=True, eq=False)
class OwnModel:
    """A model of the user and its input, from which encoders are created; see `encoder`."""

    name: str
    model: Callable[..., Any]
    channels: tuple[str, ...]
    size: int | None
    normalise: Normalise
    mixing: Mixing
    output: Callable[[Any], Any] | None
    seeds: int

    @property
    def has_counterpart(self) -> bool:
        """Whether it has an untrained counterpart: functions have no weights to draw."""
        return isinstance(self.model, nn.Module)

    def network(self, untrained: Untrained | None = None) -> Network:
        """Return its network, a copy, or that of its untrained counterpart.

        Raises
        ------
        EncoderError
            If it cannot be copied, fails for images like those that it is described to read, returns no vectors, or
            nothing can be drawn anew.
        """
        model = self._copy() if untrained is None else untrained.draw(self._redrawn)
        mean, sd = self._statistics()
        vectors = _Vectors(self.name, model, self.output)
        network = Network(vectors, self.channels, self.mixing, self.size, mean, sd, self.normalise == "raw")
        found = self._try(network)
        vectors.num_features = found.shape[1]
        # Code cannot be hashed, what it returns can; rounded, since sums depend on the number of threads.
        shown = [f"{value:.2e}" for value in found.flatten().tolist()]
        settings = (self.channels, self.mixing, self.size, mean, sd, self.normalise == "raw")
        return replace(network, weights_hash=hash_text(hash_weights(vectors), settings, shown))

    def create(
        self, channels: Sequence[str], device: str = "cpu", precision: str = "fp32"
    ) -> list[tuple[EncoderInfo, NetworkEncoder]]:
        """Return the encoder and those of its untrained counterpart, with their descriptions.

        Raises
        ------
        EncoderError
            As in `network`, or if the images, of the given channels, lack one.
        """
        self.check_channels(channels)
        counterpart = f"{COUNTERPART}{self.name}" if self.has_counterpart and self.seeds else ""
        drawn: dict[EncoderInfo, Untrained | None] = {EncoderInfo(self.name, self.name, counterpart=counterpart): None}
        for seed in range(self.seeds if counterpart else 0):
            info = EncoderInfo(counterpart, f"{counterpart}@seed={seed}", seed, role="untrained")
            drawn[info] = Untrained(seed=seed)
        options: dict[str, Any] = {"device": device, "precision": precision}
        return [(info, NetworkEncoder(info.id, self.network(each), **options)) for info, each in drawn.items()]

    def check_channels(self, channels: Sequence[str]) -> None:
        """Refuse images that lack one of its channels.

        Raises
        ------
        EncoderError
            If they do.
        """
        for channel in self.channels:
            if channel not in channels:
                raise EncoderError(f"'{self.name}' reads a channel '{channel}'{did_you_mean(channel, channels)}")

    def _copy(self) -> nn.Module:
        if not isinstance(self.model, nn.Module):
            return _Function(self.model)
        try:
            return copy.deepcopy(self.model).cpu().float()
        except Exception as error:  # a module may hold anything
            raise EncoderError(f"'{self.name}' cannot be copied ({reason_of(error)}); give it as a function") from error

    def _redrawn(self) -> nn.Module:
        if not self.has_counterpart:
            raise EncoderError(f"'{self.name}' is a function, which has no weights that could be drawn anew")
        model = self._copy()
        try:
            redraw(model)
        except Exception as error:  # reset_parameters of anyone
            raise EncoderError(
                f"'{self.name}' has no untrained counterpart ({reason_of(error)}); leave it out by seeds=0"
            ) from error
        return model

    def _statistics(self) -> tuple[Sequence[float] | None, Sequence[float] | None]:
        """Return the mean and standard deviation per channel, on [0, 1] pixels, if there are any."""
        if self.normalise == "unit":
            return [0.0] * len(self.channels), [1.0] * len(self.channels)
        return self.normalise if isinstance(self.normalise, tuple) else (None, None)

    def _try(self, network: Network) -> torch.Tensor:
        """Return the vectors (2 or 2 C, D) of two images of noise; each must be that of its image alone."""
        side = self.size or _PROBE_SIDE
        noise = torch.Generator().manual_seed(0)
        images = torch.randint(0, 2**12, (2, len(self.channels), side, side), generator=noise).to(torch.uint16)
        x = network.prepare(self.name, images)
        model = network.model.eval()
        try:
            with torch.inference_mode():
                together = model(x).float()
                alone = torch.cat([model(each[None]).float() for each in x])
        except EncoderError:
            raise
        except Exception as error:  # of any model
            raise EncoderError(
                f"'{self.name}' fails for images of {network.in_channels} channels and {side} x {side} pixels "
                f"({reason_of(error)}); check channels, size and mixing"
            ) from error
        if not together.isfinite().all():
            raise EncoderError(f"'{self.name}' returns NaN or infinite values for images of noise; check its weights")
        if (together - alone).abs().max() > _SAME * together.abs().max():
            raise EncoderError(
                f"'{self.name}' returns another vector for an image alone than in a batch; a vector must depend on its "
                "image only, and not on chance"
            )
        return together


def encoder(
    model: nn.Module | Callable[[torch.Tensor], Any],
    *,
    channels: Sequence[str],
    name: str | None = None,
    size: int | None = None,
    normalise: Normalise = "image",
    mixing: Mixing = "joint",
    output: Callable[[Any], Any] | None = None,
    seeds: int = 3,
) -> OwnModel:
    """Describe a model of yours as an encoder, for `phenolens.embed`.

    Beside a module, `embed` runs its untrained counterpart ``twin/NAME``: copies whose weights are drawn anew, see
    `phenolens.nets.redraw`. A function has none, since its weights are not known.

    Parameters
    ----------
    model
        A module, of which a copy in float32 is used, in evaluation mode; or a function. It gets images (B, C, H, W) as
        float32 tensors on the device that `embed` uses, and returns one vector per image: a tensor or array (B, D). Of
        tokens (B, T, D) and maps (B, D, h, w), the mean is taken; of a tuple, a list or a mapping, such as the outputs
        of Hugging Face, the first tensor.
    channels
        The names of the channels that it reads, in its order.
    name
        Its name in tables and sentences; by default that of the class or the function.
    size
        The side in pixels that square images are resized to; None if the model takes any size.
    normalise
        ``image``: each channel of each image to mean 0 and standard deviation 1. ``unit``: integers to [0, 1] by the
        full scale of their type. ``raw``: as they are. Or the means and the standard deviations of the channels, on
        [0, 1].
    mixing
        ``joint``: it reads all channels together. ``concat``: it reads one channel at a time, and the vectors are
        concatenated.
    output
        What to take of what the model returns, such as ``lambda found: found.pooler_output``; None for the rule above.
    seeds
        How many untrained counterparts are drawn; 0 for none.

    Raises
    ------
    EncoderError
        If the name is taken or is none, or an option has a value that does not exist.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(2, 8, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> mine = encoder(net, name="mine", channels=["dna", "er"])
    >>> [info.id for info, _ in mine.create(["dna", "er"])]
    ['mine', 'twin/mine@seed=0', 'twin/mine@seed=1', 'twin/mine@seed=2']
    """
    if not callable(model):
        raise EncoderError(f"a model is a torch module or a function, found {type(model).__name__}")
    is_module = isinstance(model, nn.Module)
    if name is None:
        named = model if hasattr(model, "__name__") else type(model)  # a function has a name, an object its class
        name = str(named.__name__)
    if not _NAME.fullmatch(name):
        raise EncoderError(f"'{name}' is no name; give name=..., of letters, digits, blanks, dots and dashes")
    if is_registered(name):
        raise EncoderError(f"'{name}' is the name of another encoder; give a different name=...")
    if isinstance(channels, str) or not channels:
        raise EncoderError(f"'{name}': channels is a list of names, such as channels=['dna', 'er']")
    if mixing not in ("joint", "concat"):
        raise EncoderError(f"'{name}': mixing is joint or concat, found {mixing!r}")
    if not (isinstance(normalise, tuple) and len(normalise) == 2) and normalise not in ("image", "unit", "raw"):
        raise EncoderError(f"'{name}': normalise is image, unit, raw or (means, deviations), found {normalise!r:.60}")
    if not is_module:
        _log.warning("'%s' is a function: its untrained counterpart cannot be drawn", name)
    return OwnModel(name, model, tuple(channels), size, normalise, mixing, output, seeds)


def load_own(name: str, path: str, channels: Sequence[str], *, untrained: Untrained | None = None) -> Network:
    """Return the network of a model of the user, or its untrained counterpart.

    Parameters
    ----------
    path
        ``PACKAGE.MODULE:FUNCTION``; the function takes no arguments and returns ``phenolens.encoder(...)``. Modules are
        also looked for in the current folder.
    untrained
        How to draw the weights of the untrained counterpart; None for those of the model.

    Raises
    ------
    EncoderError
        If code is not allowed, there is no such function, it fails or returns something else, or its model does not fit
        the images.
    """
    refuse_code(name)
    own = _call(path)
    own.check_channels(channels)
    return own.network(untrained)


@lru_cache(maxsize=8)  # an encoder and the seeds of its counterpart are created one by one
def _call(path: str) -> OwnModel:
    module, _, function = path.partition(":")
    if not module or not function:
        raise EncoderError(f"'{PYTHON}{path}': write python:PACKAGE.MODULE:FUNCTION")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        own = getattr(import_module(module), function)()
    except Exception as error:  # the user's code
        reason = f"{type(error).__name__}: {reason_of(error)}"
        raise EncoderError(
            f"'{PYTHON}{path}' cannot be loaded ({reason}); check the module and its function"
        ) from error
    if not isinstance(own, OwnModel):
        raise EncoderError(
            f"'{PYTHON}{path}' returns {type(own).__name__}; return phenolens.encoder(model, channels=[...])"
        )
    return own


class _Function(nn.Module):
    """A function as a module without weights."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


class _Vectors(nn.Module):
    """A model, and what is taken of what it returns."""

    def __init__(self, name: str, model: nn.Module, output: Callable[[Any], Any] | None) -> None:
        super().__init__()
        self.name = name
        self.model = model
        self.output = output
        self.num_features = 0  # until it is tried

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return vectors (B, D) of images (B, C, H, W)."""
        found = self.model(x)
        vectors = self._first_tensor(found if self.output is None else self.output(found))
        if vectors.ndim == 3:
            vectors = vectors.mean(dim=1)
        elif vectors.ndim == 4:
            vectors = vectors.mean(dim=(2, 3))
        fits = vectors.ndim == 2 and len(vectors) == len(x) and vectors.shape[1] > 0
        if not fits or (self.num_features and vectors.shape[1] != self.num_features):
            raise EncoderError(
                f"'{self.name}' returns {tuple(vectors.shape)} for {len(x)} images; it must return vectors (B, D), "
                "tokens (B, T, D) or maps (B, D, h, w), of the same D for all images; set output=..."
            )
        return vectors

    def _first_tensor(self, found: Any) -> torch.Tensor:
        while isinstance(found, Mapping | Sequence) and len(found) and not isinstance(found, str):
            found = next(iter(found.values())) if isinstance(found, Mapping) else found[0]
        try:
            return torch.as_tensor(found)
        except (TypeError, ValueError, RuntimeError) as error:
            raise EncoderError(
                f"'{self.name}' returns {type(found).__name__}, not a tensor; set output=... to what is to be taken"
            ) from error
