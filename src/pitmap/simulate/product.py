"""A GF-2 PMS level-1A product of a simulated landscape, whose geometry and radiometry are known exactly.

A rigorous pushbroom camera looks at the terrain: every pixel's line of sight is followed down to the relief (elevation
plus geoid), the reflectance there becomes radiance and then a 10-bit number, and the RPC are fitted to the camera as
the ground segment does it. What is written has the layout of a real delivery: TIFFs without georeference, XML and
RPB, in a tar.gz.
"""

from __future__ import annotations

import math
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pitmap.files import make_folder, replacing, write_text
from pitmap.grid import PIXEL_FRAME, Grid, Window
from pitmap.imagery.gaofen_metadata import BEIJING
from pitmap.imagery.longitudes import WGS84
from pitmap.imagery.radiometry import (
    SATURATED_DN,
    Part,
    coefficients,
    reflectance_scaling,
    sun_position,
)
from pitmap.imagery.rpc import ImageAffine, Rpc, format_rpb
from pitmap.observer import SILENT, Observer
from pitmap.raster.writing import Layout, create_plain, write_cog
from pitmap.simulate.camera import Ground, Landscape, Pushbroom, ground_of_pixels
from pitmap.simulate.rpc_fit import Distortion, fit_rpc

Floats = NDArray[np.float64]

PIXEL_SIZE_M = {"mss": 3.24, "pan": 0.81}
"""Ground sampling of GF-2 at nadir."""
HEADING = 192.0
"""Azimuth of the descending orbit, along which rows increase, in degrees."""
PAN_WEIGHTS = (0.15, 0.25, 0.30, 0.30)
"""Share of blue, green, red and near infrared in the panchromatic band."""
TALL_FRAME = 0.043
"""The frame that the printed corners describe is taller than the image by this share, as in real GF-2 products."""


@dataclass(frozen=True)
class ProductOptions:
    """How the product is taken.

    Attributes:
        camera: ``PMS1`` or ``PMS2``.
        day: UTC date; the year decides the coefficients.
        solar_time: Local solar time of the acquisition.
        roll: Roll of the satellite in degrees; the view angle on the ground is a little larger.
        shape: Rows and columns of the multispectral image; by default enough to show the whole landscape. Beyond the
            landscape the ground goes on as its mirror image.
        pan: Whether a panchromatic image is taken.
        pan_tilt: Disagreement of the panchromatic RPC with the multispectral one, in PAN pixels: for rows and for
            columns, the change from top to bottom, from left to right, and at the upper left. Real products disagree by
            up to 11.
        pan_bend: Amplitude of a bend of that RPC along the track (Chebyshev's third polynomial), PAN pixels.
        noise_dn: Standard deviation of the sensor's noise.
        fill_columns: Black columns at the left edge, as real scenes have 15 to 20.
        dem_posting_m: Spacing of the elevation model.
        declare_datum: Whether the model's CRS says that its heights are above EGM96.
        archive: Whether the product is packed as tar.gz, or stays a folder.
        seed: Of the noise.
    """

    camera: str = "PMS1"
    day: date = date(2018, 4, 16)
    solar_time: time = time(11, 0)
    roll: float = 15.0
    shape: tuple[int, int] | None = None
    pan: bool = True
    pan_tilt: ImageAffine = ((-6.0, 7.0, 2.0), (2.0, -4.0, 1.0))
    pan_bend: float = 1.0
    noise_dn: float = 0.0
    fill_columns: int = 16
    dem_posting_m: float = 12.0
    declare_datum: bool = True
    archive: bool = True
    seed: int = 0


@dataclass(frozen=True)
class SimulatedProduct:
    """What was written, and the truth behind it.

    Attributes:
        path: The tar.gz, or the folder.
        dem: Elevation model with heights above EGM96.
        name: Scene name.
        cameras: The rigorous camera of each image.
        rpcs: The RPC written for each image.
        time: UTC.
        solar_zenith: As printed in the XML.
    """

    path: Path
    dem: Path
    name: str
    cameras: dict[Part, Pushbroom]
    rpcs: dict[Part, Rpc]
    time: datetime
    solar_zenith: float


def write_product(
    folder: Path,
    landscape: Landscape,
    options: ProductOptions | None = None,
    observer: Observer = SILENT,
) -> SimulatedProduct:
    """Take a picture of a landscape and deliver it.

    Args:
        folder: Where the product and ``dem.tif`` are written.
        landscape: The ground.
        options: How it is taken.
        observer: Told of the progress.

    Raises:
        OutputError: The folder cannot be written to.
    """
    options = options or ProductOptions()
    ground = Ground.of(landscape)
    lon, lat = (float(v) for v in ground.geographic(np.array(ground.grid.height / 2), np.array(ground.grid.width / 2)))
    taken = _acquisition_time(options, lon)
    zenith, azimuth = (float(f"{v:.6g}") for v in sun_position(taken, lon, lat))
    rows, cols = options.shape or _covering_shape(ground.grid, ground, options)
    name = _scene_name(options.camera, lon, lat, taken)
    images = _images(landscape, options.pan)
    # Columns of PAN are four to one, rows not quite, as in real products.
    sizes: dict[Part, tuple[int, int]] = {"mss": (rows, cols), "pan": (4 * rows - round(12 * rows / 6908), 4 * cols)}
    total = sum(sizes[part][0] * sizes[part][1] for part in images)
    make_folder(folder)
    cameras: dict[Part, Pushbroom] = {}
    rpcs: dict[Part, Rpc] = {}
    with tempfile.TemporaryDirectory(prefix=".pitmap-", dir=folder) as work:
        delivery = Path(work) / name
        delivery.mkdir()
        done = 0
        for part, reflectance in images.items():
            camera = Pushbroom(lon, lat, ground.level, options.roll, HEADING, *sizes[part], PIXEL_SIZE_M[part])
            rpc = fit_rpc(camera, _height_range(ground), _misfit(options, camera) if part == "pan" else None)
            stem = f"{name}-{part.upper()}{options.camera[-1]}"
            write_text(delivery / f"{stem}.rpb", format_rpb(rpc))
            write_text(delivery / f"{stem}.xml", _metadata(part, options, taken, camera, rpc, zenith, azimuth))
            used = coefficients("GF2", options.camera, taken.year, part=part)
            scaling = reflectance_scaling(used, zenith, taken.date())
            image = Grid(None, PIXEL_FRAME, *sizes[part])
            rng = np.random.default_rng([options.seed, part == "pan"])
            scale, offset = (np.array(v, np.float32)[:, None, None] for v in (scaling.scale, scaling.offset))
            fill = options.fill_columns * (4 if part == "pan" else 1)
            with create_plain(delivery / f"{stem}.tiff", image, Layout(len(reflectance), "uint16")) as writer:
                for window in _strips(sizes[part]):
                    row, col = ground_of_pixels(camera, ground, window)
                    dn = (ground.sample(reflectance, row, col) - offset) / scale
                    if options.noise_dn:
                        dn += rng.normal(0, options.noise_dn, dn.shape).astype(np.float32)
                    dn = np.clip(np.rint(dn), 1, SATURATED_DN).astype(np.uint16)
                    dn[:, :, : max(0, fill - window.col)] = 0
                    writer.write(dn, window)
                    done += window.height * window.width
                    observer.progress(f"simulating {name}", done / total * 0.9)
            cameras[part], rpcs[part] = camera, rpc
        dem = folder / "dem.tif"
        _write_dem(dem, ground, list(cameras.values()), options)
        path = _deliver(delivery, folder, options.archive)
    observer.progress(f"simulating {name}", 1.0)
    return SimulatedProduct(path, dem, name, cameras, rpcs, taken, zenith)


def _images(landscape: Landscape, pan: bool) -> dict[Part, torch.Tensor]:
    mss = np.ascontiguousarray(landscape.reflectance, np.float32)
    images: dict[Part, torch.Tensor] = {"mss": torch.from_numpy(mss)}
    if pan:
        images["pan"] = torch.from_numpy(np.tensordot(np.array(PAN_WEIGHTS, np.float32), mss, 1)[None])
    return images


def _strips(shape: tuple[int, int]) -> list[Window]:
    """Windows in which an image is taken: uncompressed strips want whole rows."""
    height, width = shape
    rows = max(1, 2**21 // width)
    return [Window(row, 0, min(rows, height - row), width) for row in range(0, height, rows)]


def _height_range(ground: Ground) -> tuple[float, float]:
    low, high = float(ground.elevation.min()), float(ground.elevation.max())
    shift = ground.level - float(ground.elevation.mean())
    return low + shift - 500.0, high + shift + 500.0


def _acquisition_time(options: ProductOptions, lon: float) -> datetime:
    local = datetime.combine(options.day, options.solar_time, UTC)
    # Whole seconds, as the XML has them; the solar noon of a place moves with its longitude.
    return (local - timedelta(hours=lon / 15)).replace(microsecond=0)


def _covering_shape(grid: Grid, ground: Ground, options: ProductOptions) -> tuple[int, int]:
    """Rows and columns of a frame that shows the whole landscape with a margin."""
    heading = math.radians(HEADING)
    x0, y0, x1, y1 = grid.bounds
    dx, dy = (x1 - x0) / 2, (y1 - y0) / 2
    along = abs(dx * math.sin(heading)) + abs(dy * math.cos(heading))
    across = abs(dx * math.cos(heading)) + abs(dy * math.sin(heading))
    relief = float(ground.elevation.max() - ground.elevation.min()) * math.tan(math.radians(abs(options.roll) + 5))
    margin = relief + 40 * PIXEL_SIZE_M["mss"] + grid.transform.a
    rows, cols = (math.ceil(2 * (side + margin) / PIXEL_SIZE_M["mss"]) for side in (along, across))
    return rows, cols + 2 * options.fill_columns


def _misfit(options: ProductOptions, camera: Pushbroom) -> Distortion:
    """What the panchromatic RPC gives instead of the camera's row and column."""
    (row_down, row_across, row_shift), (col_down, col_across, col_shift) = options.pan_tilt

    def distort(row: Floats, col: Floats) -> tuple[Floats, Floats]:
        down, across = row / camera.rows, col / camera.cols
        t = 2 * down - 1
        bend = options.pan_bend * (4 * t**3 - 3 * t)
        return (
            row + row_down * down + row_across * across + row_shift + bend,
            col + col_down * down + col_across * across + col_shift,
        )

    return distort


def _scene_name(camera: str, lon: float, lat: float, taken: datetime) -> str:
    place = f"{'E' if lon >= 0 else 'W'}{abs(lon):.1f}_{'N' if lat >= 0 else 'S'}{abs(lat):.1f}"
    return f"GF2_{camera}_{place}_{taken:%Y%m%d}_L1A{_PRODUCT_ID:010d}"


_PRODUCT_ID = 9000001


def _metadata(
    part: Part, options: ProductOptions, taken: datetime, camera: Pushbroom, rpc: Rpc, zenith: float, azimuth: float
) -> str:
    """The XML of an image, with the elements, the time zones and the taller frame of a real one."""
    beijing = taken + BEIJING
    incidence, towards = rpc.viewing_angles((camera.rows - 1) / 2, (camera.cols - 1) / 2)
    bottom = (camera.rows - 1) * (1 + (TALL_FRAME if part == "mss" else TALL_FRAME / 3))
    right = camera.cols - 1
    lon, lat = camera.locate(np.array([0.0, 0.0, bottom, bottom]), np.array([0.0, right, right, 0.0]), camera.height)
    clock = "%Y-%m-%d %H:%M:%S"
    mss = part == "mss"
    elements: list[tuple[str, object]] = [
        ("SatelliteID", "GF2"), ("SensorID", options.camera), ("ReceiveTime", taken.strftime(clock)),
        ("OrbitID", 1), ("ProduceType", "STANDARD"), ("SceneID", 1), ("ProductID", _PRODUCT_ID),
        ("ProductLevel", "LEVEL1A"), ("ProductQuality", None), ("ProductQualityReport", None),
        ("ProductFormat", "GEOTIFF"), ("ProduceTime", (beijing + timedelta(hours=5)).strftime(clock)),
        ("Bands", "1,2,3,4" if mss else "5"), ("ScenePath", 1), ("SceneRow", 1), ("SatPath", 1), ("SatRow", 1),
        ("SceneCount", 1), ("SceneShift", 1), ("StartTime", (beijing - timedelta(seconds=2)).strftime(clock)),
        ("EndTime", (beijing + timedelta(seconds=1)).strftime(clock)), ("CenterTime", beijing.strftime(clock)),
        ("ImageGSD", PIXEL_SIZE_M[part]), ("WidthInPixels", camera.cols), ("HeightInPixels", camera.rows),
        ("WidthInMeters", None), ("HeightInMeters", None), ("CloudPercent", 0), ("QualityInfo", ""),
        ("PixelBits", ""), ("ValidPixelBits", ""), ("RollViewingAngle", 0), ("PitchViewingAngle", 0),
        ("RollSatelliteAngle", f"{options.roll:.6g}"), ("PitchSatelliteAngle", 0), ("YawSatelliteAngle", 0),
        ("SolarAzimuth", f"{azimuth:.6g}"), ("SolarZenith", f"{zenith:.6g}"),
        ("SatelliteAzimuth", f"{towards:.6g}"), ("SatelliteZenith", f"{90 - incidence:.6g}"),
        ("GainMode", "G2,G1,G1,G2" if mss else "G2"), ("IntegrationTime", 0.0004812 if mss else 0.0001203),
        ("IntegrationLevel", "S5,S4,S5,S3" if mss else "S4"), ("MapProjection", None), ("EarthEllipsoid", "WGS84"),
        ("ZoneNo", None), ("ResamplingKernel", None), ("HeightMode", None), ("MtfCorrection", "LAB"),
        ("RelativeCorrectionData", ""),
    ]  # fmt: skip
    corners = ("TopLeft", "TopRight", "BottomRight", "BottomLeft")
    for corner, x, y in zip(corners, lon, lat, strict=True):
        elements += [(f"{corner}Latitude", f"{y:.6g}"), (f"{corner}Longitude", f"{x:.6g}")]
    elements += [(f"{corner}Map{axis}", None) for corner in corners for axis in "XY"]
    lines = [f"    <{key} />" if value is None else f"    <{key}>{value}</{key}>" for key, value in elements]
    head = '<?xml version="1.0" encoding="UTF-8" ?>'
    return "\n".join([head, "<ProductMetaData>", *lines, "</ProductMetaData>", ""])


def _write_dem(path: Path, ground: Ground, cameras: list[Pushbroom], options: ProductOptions) -> None:
    """Elevation above EGM96 of everything the images show, with a margin."""
    rows = np.array([0, 0, 1, 1])
    cols = np.array([0, 1, 1, 0])
    low, high = _height_range(ground)
    xs, ys = [], []
    to_map = Transformer.from_crs(WGS84, ground.grid.crs, always_xy=True)
    for camera in cameras:
        for height in (low + 500, high - 500):
            x, y = to_map.transform(*camera.locate(rows * camera.rows, cols * camera.cols, height))
            xs += list(x)
            ys += list(y)
    step = options.dem_posting_m
    margin = 10 * step
    left, top = math.floor((min(xs) - margin) / step) * step, math.ceil((max(ys) + margin) / step) * step
    width, height = math.ceil((max(xs) + margin - left) / step), math.ceil((top - min(ys) + margin) / step)
    crs = ground.grid.crs
    assert crs is not None
    if options.declare_datum:
        crs = CRS.from_user_input(f"EPSG:{crs.to_epsg()}+5773")
    grid = Grid(crs, Affine(step, 0, left, 0, -step, top), height, width)
    x, y = grid.pixel_centres(np.arange(height)[:, None], np.arange(width)[None, :])
    row, col = (v.astype(np.float32) for v in ground.grid.pixel_positions(x, y))
    elevation = ground.sample(ground.elevation, row, col)
    write_cog(path, elevation, grid, Layout(1, "float32", -32768.0, ("elevation above EGM96, m",)))


def _deliver(delivery: Path, folder: Path, archive: bool) -> Path:
    """Pack the members, or move them to their place."""
    if archive:
        path = folder / f"{delivery.name}.tar.gz"
        with replacing(path) as temporary, tarfile.open(temporary, "w:gz", compresslevel=1) as tar:
            for member in sorted(delivery.iterdir()):
                tar.add(member, arcname=member.name)
        return path
    path = folder / delivery.name
    if path.exists():
        shutil.rmtree(path)
    delivery.replace(path)
    return path
