"""The names of tasks and encoders as pages show them."""

import json
from typing import Any

from markupsafe import Markup, escape

_BREAK_AFTER = "/@=,:_|"
# Ids of replicate retrieval say what replicates are ranked before; pages, what that measures.
_MEASURES = {"controls": "activity", "others": "distinctiveness"}


def task_words(task: str) -> tuple[str, str]:
    """Split a task's id into a title and the way its data were split.

    Examples
    --------
    >>> task_words("linear-probe:phenotype|grouped by movie")
    ('Linear probe: phenotype', 'grouped by movie')
    >>> task_words("replicate-retrieval:controls")
    ('Replicate retrieval: activity', '')
    """
    head, _, split = task.partition("|")
    kind, _, target = head.partition(":")
    if kind == "replicate-retrieval":
        target = _MEASURES.get(target, target)
    kind = kind.replace("-", " ").replace("_", " ").strip()
    title = kind[:1].upper() + kind[1:]
    return (f"{title}: {target}" if target else title) or task, split


def task_phrase(task: str) -> str:
    """Name a task within a sentence.

    Examples
    --------
    >>> task_phrase("linear-probe:phenotype|random")
    'linear probe: phenotype (random)'
    """
    title, split = task_words(task)
    title = title[:1].lower() + title[1:]
    return f"{title} ({split})" if split else title


def breakable(name: object) -> Markup:
    """Escape a name and allow line breaks after its joints, so that long names fit narrow columns."""
    return Markup("").join(escape(c) + (Markup("<wbr>") if c in _BREAK_AFTER else Markup("")) for c in str(name))


def capital(text: str) -> str:
    """Begin with a capital letter.

    Examples
    --------
    >>> capital("cell count")
    'Cell count'
    """
    return text[:1].upper() + text[1:]


def script_json(data: Any) -> Markup:
    """Write data as JSON that no content can break out of a script element with.

    Raises
    ------
    ValueError
        If the data hold NaN, which JSON does not know.
    """
    written = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(written)  # noqa: S704 - nothing that could end the element is left
