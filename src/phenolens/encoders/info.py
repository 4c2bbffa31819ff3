"""What is known of an encoder, said once when its vectors are made or read, and carried with them ever after."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pydantic import TypeAdapter, ValidationError

from phenolens.core.errors import EncoderError

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
        What it was made by, as `create_encoder` takes it, seed included; for a table of vectors the name again.
    seed
        Which draw it is of a network that is drawn several times; None if it is not.
    role
        ``tested``: under test. ``oracle``: under test, and knows the truth of a phantom. ``baseline``: what those are
        held against. ``untrained``: a baseline too, a network that has learned nothing.
    feature_type
        ``vectors``: directions in one space, as networks give them. ``measurements``: numbers in unlike units, which
        are standardised before anything is made of them. ``quantities``: so few of these that a cosine would see but
        their signs, so that they are expanded as well (`phenolens.profiling.spread`).
    counterpart
        The name of its untrained counterpart: the same architecture and input path without what was learned. Empty if
        it has none.
    """

    name: str
    model: str
    seed: int | None = None
    role: Role = "tested"
    feature_type: FeatureType = "vectors"
    counterpart: str = ""

    @property
    def id(self) -> str:
        """The name of this one draw: the name, and the seed where there is one."""
        if self.seed is None:
            return self.name
        return f"{self.name}{',' if '@' in self.name else '@'}seed={self.seed}"

    @property
    def is_baseline(self) -> bool:
        """Whether encoders under test are held against it."""
        return self.role in ("baseline", "untrained")

    @property
    def is_tested(self) -> bool:
        """Whether it is under test."""
        return not self.is_baseline

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for the provenance of vectors."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read it back from what `as_dict` gave, perhaps by way of a file.

        Raises
        ------
        EncoderError
            If the content is no description of an encoder.
        """
        plain = {key: int(value) if key == "seed" else str(value) for key, value in content.items()}
        try:
            return TypeAdapter(cls).validate_python(plain)
        except ValidationError as error:
            first = error.errors()[0]
            raise EncoderError(f"provenance of vectors: {first['loc'][0]}: {first['msg'].lower()}") from error
