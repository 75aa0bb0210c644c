"""Gaofen level-1A products: GF-2 and GF-1 PMS, GF-1 WFV, GF-6 PMS, GF-7 (backward camera).

A delivery is a tar.gz or its unpacked folder, with a TIFF without georeference, an XML and an RPB for each of the
multispectral and the panchromatic image. What the metadata say is not always what their names say:

- ``StartTime``, ``CenterTime`` and ``EndTime`` are Beijing time (UTC+8), ``ReceiveTime`` is UTC.
- ``SolarZenith`` is a zenith angle; ``SatelliteZenith`` is the **elevation** of the satellite.
- The corners of GF-2 describe a frame that is up to 300 rows taller than the image: the footprint comes from the RPC.
- ``RollViewingAngle`` is always 0, and many elements are empty.

Each was found by comparing real products with the position of the sun and with their own RPC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal
from xml.parsers import expat

import numpy as np

from pitmap.errors import ImageError, ProductError
from pitmap.imagery import archive, radiometry
from pitmap.imagery.radiometry import Coefficients, Part
from pitmap.imagery.rpc import WGS84, Rpc, from_gdal, parse_rpb
from pitmap.raster.reading import RasterInfo, describe, read_rpcs

BEIJING = timedelta(hours=8)
SUN_TOLERANCE = 1.0
"""Degrees by which the printed sun may differ from the computed one."""
BAND_NAMES = ("blue", "green", "red", "nir")

_MEMBER = re.compile(
    r"(?P<scene>GF[1-7][A-D]?_.+?)(?:-(?P<part>MSS|MUX|PAN|BWDMUX|BWDPAN)(?P<number>[12])?)?"
    r"\.(?P<kind>tiff?|xml|rpb)",
    re.IGNORECASE,
)
_PARTS: dict[str, Part] = {"MSS": "mss", "MUX": "mss", "BWDMUX": "mss", "PAN": "pan", "BWDPAN": "pan", "": "mss"}
_KINDS = {"tif": "tiff", "tiff": "tiff", "xml": "xml", "rpb": "rpb"}


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


@dataclass(frozen=True)
class ProductImage:
    """The multispectral or the panchromatic image of a product.

    Attributes:
        part: ``mss`` or ``pan``.
        metadata: From its XML.
        rpc: Its camera model.
        tiff: The raster file; None where it is missing or still inside the archive.
        tiff_name: Its name in the delivery, None where it is missing.
        shape: Rows and columns, of the TIFF where it is at hand and else of the XML.
    """

    part: Part
    metadata: Metadata
    rpc: Rpc
    tiff: Path | None
    tiff_name: str | None
    shape: tuple[int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the centre pixel at the height offset of the RPC."""
        row, col = (self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2
        lon, lat = self.rpc.locate(row, col, self.rpc.height_offset)
        return float(lon), float(lat)

    def sun(self) -> tuple[float, float, list[str]]:
        """Solar zenith and azimuth in degrees, and warnings: printed ones, checked against date and place."""
        zenith, azimuth = radiometry.sun_position(self.metadata.time, *self.centre)
        printed = self.metadata.solar_zenith
        if printed is None:
            return zenith, azimuth, ["SolarZenith is missing; the sun is computed from date and place."]
        if abs(printed - zenith) <= SUN_TOLERANCE:
            return printed, self.metadata.solar_azimuth or azimuth, []
        if abs(90 - printed - zenith) <= SUN_TOLERANCE:
            note = f"SolarZenith holds {printed:g}, the elevation of the sun; its zenith angle is {90 - printed:g}."
            return 90 - printed, self.metadata.solar_azimuth or azimuth, [note]
        note = (
            f"SolarZenith is {printed:g} degrees, but date and place put the sun at {zenith:.2f}. The printed angle is "
            f"used; check CenterTime ({self.metadata.time:%Y-%m-%d %H:%M:%S} UTC)."
        )
        return printed, self.metadata.solar_azimuth or azimuth, [note]

    def coefficients(self, choice: radiometry.Choice = "by_year") -> Coefficients:
        """Calibration coefficients of this image.

        Raises:
            ProductError: None are known.
        """
        m = self.metadata
        return radiometry.coefficients(
            m.satellite, m.camera, m.time.year, part=self.part, absolute_gains=m.absolute_gains, choice=choice
        )

    def footprint(self) -> list[tuple[float, float]]:
        """Longitude and latitude of the outer corners by the RPC at its height offset, clockwise from upper left."""
        bottom, right = self.shape[0] - 0.5, self.shape[1] - 0.5
        lon, lat = self.rpc.locate(
            np.array([-0.5, -0.5, bottom, bottom]), np.array([-0.5, right, right, -0.5]), self.rpc.height_offset
        )
        return list(zip(lon.tolist(), lat.tolist(), strict=True))


@dataclass(frozen=True)
class Product:
    """A delivery.

    Attributes:
        path: Folder, archive or TIFF that was given.
        name: Scene name, from its members.
        images: By part, those that are there.
        missing: Names of what a complete delivery would have besides.
        warnings: Remarks on the product.
    """

    path: Path
    name: str
    images: Mapping[Part, ProductImage]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def is_product(path: Path) -> bool:
    """Whether a path looks like a Gaofen delivery: an archive, a folder with its members, or one of its TIFFs."""
    if path.is_dir():
        return any(True for _ in _folder_members(path))
    if archive.is_archive(path):
        return True
    return _match(path.name, "tiff") and any(
        _match(p.name, "xml") and p.stem == path.stem for p in path.parent.iterdir()
    )


def _match(name: str, kind: str) -> bool:
    match = _MEMBER.fullmatch(name)
    return match is not None and _KINDS[match["kind"].lower()] == kind


@dataclass(frozen=True)
class _File:
    """A member of a delivery: name, and either a file or its bytes."""

    name: str
    path: Path | None
    content: bytes | None = None

    def read(self) -> bytes:
        if self.content is not None:
            return self.content
        assert self.path is not None
        if self.path.stat().st_size > archive.MAX_TEXT:
            raise ProductError(
                f"{self.path} has {self.path.stat().st_size} bytes.", f"At most {archive.MAX_TEXT}.",
                "This is no metadata file of a satellite product.",
            )  # fmt: skip
        return self.path.read_bytes()


def open_product(path: Path, folder: Path | None = None, parts: Iterable[Part] = ("mss", "pan")) -> Product:
    """Read a delivery.

    Args:
        path: A folder (members may lie in a folder inside), a tar or tar.gz archive, or a TIFF of a delivery.
        folder: Where the TIFFs of an archive are unpacked. Without it an archive is read in place and its images have
            no ``tiff``.
        parts: Which TIFFs to unpack.

    Raises:
        ProductError: It is no product, or it is incomplete, damaged, inconsistent or hostile.
        OutputError: There is no room to unpack.
    """
    path = Path(path)
    if not path.exists():
        raise ProductError(f"There is no file or folder {path}.", remedy="Check the path.")
    if path.is_dir():
        files = [_File(p.name, p) for p in _folder_members(path)]
    elif archive.is_archive(path):
        files = _archive_members(path, folder, set(parts))
    elif match := _MEMBER.fullmatch(path.name):
        stem = path.name[: -len(match["kind"]) - 1].lower()
        files = [_File(p.name, p) for p in sorted(path.parent.iterdir()) if _is_member(p) and p.stem.lower() == stem]
    else:
        files = []
    scenes: dict[str, dict[tuple[Part, str], _File]] = {}
    for file in files:
        match = _MEMBER.fullmatch(file.name)
        assert match is not None
        key = (_PARTS[(match["part"] or "").upper()], _KINDS[match["kind"].lower()])
        members = scenes.setdefault(match["scene"].upper(), {})
        if key in members:
            raise ProductError(
                f"{path} holds both {members[key].name} and {file.name}.", "One file of each kind.",
                "Give a folder with one delivery.",
            )  # fmt: skip
        members[key] = file
    if len(scenes) != 1:
        found = f"{len(scenes)} scenes ({', '.join(sorted(scenes))})" if scenes else "no Gaofen scene"
        raise ProductError(
            f"{path} holds {found}.", "One delivery: <scene>-MSS1.tiff, .xml and .rpb, and the same for PAN1.",
            "Give the folder or the tar.gz of one scene.",
        )  # fmt: skip
    (_, members), = scenes.items()  # fmt: skip
    return _assemble(path, members)


def _is_member(path: Path) -> bool:
    return path.is_file() and _MEMBER.fullmatch(path.name) is not None


def _folder_members(folder: Path) -> list[Path]:
    """Members in a folder, or in the folders inside it down to two levels."""
    for pattern in ("*", "*/*", "*/*/*"):
        if found := sorted(p for p in folder.glob(pattern) if _is_member(p)):
            return found
    return []


def _archive_members(path: Path, folder: Path | None, parts: set[Part]) -> list[_File]:
    def wanted(name: str) -> bool:
        match = _MEMBER.fullmatch(name)
        return match is not None and _match(name, "tiff") and _PARTS[(match["part"] or "").upper()] in parts

    members = archive.read_archive(path, lambda n: _match(n, "xml") or _match(n, "rpb"), wanted, folder)
    return [_File(m.name, m.file, m.text) for m in members if _MEMBER.fullmatch(m.name)]


def _assemble(path: Path, members: Mapping[tuple[Part, str], _File]) -> Product:
    images: dict[Part, ProductImage] = {}
    missing, warnings = [], []
    name = ""
    parts: tuple[Part, Part] = ("mss", "pan")
    for part in parts:
        here = {kind: members.get((part, kind)) for kind in ("tiff", "xml", "rpb")}
        if not any(here.values()):
            continue
        stem = next(f.name.rsplit(".", 1)[0] for f in here.values() if f is not None)
        name = name or re.sub(r"-[A-Z]+[12]?$", "", stem, flags=re.IGNORECASE)
        missing += [f"{stem}.{kind}" for kind, file in here.items() if file is None]
        if here["xml"] is None:
            raise ProductError(
                f"{path} has no {stem}.xml.", "The metadata of every image.", "Get the complete product."
            )
        metadata = parse_metadata(here["xml"].read(), here["xml"].name)
        images[part] = _image(part, stem, metadata, here["tiff"], here["rpb"])
        warnings += [f"{here['xml'].name}: {w}" for w in metadata.warnings]
    if "pan" not in images and "WFV" not in images["mss"].metadata.camera:
        missing.append("the panchromatic image (PAN)")
    if "mss" not in images:
        missing.append("the multispectral image (MSS)")
    elif "pan" in images:
        _check_pair(path, images["mss"].metadata, images["pan"].metadata)
    return Product(path, name, images, tuple(missing), tuple(warnings))


def _image(part: Part, stem: str, metadata: Metadata, tiff: _File | None, rpb: _File | None) -> ProductImage:
    bands = 1 if part == "pan" else 4
    if metadata.bands not in (None, bands):
        raise _swapped(f"{stem}.xml", f"{metadata.bands} band(s)", f"{bands} of {part.upper()}")
    info = None
    if tiff is not None and tiff.path is not None:
        info = _checked_tiff(tiff.path, metadata, bands, part)
    if info is not None:
        shape = info.grid.shape
    elif metadata.height and metadata.width:
        shape = metadata.height, metadata.width
    else:
        raise ProductError(
            f"{stem}.xml does not say how large the image is, and its TIFF is not at hand.",
            "WidthInPixels and HeightInPixels, or the TIFF.", "Get the complete product.",
        )  # fmt: skip
    rpc = _camera_model(stem, tiff, rpb)
    image = ProductImage(part, metadata, rpc, tiff.path if tiff else None, tiff.name if tiff else None, shape)
    _check_rpc(stem, image)
    return image


def _checked_tiff(path: Path, metadata: Metadata, bands: int, part: Part) -> RasterInfo:
    try:
        info = describe(path)
    except ImageError as error:
        raise ProductError(error.found, error.expected, "Get the product again.") from error
    if info.bands != bands:
        raise _swapped(path.name, f"{info.bands} band(s)", f"{bands} of {part.upper()}")
    if info.dtype != "uint16":
        raise ProductError(
            f"{path.name} holds {info.dtype}.", "Digital numbers as uint16.", "This is no level-1A image."
        )
    # Some deliveries are one pixel smaller than their XML says.
    for found, printed in zip(info.grid.shape, (metadata.height, metadata.width), strict=True):
        if printed is not None and abs(found - printed) > 1:
            raise _swapped(
                path.name, f"{info.grid.height} x {info.grid.width} pixels",
                f"{metadata.height} x {metadata.width} of its XML",
            )  # fmt: skip
    return info


def _camera_model(stem: str, tiff: _File | None, rpb: _File | None) -> Rpc:
    """The RPC of the RPB file, or of the TIFF's own tags where that is missing or empty."""
    if rpb is not None and (content := rpb.read()).strip():
        return parse_rpb(content.decode("ascii", "replace"), rpb.name)
    if tiff is not None and tiff.path is not None and (rpcs := read_rpcs(tiff.path)) is not None:
        return from_gdal(rpcs)
    found = f"{rpb.name} is empty" if rpb is not None else f"There is no {stem}.rpb"
    raise ProductError(
        f"{found}, and the TIFF holds no RPC.", "An RPC for every image.",
        "Get the product again: without it the image cannot be placed on the map.",
    )  # fmt: skip


def _check_rpc(stem: str, image: ProductImage) -> None:
    """Whether an RPC can belong to the image: its pixel size and its place are those of the XML."""
    m, (height, width) = image.metadata, image.shape
    along, across = image.rpc.ground_sampling(height / 2, width / 2)
    nominal = m.pixel_size_m
    if nominal and not all(0.6 < size / nominal < 2.5 for size in (along, across)):
        raise _swapped(f"{stem}.rpb", f"pixels of {along:.2f} x {across:.2f} m", f"{nominal:g} m of the XML")
    if m.corners is None:
        return
    lon, lat = _mean_position(m.corners)
    _, _, distance = WGS84.inv(lon, lat, *image.centre)
    if distance > 0.25 * math.hypot(height * along, width * across):
        raise _swapped(
            f"{stem}.rpb", f"an image centre {distance / 1000:.0f} km from that of the XML", "one scene in all files"
        )


def _mean_position(corners: Iterable[tuple[float, float]]) -> tuple[float, float]:
    points = list(corners)
    first = points[0][0]
    lon = first + sum((p[0] - first + 180) % 360 - 180 for p in points) / len(points)
    return lon, sum(p[1] for p in points) / len(points)


def _check_pair(path: Path, mss: Metadata, pan: Metadata) -> None:
    apart = abs(mss.time - pan.time)
    if time(0) in (mss.time.time(), pan.time.time()) and mss.time.date() == pan.time.date():
        apart = timedelta(0)  # one of them is only known by its date
    if (mss.satellite, mss.camera) != (pan.satellite, pan.camera) or apart > timedelta(minutes=1):
        raise ProductError(
            f"{path} holds MSS of {mss.satellite} {mss.camera}, {mss.time:%Y-%m-%d %H:%M} UTC, and PAN of "
            f"{pan.satellite} {pan.camera}, {pan.time:%Y-%m-%d %H:%M} UTC.",
            "Both images of one acquisition.", "Give the folder or the tar.gz of one scene.",
        )  # fmt: skip


def _swapped(name: str, found: str, expected: str) -> ProductError:
    return ProductError(
        f"{name} has {found}.",
        f"The {expected}.",
        "Files of different images were swapped, or the delivery is damaged.",
    )


def parse_xml(content: bytes, name: str) -> dict[str, str]:
    """The filled elements of a flat XML file by name; the first where a name is repeated.

    Document types and entities, with which a small file can ask for endless memory or for other files, are refused.

    Raises:
        ProductError: It is not XML, or holds a document type.
    """
    # Chinese encodings are beyond expat; the element names and values that are read are ASCII.
    declared = re.match(rb"<\?xml[^>]*encoding=[\"']([A-Za-z0-9_-]+)", content.lstrip())
    override = None
    if declared and declared[1].lower() in (b"gb2312", b"gbk", b"gb18030"):
        content, override = content.decode("gb18030", "replace").encode("utf-8"), "utf-8"
    parser = expat.ParserCreate(override)
    elements: dict[str, str] = {}
    open_elements: list[str] = []
    texts: list[str] = []

    def refuse(*_: Any) -> None:
        raise ProductError(
            f"{name} declares a document type or entities.", "Plain elements, as product metadata have.",
            "This is no metadata file of a satellite product: it was not read.",
        )  # fmt: skip

    def start(tag: str, _: Any) -> None:
        open_elements.append(tag)
        if len(open_elements) > 50:
            refuse()
        texts.clear()

    def end(tag: str) -> None:
        open_elements.pop()
        value = "".join(texts).strip()
        texts.clear()
        if value:
            elements.setdefault(tag, value)

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = texts.append
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: encodings
        raise ProductError(
            f"{name} is not an XML file ({error}).", "The metadata of the product.", "Get the product again."
        ) from error
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


def describe_product(path: Path, choice: Literal["by_year", "envi_2014"] = "by_year") -> dict[str, Any]:
    """What a delivery is and what would be done with it, as plain values for printing or JSON.

    Raises:
        ProductError: See ``open_product``.
    """
    product = open_product(path)
    return {
        "product": product.name,
        "path": str(product.path),
        "images": {part: _describe_image(image, choice) for part, image in product.images.items()},
        "missing": list(product.missing),
        "warnings": list(product.warnings),
    }


def _describe_image(image: ProductImage, choice: radiometry.Choice) -> dict[str, Any]:
    m = image.metadata
    zenith, azimuth, warnings = image.sun()
    computed = radiometry.sun_position(m.time, *image.centre)
    row, col = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
    incidence, towards = image.rpc.viewing_angles(row, col)
    along, across = image.rpc.ground_sampling(row, col)
    used: dict[str, Any]
    try:
        found = image.coefficients(choice)
        used = {
            "source": found.source, "gain": list(found.gain), "bias": list(found.bias),
            "irradiance": None if found.irradiance is None else list(found.irradiance),
        }  # fmt: skip
        warnings += found.warnings
    except ProductError as error:
        used = {"source": None, "problem": str(error)}
    return {
        "satellite": m.satellite,
        "camera": m.camera,
        "time_utc": m.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "rows": image.shape[0],
        "columns": image.shape[1],
        "size_from": "metadata" if image.tiff is None else "image",
        "bands": 1 if image.part == "pan" else 4,
        "pixel_size_m": {"nominal": m.pixel_size_m, "along_track": round(along, 3), "across_track": round(across, 3)},
        "sun": {
            "zenith": zenith, "azimuth": azimuth,
            "computed_zenith": round(computed[0], 3), "computed_azimuth": round(computed[1], 3),
        },
        "view": {
            "incidence": m.incidence, "azimuth": m.satellite_azimuth, "roll": m.roll,
            "incidence_from_rpc": round(incidence, 3), "azimuth_from_rpc": round(towards, 3),
        },
        "footprint": [[round(lon, 6), round(lat, 6)] for lon, lat in image.footprint()],
        "cloud_percent": m.cloud_percent,
        "coefficients": used,
        "identifiers": dict(m.identifiers),
        "warnings": warnings,
    }  # fmt: skip
