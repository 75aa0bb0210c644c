"""What the XML of a Gaofen image says, in the units and senses of the field.

What the metadata say is not always what their names say:

- ``StartTime``, ``CenterTime`` and ``EndTime`` are Beijing time (UTC+8), ``ReceiveTime`` is UTC.
- ``SolarZenith`` is a zenith angle; ``SatelliteZenith`` is the **elevation** of the satellite.
- The corners of GF-2 describe a frame that is up to 300 rows taller than the image.
- ``RollViewingAngle`` is always 0, and many elements are empty.

Each was found by comparing real products with the position of the sun and with their own RPC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pitmap.errors import ProductError

BEIJING = timedelta(hours=8)


@dataclass(frozen=True)
class Metadata:
    """What the XML of one image says, in the units and senses of the field.

    Attributes:
        satellite: ``GF2`` and so on.
        camera: ``PMS1``, ``PMS2``, ``WFV3``, ``PMS``, ``BWD``.
        time: Centre of the acquisition in UTC.
        bands: Number of bands.
        width: Columns, or None where the XML does not say.
        height: Rows.
        pixel_size_m: Nominal ground sampling distance.
        solar_zenith: Degrees.
        solar_azimuth: Degrees clockwise from north.
        incidence: Angle of view from the vertical on the ground, degrees.
        satellite_azimuth: Direction from the ground to the satellite, degrees clockwise from north.
        roll: Degrees.
        cloud_percent: As printed.
        absolute_gains: ``AbsCeof``, one a band, where the file has it.
        corners: Longitude and latitude of the printed corners, upper left, upper right, lower right, lower left.
        identifiers: Orbit, scene and product numbers, production level and time.
        warnings: Remarks on what is missing or odd.
    """

    satellite: str
    camera: str
    time: datetime
    bands: int | None
    width: int | None
    height: int | None
    pixel_size_m: float | None
    solar_zenith: float | None
    solar_azimuth: float | None
    incidence: float | None
    satellite_azimuth: float | None
    roll: float | None
    cloud_percent: float | None
    absolute_gains: tuple[float, ...] | None
    corners: tuple[tuple[float, float], ...] | None
    identifiers: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def parse_xml(content: bytes, name: str) -> dict[str, str]:
    """The filled elements of a flat XML file by name; the first where a name is repeated.

    Document types and entities, with which a small file can ask for endless memory or for other files, are refused.

    Raises:
        ProductError: It is not XML, or holds a document type.
    """
    # Chinese encodings are beyond expat, which takes decoded text whatever it declares.
    declared = re.match(rb"<\?xml[^>]*encoding=[\"']([A-Za-z0-9_-]+)", content.lstrip())
    chinese = declared is not None and declared[1].lower() in (b"gb2312", b"gbk", b"gb18030")
    try:
        root = fromstring(content.decode("gb18030", "replace") if chinese else content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise ProductError(
            f"{name} declares a document type or entities.", "Plain elements, as product metadata have.",
            "This is no metadata file of a satellite product: it was not read.",
        ) from error  # fmt: skip
    except (ParseError, LookupError, ValueError) as error:  # the last two: encodings
        raise ProductError(
            f"{name} is not an XML file ({error}).", "The metadata of the product.", "Get the product again."
        ) from error
    elements: dict[str, str] = {}
    for element in root.iter():
        if not len(element) and (value := (element.text or "").strip()):
            elements.setdefault(element.tag, value)
    return elements


def parse_metadata(content: bytes, name: str) -> Metadata:
    """Read the XML of one image.

    Args:
        content: The file.
        name: Its name, which gives satellite, camera and UTC date where elements are missing.

    Raises:
        ProductError: It is not XML, is hostile, holds a broken number, or does not say what took it and when.
    """
    xml = parse_xml(content, name)
    read = _Numbers(xml, name)
    from_name = re.match(r"(GF[1-7][A-D]?)_([A-Z]+\d?)_.*?_(\d{8})_", name, re.IGNORECASE)
    warnings: list[str] = []
    satellite = xml.get("SatelliteID") or (from_name[1] if from_name else "")
    camera = xml.get("SensorID") or (from_name[2] if from_name else "")
    if not satellite or not camera:
        raise ProductError(
            f"{name} does not say which satellite and camera took the image.", "SatelliteID and SensorID.",
            "This is no metadata file of a Gaofen product.",
        )  # fmt: skip
    time = _utc(xml, name, from_name[3] if from_name else None, warnings)
    elevation = read.angle("SatelliteZenith", 0, 90)
    bands = [b for b in re.split(r"[,;\s]+", xml.get("Bands", "")) if b]
    gains = xml.get("AbsCeof") or xml.get("AbsCoef")
    corners = [
        (read.angle(f"{corner}Longitude", -180, 360), read.angle(f"{corner}Latitude", -90, 90))
        for corner in ("TopLeft", "TopRight", "BottomRight", "BottomLeft")
    ]
    complete = [(lon, lat) for lon, lat in corners if lon is not None and lat is not None]
    identifiers = ("OrbitID", "SceneID", "ProductID", "ProductLevel", "ProduceTime", "ReceiveStationID")
    return Metadata(
        satellite.upper().replace("-", ""),
        _camera(satellite, camera),
        time,
        len(bands) or None,
        read.size("WidthInPixels"),
        read.size("HeightInPixels"),
        read.number("ImageGSD") or read.number("ImageGSDLine"),
        read.angle("SolarZenith", 0, 180),
        read.angle("SolarAzimuth", -180, 360),
        None if elevation is None else 90 - elevation,
        read.angle("SatelliteAzimuth", -180, 360),
        read.angle("RollSatelliteAngle", -90, 90),
        read.number("CloudPercent"),
        tuple(read.gain(v) for v in re.split(r"[,;\s]+", gains)) if gains else None,
        tuple(complete) if len(complete) == 4 else None,
        {key: xml[key] for key in identifiers if key in xml},
        tuple(warnings),
    )


def _camera(satellite: str, sensor: str) -> str:
    """The name under which the calibration table has a camera."""
    sensor = sensor.upper()
    if satellite.upper().startswith("GF7") and sensor in ("BWD", "DLC", "BWDMUX", "BWDPAN"):
        return "BWD"
    return sensor


@dataclass(frozen=True)
class _Numbers:
    """Numbers of an XML file; a missing element is None, a broken one is an error."""

    xml: Mapping[str, str]
    name: str

    def number(self, key: str) -> float | None:
        if key not in self.xml:
            return None
        try:
            value = float(self.xml[key])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._broken(key, "A finite number.")
        return value

    def angle(self, key: str, least: float, most: float) -> float | None:
        value = self.number(key)
        if value is not None and not least <= value <= most:
            raise self._broken(key, f"Degrees from {least:g} to {most:g}.")
        return value

    def size(self, key: str) -> int | None:
        value = self.number(key)
        if value is None:
            return None
        if not 1 <= value <= 200_000 or value != int(value):
            raise self._broken(key, "A whole number of pixels, 1 to 200000.")
        return int(value)

    def gain(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < 100:
            raise self._broken("AbsCeof", "Positive gains in W m-2 sr-1 um-1 for each DN.")
        return value

    def _broken(self, key: str, expected: str) -> ProductError:
        value = self.xml.get(key, "")
        return ProductError(f"{self.name} holds {value[:60]!r} in {key}.", expected, "Get the product again.")


def _utc(xml: Mapping[str, str], name: str, date_of_name: str | None, warnings: list[str]) -> datetime:
    """Centre of the acquisition in UTC."""
    beijing = [_time(xml, key, name) for key in ("CenterTime", "StartTime", "EndTime")]
    received = _time(xml, "ReceiveTime", name)
    centre = beijing[0]
    if centre is None and beijing[1] is not None and beijing[2] is not None:
        centre = beijing[1] + (beijing[2] - beijing[1]) / 2
    if centre is not None:
        utc = centre - BEIJING
        if received is not None and abs(utc - received) > timedelta(minutes=10):
            warnings.append(
                f"CenterTime {centre:%Y-%m-%d %H:%M:%S} is taken as Beijing time, as in other products, but is not 8 "
                f"hours after ReceiveTime {received:%Y-%m-%d %H:%M:%S}."
            )
        return utc
    if received is not None:
        warnings.append("CenterTime is missing; ReceiveTime, which is UTC, is used.")
        return received
    if date_of_name is not None:
        with suppress(ValueError):
            day = datetime.strptime(date_of_name, "%Y%m%d").replace(tzinfo=UTC)
            warnings.append("No time is given; the date of the file name is used, and the sun cannot be checked.")
            return day
    raise ProductError(
        f"{name} does not say when the image was taken.", "CenterTime, ReceiveTime, or a date in the file name.",
        "Get the product again.",
    )  # fmt: skip


def _time(xml: Mapping[str, str], key: str, name: str) -> datetime | None:
    if key not in xml:
        return None
    text = xml[key].strip().replace("T", " ").rstrip("Z")
    for pattern in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ProductError(
        f"{name} holds {xml[key][:60]!r} in {key}.", "A time such as 2018-04-16 11:20:05.", "Get the product again."
    )
