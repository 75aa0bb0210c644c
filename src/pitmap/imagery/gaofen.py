"""Gaofen level-1A products: GF-2 and GF-1 PMS, GF-1 WFV, GF-6 PMS, GF-7 (backward camera).

A delivery is an archive or its unpacked folder, with a TIFF without georeference, an XML and an RPB for each of the
multispectral and the panchromatic image. What else lies there (previews, side files of GDAL, QGIS and ArcGIS, further
XML) is not looked at: an image is what has at least two of the three under one name. The footprint comes from the RPC,
because the printed corners describe a taller frame.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pitmap.errors import ImageError, ProductError
from pitmap.imagery import archive, radiometry
from pitmap.imagery.gaofen_metadata import Metadata, parse_metadata
from pitmap.imagery.options import Coefficients as Choice
from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.radiometry import SATURATED_DN, Coefficients, Part, reflectance_scaling
from pitmap.imagery.rpc import WGS84, Rpc, from_gdal, parse_rpb
from pitmap.imagery.scene import PAN_FACTOR, PanImage, Radiometry, Scene, Source
from pitmap.raster.reading import RasterInfo, describe, read_rpcs

SUN_TOLERANCE = 1.0
"""Degrees by which the printed sun may differ from the computed one."""
BAND_NAMES = ("blue", "green", "red", "nir")
DEFAULT_RESOLUTION = {"GF2": 4.0}
"""Metres; GF-2 pixels of 3.24 m are labelled 4 m by CRESDA. Others default to their nominal pixel size."""
TEN_BIT = ("GF1", "GF2")
"""Satellites whose numbers end at 1023."""

_NAME = re.compile(
    r"(?P<scene>GF[1-7][A-D]?_[^/\\]+?)(?:-(?P<part>[A-Z]{3,})(?P<number>\d)?)?\.(?P<kind>tiff?|xml|rpb)", re.IGNORECASE
)
_SIDE_FILE = re.compile(r"\.(?:aux|ovr|msk|tiff?|jpe?g|png|xml|rpb)$", re.IGNORECASE)
"""Ending of a stem that is a file name itself: ``scene.tiff.aux.xml`` of GDAL, ``scene.tiff.xml`` of ArcGIS."""
_PARTS: dict[str, Part] = {"MSS": "mss", "MUX": "mss", "BWDMUX": "mss", "PAN": "pan", "BWDPAN": "pan", "": "mss"}
_KINDS = {"tif": "tiff", "tiff": "tiff", "xml": "xml", "rpb": "rpb"}


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
        if self.metadata.solar_azimuth is not None:
            azimuth = self.metadata.solar_azimuth
        if abs(printed - zenith) <= SUN_TOLERANCE:
            return printed, azimuth, []
        if abs(90 - printed - zenith) <= SUN_TOLERANCE:
            note = f"SolarZenith holds {printed:g}, the elevation of the sun; its zenith angle is {90 - printed:g}."
            return 90 - printed, azimuth, [note]
        note = (
            f"SolarZenith is {printed:g} degrees, but date and place put the sun at {zenith:.2f}. The printed angle is "
            f"used; check CenterTime ({self.metadata.time:%Y-%m-%d %H:%M:%S} UTC)."
        )
        return printed, azimuth, [note]

    def coefficients(self, choice: Choice = "by_year") -> Coefficients:
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

    def to_json(self, choice: Choice = "by_year") -> dict[str, Any]:
        """What the image is and what would be done with it, as plain values."""
        m = self.metadata
        zenith, azimuth, warnings = self.sun()
        computed = radiometry.sun_position(m.time, *self.centre)
        row, col = (self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2
        incidence, towards = self.rpc.viewing_angles(row, col)
        along, across = self.rpc.ground_sampling(row, col)
        used: dict[str, Any]
        try:
            found = self.coefficients(choice)
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
            "rows": self.shape[0],
            "columns": self.shape[1],
            "size_from": "metadata" if self.tiff is None else "image",
            "bands": 1 if self.part == "pan" else 4,
            "pixel_size_m": {
                "nominal": m.pixel_size_m, "along_track": round(along, 3), "across_track": round(across, 3),
            },
            "sun": {
                "zenith": zenith, "azimuth": azimuth,
                "computed_zenith": round(computed[0], 3), "computed_azimuth": round(computed[1], 3),
            },
            "view": {
                "incidence": m.incidence, "azimuth": m.satellite_azimuth, "roll": m.roll,
                "incidence_from_rpc": round(incidence, 3), "azimuth_from_rpc": round(towards, 3),
            },
            "footprint": [[round(lon, 6), round(lat, 6)] for lon, lat in self.footprint()],
            "cloud_percent": m.cloud_percent,
            "coefficients": used,
            "identifiers": dict(m.identifiers),
            "warnings": warnings,
        }  # fmt: skip


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
    warnings: tuple[str, ...] = ()

    def to_json(self, choice: Choice = "by_year") -> dict[str, Any]:
        """What the delivery is and what would be done with it, as plain values."""
        return {
            "product": self.name,
            "path": str(self.path),
            "images": {part: image.to_json(choice) for part, image in self.images.items()},
            "missing": list(self.missing),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class GaofenDelivery:
    """A path that looks like a Gaofen delivery; it is read when asked."""

    path: Path

    def to_json(self) -> dict[str, Any]:
        """See ``pitmap.imagery.scene.Delivery``."""
        return open_product(self.path).to_json()

    def scene(self, folder: Path, options: PrepareOptions) -> Scene:
        """See ``pitmap.imagery.scene.Delivery``. Without a multispectral image, the panchromatic one is the scene's."""
        product = open_product(self.path, folder, ("mss", "pan") if options.pan else ("mss",))
        warnings = list(product.warnings)
        part: Part = "mss" if "mss" in product.images else "pan"
        image, pan = product.images[part], product.images.get("pan")
        if options.pan and (pan is None or pan.tiff is None or part == "pan"):
            raise ProductError(
                f"{self.path} lacks an image: {', '.join(product.missing)}.",
                "The multispectral and the panchromatic image.", "Prepare it without sharpening.",
                ["pan"],
            )  # fmt: skip
        if part == "pan":
            warnings.append("The product has no multispectral image; the panchromatic one is prepared.")
            if image.tiff is None and image.tiff_name is not None:
                image = open_product(self.path, folder, ("pan",)).images["pan"]
        if image.tiff is None:
            raise ProductError(
                f"{self.path} lacks {', '.join(product.missing)}.", "The image itself.", "Get the product again."
            )
        m = image.metadata
        zenith, azimuth, remarks = image.sun()
        warnings += remarks
        used = Radiometry("none: digital numbers are kept")
        if not options.keep_dn:
            known = image.coefficients(options.coefficients)
            warnings += known.warnings
            scaling = reflectance_scaling(known, zenith, m.time.date())
            used = Radiometry(
                known.source, scaling.scale, scaling.offset, known.gain, known.bias, known.irradiance or ()
            )
        row, col = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
        incidence, towards = image.rpc.viewing_angles(row, col)
        source = Source(
            product.name, f"{m.satellite} {m.camera} {part.upper()}", m.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            zenith, azimuth, round(incidence, 3), round(towards, 3),
        )  # fmt: skip
        pixel = m.pixel_size_m or float(np.mean(image.rpc.ground_sampling(row, col)))
        if part == "mss":
            pixel = DEFAULT_RESOLUTION.get(m.satellite, pixel)
        wanted = None
        if options.pan and pan is not None and pan.tiff is not None:
            wanted, pixel = PanImage(pan.tiff, pan.rpc), pixel / PAN_FACTOR
        return Scene(
            image.tiff, image.rpc, BAND_NAMES if part == "mss" else ("pan",), pixel, source, used,
            SATURATED_DN if m.satellite in TEN_BIT else None, wanted, tuple(warnings),
        )  # fmt: skip


def recognise(path: Path) -> GaofenDelivery | None:
    """The sensor ``gaofen``: whether a path is an archive, a folder with members of a delivery, or one of its TIFFs."""
    if path.is_dir():
        found = bool(_folder_members(path))
    elif archive.is_archive(path):
        found = True
    else:
        name = _parsed(path.name)
        found = name is not None and name.kind == "tiff" and any(
            (other := _parsed(p.name)) is not None and other.kind == "xml" and p.stem.lower() == path.stem.lower()
            for p in path.parent.iterdir()
        )  # fmt: skip
    return GaofenDelivery(path) if found else None


class _Name(NamedTuple):
    """What the name of a member says: the scene, the part as written, and the kind of file."""

    scene: str
    part: str
    kind: str


def _parsed(name: str) -> _Name | None:
    """The name of a member of a delivery, None for other files."""
    match = _NAME.fullmatch(name)
    if match is None or _SIDE_FILE.search(name[: match.start("kind") - 1]):
        return None
    return _Name(match["scene"].upper(), (match["part"] or "").upper(), _KINDS[match["kind"].lower()])


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
        path: A folder (members may lie in a folder inside), a tar or zip archive, or a TIFF of a delivery.
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
    else:
        beside = sorted(p for p in path.parent.iterdir() if p.is_file() and p.stem.lower() == path.stem.lower())
        files = [_File(p.name, p) for p in beside if _parsed(p.name) is not None]
    scenes: dict[str, dict[tuple[Part, str], _File]] = {}
    for name, file in _images(path, files):
        scenes.setdefault(name.scene, {})[_PARTS[name.part], name.kind] = file
    if len(scenes) != 1:
        found = f"{len(scenes)} scenes ({', '.join(sorted(scenes))})" if scenes else "no Gaofen scene"
        raise ProductError(
            f"{path} holds {found}.", "One delivery: <scene>-MSS1.tiff, .xml and .rpb, and the same for PAN1.",
            "Give the folder or the archive of one scene.",
        )  # fmt: skip
    (_, members), = scenes.items()  # fmt: skip
    return _assemble(path, members)


def _images(path: Path, files: Sequence[_File]) -> list[tuple[_Name, _File]]:
    """The files that make up images: at least two of TIFF, XML and RPB under one name, of a part that is known.

    Raises:
        ProductError: There are two files of one kind for an image.
    """
    groups: dict[tuple[str, str], dict[str, tuple[_Name, _File]]] = {}
    for file in files:
        name = _parsed(file.name)
        if name is None or name.part not in _PARTS:
            continue
        stem = file.name.rsplit(".", 1)[0].lower()
        group = groups.setdefault((name.scene, stem), {})
        if name.kind in group:
            raise _both(path, group[name.kind][1], file)
        group[name.kind] = name, file
    complete = {key: group for key, group in groups.items() if len(group) > 1} or groups
    members = [member for group in complete.values() for member in group.values()]
    # A scene of several images has its further files, of the scene as a whole, under its bare name.
    parted = {name.scene for name, _ in members if name.part}
    kept = [(name, file) for name, file in members if name.part or name.scene not in parted]
    seen: dict[tuple[str, Part, str], _File] = {}
    for name, file in kept:
        key = name.scene, _PARTS[name.part], name.kind
        if key in seen:
            raise _both(path, seen[key], file)
        seen[key] = file
    return kept


def _both(path: Path, first: _File, second: _File) -> ProductError:
    return ProductError(
        f"{path} holds both {first.name} and {second.name}.", "One file of each kind.",
        "Give a folder with one delivery.",
    )  # fmt: skip


def _folder_members(folder: Path) -> list[Path]:
    """Members in a folder, or in the folders inside it down to two levels: the first level that has an image."""
    found: list[Path] = []
    for pattern in ("*", "*/*", "*/*/*"):
        here = sorted(
            p for p in folder.glob(pattern)
            if _parsed(p.name) is not None and "__MACOSX" not in p.parts and p.is_file()
        )  # fmt: skip
        stems = [p.stem.lower() for p in here]
        if len(set(stems)) < len(stems):
            return here
        found = found or here
    return found


def _archive_members(path: Path, folder: Path | None, parts: set[Part]) -> list[_File]:
    def is_text(base: str) -> bool:
        name = _parsed(base)
        return name is not None and name.kind != "tiff"

    def is_wanted(base: str) -> bool:
        name = _parsed(base)
        return name is not None and name.kind == "tiff" and _PARTS.get(name.part) in parts

    members = archive.read_archive(path, is_text, is_wanted, folder)
    return [_File(m.name, m.file, m.text) for m in members if _parsed(m.name) is not None]


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
            "Both images of one acquisition.", "Give the folder or the archive of one scene.",
        )  # fmt: skip


def _swapped(name: str, found: str, expected: str) -> ProductError:
    return ProductError(
        f"{name} has {found}.",
        f"The {expected}.",
        "Files of different images were swapped, or the delivery is damaged.",
    )
