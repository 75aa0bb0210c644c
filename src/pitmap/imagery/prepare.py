"""From what users have to reflectance on a map grid: the files side of calibration and orthorectification.

Takes a Gaofen delivery, an image of any sensor with an RPC that GDAL reads, or an image that lies on a map already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from pitmap.errors import ImageError, ProductError
from pitmap.files import make_folder, write_json
from pitmap.grid import Grid, blocks
from pitmap.imagery import gaofen
from pitmap.imagery.control import Control, Correction, fit_control, read_control_points, write_residuals
from pitmap.imagery.heights import WGS84, Heights, Voids, level, read_heights, transformed, typical_height
from pitmap.imagery.ortho import BLOCK, Block, MapModel, OrthoMap, footprint, grid_of, orthorectify, utm_zone
from pitmap.imagery.pansharpen import TARGET_RMSE, fused, register, spectral_weights
from pitmap.imagery.radiometry import REFLECTANCE_SCALE, Choice, Scaling, reflectance_scaling, saturated
from pitmap.imagery.resample import Kernel
from pitmap.imagery.rpc import Rpc, from_gdal
from pitmap.raster.reading import RasterInfo, RasterReader, describe, open_raster, read_rpcs  # fmt: skip
from pitmap.raster.writing import Layout, RasterWriter, create_cog, create_plain

DEFAULT_RESOLUTION = {"GF2": 4.0}
"""Metres; GF-2 pixels of 3.24 m are labelled 4 m by CRESDA. Others default to their nominal pixel size."""
PAN_FACTOR = 4
"""Multispectral pixels are four panchromatic ones wide."""
TEN_BIT = ("GF1", "GF2")
"""Satellites whose numbers end at 1023."""


@dataclass(frozen=True)
class PrepareOptions:
    """What is wanted.

    Attributes:
        dem: Elevation model, metres.
        dem_datum: What its heights count from: ``egm96``, ``ellipsoid``, or the path of a raster of geoid heights.
            None takes what its CRS declares, and refuses a model that declares nothing.
        voids: Whether voids of the model are filled from their surroundings or refused.
        height: Instead of a model: one height for the whole scene, metres above the ellipsoid.
        crs: Of the result; by default the UTM zone of the scene's centre.
        resolution: Pixel size in units of the CRS; by default 4 for GF-2 (1 with ``pan``), else the nominal pixel.
        extent: ``(x_min, y_min, x_max, y_max)`` in the CRS; by default the whole scene.
        like: A raster whose grid is taken, instead of ``crs``, ``resolution`` and ``extent``.
        kernel: ``bilinear`` or ``cubic``.
        coefficients: ``by_year``, or ``envi_2014`` to repeat work done with ENVI.
        pan: Whether the result is sharpened with the panchromatic image.
        gcps: Control points, CSV or QGIS ``.points``.
        gcp_model: ``shift``, ``affine``, or ``auto`` by their number.
        scale: Of an image that is no Gaofen product: reflectance = DN x scale + offset. By default from its tags.
        offset: See ``scale``.
        nodata: Overrides the nodata value of an image.
        keep_dn: Write digital numbers as they are, uncalibrated.
    """

    dem: Path | None = None
    dem_datum: str | None = None
    voids: Voids = "fill"
    height: float | None = None
    crs: str | None = None
    resolution: float | None = None
    extent: tuple[float, float, float, float] | None = None
    like: Path | None = None
    kernel: Kernel = "bilinear"
    coefficients: Choice = "by_year"
    pan: bool = False
    gcps: Path | None = None
    gcp_model: Correction = "auto"
    scale: float | None = None
    offset: float = 0.0
    nodata: float | None = None
    keep_dn: bool = False


@dataclass(frozen=True)
class PrepareReport:
    """What was made of it. ``to_json`` gives plain values; the same lies beside the image as ``.json``.

    Attributes:
        output: The image.
        source: What it was made from: product, sensor, UTC time, sun and view angles.
        radiometry: Coefficients, scale and offset a band.
        grid: CRS, pixel size, rows and columns.
        heights: Elevation model and datum; None where heights have no part.
        valid_share: Share of the grid with data.
        saturated: Pixels at the sensor's ceiling by band name; None where the ceiling is not known.
        saturated_file: Where they lie: bit k - 1 is band k; None where there are none.
        control: Correction by control points: kind, number, root mean square of residuals and of points left out.
        pan: Misfit of the panchromatic image before and after its correction, and spectral weights.
        warnings: What the user should know.
    """

    output: Path
    source: dict[str, Any]
    radiometry: dict[str, Any]
    grid: dict[str, Any]
    heights: dict[str, Any] | None
    valid_share: float
    saturated: dict[str, int] | None
    saturated_file: Path | None
    control: dict[str, Any] | None
    pan: dict[str, Any] | None
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class _Scene:
    """An image with what is needed to prepare it."""

    tiff: Path
    info: RasterInfo
    model: Rpc | MapModel
    scaling: Scaling
    names: tuple[str, ...]
    pixel_size_m: float
    ceiling: bool
    source: dict[str, Any]
    radiometry: dict[str, Any]
    warnings: list[str]
    pan: gaofen.ProductImage | None = None


def prepare(
    product_or_image: Path,
    out: Path,
    options: PrepareOptions | None = None,
    progress: Callable[[float], None] | None = None,
) -> PrepareReport:
    """Calibrate and orthorectify.

    Writes a COG of uint16 reflectance x 10000 (scale and offset in its tags), 0 where there is no data, and a report
    beside it; where pixels are saturated also ``<name>.saturated.tif``, and with control points ``<name>.gcps.csv``.

    Args:
        product_or_image: A Gaofen delivery (folder, tar.gz, or its TIFF), an image with an RPC, or an image on a map.
        out: The image to write, ending in ``.tif``.
        options: What is wanted.
        progress: Called with the share done, 0..1.

    Raises:
        ProductError: The product is incomplete, damaged or hostile; heights are missing, undeclared or do not cover it.
        ImageError: An image cannot be read, or does not say how its numbers become reflectance.
        OutputError: The result cannot be written.
    """
    path, out, options = Path(product_or_image), Path(out), options or PrepareOptions()
    _check_options(options)
    make_folder(out.parent)
    with tempfile.TemporaryDirectory(prefix=".pitmap-", dir=out.parent) as work:
        scene = _open_scene(path, Path(work), options)
        return _prepare(scene, out, Path(work), options, progress or (lambda _: None))


def _check_options(options: PrepareOptions) -> None:
    if options.dem is not None and options.height is not None:
        raise ProductError("Both an elevation model and a constant height are given.", "One of them.")
    if options.like is not None and (options.crs or options.resolution or options.extent):
        raise ProductError("A grid is given by --like and by --crs, --resolution or --extent.", "One of them.")
    if options.resolution is not None and not options.resolution > 0:
        raise ProductError(f"The resolution is {options.resolution:g}.", "A positive pixel size.")
    if options.dem is not None and not Path(options.dem).exists():
        raise ProductError(f"There is no elevation model {options.dem}.", remedy="Check the path.")


def _open_scene(path: Path, work: Path, options: PrepareOptions) -> _Scene:
    if not path.exists():
        raise ProductError(f"There is no file or folder {path}.", remedy="Check the path.")
    if gaofen.is_product(path):
        return _open_product(path, work, options)
    if path.is_dir():
        raise ProductError(
            f"{path} holds no Gaofen product.", "A folder with <scene>-MSS1.tiff, .xml and .rpb, or an image file.",
            "Give the image file itself.",
        )  # fmt: skip
    if options.pan:
        raise ProductError("Only Gaofen products can be sharpened.", "A product with its panchromatic image.")
    return _open_image(path, options)


def _open_product(path: Path, work: Path, options: PrepareOptions) -> _Scene:
    product = gaofen.open_product(path, work / "product", ("mss", "pan") if options.pan else ("mss",))
    warnings = list(product.warnings)
    part: gaofen.Part = "mss" if "mss" in product.images else "pan"
    image = product.images[part]
    pan = product.images.get("pan")
    if options.pan and (pan is None or pan.tiff is None or part == "pan"):
        raise ProductError(
            f"{path} lacks an image: {', '.join(product.missing)}.",
            "The multispectral and the panchromatic image.", "Leave out --pan.",
        )  # fmt: skip
    if part == "pan" and image.tiff is None and image.tiff_name is not None:
        image = gaofen.open_product(path, work / "product", ("pan",)).images["pan"]
    if image.tiff is None:
        raise ProductError(f"{path} lacks {', '.join(product.missing)}.", "The image itself.", "Get the product again.")
    if part == "pan":
        warnings.append("The product has no multispectral image; the panchromatic one is prepared.")
    m = image.metadata
    bands = 1 if part == "pan" else 4
    zenith, azimuth, remarks = image.sun()
    warnings += remarks
    radiometry: dict[str, Any]
    if options.keep_dn:
        scaling, radiometry = _as_they_are(bands), {"coefficients": "none: digital numbers are kept"}
    else:
        used = image.coefficients(options.coefficients)
        warnings += used.warnings
        scaling = reflectance_scaling(used, zenith, m.time.date())
        radiometry = {
            "coefficients": used.source, "gain": list(used.gain), "bias": list(used.bias),
            "irradiance": list(used.irradiance or ()), "scale": list(scaling.scale), "offset": list(scaling.offset),
        }  # fmt: skip
    incidence, towards = image.rpc.viewing_angles((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2)
    source = {
        "product": product.name,
        "sensor": f"{m.satellite} {m.camera} {part.upper()}",
        "time_utc": m.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "solar_zenith": zenith,
        "solar_azimuth": azimuth,
        "view_incidence": round(incidence, 3),
        "view_azimuth": round(towards, 3),
    }
    nominal = m.pixel_size_m or float(np.mean(image.rpc.ground_sampling(image.shape[0] / 2, image.shape[1] / 2)))
    default = DEFAULT_RESOLUTION.get(m.satellite, nominal) if part == "mss" else nominal
    return _Scene(
        image.tiff, describe(image.tiff), image.rpc, scaling, gaofen.BAND_NAMES if bands == 4 else ("pan",),
        default / (PAN_FACTOR if options.pan else 1), m.satellite in TEN_BIT, source, radiometry, warnings,
        pan if options.pan else None,
    )  # fmt: skip


def _open_image(path: Path, options: PrepareOptions) -> _Scene:
    info = describe(path)
    model: Rpc | MapModel
    source: dict[str, Any] = {"product": path.name}
    if info.grid.crs is not None:
        model = MapModel(info.grid)
        pixel = info.grid.pixel_size_m or 1.0
    elif (rpcs := read_rpcs(path)) is not None:
        model = from_gdal(rpcs)
        row, col = (info.grid.height - 1) / 2, (info.grid.width - 1) / 2
        incidence, towards = model.viewing_angles(row, col)
        source |= {"view_incidence": round(incidence, 3), "view_azimuth": round(towards, 3)}
        pixel = float(f"{np.mean(model.ground_sampling(row, col)):.2g}")
    else:
        raise ProductError(
            f"{path} has neither a coordinate reference system nor an RPC.",
            "A Gaofen product, an image with an RPC in its tags or beside it (.RPB, _RPC.TXT), or one on a map.",
            "Get the image with its metadata files, under the names they were delivered with.",
        )
    with open_raster(path) as reader:
        indices = reader.indices
    scaling, warnings = _scaling_of(info, indices, options), list[str]()
    names = tuple(info.descriptions[i - 1] or f"band {i}" for i in indices)
    radiometry: dict[str, Any] = {"coefficients": "none: digital numbers are kept"}
    if not options.keep_dn:
        given = {"scale": list(scaling.scale), "offset": list(scaling.offset)}
        radiometry = {"coefficients": "none: scale and offset of the image", **given}
    return _Scene(path, info, model, scaling, names, pixel, False, source, radiometry, warnings)


def _as_they_are(bands: int) -> Scaling:
    """The scaling after which ``Scaling.quantised`` stores the digital numbers themselves."""
    return Scaling((REFLECTANCE_SCALE,) * bands, (0.0,) * bands)


def _scaling_of(info: RasterInfo, indices: list[int], options: PrepareOptions) -> Scaling:
    if options.keep_dn:
        return _as_they_are(len(indices))
    if options.scale is not None:
        return Scaling((options.scale,) * len(indices), (options.offset,) * len(indices))
    if info.has_scale:
        return Scaling(tuple(info.scales[i - 1] for i in indices), tuple(info.offsets[i - 1] for i in indices))
    raise ImageError(
        f"{info.path} does not say how its numbers become reflectance.",
        "Scale and offset tags, with reflectance = DN x scale + offset.",
        "Give --scale (and --offset), such as 0.0001 for reflectance x 10000, or --keep-dn.",
    )


def _prepare(
    scene: _Scene, out: Path, work: Path, options: PrepareOptions, progress: Callable[[float], None]
) -> PrepareReport:
    warnings = list(scene.warnings)
    mapping, described, control = _mapping(scene, options, warnings)
    if control is not None:
        write_residuals(out.with_name(f"{out.stem}.gcps.csv"), control)
    layout = _layout(scene, mapping, described, options)
    flags = _Flags(out.with_name(f"{out.stem}.saturated.tif"), len(scene.names))
    pan: dict[str, Any] | None = None
    if scene.pan is not None:
        valid, pan = _sharpened(scene, scene.pan, mapping, layout, out, work, options, flags, progress)
        if pan["rmse_pixels"] > TARGET_RMSE:
            warnings.append(
                f"The panchromatic image fits the multispectral one to {pan['rmse_pixels']:.2f} of its pixels only."
            )
    else:
        with open_raster(scene.tiff, nodata=options.nodata) as reader, create_cog(out, mapping.grid, layout) as writer:
            found = _blocks(reader, mapping, options.kernel, scene.ceiling)
            valid = _write(found, scene.scaling, writer, mapping.grid, flags, lambda v: progress(0.8 * v))
    if valid == 0:
        warnings.append("No pixel of the result has data.")
    report = PrepareReport(
        out, scene.source, scene.radiometry, _describe_grid(mapping.grid), described,
        valid / (mapping.grid.height * mapping.grid.width),
        dict(zip(scene.names, flags.counts, strict=True)) if scene.ceiling else None, flags.written,
        None if control is None else {
            "model": control.kind, "points": len(control.points), "rmse_pixels": control.rmse,
            "left_out_rmse_pixels": control.check_rmse,
        },
        pan, warnings + ([] if control is None else list(control.warnings)),
    )  # fmt: skip
    write_json(out.with_suffix(".json"), report.to_json())
    progress(1.0)
    return report


def _mapping(
    scene: _Scene, options: PrepareOptions, warnings: list[str]
) -> tuple[OrthoMap, dict[str, Any] | None, Control | None]:
    """Grid, heights and, with control points, the corrected camera model."""
    image, model = scene.info.grid, scene.model
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
    wanted = shown.intersection(_geographic(grid))
    if wanted.is_empty or wanted.area == 0:
        raise ProductError(
            "The scene and the grid of the result do not touch.",
            f"A grid within {', '.join(f'{v:.4f}' for v in shown.bounds)} (west, south, east, north, degrees).",
            "Check --extent, --crs or --like.",
        )
    heights = _heights(scene, model, options, wanted, grid, warnings)
    control = None
    if options.gcps is not None:
        control = fit_control(model, heights, read_control_points(Path(options.gcps)), options.gcp_model)
        model = model.adjusted(control.correction)
    described = {"source": heights.source, "datum": heights.datum, "level": heights.grid is None}
    # Relief moves the edges of the scene; a tenth of it is more than any relief does.
    return OrthoMap(grid, image, model, heights, shown.buffer(0.1 * shown.length / 4)), described, control


def _heights(
    scene: _Scene, model: Rpc, options: PrepareOptions, area: BaseGeometry, grid: Grid, warnings: list[str]
) -> Heights:
    incidence = float(scene.source["view_incidence"])
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
    if heights.values.min() < low or heights.values.max() > high:
        warnings.append(
            f"Heights from {heights.values.min():.0f} to {heights.values.max():.0f} m reach beyond those the RPC was "
            f"made for, {low:.0f} to {high:.0f} m."
        )
    return heights


def _grid(options: PrepareOptions, area: Polygon, pixel_size_m: float, keep: Grid | None = None) -> Grid:
    if options.like is not None:
        grid = describe(Path(options.like)).grid
        if grid.crs is None:
            raise ProductError(f"{options.like} has no CRS.", "A raster on a map.", "Give --crs and --resolution.")
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
    # A degree of latitude has about 111 km.
    unit = 111_320.0 if crs.is_geographic else crs.axis_info[0].unit_conversion_factor or 1.0
    return grid_of(area, crs, options.resolution or pixel_size_m / unit, options.extent)


def _geographic(grid: Grid) -> Polygon:
    """The ground of a grid, longitude and latitude."""
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)]) * grid.shape - 0.5
    shape = Polygon(np.stack(grid.pixel_centres(*corners.T), axis=1))
    to_geographic = Transformer.from_crs(grid.crs, WGS84, always_xy=True)
    return transformed(shape.segmentize(shape.length / 200), to_geographic).buffer(0)


def _blocks(reader: RasterReader, mapping: OrthoMap, kernel: Kernel, ceiling: bool) -> Iterator[Block]:
    """Blocks of an image on the grid: as they stand where the image has that grid already."""
    if isinstance(mapping.model, MapModel) and mapping.grid.same_as(reader.grid):
        for window in blocks(mapping.grid.shape, BLOCK):
            pixels, valid = reader.read(window)
            yield Block(window, np.where(valid, pixels, 0).astype(np.float32), valid, None)
    else:
        yield from orthorectify(reader, mapping, kernel, mark=saturated if ceiling else None)


class _Flags:
    """Where pixels are saturated: counted by band, and written once there are any.

    Attributes:
        counts: Pixels by band.
        written: The file, None while there are none.
    """

    def __init__(self, path: Path, bands: int) -> None:
        self.counts = [0] * bands
        self.written: Path | None = None
        self._path = path
        # A file of an earlier run would speak of another image.
        path.unlink(missing_ok=True)

    @contextmanager
    def recording(self, grid: Grid) -> Iterator[Callable[[Block], None]]:
        """Gives what takes every block of a raster on ``grid``."""
        with ExitStack() as stack:
            writer: RasterWriter | None = None

            def take(block: Block) -> None:
                nonlocal writer
                if block.extra is None or not block.extra.any():
                    return
                if writer is None:
                    layout = Layout(1, "uint8", None, ("saturated bands, bit 0 is band 1",), overviews="nearest")
                    writer = stack.enter_context(create_cog(self._path, grid, layout))
                packed = np.zeros(block.valid.shape, np.uint8)
                for band, where in enumerate(block.extra):
                    packed |= where.view(np.uint8) << band
                    self.counts[band] += int(np.count_nonzero(where))
                writer.write(packed, block.window)

            yield take
        if writer is not None:
            self.written = self._path


def _write(
    found: Iterator[Block],
    scaling: Scaling,
    writer: RasterWriter,
    grid: Grid,
    flags: _Flags | None,
    progress: Callable[[float], None],
) -> int:
    """Calibrate and write blocks; gives the number of pixels with data."""
    valid = done = 0
    with flags.recording(grid) if flags is not None else nullcontext() as take:
        for block in found:
            writer.write(scaling.quantised(block.values, block.valid), block.window)
            if take is not None:
                take(block)
            valid += int(block.valid.sum())
            done += block.window.height * block.window.width
            progress(done / (grid.height * grid.width))
    return valid


def _sharpened(
    scene: _Scene,
    pan: gaofen.ProductImage,
    mapping: OrthoMap,
    layout: Layout,
    out: Path,
    work: Path,
    options: PrepareOptions,
    flags: _Flags,
    progress: Callable[[float], None],
) -> tuple[int, dict[str, Any]]:
    """Multispectral image on a grid that is four times coarser, panchromatic image on the grid, and their fusion."""
    grid = mapping.grid
    assert pan.tiff is not None
    shape = (-(-grid.height // PAN_FACTOR), -(-grid.width // PAN_FACTOR))
    coarse = grid.rescaled(0, 0, PAN_FACTOR, *shape)
    mss_map = OrthoMap(coarse, mapping.image, mapping.model, mapping.heights, mapping.area)
    with open_raster(scene.tiff) as mss_reader, open_raster(pan.tiff) as pan_reader:
        # Control points were measured in the multispectral image, which the panchromatic one is laid onto.
        pan_map = OrthoMap(grid, pan_reader.grid, pan.rpc, mapping.heights, mapping.area)
        registration = register(pan_reader, mss_reader, pan_map, mapping)
        progress(0.1)
        pan_map = OrthoMap(grid, pan_reader.grid, registration.model, mapping.heights, mapping.area)
        mss_path, pan_path = work / "mss.tif", work / "pan.tif"
        with create_plain(mss_path, coarse, Layout(len(scene.names), "uint16", 0)) as writer:
            found = _blocks(mss_reader, mss_map, options.kernel, scene.ceiling)
            _write(found, scene.scaling, writer, coarse, flags, lambda v: progress(0.1 + 0.1 * v))
        with create_plain(pan_path, grid, Layout(1, "uint16", 0)) as writer:
            found = _blocks(pan_reader, pan_map, options.kernel, False)
            _write(found, _as_they_are(1), writer, grid, None, lambda v: progress(0.2 + 0.3 * v))
    with open_raster(mss_path) as mss_reader, open_raster(pan_path) as pan_reader:
        weights = spectral_weights(mss_reader, pan_reader, PAN_FACTOR)
    with create_cog(out, grid, layout) as writer:
        found = fused(mss_path, pan_path, weights, grid, work)
        scaling = _as_they_are(len(scene.names))
        valid = _write(found, scaling, writer, grid, None, lambda v: progress(0.5 + 0.3 * v))
    return valid, {
        "misfit_pixels": registration.misfit, "rmse_pixels": registration.rmse, "places": registration.chips,
        "degree": registration.degree, "weights": list(weights),
    }  # fmt: skip


def _layout(scene: _Scene, mapping: OrthoMap, heights: dict[str, Any] | None, options: PrepareOptions) -> Layout:
    tags = {f"PITMAP_{key.upper()}": str(value) for key, value in scene.source.items()}
    tags["PITMAP_COEFFICIENTS"] = scene.radiometry["coefficients"]
    for key in ("gain", "bias"):
        if key in scene.radiometry:
            tags[f"PITMAP_{key.upper()}"] = ", ".join(f"{v:g}" for v in scene.radiometry[key])
    if heights is not None:
        tags |= {"PITMAP_DEM": heights["source"], "PITMAP_VERTICAL_DATUM": heights["datum"]}
    tags["PITMAP_KERNEL"] = options.kernel
    if options.gcps is not None:
        tags["PITMAP_CONTROL_POINTS"] = Path(options.gcps).name
    scale = 1.0 if options.keep_dn else REFLECTANCE_SCALE
    return Layout(len(scene.names), "uint16", 0, scene.names, scale, tags=tags)


def _describe_grid(grid: Grid) -> dict[str, Any]:
    assert grid.crs is not None
    epsg = grid.crs.to_epsg()
    return {
        "crs": f"EPSG:{epsg}" if epsg else grid.crs.name, "pixel_size": abs(grid.transform.a),
        "rows": grid.height, "columns": grid.width, "bounds": list(grid.bounds),
    }  # fmt: skip
