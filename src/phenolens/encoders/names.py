"""Parsing of encoder names: ``base@option=value,option=value``."""

import re
from dataclasses import dataclass

from phenolens.core.errors import EncoderError
from phenolens.core.spec import parse_spec


@dataclass(frozen=True)
class EncoderName:
    """A parsed encoder name: ``base@option=value,option=value``."""

    base: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, name: str) -> "EncoderName":
        """Parse a name.

        Raises
        ------
        EncoderError
            If the options are not ``option=value`` pairs, or an option is repeated.
        """
        try:
            return cls(*parse_spec(name))
        except ValueError as error:
            raise EncoderError(f"'{name}': options are written NAME@option=value,option=value, each once") from error

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options)
        return f"{self.base}@{options}" if options else self.base

    @property
    def without_seed(self) -> str:
        """The name without its seed, which all seeds of an untrained network share."""
        return str(EncoderName(self.base, tuple(o for o in self.options if o[0] != "seed")))

    @property
    def short(self) -> str:
        """The name in tables and sentences: without its seed, and of files and folders their last name alone.

        Examples
        --------
        >>> EncoderName.parse("twin/checkpoint:/data/runs/camae@seed=1").short
        'twin/checkpoint:camae'
        >>> EncoderName.parse("timm/resnet18@weights=/data/best.safetensors").short
        'timm/resnet18@weights=best'
        """
        kind, colon, path = self.base.partition(":")
        options = tuple((key, _last_name(value)) for key, value in self.options if key != "seed")
        return str(EncoderName(f"{kind}{colon}{_last_name(path)}", options))

    @property
    def seed(self) -> int | None:
        """The seed among its options; None if there is none."""
        text = dict(self.options).get("seed", "")
        return int(text) if text.isdecimal() else None

    @property
    def slug(self) -> str:
        """The name as a file name."""
        return as_file_name(str(self))

    def seeds(self, n: int) -> list["EncoderName"]:
        """Return this encoder with seeds 0 to n - 1; unchanged if it has a seed or takes none."""
        from phenolens.encoders.registry import find_encoder  # the registry reads names

        if not find_encoder(self.base)[1].seeded or "seed" in dict(self.options):
            return [self]
        return [EncoderName(self.base, (*self.options, ("seed", str(seed)))) for seed in range(n)]


def _last_name(path: str) -> str:
    """Return the last name of a path, or of the folder of a checkpoint; text that is no path as it is."""
    folder_or_file = path.rstrip("/").removesuffix("/model.safetensors")
    return folder_or_file.rpartition("/")[2].removesuffix(".safetensors")


def as_file_name(text: str) -> str:
    """Return a name as a file name: characters other than letters, digits and ``._=-`` become dashes."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", text)
