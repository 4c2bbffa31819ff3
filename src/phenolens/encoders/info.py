"""What is known of an encoder, said once when its vectors are made or read, and carried with them ever after."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, get_args

from phenolens.core.errors import EncoderError, did_you_mean
from phenolens.encoders.names import EncoderName

Role = Literal["tested", "baseline", "untrained", "oracle"]
FeatureType = Literal["vectors", "measurements", "quantities"]


@dataclass(frozen=True)
class EncoderInfo:
    """What is known of an encoder besides its vectors.

    Attributes
    ----------
    name
        What tables and sentences call it; all seeds of one untrained network share it.
    model
        What it was made by, as `create_encoder` takes it, seed included; of a table of vectors that somebody brings,
        the name it was read under.
    seed
        Which draw it is of a network that is drawn several times; None if it is not.
    role
        ``tested``: under test. ``oracle``: under test, and knows the truth of a phantom. ``baseline``: what those are
        held against. ``untrained``: a baseline too, a network that has learned nothing.
    feature_type
        ``vectors``: directions in one space, as networks give them. ``measurements``: numbers in unlike units, which
        are standardised before anything is made of them. ``quantities``: so few of these that a cosine would see but
        their signs, so that they are expanded as well (`phenolens.profiling.RandomFourierFeatures`).
    counterpart
        The name of its untrained counterpart: the same architecture and input path without what was learned. Empty if
        it has none.
    measures
        The registered name of a baseline that is no network, without options, such as ``cell-count``: by it the
        diagnosis finds who measures cell count, intensity and the like, whatever a study calls it. Empty for others.
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
        """The name of this one draw: the model, where it is named after it, or else the name and the seed."""
        if self.seed is None:
            return self.name
        if EncoderName.parse(self.model).family == self.name:
            return self.model
        return f"{self.name}{',' if '@' in self.name else '@'}seed={self.seed}"

    @property
    def is_baseline(self) -> bool:
        """Whether encoders under test are held against it."""
        return self.role in ("baseline", "untrained")

    @property
    def is_tested(self) -> bool:
        """Whether it is under test."""
        return not self.is_baseline

    def renamed(self, name: str) -> Self:
        """Return the same under the name of a table, which stands for one draw alone."""
        return replace(self, name=name, seed=None)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for the provenance of vectors; a seed that it has not is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read it back from what `as_dict` gave, perhaps by way of a file.

        Raises
        ------
        EncoderError
            If an entry is missing, or a role or a type of features is none.
        """
        known = {key: str(value) for key, value in content.items() if key in cls.__dataclass_fields__}
        for key in ("name", "model"):
            if key not in known:
                raise EncoderError(f"what is known of an encoder lacks its {key}; embed again")
        for key, allowed in (("role", get_args(Role)), ("feature_type", get_args(FeatureType))):
            if key in known and known[key] not in allowed:
                raise EncoderError(f"'{known['name']}': no {key} '{known[key]}'{did_you_mean(known[key], allowed)}")
        seed = int(known.pop("seed")) if "seed" in known else None
        return cls(seed=seed, **known)  # type: ignore[arg-type]
