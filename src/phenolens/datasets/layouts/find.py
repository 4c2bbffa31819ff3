"""Which of all known layouts a folder of images has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.core.numbers import listed
from phenolens.datasets.layouts import class_folders, ome_zarr, tables
from phenolens.datasets.layouts.image_files import ImageFiles, list_image_files
from phenolens.datasets.layouts.layout import Layout
from phenolens.datasets.layouts.plate_patterns import PATTERNS, ImageName, PlatePattern, own_pattern
from phenolens.datasets.layouts.plates import PlateChoices, match_pattern, read_plates
from phenolens.datasets.schema import IMAGE_COLUMN, IMAGE_PREFIX

_NEARLY_ALL = 0.9
NAMES = (tables.NAME, ome_zarr.NAME, *(pattern.name for pattern in PATTERNS), class_folders.NAME)
"""The names of all layouts, in the order in which they are preferred where several explain the same images."""


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A layout that may be the one.

    Attributes
    ----------
    name, explained
        Its name, and the images that it explains.
    layout
        What they are; None for file names of plates, which are read once they are chosen.
    pattern, names
        The pattern of file names, and what they say.
    """

    name: str
    explained: frozenset[str]
    layout: Layout | None = None
    pattern: PlatePattern | None = None
    names: Mapping[str, ImageName] = field(default_factory=dict)

    def read(self, files: ImageFiles, choices: PlateChoices) -> Layout:
        """Return what the images are."""
        if self.pattern is not None:
            return read_plates(files, self.pattern, self.names, choices)
        assert self.layout is not None  # noqa: S101 - it has one of both
        return self.layout


def find_layout(
    folder: Path, *, pattern: str | None = None, table: Path | None = None, choices: PlateChoices | None = None
) -> tuple[Layout, ImageFiles]:
    """Return what a folder of images is, and all of its files.

    Parameters
    ----------
    folder
        The folder.
    pattern
        The layout to take: one of `NAMES`, or a regular expression as in `own_pattern`. If None, the one that explains
        nearly all images.
    table
        A table that names the images.
    choices
        What the user chose for plates.

    Raises
    ------
    ManifestError
        If no layout explains nearly all images, or two explain different ones; the message names them and the option.
    """
    files = list_image_files(folder)
    choices = choices or PlateChoices()
    if table is not None:
        return _with_choices(tables.find_tables(files, table)[0], choices), files
    if pattern is not None:
        return _with_choices(_chosen(files, pattern, choices), choices), files
    candidates = _candidates(files)
    enough = _NEARLY_ALL * len(files.images)
    full = [each for each in candidates if len(each.explained) >= enough]
    of_plates = [each for each in candidates if each.pattern is not None]
    if full and full[0].name == class_folders.NAME and _together(of_plates) >= enough:
        full = []  # folders of plates are no classes, whatever names the files have
    if full:
        same_kind = [each for each in full[1:] if each.name == full[0].name]
        if same_kind:
            raise _several(folder, full[0], same_kind[0])
        return _with_choices(full[0].read(files, choices), choices), files
    apart = [each for each in candidates[1:] if not each.explained & candidates[0].explained]
    if apart:
        raise _several(folder, candidates[0], apart[0])
    if candidates:
        most = max(candidates, key=lambda each: len(each.explained))
        odd = sorted(set(files.images) - most.explained)
        raise ManifestError(
            f"{folder}: {most.name} explains {len(most.explained)} of {len(files.images)} images, and not "
            f"{listed(odd)}; take these alone (--pattern {most.name}), or describe the names (--pattern REGEX)"
        )
    raise ManifestError(
        f"{folder}: nothing tells its {len(files.images)} images apart, the first is {files.images[0]}: no known file "
        "names, class folders or table beside them; name a table (--table), or describe the names (--pattern REGEX)"
    )


def _with_choices(layout: Layout, choices: PlateChoices) -> Layout:
    """Return a layout with channels as the user names them.

    Raises
    ------
    ManifestError
        If planes or times are chosen of a layout that has none.
    """
    if layout.name not in (tables.NAME, ome_zarr.NAME, class_folders.NAME):
        return layout  # `read_plates` has done so
    for option, chosen in (("--z", choices.z), ("--time", choices.time)):
        if chosen is not None:
            raise ManifestError(
                f"{option} {chosen}: names of files tell planes and times apart, and these are {layout.description}; "
                f"leave out {option}, or describe the names (--pattern REGEX)"
            )
    if IMAGE_COLUMN in layout.table:
        return layout  # channels are in the files
    channels = {column.removeprefix(IMAGE_PREFIX) for column in layout.table if column.startswith(IMAGE_PREFIX)}
    unknown = [channel for channel in choices.channels if channel not in channels]
    if unknown:
        raise ManifestError(f"--channel {unknown[0]}: no such channel{did_you_mean(unknown[0], channels)}")
    renamed = {f"{IMAGE_PREFIX}{old}": f"{IMAGE_PREFIX}{new}" for old, new in choices.channels.items()}
    return replace(layout, table=layout.table.rename(columns=renamed))


def _candidates(files: ImageFiles) -> list[_Candidate]:
    """Return the layouts that explain any image, the preferred first."""
    by_class = class_folders.find_class_folders(files)
    found = [_labelled(each, by_class) for each in tables.find_tables(files, None)]
    of_zarr = ome_zarr.find_ome_zarr(files)
    found += [] if of_zarr is None else [of_zarr]
    candidates = [_Candidate(each.name, each.files, each) for each in found]
    for pattern in PATTERNS:
        names = match_pattern(files, pattern)
        if names:
            candidates.append(_Candidate(pattern.name, frozenset(names), pattern=pattern, names=names))
    if by_class is not None:
        candidates.append(_Candidate(by_class.name, by_class.files, by_class))
    return candidates


def _labelled(layout: Layout, by_class: Layout | None) -> Layout:
    """Return the layout of a table, with labels from class folders if it has none and every image is in one."""
    if by_class is None or "label" in layout.table or "image" not in layout.table:
        return layout
    labels = layout.table["image"].map(by_class.table.set_index("image")["label"])
    if labels.isna().any() or "perturbation" in layout.table:
        return layout
    layout.notes.guess(by_class.notes.guesses[0])
    return Layout(layout.name, layout.description, layout.files, layout.table.assign(label=labels), layout.notes)


def _together(candidates: Sequence[_Candidate]) -> int:
    """Return how many images any of the layouts explains."""
    return len(frozenset().union(*(each.explained for each in candidates)))


def _several(folder: Path, first: _Candidate, other: _Candidate) -> ManifestError:
    if first.name == other.name:
        described = " and ".join(each.layout.description for each in (first, other) if each.layout is not None)
        return ManifestError(f"{folder}: {described} both name its images; choose one (--table FILE)")
    described = " and ".join(
        f"{each.name} ({len(each.explained)} images, such as {min(each.explained)})" for each in (first, other)
    )
    return ManifestError(
        f"{folder}: different images have different names: {described}; choose one (--pattern {first.name}), or name "
        "the folder of one"
    )


def _chosen(files: ImageFiles, name: str, choices: PlateChoices) -> Layout:
    """Return the layout that the user named, whatever it leaves out."""
    if name == tables.NAME:
        found = tables.find_tables(files, None)
        layout = found[0] if found else None
    elif name == class_folders.NAME:
        layout = class_folders.find_class_folders(files)
    elif name == ome_zarr.NAME:
        layout = ome_zarr.find_ome_zarr(files)
    else:
        pattern = next((each for each in PATTERNS if each.name == name), None)
        if pattern is None and "(?P<" not in name:
            raise ManifestError(f"--pattern: there is no pattern '{name}'{did_you_mean(name, NAMES)}")
        pattern = pattern or own_pattern(name)
        names = match_pattern(files, pattern)
        layout = read_plates(files, pattern, names, choices) if names else None
    if layout is None:
        raise ManifestError(
            f"{files.folder}: {name} explains none of its images, the first is {files.images[0]}; leave out --pattern"
        )
    return layout
