"""Commands on satellite products and images: info, prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pitmap.cli.console import Console, JsonOption, show
from pitmap.imagery.options import Coefficients, Correction, Kernel, PrepareOptions, Voids


def info(
    path: Annotated[Path, typer.Argument(metavar="PRODUCT|IMAGE|MODEL|LAYER|POINTS|PROJECT", help="What to look at.")],
    as_json: JsonOption = False,
) -> None:
    """Print what a file is and what would be done with it.

    Of a vector layer its fields, values and a block for the project file; of a sample how much is labelled; of a
    project what is up to date and what `pitmap run` would make.

    Example: pitmap info GF2_PMS1_E113.2_N34.4_20171030_L1A0002714385.tar.gz
    Example: pitmap info landuse.gpkg
    """
    from pitmap.information import look_at

    show(look_at(path), as_json)


def _extent(text: str) -> tuple[float, ...]:
    """Four numbers out of ``x_min,y_min,x_max,y_max``."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise typer.BadParameter(f"{text!r} is not x_min,y_min,x_max,y_max.")
    return values


def prepare(
    product: Annotated[Path, typer.Argument(metavar="PRODUCT", help="Folder or archive of a product, or an image.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The reflectance image, a .tif.")],
    sensor: Annotated[
        str | None, typer.Option(help="Whose product it is: gaofen, or package.module:name. Default: found out.")
    ] = None,
    dem: Annotated[Path | None, typer.Option(help="Elevation model, metres or feet.")] = None,
    dem_datum: Annotated[
        str | None, typer.Option(help="What its heights count from: egm96, ellipsoid, or a geoid raster.")
    ] = None,
    height: Annotated[float | None, typer.Option(help="Instead of a DEM: metres above the ellipsoid.")] = None,
    voids: Annotated[
        Voids, typer.Option(help="Voids of the DEM; leave: deep ones become nodata of the image.")
    ] = "fill",
    crs: Annotated[str | None, typer.Option(help="Of the result. Default: the scene's UTM zone.")] = None,
    resolution: Annotated[float | None, typer.Option(help="Pixel size. Default: 4 m for GF-2, 1 m with --pan.")] = None,
    extent: Annotated[
        Any, typer.Option(help="x_min,y_min,x_max,y_max in the CRS.", parser=_extent, metavar="NUMBERS")
    ] = None,
    like: Annotated[Path | None, typer.Option(help="Take the grid of this raster.")] = None,
    kernel: Annotated[Kernel, typer.Option(help="How values between pixels are found.")] = "bilinear",
    coefficients: Annotated[
        Coefficients, typer.Option(help="Calibration; envi_2014 repeats work done with ENVI.")
    ] = "by_year",
    pan: Annotated[bool, typer.Option("--pan", help="Sharpen with the panchromatic image.")] = False,
    gcps: Annotated[Path | None, typer.Option(help="Ground control points, CSV or QGIS .points.")] = None,
    gcp_model: Annotated[Correction, typer.Option(help="What is fitted to them; auto: by their number.")] = "auto",
    scale: Annotated[float | None, typer.Option(help="Of an image: reflectance = DN x scale + offset.")] = None,
    offset: Annotated[float, typer.Option(help="See --scale.")] = 0.0,
    nodata: Annotated[float | None, typer.Option(help="Overrides the nodata value of an image.")] = None,
    keep_dn: Annotated[bool, typer.Option("--keep-dn", help="Keep the digital numbers, uncalibrated.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Calibrate and orthorectify a product: reflectance x 10000 on a map grid.

    Example: pitmap prepare GF2_PMS1_….tar.gz scene.tif --dem srtm.tif --dem-datum egm96
    """
    from pitmap.imagery.prepare import prepare as prepare_image

    options = PrepareOptions(
        sensor=sensor,
        dem=dem,
        dem_datum=dem_datum,
        voids=voids,
        height=height,
        crs=crs,
        resolution=resolution,
        extent=extent,
        like=like,
        kernel=kernel,
        coefficients=coefficients,
        pan=pan,
        gcps=gcps,
        gcp_model=gcp_model,
        scale=scale,
        offset=offset,
        nodata=nodata,
        keep_dn=keep_dn,
    )
    with Console() as observer:
        result = prepare_image(product, out, options, observer)
    show(result, as_json)
