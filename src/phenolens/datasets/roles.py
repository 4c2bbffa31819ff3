"""What words in people's tables mean as the role of a well."""

import re
from collections.abc import Mapping

from phenolens.datasets.names import plain_name

_ROLES: Mapping[str, tuple[str, ...]] = {
    "negative_control": (
        "negative control",
        "negcon",
        "neg",
        "negative",
        "neg control",
        "control",
        "ctrl",
        "vehicle",
        "mock",
        "untreated",
        "dmso",
    ),
    "positive_control": ("positive control", "poscon", "pos", "positive", "pos control"),
    "treatment": (
        "treatment",
        "trt",
        "treated",
        "sample",
        "compound",
        "cpd",
        "test",
        "query",
        "trt cp",
        "trt sh",
        "trt oe",
    ),
    "empty": ("empty", "blank", "none", "unused", "no cells", "media only"),
}
_CONTROLS = re.compile(
    r"^(dmso|untreated|mock|vehicle|scrambled?|scr|non ?target(ing)?|ntc|negcon|neg(ative)? ?(control|ctrl)?|control"
    r"|ctrl|pbs)( .*|\d*|\b.*%.*)?$"
)
_EMPTY = re.compile(r"^(empty|blank|none)([ _].*)?$")
_BY_WORD = {word: role for role, words in _ROLES.items() for word in words}


def role_named(value: str) -> str | None:
    """Return the role that a value of a column of roles means; None if that is not known.

    Examples
    --------
    >>> role_named("negcon_2"), role_named("Trt"), role_named("plate layout")
    ('negative_control', 'treatment', None)
    """
    plain = plain_name(value)
    if plain in _BY_WORD:
        return _BY_WORD[plain]
    if plain.startswith("poscon"):
        return "positive_control"
    if plain.startswith("negcon"):
        return "negative_control"
    return "empty" if is_empty_name(value) else None


def is_control_name(name: str) -> bool:
    """Whether a perturbation is a negative control by its name."""
    return _CONTROLS.match(plain_name(name)) is not None


def is_empty_name(name: str) -> bool:
    """Whether a perturbation is an empty well by its name."""
    return _EMPTY.match(plain_name(name)) is not None
