"""Names of channels in the index files that microscopes write beside images.

They are XML of strangers: documents with a type definition, whose entities may refer to files or grow without end, are
refused, and nothing is kept of the rest but names of channels.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.parsers import expat

from phenolens.core.errors import ManifestError, reason_of
from phenolens.datasets.text_file import read_text

_MOST_BYTES = 2**30
_PIECE = 2**20
_MOST_PIECES = 100  # of the text of one element: names are short

_WAVE = re.compile(r'^"WaveName(\d+)"\s*,\s*"(.*)"\s*$', re.MULTILINE)


def channel_names(folders: Iterable[Path]) -> tuple[dict[str, str], Path | None]:
    """Return channel number -> name, and the index file that says so; nothing if there is none.

    Parameters
    ----------
    folders
        Folders of images and those above them, in which index files are looked for.

    Raises
    ------
    ManifestError
        If an index file cannot be read, or two differ.
    """
    found: dict[str, str] = {}
    source = None
    for path in sorted({path for folder in folders for path in _index_files(folder)}):
        names = _read(path)
        if found and names and names != found:
            raise ManifestError(
                f"{path}: its channels ({', '.join(names.values())}) are not those of {source} "
                f"({', '.join(found.values())}); run init for each of these folders, or name channels (--channel 1=dna)"
            )
        if names:
            found, source = names, source or path
    return found, source


def _index_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and _reader(path) is not None]


def _reader(path: Path) -> Callable[[Path], dict[str, str]] | None:
    name = path.name.lower()
    if name in ("index.idx.xml", "index.xml"):
        return _of_harmony
    if name.endswith(".mes"):
        return _of_yokogawa
    return _of_metaxpress if name.endswith(".htd") else None


def _read(path: Path) -> dict[str, str]:
    reader = _reader(path)
    assert reader is not None  # noqa: S101 - only such files are listed
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is larger than any index file")
        names = reader(path)
    except (OSError, ValueError, expat.ExpatError) as error:
        raise ManifestError(
            f"{path}: names of channels cannot be read from it: {reason_of(error)}; move it away, and name channels "
            "(--channel 1=dna)"
        ) from error
    # A name that several channels have tells none of them apart.
    return names if len(set(names.values())) == len(names) and all(names.values()) else {}


def _of_metaxpress(path: Path) -> dict[str, str]:
    """Read ``"WaveName1", "DAPI"`` in the .HTD file of MetaXpress."""
    return {str(int(number)): name.strip() for number, name in _WAVE.findall(read_text(path))}


def _of_harmony(path: Path) -> dict[str, str]:
    """Read the names beside channel ids, which are elements of an image, or an attribute of an entry of a map."""
    names: dict[str, str] = {}
    ids: list[str] = []
    text: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        text.clear()
        if tag in ("Entry", "Image"):
            ids[:] = [attributes["ChannelID"]] if "ChannelID" in attributes else []

    def end(tag: str) -> None:
        content = "".join(text).strip()
        if tag == "ChannelID":
            ids[:] = [content]
        elif tag == "ChannelName" and ids and ids[0].isdigit():
            names.setdefault(str(int(ids[0])), content)
        text.clear()

    def keep(piece: str) -> None:
        if len(text) < _MOST_PIECES:
            text.append(piece)

    _parse(path, start, end, keep)
    return names


def _of_yokogawa(path: Path) -> dict[str, str]:
    """Read the fluorophores of channels in the measurement setting (.mes) of CellVoyager, if they were filled in."""
    names: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        number = attributes.get("bts:Ch", "")
        if tag == "bts:Channel" and number.isdigit():
            names[str(int(number))] = attributes.get("bts:Fluorophore", "").strip()

    _parse(path, start, None, None)
    return names


def _parse(
    path: Path,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None,
    text: Callable[[str], object] | None,
) -> None:
    """Pass the elements of an XML file on; a document with a type definition is refused."""

    def refuse(*_: object) -> None:
        raise ValueError("it has a document type definition, which no microscope writes")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            parser.Parse(piece, False)
    parser.Parse(b"", True)
