"""From a folder of images, or tables of vectors, to a manifest and a recipe, with every guess in words."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from phenolens.core.errors import ImageError, ManifestError, PhenolensError
from phenolens.core.files import write_whole
from phenolens.core.numbers import count, listed
from phenolens.datasets import Manifest, read_manifest
from phenolens.datasets.layouts import (
    TEMPLATE,
    ImageFiles,
    Layout,
    Notes,
    PlateChoices,
    find_layout,
    join_platemap,
    mark_controls,
    read_platemap,
)
from phenolens.datasets.schema import IMAGE_COLUMN, IMAGE_PREFIX
from phenolens.images import read_site
from phenolens.workflows.draft_recipe import (
    Draft,
    Survey,
    as_yaml,
    draft_recipe,
    first_look,
    image_lines,
    why_nothing_is_asked,
)

MANIFEST, RECIPE, PLATEMAP = "manifest.csv", "recipe.yaml", "platemap.csv"
_MOST_READ = 16  # sites


@dataclass(frozen=True)
class Drafted:
    """What was written, and what to know of it.

    Attributes
    ----------
    written
        The files that were written.
    found
        What was found, a line each.
    guesses
        What was taken for what, and might be otherwise.
    missing
        What should be filled in.
    next_step
        The next command.
    """

    written: tuple[Path, ...]
    found: tuple[str, ...]
    guesses: tuple[str, ...]
    missing: tuple[str, ...]
    next_step: str


def init(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    platemap: Path | None = None,
    controls: Sequence[str] = (),
    pattern: str | None = None,
    table: Path | None = None,
    choices: PlateChoices | None = None,
) -> Drafted:
    """Write a manifest and a recipe for a folder of images.

    Plates without a platemap get no recipe, but a platemap to fill in.

    Parameters
    ----------
    folder
        The folder of images.
    out
        The folder for manifest.csv and recipe.yaml; that in which `folder` lies if None.
    platemap
        A table of what is in the wells, as in `read_platemap`.
    controls
        The perturbations that are negative controls; found by their names if none are given.
    pattern, table, choices
        As in `find_layout`.

    Raises
    ------
    PhenolensError
        If images, table or platemap cannot be understood, or a file would be overwritten; nothing is written then.
    """
    folder = Path(folder)
    out = folder.resolve().parent if out is None else Path(out)
    layout, files = find_layout(folder, pattern=pattern, table=table, choices=choices)
    notes = layout.notes
    rows = layout.table
    if platemap is not None:
        if not {"plate", "well"} <= set(rows):
            raise ManifestError(
                f"{platemap}: a platemap is for wells, and {layout.description} in {folder} name none; leave out "
                "--platemap, or describe the names of files (--pattern REGEX)"
            )
        rows = join_platemap(rows, read_platemap(platemap, notes), platemap, notes)
    rows = mark_controls(rows, controls, notes, str(platemap or folder))
    survey = _survey(rows, folder, choices, notes)
    paths = {name: out / name for name in (MANIFEST, RECIPE, PLATEMAP)}
    text = _manifest_text(rows, folder, out)
    ours = {text, _manifest_text(layout.table, folder, out)}
    if choices is not None and choices.channels and paths[MANIFEST].exists():
        ours |= _before_channels_had_names(folder, out, pattern, table, choices)
    refuse_other(paths[MANIFEST], ours)
    out.mkdir(parents=True, exist_ok=True)
    found = tuple(_describe(layout, files, rows, survey))
    with _undone_after_errors(paths[MANIFEST]):
        write_whole(paths[MANIFEST], text)
        manifest = read_manifest(paths[MANIFEST], names=survey.names or None)
        reason = why_nothing_is_asked(manifest.table)
        if reason is None:
            recipe = _recipe(folder, manifest, survey, notes, found).encode()
            refuse_other(paths[RECIPE], {recipe})
            write_whole(paths[RECIPE], recipe)
            written: tuple[Path, ...] = (paths[MANIFEST], paths[RECIPE])
            next_step = f"phenolens validate {paths[RECIPE]}"
        else:
            written = _without_questions(folder, rows, paths, notes, platemap, reason)
            next_step = _again(folder, out, paths[PLATEMAP], controls, pattern, table, choices)
    return Drafted(written, found, tuple(notes.guesses), tuple(notes.missing), next_step)


def _before_channels_had_names(
    folder: Path, out: Path, pattern: str | None, table: Path | None, choices: PlateChoices
) -> set[bytes]:
    """Return the manifest that a first call wrote, which said that channels are to be named; none if it was refused."""
    try:
        layout, _ = find_layout(folder, pattern=pattern, table=table, choices=replace(choices, channels={}))
    except PhenolensError:
        return set()
    return {_manifest_text(layout.table, folder, out)}


def _without_questions(
    folder: Path, rows: pd.DataFrame, paths: Mapping[str, Path], notes: Notes, platemap: Path | None, reason: str
) -> tuple[Path, ...]:
    """Write a platemap to fill in, for plates of which no more is known than their wells.

    Raises
    ------
    ManifestError
        If there are no wells, or there is a platemap already.
    """
    if platemap is not None or not {"plate", "well"} <= set(rows) or "perturbation" in rows:
        raise ManifestError(
            f"{platemap or folder}: no task can be asked: {reason}; add what lacks to the platemap, or to a table "
            "beside the images"
        )
    template = rows[["plate", "well"]].drop_duplicates().reindex(columns=list(TEMPLATE))
    path = paths[PLATEMAP]
    written: tuple[Path, ...] = (paths[MANIFEST],)
    if path.exists():
        notes.guess(f"{path} is there already, and was left as it is")
    else:
        write_whole(path, template.to_csv(index=False).encode())
        written += (path,)
    notes.fill_in(
        f"what is in each of the {len(template)} wells, in {path}: perturbation, and if known dose, dose_unit and role "
        "(treatment, negative_control, positive_control, empty)"
    )
    return written


def _again(
    folder: Path,
    out: Path,
    platemap: Path,
    controls: Sequence[str],
    pattern: str | None,
    table: Path | None,
    choices: PlateChoices | None,
) -> str:
    """Return the command that goes on once the platemap is filled in."""
    choices = choices or PlateChoices()
    options = [
        ("--platemap", platemap),
        ("--out", out),
        *(("--controls", name) for name in controls),
        ("--pattern", pattern),
        ("--table", table),
        ("--z", choices.z),
        ("--time", choices.time),
        *(("--channel", f"{channel}={name}") for channel, name in choices.channels.items()),
    ]
    given = [str(part) for option, value in options if value is not None for part in (option, value)]
    return shlex.join(["phenolens", "init", str(folder), *given])


def _manifest_text(rows: pd.DataFrame, folder: Path, out: Path) -> bytes:
    """Return a manifest whose images are relative to the folder that it is written to."""
    to_folder = Path(os.path.relpath(folder.resolve(), out.resolve()))
    files = [column for column in rows if column in (IMAGE_COLUMN, "mask") or str(column).startswith(IMAGE_PREFIX)]
    located = {
        column: rows[column].map(lambda path: (to_folder / path).as_posix(), na_action="ignore") for column in files
    }
    return rows.assign(**located).to_csv(index=False).encode()


def _survey(rows: pd.DataFrame, folder: Path, choices: PlateChoices | None, notes: Notes) -> Survey:
    """Read a few images: how large they are, and what their channels are called.

    Raises
    ------
    ImageError
        If none of them can be read.
    """
    columns = [column for column in rows if column == IMAGE_COLUMN or str(column).startswith(IMAGE_PREFIX)]
    shapes: set[tuple[int, int]] = set()
    channels: tuple[str, ...] = ()
    failed: list[str] = []
    chosen = np.unique(np.linspace(0, len(rows) - 1, _MOST_READ).round().astype(int))
    for row in chosen:
        files = {column: folder / rows[column].iat[row] for column in columns}
        source = files.get(IMAGE_COLUMN) or {name.removeprefix(IMAGE_PREFIX): path for name, path in files.items()}
        try:
            site = read_site(source)
        except ImageError as error:
            failed.append(str(error))
            continue
        shapes.add((site.pixels.shape[1], site.pixels.shape[2]))
        channels = channels or site.channels
    if not shapes:
        raise ImageError(f"{folder}: none of {len(failed)} images that were tried can be read; the first: {failed[0]}")
    if failed:
        notes.guess(f"{len(failed)} of {len(chosen)} images that were tried cannot be read; the first: {failed[0]}")
    given = choices.channels if choices else {}
    if IMAGE_COLUMN not in columns or not given:
        if any(channel.startswith("channel_") for channel in channels) and IMAGE_COLUMN in columns:
            notes.fill_in(f"what the channels {listed(channels, 8)} show, as in --channel 0=dna")
        return Survey(frozenset(shapes), channels)
    named = {f"channel_{channel}" if channel.isdigit() else channel: name for channel, name in given.items()}
    unknown = [channel for channel in named if channel not in channels]
    if unknown:
        raise ManifestError(f"--channel: no channel '{unknown[0]}' in the images; there is: {', '.join(channels)}")
    names = tuple(named.get(channel, channel) for channel in channels)
    return Survey(frozenset(shapes), names, names)


def _describe(layout: Layout, files: ImageFiles, rows: pd.DataFrame, survey: Survey) -> Iterator[str]:
    """Yield what was found, a line each."""
    yield f"{len(files.images)} images in {files.folder}: {layout.name}, {layout.description}"
    parts = []
    if {"plate", "well"} <= set(rows):
        parts = [count(rows["plate"].nunique(), "plate"), count(len(rows[["plate", "well"]].drop_duplicates()), "well")]
    parts.append(count(len(rows), "site"))
    named = (each for each in ("perturbation", "label") if each in rows)
    parts += [count(rows[each].nunique(), each) for each in named]
    yield f"{', '.join(parts)}; channels {', '.join(survey.channels)}"
    left = sorted(set(files.images) - layout.files)
    if left:
        yield f"{len(left)} images are not explained and are left out: {listed(left)}"
    if files.skipped:
        yield f"not looked at: {'; '.join(f'{n} {why}' for why, n in files.skipped.items())}"


def _recipe(folder: Path, manifest: Manifest, survey: Survey, notes: Notes, found: Sequence[str]) -> str:
    dataset = [f"manifest: {MANIFEST}"]
    if survey.names:
        dataset.append(f"names: {as_yaml(list(survey.names))}")
    dataset += first_look(manifest.table)
    about = f"Written by `phenolens init`. {'. '.join(found)}."
    name = folder.resolve().name
    study = name if name.lower() not in ("images", "image", "data") else folder.resolve().parent.name or name
    return draft_recipe(Draft(study, about, dataset, notes, manifest.table, image_lines(survey)))


def refuse_other(path: Path, ours: set[bytes]) -> None:
    """Refuse to replace a file that is not one that this command writes from the same images.

    Raises
    ------
    PhenolensError
        If there is one.
    """
    if path.exists() and (not path.is_file() or path.read_bytes() not in ours):
        raise PhenolensError(
            f"{path}: is there already, and is not overwritten; move it, or choose another folder (--out)"
        )


@contextmanager
def _undone_after_errors(path: Path) -> Iterator[None]:
    """Leave a file as it was if the block raises."""
    before = path.read_bytes() if path.exists() else None
    try:
        yield
    except BaseException:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            write_whole(path, before)
        raise
