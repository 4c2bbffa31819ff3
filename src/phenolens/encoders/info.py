"""The description of an encoder, which its vectors carry from when they are computed or read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, get_args

from phenolens.core.errors import EncoderError, did_you_mean
from phenolens.encoders.names import EncoderName

Role = Literal["tested", "baseline", "untrained", "oracle"]
FeatureType = Literal["vectors", "measurements", "quantities"]


@dataclass(frozen=True)
class EncoderInfo:
    """The description of an encoder.

    Attributes
    ----------
    name
        Its name in tables and sentences; all seeds of an untrained network share it.
    model
        The name it was created by, as in `create_encoder`, including the seed; for a table of vectors, the name it was
        read under.
    seed
        The seed of a network whose weights are drawn; None for others.
    role
        ``tested``: under test. ``oracle``: under test, and computed from the true factors of a phantom. ``baseline``:
        a baseline that encoders under test are compared with. ``untrained``: a baseline that is an untrained network.
    feature_type
        ``vectors``: directions in one space, as networks produce. ``measurements``: numbers in different units, which
        are standardised first. ``quantities``: few measurements, whose cosine would depend on little more than their
        signs, so that they are also expanded (`phenolens.profiling.RandomFourierFeatures`).
    counterpart
        The name of its untrained counterpart: the same architecture and input path, without training. Empty if it has
        none.
    measures
        The registered name, without options, of a baseline that is not a network, such as ``cell-count``. By it the
        diagnosis finds the baseline that measures cell count, intensity and so on, under any name. Empty for others.
    """

    name: str
    model: str
    seed: int | None = None
    role: Role = "tested"
    feature_type: FeatureType = "vectors"
    counterpart: str = ""
    measures: str = ""

    @property
    def id(self) -> str:
        """The name including the seed: the model if the encoder is named after it, else name and seed."""
        if self.seed is None:
            return self.name
        if EncoderName.parse(self.model).without_seed == self.name:
            return self.model
        return f"{self.name}{',' if '@' in self.name else '@'}seed={self.seed}"

    @property
    def is_baseline(self) -> bool:
        """Whether encoders under test are compared with it."""
        return self.role in ("baseline", "untrained")

    @property
    def is_tested(self) -> bool:
        """Whether it is under test."""
        return not self.is_baseline

    def under_test(self) -> Self:
        """Return the description of the same encoder under test; no part of a diagnosis then uses it as a baseline."""
        return replace(self, role="tested", measures="") if self.is_baseline else self

    def renamed(self, name: str) -> Self:
        """Return the description under the name of a table, without a seed."""
        return replace(self, name=name, seed=None)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the provenance of vectors; a missing seed is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the description from the values of `as_dict`, also after saving to a file.

        Raises
        ------
        EncoderError
            If an entry is missing, or a role or feature type is unknown.
        """
        known = {key: str(value) for key, value in content.items() if key in cls.__dataclass_fields__}
        for key in ("name", "model"):
            if key not in known:
                raise EncoderError(f"the description of an encoder lacks its {key}; embed again")
        for key, allowed in (("role", get_args(Role)), ("feature_type", get_args(FeatureType))):
            if key in known and known[key] not in allowed:
                raise EncoderError(f"'{known['name']}': no {key} '{known[key]}'{did_you_mean(known[key], allowed)}")
        seed = known.pop("seed", None)
        if seed is not None and not seed.isdecimal():
            raise EncoderError(f"'{known['name']}': the seed of an encoder is a number, not '{seed}'; embed again")
        return cls(seed=None if seed is None else int(seed), **known)  # type: ignore[arg-type]
