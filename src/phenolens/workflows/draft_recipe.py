"""The text of a recipe for data that were just looked at, with a comment for each guess."""

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from phenolens.core.parse_numbers import parse_numbers
from phenolens.datasets import NEGATIVE_CONTROL, condition_names, treated
from phenolens.datasets.layouts import GROUPS, MECHANISMS, Notes
from phenolens.datasets.names import plain_name
from phenolens.tasks import default_profilings, make_task
from phenolens.workflows.validate import foresee

_WIDTH = 116
_REFUSED = "cannot be answered: "  # how `foresee` begins
_LARGEST_WHOLE = 320  # pixels
_MOST_TILES_ALONG = 4
_TILES = (256, 512)
_FEWEST_DOSES = 3
_MANY = 1000  # images of a first look
_STEP = 16  # pixels: a side that patches of transformers divide


@dataclass(frozen=True)
class Survey:
    """What a few images showed.

    Attributes
    ----------
    shapes
        The heights and widths that were found.
    channels
        The names of channels.
    names
        The names of channels to give in the recipe, for files that do not hold them; empty if none need be given.
    """

    shapes: frozenset[tuple[int, int]]
    channels: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """The parts of a recipe.

    Attributes
    ----------
    name
        The name of the study.
    about
        What was found, for the comment at its head.
    dataset
        The lines of the data set, each ``entry: value`` with its comment.
    notes
        What was guessed, and what should be filled in.
    rows
        The metadata, as a manifest has them.
    further
        Further lines, on encoders and crops.
    """

    name: str
    about: str
    dataset: Sequence[str]
    notes: Notes
    rows: pd.DataFrame
    further: Sequence[str] = field(default_factory=tuple)


def draft_recipe(draft: Draft) -> str:
    """Return the text of a recipe."""
    wells = _wells(draft.rows)
    questions, left_out = _questions(draft.rows, wells)
    profilings = default_profilings(wells) if "perturbation" in wells else ["raw"]
    lines = [
        *_comment(draft.about),
        *(["#", "# Guessed; correct here or in the table what is otherwise:"] if draft.notes.guesses else []),
        *_items(draft.notes.guesses),
        *(["#", "# To fill in:"] if draft.notes.missing else []),
        *_items(draft.notes.missing),
        f"name: {as_yaml(draft.name)}",
        "dataset:",
        *(f"  {line}" for line in draft.dataset),
        *draft.further,
        *_comment(_why_profilings(profilings, wells)),
        f"profiling: {as_yaml(profilings)}",
        "tasks:",
    ]
    for options, why in questions:
        lines += [*_comment(why, "  "), f"  - {as_yaml(options)}"]
    lines += [line for why in left_out for line in _comment(f"Not asked: {why}", "  ")]
    return "\n".join(lines) + "\n"


def why_nothing_is_asked(rows: pd.DataFrame) -> str | None:
    """Return why no task can be answered from metadata; None if any can."""
    asked, left_out = _questions(rows, _wells(rows))
    if asked:
        return None
    if left_out:
        return left_out[0].removeprefix(_REFUSED)
    return "no perturbation is in two wells or rows, and there is no column 'label' with two values"


def first_look(rows: pd.DataFrame) -> list[str]:
    """Return the lines of a data set that take a part of many images that stand for themselves; none for plates."""
    if {"plate", "well"} <= set(rows) or len(rows) <= _MANY:
        return []
    share = float(f"{_MANY / len(rows):.2g}")
    return [
        f"# A first look at about {_MANY:,} of {len(rows):,} images, drawn at random. Remove this line to use all:",
        f"rows: {as_yaml({'group': _group(rows) or 'site_id', 'part': 'test', 'test_share': share})}",
    ]


def image_lines(survey: Survey) -> list[str]:
    """Return the lines of a recipe on encoders and on the crops of images."""
    lines = [
        "# Your encoders go here; without any, the baselines are compared with each other:",
        "#   - timm/vit_small_patch14_dinov2.lvd142m",
        '#   - {name: mine, encoder: "checkpoint:out/train"}',
        "encoders: []",
        "# A first look: few baselines, one draw of each untrained network. A claim needs all: remove both lines.",
        "panel: quick",
        "seeds: 1",
    ]
    crop, why = _crop(survey.shapes)
    return [*lines, *_comment(why), f"embedding: {as_yaml({'crop': crop})}"]


def _crop(shapes: Iterable[tuple[int, int]]) -> tuple[dict[str, Any], str]:
    """Return the crops that fit images of these heights and widths, and why."""
    shapes = sorted(shapes)
    smallest = min(min(shape) for shape in shapes)
    sizes = f"images are {shapes[0][0]} x {shapes[0][1]} pixels"
    if len(shapes) > 1:
        side = max(smallest // _STEP * _STEP, 1) if smallest >= _STEP else smallest
        side = min(side, _TILES[0])
        sizes = f"images are of {len(shapes)} sizes, of which the smallest is {smallest} pixels wide or high"
        return {"mode": "centre", "size": side}, f"The {sizes}: the middle of each is used."
    if max(shapes[0]) <= _LARGEST_WHOLE:
        return {"mode": "whole"}, f"The {sizes}, and used whole."
    size = _TILES[0] if smallest < _TILES[0] * (_MOST_TILES_ALONG + 1) else _TILES[1]
    size = min(size, smallest)
    n_tiles = (shapes[0][0] // size) * (shapes[0][1] // size)
    return {"mode": "tiles", "size": size}, f"The {sizes}: {n_tiles} tiles of each are embedded and averaged."


def _why_profilings(profilings: Sequence[str], wells: pd.DataFrame) -> str:
    if "tvn" in profilings:
        return "Each plate has three negative controls or more, on which TVN is fitted."
    if "perturbation" in wells:
        return "Add tvn where each plate has three negative controls or more."
    return "Without perturbations and controls, vectors are scored as they are."


def _questions(rows: pd.DataFrame, wells: pd.DataFrame) -> tuple[list[tuple[dict[str, Any], str]], list[str]]:
    """Return the tasks that metadata allow, as options with a comment; and why others are not asked."""
    asked, left_out = [], []
    for options, why in (*_of_perturbations(wells), *_of_labels(rows)):
        said = foresee([make_task(**options)], rows)
        refused = [text for text in said if text.startswith(_REFUSED)]
        if refused:
            left_out += refused
        else:
            asked.append((options, " ".join([why, *said])))
    return asked, left_out


def _of_perturbations(wells: pd.DataFrame) -> list[tuple[dict[str, Any], str]]:
    """Return the tasks on perturbations that wells allow."""
    if "perturbation" not in wells:
        return []
    treatments = wells[treated(wells) & wells["perturbation"].notna()]
    has_controls = "role" in wells and (wells["role"] == NEGATIVE_CONTROL).any()
    conditions = condition_names(treatments).value_counts()
    tasks: list[tuple[dict[str, Any], str]] = []
    if has_controls and (conditions > 1).any():
        why = "Are replicates more similar to each other than to negative controls?"
        tasks.append(({"task": "replicate-retrieval", "measures": "activity"}, why))
    if (conditions > 1).sum() > 1:
        why = "Are replicates more similar to each other than to other perturbations?"
        tasks.append(({"task": "replicate-retrieval", "measures": "distinctiveness"}, why))
    for column in map(str, treatments):
        if plain_name(column) in MECHANISMS and _has_shared_labels(treatments, column):
            why = f"Are perturbations of one {plain_name(column)} similar?"
            tasks.append(({"task": "phenotypic-consistency", "label": column}, why))
    if has_controls and "dose" in treatments:
        doses = parse_numbers(treatments["dose"])
        n_doses = pd.Series(doses, treatments.index).groupby(treatments["perturbation"].astype(str)).nunique()
        if (n_doses >= _FEWEST_DOSES).any():
            tasks.append(({"task": "dose-response"}, "Does the effect increase with dose?"))
    if has_controls and "plate" in wells and wells["plate"].nunique() > 1:
        tasks.append(({"task": "leakage", "nuisance": "plate"}, "Can plates be told apart by their controls alone?"))
    return tasks


def _has_shared_labels(wells: pd.DataFrame, column: str) -> bool:
    """Whether two perturbations have a label in common, and there are two labels."""
    named = wells.dropna(subset=[column])
    per_label = named.groupby(named[column].astype(str))["perturbation"].nunique()
    return bool((per_label > 1).any() and len(per_label) > 1)


def _of_labels(rows: pd.DataFrame) -> list[tuple[dict[str, Any], str]]:
    """Return the probes of labels, on unseen groups if rows have any."""
    if "label" not in rows or rows["label"].nunique() < 2:
        return []
    labelled = rows[rows["label"].notna()]
    group = _group(labelled)
    if group is None:
        options: dict[str, Any] = {"label": "label"}
        why = (
            "Can a classifier predict the label? No column says which images come from one patient, slide or source, "
            "so that these may be on both sides of a split: add such a column to the manifest, and name it as group."
        )
    else:
        options = {"label": "label", "group": group}
        why = f"Can a classifier predict the label for rows of an unseen {plain_name(group)}?"
    return [({"task": "linear-probe", **options}, why), ({"task": "knn-probe", **options}, "The same, by neighbours.")]


def _group(rows: pd.DataFrame) -> str | None:
    """Return the column of what rows have in common besides their label, if they have one without gaps."""
    by_plain = {plain_name(str(column)): str(column) for column in rows}
    columns = [by_plain[name] for name in GROUPS if name in by_plain]
    return next((each for each in columns if rows[each].notna().all() and 1 < rows[each].nunique() < len(rows)), None)


def _wells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each well, if rows name theirs."""
    return rows.drop_duplicates(["plate", "well"]) if {"plate", "well"} <= set(rows) else rows


def as_yaml(value: Any) -> str:
    """Return a value on one line of YAML; text is quoted where it might be read as something else.

    Examples
    --------
    >>> as_yaml({"task": "knn-probe", "group": "source group"}), as_yaml(["raw", "tvn"]), as_yaml("no")
    ('{task: knn-probe, group: "source group"}', '[raw, tvn]', '"no"')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{as_yaml(key)}: {as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value)
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    return json.dumps(value)


_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"})


def _is_plain(text: str) -> bool:
    """Whether text needs no quotes in YAML: letters, then letters, digits, points, dashes and slashes."""
    held = text.replace("-", "").replace("_", "").replace(".", "").replace("/", "")
    return text.isascii() and held.isalnum() and text[0].isalpha() and text.lower() not in _WORDS


def _comment(text: str, indent: str = "") -> list[str]:
    return _wrapped(text, f"{indent}# ", f"{indent}# ")


def _items(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in _wrapped(sentence, "#   - ", "#     ")]


def _wrapped(text: str, first: str, others: str) -> list[str]:
    """Return text as lines of a comment; names in it come from files, and must not end the comment."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    wrap: Callable[..., list[str]] = textwrap.wrap
    return wrap(
        printable,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
