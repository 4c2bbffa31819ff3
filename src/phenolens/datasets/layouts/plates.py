"""Plates, told by the names of their image files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.core.numbers import listed
from phenolens.datasets.layouts.image_files import ImageFiles
from phenolens.datasets.layouts.index_files import channel_names
from phenolens.datasets.layouts.layout import Layout, Notes
from phenolens.datasets.layouts.plate_patterns import ImageName, PlatePattern
from phenolens.datasets.schema import IMAGE_COLUMN, IMAGE_PREFIX
from phenolens.datasets.wells import PLATE_FORMATS, spell_well
from phenolens.images import nuclear_channel

_WITHOUT_MEANING = re.compile(r"(images?|tiffs?|raw)$", re.IGNORECASE)
_FOLDER_OF = {"time": re.compile(r"TimePoint_(\d+)$", re.IGNORECASE), "z": re.compile(r"ZStep_(\d+)$", re.IGNORECASE)}
_MEASUREMENT = re.compile(r"__\d{4}-\d\d-\d\dT\S*(?:[ -]?Measurement ?\d+)?$")  # what Harmony adds to the plate
_AXES = {"z": "z-planes", "time": "time points"}
_NUCLEAR = re.compile(r"(dapi|hoechst|dna|draq5|nuclei|nucleus)", re.IGNORECASE)
_KEY = ["folder", "plate", "well", "site", "channel"]


@dataclass(frozen=True)
class PlateChoices:
    """What a user chooses where file names leave a choice.

    Attributes
    ----------
    z, time
        The z-plane and the time point to read; needed where there are several.
    channels
        Channel as in the file names -> its name.
    """

    z: str | None = None
    time: str | None = None
    channels: Mapping[str, str] = field(default_factory=dict)


def match_pattern(files: ImageFiles, pattern: PlatePattern) -> dict[str, ImageName]:
    """Return the image files whose names a pattern explains, with what they say."""
    found = {}
    for path in files.images:
        said = pattern.parse(PurePosixPath(path).name)
        if said is not None:
            found[path] = said
    return found


def read_plates(
    files: ImageFiles, pattern: PlatePattern, names: Mapping[str, ImageName], choices: PlateChoices
) -> Layout:
    """Return the sites of plates.

    Parameters
    ----------
    files
        The image files.
    pattern
        The pattern of their names.
    names
        The result of `match_pattern`.
    choices
        What the user chose.

    Raises
    ------
    ManifestError
        If there are several z-planes or time points and none is chosen, two files are the same channel of a site, or a
        named channel is not there.
    """
    notes = Notes()
    images = _as_table(files.folder, names)
    images = _with_wells(images, notes)
    images = _name_plates(images, files.folder, notes)
    for axis in _AXES:
        images = _one_of(images, axis, getattr(choices, axis), files.folder, notes)
    _refuse_repeated(images, files.folder)
    images = _name_channels(images, files.folder, choices.channels, notes)
    table = _one_row_per_site(images, files.folder, notes)
    return Layout(pattern.name, pattern.instrument, frozenset(names), table, notes)


def _as_table(folder: Path, names: Mapping[str, ImageName]) -> pd.DataFrame:
    """Return one row per file with what its name and its folders say; empty text where they say nothing."""
    rows = []
    for path, said in names.items():
        parts = []
        of_folder: dict[str, str] = {}
        for part in PurePosixPath(path).parts[:-1]:
            axes = {axis: found[1] for axis, regex in _FOLDER_OF.items() if (found := regex.match(part))}
            of_folder |= {axis: str(int(number)) for axis, number in axes.items()}
            if not axes and not _WITHOUT_MEANING.match(part):
                parts.append(part)
        rows.append(
            {
                "file": path,
                "folder": "/".join(parts),
                "number": said.number,
                "well": said.well,
                **{name: getattr(said, name) or of_folder.get(name, "") for name in ("plate", "site", "channel")},
                **{axis: of_folder.get(axis) or getattr(said, axis) or "" for axis in _AXES},
            }
        )
    return pd.DataFrame(rows)


def _with_wells(images: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """Name numbered wells by their position, on the smallest plate that has so many."""
    if images["number"].isna().all():
        return images
    largest = int(images["number"].max())
    size = next((size for size in PLATE_FORMATS if size[0] * size[1] >= largest), None)
    if size is None:
        raise ManifestError(f"well {largest} is on no plate of up to 1,536 wells; name a pattern (--pattern)")
    n_columns = size[1]
    spelled = {
        number: spell_well(f"r{(number - 1) // n_columns + 1}c{(number - 1) % n_columns + 1}")
        for number in images["number"].astype(int).unique()
    }
    notes.guess(
        f"wells are numbered up to {largest}: taken for rows of a plate of {size[0] * n_columns}, so that well "
        f"{largest} is {spelled[largest]}"
    )
    return images.assign(well=images["number"].astype(int).map(spelled))


def _name_plates(images: pd.DataFrame, folder: Path, notes: Notes) -> pd.DataFrame:
    """Name plates by their files or, if these do not say or one name is in several folders, by their folders."""
    by_folder = _folder_names(images["folder"].unique(), folder)
    folders = images["folder"].map(by_folder)
    if (images["plate"] == "").all():
        notes.guess(f"plates are called like their folders: {listed(sorted(folders.unique()))}")
        return images.assign(plate=folders)
    repeated = images.duplicated(["plate", "well", "site", "channel", "z", "time"]).any()
    if repeated and images["folder"].nunique() > 1:
        notes.guess(
            f"plates are called like their folders ({listed(sorted(folders.unique()))}), since file names call several "
            f"of them '{images['plate'].iloc[0]}'"
        )
        return images.assign(plate=folders)
    plates = images["plate"].where(images["plate"] != "", folders)
    notes.guess(f"plates are called as in file names: {listed(sorted(plates.unique()))}")
    return images.assign(plate=plates, folder="")


def _folder_names(folders: Sequence[str], root: Path) -> dict[str, str]:
    """Return folder -> a name of its own: its last part, or all parts if several folders have the same last part."""
    root = root.resolve()
    called = root.parent.name if _WITHOUT_MEANING.match(root.name) else root.name
    last = {each: _MEASUREMENT.sub("", each.rsplit("/", 1)[-1] or called) for each in folders}
    if len(set(last.values())) == len(last):
        return last
    return {each: each.replace("/", "_") or called for each in folders}


def _one_of(images: pd.DataFrame, axis: str, chosen: str | None, folder: Path, notes: Notes) -> pd.DataFrame:
    """Keep one z-plane or time point of each channel of a site."""
    others = [other for other in _AXES if other != axis]
    several = images.groupby([*_KEY, *others])[axis].transform("nunique") > 1
    is_choice = bool(several.any())
    if not is_choice and chosen is None:
        return images
    there = sorted((images.loc[several, axis] if is_choice else images[axis]).unique(), key=_by_number)
    what, option = _AXES[axis], f"--{axis}"
    if chosen is None:
        raise ManifestError(
            f"{folder}: {len(there)} {what} of the same site ({listed(there)}), of which one is read; choose it, as in "
            f"{option} {there[len(there) // 2]}, or name a folder of their projections"
        )
    if there == [""]:
        raise ManifestError(f"{folder}: names of its files tell no {what} apart; leave out {option}")
    wanted = str(int(chosen)) if chosen.isdigit() else chosen
    if wanted not in there:
        raise ManifestError(f"{folder}: none of its {what} is '{chosen}' ({option}); there is: {listed(there, 20)}")
    if is_choice:
        notes.guess(f"{axis} {wanted} of {len(there)} {what} is used, as chosen ({option})")
    return images[~several | (images[axis] == wanted)]


def _by_number(text: str) -> tuple[int, str]:
    return (int(text) if text.isdigit() else -1, text)


def _refuse_repeated(images: pd.DataFrame, folder: Path) -> None:
    """Refuse two files of the same channel of a site."""
    repeated = images.duplicated(["plate", "well", "site", "channel"], keep=False)
    if repeated.any():
        first, other = images[repeated].sort_values(["plate", "well", "site", "channel"])["file"].iloc[:2]
        raise ManifestError(
            f"{folder}: {first} and {other} have the same plate, well, site and channel in their names; move one of "
            "them away, or name the folder of one plate"
        )


def _name_channels(images: pd.DataFrame, folder: Path, given: Mapping[str, str], notes: Notes) -> pd.DataFrame:
    """Name channels as users, index files or file names do; those known by number alone are called ``channel_1``."""
    there = sorted(images["channel"].unique(), key=_by_number)
    if there == [""]:
        return images
    numbered = all(each.isdigit() for each in there)
    called = {each: f"channel_{each}" if each.isdigit() else _as_column(each) for each in there}
    if all(" - " in each for each in there):  # excitation - emission, of IN Cell
        emission = {each: _as_column(each.split(" - ")[-1]) for each in there}
        called = emission if len(set(emission.values())) == len(emission) else called
    if numbered and not given:
        called |= _from_index(images, folder, there, notes)
    for channel, name in given.items():
        key = str(int(channel)) if channel.isdigit() else channel
        key = next((each for each in there if key in (each, called[each])), key)
        if key not in there:
            raise ManifestError(f"--channel {channel}={name}: no such channel{did_you_mean(channel, there)}")
        called[key] = _as_column(name)
    if len(set(called.values())) < len(called):
        raise ManifestError(
            f"{folder}: two channels have one name: {', '.join(called.values())}; name each (--channel)"
        )
    called = _with_nuclear(called, notes)
    unnamed = [each for each in there if called[each] == f"channel_{each}"]
    if unnamed:
        notes.fill_in(
            f"what the channels {listed(unnamed, 8)} show, as in --channel {unnamed[0]}=dna: baselines find nuclei in "
            "a channel called dna, dapi or hoechst"
        )
    elif nuclear_channel(list(called.values())) is None:
        notes.fill_in(
            f"which of the channels {listed(list(called.values()), 8)} shows nuclei, as in --channel {there[0]}=dna: "
            "baselines that count cells need it"
        )
    return images.assign(channel=images["channel"].map(called))


def _from_index(images: pd.DataFrame, folder: Path, there: Sequence[str], notes: Notes) -> dict[str, str]:
    """Return channel number -> the name in an index file beside the images; nothing if it does not name them all."""
    parents = {folder / PurePosixPath(file).parent for file in images["file"]}
    above = {each.parent for each in parents if each != folder}
    names, source = channel_names(parents | above | {folder})
    if source is None:
        return {}
    if not set(there) <= set(names):
        notes.guess(f"{source.name} names the channels {listed(sorted(names))} and not {listed(there)}: it is not used")
        return {}
    called = {each: _as_column(names[each]) for each in there}
    notes.guess(f"channels are called as in {source.name}: {listed([f'{k} {v}' for k, v in called.items()], 8)}")
    return called


def _with_nuclear(called: dict[str, str], notes: Notes) -> dict[str, str]:
    """Call the one channel of a nuclear stain by the name of this, as baselines expect it."""
    if nuclear_channel(list(called.values())) is not None:
        return called
    stains = {key: found[1].lower() for key, name in called.items() if (found := _NUCLEAR.search(name))}
    if len(stains) != 1:
        return called
    ((key, stain),) = stains.items()
    if stain in called.values():
        return called
    notes.guess(f"the channel {called[key]} shows nuclei, and is called {stain}")
    return called | {key: stain}


def _as_column(name: str) -> str:
    """Return the name of a channel as part of a column name."""
    return re.sub(r"\W+", "_", name).strip("_") or "channel"


def _one_row_per_site(images: pd.DataFrame, folder: Path, notes: Notes) -> pd.DataFrame:
    """Return one row per site, with a column of images for each channel; incomplete sites are left out."""
    keys = ["plate", "well", "site"]
    if (images["channel"] == "").all():
        table = images[[*keys, "file"]].rename(columns={"file": IMAGE_COLUMN})
    else:
        table = images.pivot(index=keys, columns="channel", values="file").reset_index().rename_axis(columns=None)
        table = _without_gaps(table, [each for each in table if each not in keys], folder, notes)
        table = table.rename(columns=lambda name: name if name in keys else f"{IMAGE_PREFIX}{name}")
    table = table.sort_values(keys, key=lambda names: names.map(_by_number) if names.name == "site" else names)
    if (table["site"] == "").all():
        table = table.drop(columns="site")
        keys.remove("site")
    site_id = table[keys].agg("_".join, axis=1)
    return table.assign(site_id=site_id)[["site_id", *table.columns]].reset_index(drop=True)


def _without_gaps(table: pd.DataFrame, channels: list[str], folder: Path, notes: Notes) -> pd.DataFrame:
    """Leave out channels that most sites lack, then sites that lack a channel.

    Raises
    ------
    ManifestError
        If no site has all channels.
    """
    rare = [each for each in channels if table[each].notna().mean() < 1 / 2]
    if rare:
        notes.guess(f"the channels {listed(rare)} are left out, since fewer than half of the sites have them")
    table = table.drop(columns=rare)
    lacking = table[[each for each in channels if each not in rare]].isna()
    rows = lacking.any(axis=1)
    if rows.all():
        raise ManifestError(
            f"{folder}: no site has an image of each of the channels {listed(list(lacking.columns), 8)}; move those of "
            "one away, or describe the names (--pattern REGEX)"
        )
    if rows.any():
        first = table[rows].iloc[0]
        channel = lacking.columns[lacking[rows].iloc[0]][0]
        notes.guess(
            f"{rows.sum()} of {len(table)} sites lack a channel and are left out, the first is plate {first['plate']}, "
            f"well {first['well']}, site {first['site'] or '1'}, without {channel}"
        )
    return table[~rows]
