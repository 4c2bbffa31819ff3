"""How microscopes name the files of a plate: one pattern each, with its source and examples that tests read."""

import re
from dataclasses import dataclass, field
from typing import Any

from phenolens.core.errors import ManifestError
from phenolens.datasets.wells import parse_well, spell_well

_WELL = r"(?P<well>(?:A[A-F]|[A-P])\d{1,2})"
_UUID = r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}"
_END = r"(?:\.ome)?\.(?:tiff?|png|jpe?g|jp2|j2k|jpx|zarr)"
_SITE = r"(?:[_-](?:s|f|site|field|fov)?[_-]?(?P<site>\d{1,4}))"

_GROUPS = frozenset({"plate", "well", "row", "column", "number", "site", "channel", "z", "time"})
_PLACES = ({"well"}, {"row", "column"}, {"number"})


@dataclass(frozen=True)
class ImageName:
    """What the name of an image file says; None where it says nothing.

    Attributes
    ----------
    well
        As in ``B03``; None if wells are numbered.
    number
        The number of the well on its plate, counted from 1 along rows.
    plate, site, channel, z, time
        As they stand in the name, numbers without leading zeros.
    """

    well: str | None = None
    number: int | None = None
    plate: str | None = None
    site: str | None = None
    channel: str | None = None
    z: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class PlatePattern:
    """How one kind of instrument names image files.

    Attributes
    ----------
    name
        The name by which it is chosen.
    instrument
        Who writes such files.
    source
        Where names of this kind are documented.
    expression
        A regular expression for the whole name, whatever its case, with the groups ``plate``, ``well`` (or ``row`` and
        ``column``, or ``number``), ``site``, ``channel``, ``z`` and ``time``, of which all but the well may be missing.
    examples
        File name -> what it says.
    """

    name: str
    instrument: str
    source: str
    expression: str
    examples: dict[str, ImageName] = field(default_factory=dict)

    def parse(self, file_name: str) -> ImageName | None:
        """Return what a file name says, or None if it is of another kind."""
        found = re.fullmatch(self.expression, file_name, re.IGNORECASE)
        if found is None:
            return None
        said: dict[str, Any] = {name: _plain(text) for name, text in found.groupdict().items() if text is not None}
        number = said.pop("number", None)
        if number is not None:
            return ImageName(number=int(number), **said) if int(number) else None
        row, column = said.pop("row", None), said.pop("column", None)
        if row is not None and column is not None:
            said["well"] = f"r{row}c{column}" if row.isdigit() else f"{row}{column}"
        if parse_well(said.get("well")) is None:
            return None
        said["well"] = spell_well(said["well"])
        return ImageName(**said)


def _plain(text: str) -> str:
    return str(int(text)) if text.isdigit() else text


PATTERNS = (
    PlatePattern(
        "harmony",
        "Opera Phenix or Operetta (Harmony), also JUMP-CP",
        "OpenHCS sample files; fractal-uzh-converters; Cell Painting Gallery",
        rf"r(?P<row>\d\d)c(?P<column>\d\d)f(?P<site>\d+)p(?P<z>\d+)(?:rc\d+)?-ch(?P<channel>\d+)"
        rf"(?:sk(?P<time>\d+))?(?:fk\d+)?(?:fl\d+)?{_END}",
        {
            "r03c07f01p01-ch1sk1fk1fl1.tiff": ImageName("C07", site="1", channel="1", z="1", time="1"),
            "r16c24f09p02-ch5sk1fk1fl1.tiff": ImageName("P24", site="9", channel="5", z="2", time="1"),
        },
    ),
    PlatePattern(
        "columbus",
        "Operetta or Opera (Columbus, Harmony 3)",
        "ImageIndex.ColumbusIDX.xml; OpenHCS sample files",
        rf"(?P<row>\d{{3}})(?P<column>\d{{3}})-(?P<site>\d+)"
        rf"(?:-(?P<time>\d{{3}})(?P<z>\d{{3}})(?P<channel>\d{{3}}))?{_END}",
        {
            "001001-1.tif": ImageName("A01", site="1"),
            "005003-2-001001004.tif": ImageName("E03", site="2", time="1", z="1", channel="4"),
        },
    ),
    PlatePattern(
        "cellvoyager",
        "Yokogawa CellVoyager CV7000 or CV8000, also JUMP-CP",
        "OpenHCS sample files; fractal-uzh-converters",
        rf"(?P<plate>.+)_{_WELL}_T(?P<time>\d{{4}})F(?P<site>\d{{3,4}})L\d\dA\d\dZ(?P<z>\d\d+)C(?P<channel>\d\d){_END}",
        {
            "Dest210531-152149_A01_T0001F001L01A02Z01C02.tif": ImageName(
                "A01", plate="Dest210531-152149", time="1", site="1", z="1", channel="2"
            ),
        },
    ),
    PlatePattern(
        "cellvoyager-numbered",
        "Yokogawa CellVoyager CV1000 or CQ1",
        "OpenHCS sample files",
        rf"W(?P<number>\d{{1,4}})F(?P<site>\d{{3,4}})T(?P<time>\d{{4}})Z(?P<z>\d\d+)C(?P<channel>\d{{1,2}}){_END}",
        {
            "W1F001T0001Z00C1.tif": ImageName(number=1, site="1", time="1", z="0", channel="1"),
            "W0001F0001T0001Z001C1.tif": ImageName(number=1, site="1", time="1", z="1", channel="1"),
        },
    ),
    PlatePattern(
        "in-cell",
        "IN Cell Analyzer 2000 or 6000",
        "OpenHCS sample files; image-tools documentation of file renaming",
        rf"(?P<row>[A-P]) ?- ?(?P<column>\d{{1,2}})\(fld (?P<site>\d+) wv (?P<channel>.+? - .+?)"
        rf"(?: z (?P<z>\d+))?(?: time (?P<time>\d+) - .+? ms)?(?: wix \d+)?\){_END}",
        {
            "A - 1(fld 1 wv DAPI - DAPI).tif": ImageName("A01", site="1", channel="DAPI - DAPI"),
            "C - 05(fld 1 wv DAPI - DAPI z 01).tif": ImageName("C05", site="1", channel="DAPI - DAPI", z="1"),
            "B - 02(fld 01 wv FITC - FITC2 wix 2).tif": ImageName("B02", site="1", channel="FITC - FITC2"),
        },
    ),
    PlatePattern(
        "scanr",
        "Olympus ScanR",
        "OpenHCS sample files",
        rf"(?P<plate>.+?)?--W(?P<number>\d{{5}})--P(?P<site>\d{{5}})--Z(?P<z>\d{{5}})--T(?P<time>\d{{5}})"
        rf"--(?P<channel>[^.]+){_END}",
        {
            "--W00002--P00001--Z00000--T00000--nucleus-dapi.tif": ImageName(
                number=2, site="1", z="0", time="0", channel="nucleus-dapi"
            ),
        },
    ),
    PlatePattern(
        "incucyte",
        "Incucyte",
        "OpenHCS sample files",
        rf"(?P<plate>.+)_{_WELL}_(?P<site>\d+)_(?P<time>\d{{4}}y\d\dm\d\dd_\d\dh\d\dm){_END}",
        {
            "MySample1_A1_1_2021y08m06d_11h39m.tif": ImageName(
                "A01", plate="MySample1", site="1", time="2021y08m06d_11h39m"
            ),
        },
    ),
    PlatePattern(
        "bbbc005",
        "BBBC005 (simulated)",
        "its download",
        rf"(?P<plate>SIMCEPImages)_{_WELL}_C\d+_F\d+_s(?P<site>\d+)_w(?P<channel>\d){_END}",
        {"SIMCEPImages_A01_C1_F1_s01_w1.TIF": ImageName("A01", plate="SIMCEPImages", site="1", channel="1")},
    ),
    PlatePattern(
        "bbbc013",
        "BBBC013, and the example of CellProfiler for SBS plates",
        "BBBC013 readers; CellProfiler ExampleSBSImages",
        rf"Channel(?P<channel>\d)-\d+-(?P<row>[A-P])-(?P<column>\d\d){_END}",
        {"Channel1-01-A-01.tif": ImageName("A01", channel="1")},
    ),
    PlatePattern(
        "imagexpress",
        "ImageXpress (MetaXpress), also BBBC021, BBBC022 and RxRx",
        "OpenHCS sample files; fractal-uzh-converters; BBBC021 and BBBC022 image tables; rxrx-datasets",
        # A channel is one digit if a UUID is glued to it; a site, a channel, or both are there.
        rf"(?=.*_[sw]\d)(?:(?P<plate>.+)_)?{_WELL}(?:_s(?P<site>\d+))?(?:_w(?P<channel>\d{{1,2}}?)(?:{_UUID})?)?"
        rf"(?:_?\[{_UUID}\])?{_END}",
        {
            "Act1_Plate10-SP-A8_A01_s1_w1.TIF": ImageName("A01", plate="Act1_Plate10-SP-A8", site="1", channel="1"),
            "plate 11001_A01_s10_w1.TIF": ImageName("A01", plate="plate 11001", site="10", channel="1"),
            "BSF018292-1A_A01_w1.TIF": ImageName("A01", plate="BSF018292-1A", channel="1"),
            "2011-04-19-plate-1_A01_s1_[A192FCC1-0D4C-44D5-9D1F-0C8B8A1D9B5E].tif": ImageName(
                "A01", plate="2011-04-19-plate-1", site="1"
            ),
            "Week1_150607_B02_s1_w107447158-AC76-4844-8431-E6A954BD1174.tif": ImageName(
                "B02", plate="Week1_150607", site="1", channel="1"
            ),
            "cdp2bioactives_a01_s1_w1.tif": ImageName("A01", plate="cdp2bioactives", site="1", channel="1"),
            "AA02_s1_w3.png": ImageName("AA02", site="1", channel="3"),
        },
    ),
    PlatePattern(
        "ome-tiff-wells",
        "OME-TIFF files of wells",
        "OME-TIFF sample plate with a companion file",
        rf"(?:(?P<plate>.+)[_-])?well-{_WELL}(?:-(?P<site>\d+))?{_END}",
        {
            "well-A2.ome.tiff": ImageName("A02"),
            "well-C2-2.ome.tiff": ImageName("C02", site="2"),
        },
    ),
    PlatePattern(
        "well-channel",
        "any names with a well and then a channel",
        "no instrument: for files that were renamed",
        rf"(?:(?P<plate>.+?)[_-])?{_WELL}{_SITE}?[_-](?P<channel>[A-Z][\w -]*){_END}",
        {
            "A01_fkhr_gfp.png": ImageName("A01", channel="fkhr_gfp"),
            "plate1_B03_s2_dna.tif": ImageName("B03", plate="plate1", site="2", channel="dna"),
        },
    ),
    PlatePattern(
        "well",
        "any names that end in a well, with all channels in a file",
        "no instrument: for files that were renamed",
        rf"(?:(?P<plate>.+?)[_-])?{_WELL}{_SITE}?{_END}",
        {
            "B03.tif": ImageName("B03"),
            "plate1_B03_2.ome.tif": ImageName("B03", plate="plate1", site="2"),
        },
    ),
)
"""All patterns; where several explain the same files, the first is meant."""


def own_pattern(expression: str) -> PlatePattern:
    """Return the pattern of a regular expression of the user.

    Parameters
    ----------
    expression
        As in `PlatePattern`.

    Raises
    ------
    ManifestError
        If it is no regular expression, or names other groups, or no well.
    """
    try:
        groups = set(re.compile(expression).groupindex)
    except re.error as error:
        raise ManifestError(f"--pattern: '{expression}' is no regular expression: {error}") from error
    if not groups <= _GROUPS or not any(place <= groups for place in _PLACES):
        raise ManifestError(
            f"--pattern: a regular expression names the group 'well' (or 'row' and 'column', or 'number') and any of "
            f"plate, site, channel, z, time; found {', '.join(sorted(groups)) or 'no group'}"
        )
    return PlatePattern("your pattern", "files as your pattern describes them", "--pattern", expression)
