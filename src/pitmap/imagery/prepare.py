"""From what users have to reflectance on a map grid: the files side of calibration and orthorectification.

Takes a delivery of a known sensor, an image of any sensor with an RPC that GDAL reads, or an image that lies on a map
already.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely import Polygon
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from pitmap.errors import ImageError, OutputError, ProductError
from pitmap.exclusive import exclusive
from pitmap.files import make_folder, write_json
from pitmap.grid import Grid, blocks, lack_of_place, place_of
from pitmap.imagery.control import Control, fit_control, write_residuals
from pitmap.imagery.control_points import read_control_points
from pitmap.imagery.heights import Heights, level, read_heights, transformed, typical_height
from pitmap.imagery.longitudes import WGS84, near
from pitmap.imagery.options import Kernel, PrepareOptions
from pitmap.imagery.ortho import (
    BLOCK,
    MAX_PIXELS,
    Block,
    MapModel,
    OrthoMap,
    footprint,
    grid_of,
    orthorectify,
    utm_zone,
)
from pitmap.imagery.pansharpen import TARGET_RMSE, fused, register, spectral_weights
from pitmap.imagery.radiometry import REFLECTANCE_SCALE, saturated
from pitmap.imagery.reflectance import Clipped, Tally, saturation_flags, write_blocks
from pitmap.imagery.rpc import Rpc, from_gdal
from pitmap.imagery.scene import PanImage, Radiometry, Scene, Source, as_they_are
from pitmap.imagery.sensors import recognise
from pitmap.observer import SILENT, Observer, Part
from pitmap.paths import is_gdal
from pitmap.raster.looks import image_layout
from pitmap.raster.reading import RasterInfo, RasterReader, describe, open_raster, read_rpcs
from pitmap.raster.writing import Layout, create_cog, create_plain

PAN_FACTOR = 4
"""Multispectral pixels are four panchromatic ones wide."""


@dataclass(frozen=True)
class GridSummary:
    """Where the result lies: ``EPSG:…`` or a name, pixel size in its units, rows, columns, and outer bounds."""

    crs: str
    pixel_size: float
    rows: int
    columns: int
    bounds: tuple[float, float, float, float]


@dataclass(frozen=True)
class HeightsUsed:
    """Elevation model and vertical datum, as phrases, and whether it was one level for the whole scene."""

    source: str
    datum: str
    level: bool


@dataclass(frozen=True)
class ControlUsed:
    """Correction by control points: kind, number, root mean square of residuals and of points left out, pixels."""

    model: str
    points: int
    rmse_pixels: float
    left_out_rmse_pixels: float | None


@dataclass(frozen=True)
class PanUsed:
    """How the panchromatic image was laid onto the multispectral one and fused with it.

    Attributes:
        misfit_pixels: Root mean square distance as delivered, in panchromatic pixels.
        rmse_pixels: What remains.
        places: Where it was measured.
        degree: Of the polynomial.
        weights: Share of each band in the panchromatic one.
    """

    misfit_pixels: float
    rmse_pixels: float
    places: int
    degree: int
    weights: tuple[float, ...]


@dataclass(frozen=True)
class PrepareReport:
    """An image as it was prepared. ``to_json`` gives plain values; the same lies beside the image as ``.json``.

    Attributes:
        output: The image.
        source: What it was made from.
        radiometry: Coefficients, scale and offset a band.
        grid: Where it lies.
        heights: None where heights have no part.
        valid_share: Share of the grid with data.
        saturated: Pixels at the sensor's ceiling by band name; None where the ceiling is not known.
        saturated_file: Where they lie: bit k - 1 is band k; None where there are none.
        clipped: Pixels whose reflectance cannot be stored, by band name; empty where there are none.
        control: Correction by control points.
        pan: Of a sharpened image.
        warnings: What the user should know.
    """

    output: Path
    source: Source
    radiometry: Radiometry
    grid: GridSummary
    heights: HeightsUsed | None
    valid_share: float
    saturated: dict[str, int] | None
    saturated_file: Path | None
    clipped: dict[str, Clipped]
    control: ControlUsed | None
    pan: PanUsed | None
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line."""
        report = self.output.with_suffix(".json").name
        return f"{self.output}: {self.valid_share:.1%} of the grid has data. Report beside it: {report}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}
        return plain | {"source": self.source.to_json(), "radiometry": self.radiometry.to_json()}


def prepare(
    product_or_image: Path, out: Path, options: PrepareOptions | None = None, observer: Observer = SILENT
) -> PrepareReport:
    """Calibrate and orthorectify.

    Writes a COG of uint16 reflectance x 10000 (scale and offset in its tags), 0 where there is no data, and a report
    beside it; where pixels are saturated also ``<name>.saturated.tif``, and with control points ``<name>.gcps.csv``.
    All of them get their names when all are complete.

    Args:
        product_or_image: A delivery (folder, archive, or its TIFF), an image with an RPC, or an image on a map.
        out: The image to write, ending in ``.tif``.
        options: What is wanted.
        observer: Hears the share done, and every warning.

    Raises:
        ProductError: The product is incomplete, damaged or hostile; heights are missing, undeclared or do not cover it;
            control points do not belong to it; or the grid is absurd.
        ImageError: An image cannot be read, does not say how its numbers become reflectance, or holds none.
        OutputError: The result cannot be written.
    """
    path, out, options = Path(product_or_image), Path(out), options or PrepareOptions()
    _check_options(options)
    make_folder(out.parent)
    with exclusive(out, observer=observer), _workplace(out) as work:
        delivery = recognise(path, options.sensor)
        if delivery is not None:
            scene = delivery.scene(work / "product", options)
        elif options.pan:
            raise ProductError("Only products can be sharpened.", "A product with its panchromatic image.")
        else:
            scene = _open_image(path, options)
        finished = work / "finished"
        finished.mkdir()
        try:
            report = _prepare(scene, finished / out.name, out, work, options, observer)
        except OutputError as error:
            # The user knows the folder of the result, not the one that it is made in.
            found = error.found.replace(str(finished), str(out.parent))
            raise OutputError(found, error.expected, error.remedy) from error
        _give_names(finished, out)
    for warning in report.warnings:
        observer.warn(warning)
    observer.progress("preparing", 1.0)
    return report


@contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """A folder beside a result, where it is made; what a killed run left there is removed first."""
    work = out.with_name(f".{out.name}.preparing")
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield make_folder(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _side_files(out: Path) -> list[Path]:
    saturated = out.with_name(f"{out.stem}.saturated.tif")
    styles = [saturated.with_suffix(".qml"), out.with_suffix(".qml")]
    return [saturated, out.with_name(f"{out.stem}.gcps.csv"), out.with_suffix(".json"), *styles]


def _give_names(finished: Path, out: Path) -> None:
    """Move complete files to their names, and remove those that speak of an earlier image."""
    try:
        for path in (*_side_files(out), out):
            made = finished / path.name
            if made.exists():
                made.replace(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror or error}).",
            remedy="Close what has it open, or choose another place.",
        ) from error


def _check_options(options: PrepareOptions) -> None:
    if options.dem is not None and options.height is not None:
        raise ProductError("Both an elevation model and a constant height are given.", "One of them.")
    if options.like is not None and (options.crs or options.resolution or options.extent):
        raise ProductError("A grid is given by a raster, and by CRS, resolution or extent.", "One of them.")
    if options.resolution is not None and not options.resolution > 0:
        raise ProductError(f"The resolution is {options.resolution:g}.", "A positive pixel size.")
    if options.dem is not None and not is_gdal(options.dem) and not Path(options.dem).exists():
        raise ProductError(f"There is no elevation model {options.dem}.", remedy="Check the path.")


def _open_image(path: Path, options: PrepareOptions) -> Scene:
    """An image of any sensor, with its RPC or on a map."""
    info = describe(path)
    model: Rpc | MapModel
    source = Source(path.name)
    if info.grid.crs is not None:
        model = MapModel(info.grid)
        pixel = info.grid.pixel_size_m or 1.0
    elif (rpcs := read_rpcs(path)) is not None:
        model = from_gdal(rpcs)
        row, col = (info.grid.height - 1) / 2, (info.grid.width - 1) / 2
        incidence, towards = model.viewing_angles(row, col)
        source = Source(path.name, view_incidence=round(incidence, 3), view_azimuth=round(towards, 3))
        pixel = float(f"{np.mean(model.ground_sampling(row, col)):.2g}")
    else:
        lack = "has neither a coordinate reference system nor an RPC"
        if info.grid.local_crs is not None:
            lack = f"{lack_of_place(info.grid.local_crs)}, and it has no RPC"
        raise ProductError(
            f"{path} {lack}.",
            "A product, an image with an RPC in its tags or beside it (.RPB, _RPC.TXT), or one on a map.",
            "Get the image with its metadata files, under the names they were delivered with.",
        )
    with open_raster(path) as reader:
        indices = reader.indices
    names = tuple(info.descriptions[i - 1] or f"band {i}" for i in indices)
    return Scene(path, model, names, pixel, source, _radiometry_of(info, indices, options))


def _radiometry_of(info: RasterInfo, indices: list[int], options: PrepareOptions) -> Radiometry:
    if options.keep_dn:
        return Radiometry("none: digital numbers are kept")
    if options.scale is not None:
        scale, offset = (options.scale,) * len(indices), (options.offset,) * len(indices)
        return Radiometry("none: scale and offset as given", scale, offset)
    if info.has_scale:
        scale, offset = tuple(info.scales[i - 1] for i in indices), tuple(info.offsets[i - 1] for i in indices)
        return Radiometry("none: scale and offset of the image", scale, offset)
    raise ImageError(
        f"{info.path} does not say how its numbers become reflectance.",
        "Scale and offset tags, with reflectance = DN x scale + offset.",
        "Give scale and offset, such as 0.0001 for reflectance x 10000, or keep the digital numbers.",
        ["scale", "offset", "keep_dn"],
    )


def _prepare(
    scene: Scene, target: Path, out: Path, work: Path, options: PrepareOptions, observer: Observer
) -> PrepareReport:
    """Write the image and what goes with it to ``target``; the report names ``out``."""
    warnings = list(scene.warnings)
    mapping, described, control = _mapping(scene, options, warnings)
    flagged, points, *_ = _side_files(target)
    if control is not None:
        write_residuals(points, control)
        warnings += control.warnings
    layout = _layout(scene, described, options)
    scaling, tally = scene.radiometry.scaling(len(scene.names)), Tally(len(scene.names))
    pan: PanUsed | None = None
    if scene.pan is not None:
        valid, pan = _sharpened(scene, scene.pan, mapping, layout, target, work, options, tally, observer)
        if pan.rmse_pixels > TARGET_RMSE:
            warnings.append(
                f"The panchromatic image fits the multispectral one to {pan.rmse_pixels:.2f} of its pixels only."
            )
    else:
        with (
            open_raster(scene.path, nodata=options.nodata) as reader,
            create_cog(target, mapping.grid, layout) as writer,
            saturation_flags(flagged, mapping.grid, scene.names) as flags,
        ):
            found = _blocks(reader, mapping, options.kernel, scene.ceiling)
            write_blocks(found, scaling, writer, mapping.grid, tally, Part(observer, 0.0, 0.8, "preparing"), flags)
            tally.refuse_if_all_clipped(scene.path)
        valid = tally.valid
    if valid == 0:
        warnings.append("No pixel of the result has data.")
    clipped = tally.clipped(scene.names)
    warnings += [_clipping(name, found) for name, found in clipped.items()]
    known = dict(zip(scene.names, tally.saturated.tolist(), strict=True))
    report = PrepareReport(
        out, scene.source, scene.radiometry, _summary(mapping.grid), described,
        valid / (mapping.grid.height * mapping.grid.width), None if scene.ceiling is None else known,
        out.with_name(flagged.name) if flagged.exists() else None, clipped,
        None if control is None else ControlUsed(
            control.kind, len(control.points), control.rmse, control.check_rmse
        ),
        pan, tuple(warnings),
    )  # fmt: skip
    write_json(target.with_suffix(".json"), report.to_json())
    return report


def _clipping(name: str, clipped: Clipped) -> str:
    sides = [
        f"{count} {words}"
        for count, words in (
            (clipped.above, "above 65535, which they were set to"),
            (clipped.below, "below 1, which they were set to"),
        )
        if count
    ]
    return f"{clipped.share:.2%} of the pixels of {name} do not fit into reflectance x 10000: {' and '.join(sides)}."


def _mapping(
    scene: Scene, options: PrepareOptions, warnings: list[str]
) -> tuple[OrthoMap, HeightsUsed | None, Control | None]:
    """Grid, heights and, with control points, the corrected camera model."""
    image, model = describe(scene.path).grid, scene.model
    if isinstance(model, MapModel):
        if options.dem or options.height is not None or options.gcps:
            warnings.append("The image lies on a map already: heights and control points are not used.")
        area = _geographic(image)
        grid = _grid(options, area, scene.pixel_size_m, keep=image)
        return OrthoMap(grid, image, model, level(0.0), area), None, None
    centre = model.locate((image.height - 1) / 2, (image.width - 1) / 2, model.height_offset)
    about = model.height_offset
    if options.dem is not None:
        about = typical_height(options.dem, float(centre[0]), float(centre[1]))
    elif options.height is not None:
        about = options.height
    shown = footprint(model, image, about)
    grid = _grid(options, shown, scene.pixel_size_m)
    wanted = shown.intersection(_geographic(grid, shown.centroid.x))
    if wanted.is_empty or wanted.area == 0:
        raise ProductError(
            "The scene and the grid of the result do not touch.",
            f"A grid within {', '.join(f'{v:.4f}' for v in shown.bounds)} (west, south, east, north, degrees).",
            "Check extent, CRS and the raster that gives the grid.",
            ["extent", "crs", "like"],
        )
    heights = _heights(scene, model, image, options, wanted, grid, warnings)
    control = None
    if options.gcps is not None:
        points = read_control_points(Path(options.gcps), image)
        control = fit_control(model, image, heights, points, options.gcp_model)
        model = model.adjusted(control.correction)
    described = HeightsUsed(heights.source, heights.datum, heights.grid is None)
    # Relief moves the edges of the scene; a tenth of it is more than any relief does.
    return OrthoMap(grid, image, model, heights, shown.buffer(0.1 * shown.length / 4)), described, control


def _heights(
    scene: Scene,
    model: Rpc,
    image: Grid,
    options: PrepareOptions,
    area: BaseGeometry,
    grid: Grid,
    warnings: list[str],
) -> Heights:
    incidence = model.viewing_angles((image.height - 1) / 2, (image.width - 1) / 2)[0]
    pixel = grid.pixel_size_m or scene.pixel_size_m
    slope = float(np.tan(np.radians(incidence)))
    if options.dem is None:
        height = model.height_offset if options.height is None else options.height
        warnings.append(
            f"There is no elevation model: the whole scene is taken to lie {height:.0f} m above the ellipsoid. Every "
            f"100 m of error shift the image by {100 * slope:.1f} m ({100 * slope / pixel:.1f} pixels)."
        )
        heights = level(height)
    else:
        heights = read_heights(
            options.dem, options.dem_datum, area, incidence=incidence, pixel_size_m=pixel, voids=options.voids
        )
        warnings += heights.warnings
    low, high = model.height_range
    lowest, highest = float(np.nanmin(heights.values)), float(np.nanmax(heights.values))
    if lowest < low or highest > high:
        warnings.append(
            f"Heights from {lowest:.0f} to {highest:.0f} m reach beyond those the RPC was "
            f"made for, {low:.0f} to {high:.0f} m."
        )
    return heights


def _grid(options: PrepareOptions, area: Polygon, pixel_size_m: float, keep: Grid | None = None) -> Grid:
    if options.like is not None:
        grid = describe(Path(options.like)).grid
        if grid.crs is None:
            raise ProductError(
                f"{options.like} {lack_of_place(grid.local_crs)}.", "A raster on a map.", "Give CRS and resolution."
            )
        if grid.height * grid.width > MAX_PIXELS:
            raise ProductError(f"{options.like} has {grid.height} x {grid.width} pixels.", f"At most {MAX_PIXELS:.0e}.")
        return grid
    if keep is not None and options.crs is None and options.resolution is None and options.extent is None:
        return keep
    try:
        if options.crs is not None:
            crs = CRS.from_user_input(options.crs)
        else:
            crs = keep.crs if keep is not None and keep.crs else utm_zone(area.centroid.x, area.centroid.y)
    except CRSError as error:
        raise ProductError(f"The CRS {options.crs!r} is not known.", "Such as EPSG:32649.") from error
    if place_of(wkt := crs.to_wkt()) is None:
        raise ProductError(f"The grid wanted {lack_of_place(wkt)}.", "A system on the Earth, such as EPSG:32649.")
    # A degree of latitude has about 111 km.
    unit = 111_320.0 if crs.is_geographic else crs.axis_info[0].unit_conversion_factor or 1.0
    pixel = pixel_size_m / unit
    if keep is not None and keep.crs is not None and crs.equals(keep.crs, ignore_axis_order=True):
        pixel = abs(keep.transform.a)
    return grid_of(area, crs, options.resolution or pixel, options.extent)


def _geographic(grid: Grid, about: float | None = None) -> Polygon:
    """The ground of a grid, longitude and latitude, in one piece; near a longitude where one is given."""
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)]) * grid.shape - 0.5
    shape = Polygon(np.stack(grid.pixel_centres(*corners.T), axis=1))
    to_geographic = Transformer.from_crs(grid.crs, WGS84, always_xy=True).transform
    middle = grid.pixel_centres(np.array((grid.height - 1) / 2), np.array((grid.width - 1) / 2))
    centre = float(to_geographic(*middle)[0])

    def in_one_piece(x: Any, y: Any) -> tuple[Any, Any]:
        lon, lat = to_geographic(x, y)
        return near(lon, centre), lat

    ground = transformed(shape.segmentize(shape.length / 200), in_one_piece).buffer(0)
    return ground if about is None else translate(ground, float(near(centre, about)) - centre)


def _blocks(reader: RasterReader, mapping: OrthoMap, kernel: Kernel, ceiling: int | None) -> Iterator[Block]:
    """Blocks of an image on the grid: as they stand where the image has that grid already."""
    if isinstance(mapping.model, MapModel) and mapping.grid.same_as(reader.grid):
        for window in blocks(mapping.grid.shape, BLOCK):
            pixels, valid = reader.read(window)
            yield Block(window, np.where(valid, pixels, 0).astype(np.float32), valid, None)
    else:
        yield from orthorectify(
            reader, mapping, kernel, mark=None if ceiling is None else partial(saturated, ceiling=ceiling)
        )


def _sharpened(
    scene: Scene,
    pan: PanImage,
    mapping: OrthoMap,
    layout: Layout,
    target: Path,
    work: Path,
    options: PrepareOptions,
    tally: Tally,
    observer: Observer,
) -> tuple[int, PanUsed]:
    """Multispectral image on a grid that is four times coarser, panchromatic image on the grid, and their fusion.

    Saturation and clipping are counted in the multispectral image. Gives the pixels with data of the fusion.
    """
    grid, bands = mapping.grid, len(scene.names)
    shape = (-(-grid.height // PAN_FACTOR), -(-grid.width // PAN_FACTOR))
    coarse = grid.rescaled(0, 0, PAN_FACTOR, *shape)
    mss_map = OrthoMap(coarse, mapping.image, mapping.model, mapping.heights, mapping.area)
    with open_raster(scene.path) as mss_reader, open_raster(pan.path) as pan_reader:
        # Control points were measured in the multispectral image, which the panchromatic one is laid onto.
        pan_map = OrthoMap(grid, pan_reader.grid, pan.model, mapping.heights, mapping.area)
        registration = register(pan_reader, mss_reader, pan_map, mapping)
        observer.progress("preparing", 0.1)
        pan_map = OrthoMap(grid, pan_reader.grid, registration.model, mapping.heights, mapping.area)
        mss_path, pan_path = work / "mss.tif", work / "pan.tif"
        with (
            create_plain(mss_path, coarse, Layout(bands, "uint16", 0)) as writer,
            saturation_flags(_side_files(target)[0], coarse, scene.names) as flags,
        ):
            found = _blocks(mss_reader, mss_map, options.kernel, scene.ceiling)
            part = Part(observer, 0.1, 0.2, "preparing")
            write_blocks(found, scene.radiometry.scaling(bands), writer, coarse, tally, part, flags)
        tally.refuse_if_all_clipped(scene.path)
        with create_plain(pan_path, grid, Layout(1, "uint16", 0)) as writer:
            found = _blocks(pan_reader, pan_map, options.kernel, None)
            write_blocks(found, as_they_are(1), writer, grid, Tally(1), Part(observer, 0.2, 0.5, "preparing"))
    with open_raster(mss_path) as mss_reader, open_raster(pan_path) as pan_reader:
        weights = spectral_weights(mss_reader, pan_reader, PAN_FACTOR)
    fusion = Tally(bands)
    with create_cog(target, grid, layout) as writer:
        found = fused(mss_path, pan_path, weights, grid, work)
        write_blocks(found, as_they_are(bands), writer, grid, fusion, Part(observer, 0.5, 0.8, "preparing"))
    return fusion.valid, PanUsed(
        registration.misfit, registration.rmse, registration.chips, registration.degree, tuple(weights)
    )


def _layout(scene: Scene, heights: HeightsUsed | None, options: PrepareOptions) -> Layout:
    tags = {f"PITMAP_{key.upper()}": str(value) for key, value in scene.source.to_json().items()}
    tags["PITMAP_COEFFICIENTS"] = scene.radiometry.coefficients
    for key, values in (("GAIN", scene.radiometry.gain), ("BIAS", scene.radiometry.bias)):
        if values:
            tags[f"PITMAP_{key}"] = ", ".join(f"{v:g}" for v in values)
    if heights is not None:
        tags |= {"PITMAP_DEM": heights.source, "PITMAP_VERTICAL_DATUM": heights.datum}
    tags["PITMAP_KERNEL"] = options.kernel
    if options.gcps is not None:
        tags["PITMAP_CONTROL_POINTS"] = Path(options.gcps).name
    scale = 1.0 if options.keep_dn else REFLECTANCE_SCALE
    return image_layout(scene.names, scale=scale, tags=tags)


def _summary(grid: Grid) -> GridSummary:
    assert grid.crs is not None
    epsg = grid.crs.to_epsg()
    return GridSummary(
        f"EPSG:{epsg}" if epsg else grid.crs.name, abs(grid.transform.a), grid.height, grid.width, grid.bounds
    )
