"""When an image was taken: the time of sensing, never that of processing, delivery or writing.

An image says it in its metadata, in the metadata file of its product beside it, or in its name. What is written about
other times (generation, production, reception, the file itself) is passed over, and a name with two dates that no known
product explains says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from pitmap.paths import local_file

ACQUIRED_TAG = "PITMAP_ACQUIRED"
"""In maps: when their image was taken, ISO 8601; a date, or a time in UTC."""

_ITEMS = (
    "PITMAPACQUIRED",  # maps
    "PITMAPTIMEUTC",  # images of `prepare`
    "ACQUISITIONDATETIME",  # GDAL's metadata domain IMAGERY, from the products that it knows
    "DATATAKE\\d*DATATAKESENSINGSTART",  # Sentinel-2, GDAL
    "(DATATAKE)?SENSING(START|TIME|DATE)?",
    "PRODUCTSTARTTIME",  # Sentinel-2: of sensing
    "EXIFDATETIMEORIGINAL",
    "(IMAGING|CENTER|CENTRE|SCENECENTERTIME|STARTTIME|ACQUI\\w*|CAPTURE\\w*|DATEACQUIRED|DATETIME|DATE)\\w*",
)
"""Names of metadata items, without punctuation and in capitals, the surest first."""

_OTHER_TIMES = re.compile("GENERAT|PROCESS|PRODUC(?!TSTARTTIME)|CREAT|RECEI|MODIF|FILE|TIFFTAG|METADATA|DIGITIZED|END")

_PRODUCTS = (
    r"^S2[A-D]_MSI\w{3}_(\d{8})T(\d{6})_",  # Sentinel-2 product: sensing start first
    r"^T\d{2}[A-Z]{3}_(\d{8})T(\d{6})_",  # a band of one
    r"^L[A-Z]\d{2}_\w{4}_\d{6}_(\d{8})_\d{8}_",  # Landsat Collection: acquisition, then processing
    r"^GF\d\w*_\w+_[EW][\d.]+_[NS][\d.]+_(\d{8})_",  # Gaofen
)
"""Names of products that hold more than one date or number like a date."""

_BEIJING = timedelta(hours=8)


@dataclass(frozen=True)
class Acquisition:
    """When an image was taken.

    Attributes:
        date: Day in UTC.
        time: Instant in UTC, None where only the day is known.
    """

    date: date
    time: datetime | None = None

    def __str__(self) -> str:
        """ISO 8601: a date, or a time that ends in Z."""
        return self.date.isoformat() if self.time is None else f"{self.time:%Y-%m-%dT%H:%M:%SZ}"


def acquisition(image: str | Path, tags: Mapping[str, str]) -> Acquisition | None:
    """When an image was taken, None where nothing says it.

    Args:
        image: The file; the Gaofen metadata beside it (same name, ``.xml``) is read, and its name.
        tags: Its metadata, those of GDAL's domain IMAGERY included (``RasterInfo.tags``).
    """
    return _of_tags(tags) or _of_gaofen_xml(local_file(image)) or _of_name(Path(image).name)


def date_taken(image: str | Path, tags: Mapping[str, str]) -> str | None:
    """The date of ``acquisition``, such as ``2017-10-30``."""
    taken = acquisition(image, tags)
    return None if taken is None else taken.date.isoformat()


def _of_tags(tags: Mapping[str, str]) -> Acquisition | None:
    names = {key: re.sub(r"[^A-Z0-9]", "", key.upper()) for key in sorted(tags)}
    usable = {key: name for key, name in names.items() if not _OTHER_TIMES.search(name)}
    for pattern in _ITEMS:
        for key, name in usable.items():
            if re.fullmatch(pattern, name) and (found := read_time(tags[key])):
                if found.time is None and (clock := _clock(tags, names)):  # Landsat: DATE_ACQUIRED, SCENE_CENTER_TIME
                    return Acquisition(found.date, datetime.combine(found.date, clock, UTC))
                return found
    return None


def _clock(tags: Mapping[str, str], names: Mapping[str, str]) -> time | None:
    for key, name in names.items():
        if name == "SCENECENTERTIME" and (found := re.match(r'"?(\d\d):(\d\d):(\d\d)', tags[key])):
            hour, minute, second = (int(v) for v in found.groups())
            return time(hour, minute, min(second, 59))
    return None


def _of_gaofen_xml(path: Path | None) -> Acquisition | None:
    if path is None or not (beside := path.with_suffix(".xml")).is_file():
        return None
    text = beside.read_bytes()[:65536].decode("utf-8", "replace")
    if "<ProductMetaData" not in text:
        return None
    for item in ("CenterTime", "StartTime", "EndTime"):
        if (value := re.search(rf"<{item}>([^<]*)<", text)) and (found := read_time(value[1])):
            if found.time is None:
                return found
            utc = found.time - _BEIJING  # these three are Beijing time, see imagery.gaofen_metadata
            return Acquisition(utc.date(), utc)
    return None


def _of_name(name: str) -> Acquisition | None:
    for pattern in _PRODUCTS:
        if found := re.match(pattern, name):
            return read_time("T".join(found.groups()))
    dates = {found.date for text in _dates_in(name) if (found := read_time(text))}
    return Acquisition(dates.pop()) if len(dates) == 1 else None


def _dates_in(name: str) -> Iterable[str]:
    return (found[0] for found in re.finditer(r"(?<!\d)(?:19|20)\d\d([-_.]?)\d\d\1\d\d(?!\d)", name))


def read_time(text: str) -> Acquisition | None:
    """A date or time as metadata write it: ISO 8601, ``2017:10:30 11:20:00``, ``20171030T112000``; UTC if no zone says.

    Returns:
        None where the text holds no date that exists.
    """
    found = re.match(
        r"""\D{0,2}((?:19|20)\d\d)[-_./:]?(\d\d)[-_./:]?(\d\d)
            (?:[T\s_-]*(\d\d):?(\d\d):?(\d\d)?(?:[.,]\d+)?\s*(Z|UTC|[+-]\d\d:?\d\d)?)?""",
        text, re.VERBOSE,
    )  # fmt: skip
    if found is None:
        return None
    year, month, day, hour, minute, second, zone = found.groups()
    try:
        on = date(int(year), int(month), int(day))
        if hour is None:
            return Acquisition(on)
        time = datetime(on.year, on.month, on.day, int(hour), int(minute), min(int(second or 0), 59), tzinfo=UTC)
    except ValueError:
        return None
    if zone and zone[0] in "+-":
        shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        time = time - shift if zone[0] == "+" else time + shift
    return Acquisition(time.date(), time)
