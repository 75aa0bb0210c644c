"""Commands on satellite products and images: info, prepare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitmap.cli.console import Console, JsonOption, Shown, show
from pitmap.imagery.options import Coefficients, Correction, Kernel, PrepareOptions, Voids

if TYPE_CHECKING:
    from pitmap.grid import Grid


def info(
    path: Annotated[Path, typer.Argument(metavar="PRODUCT|IMAGE|MODEL", help="What to look at.")],
    as_json: JsonOption = False,
) -> None:
    """Print what a file is and what would be done with it.

    Example: pitmap info GF2_PMS1_E113.2_N34.4_20171030_L1A0002714385.tar.gz
    """
    import yaml

    if path.suffix == ".safetensors":
        from pitmap.networks.model_file import read_card

        content: dict[str, Any] = read_card(path).model_dump(mode="json")
    else:
        from pitmap.imagery.sensors import recognise

        delivery = recognise(path)
        content = _describe_image(path) if delivery is None else delivery.to_json()
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120).rstrip()
    show(Shown(text, content), as_json)


def _describe_image(path: Path) -> dict[str, Any]:
    from pitmap.raster.codes import read_legend
    from pitmap.raster.reading import describe

    header = describe(path)
    grid, legend = header.grid, read_legend(path)
    return {
        "image": str(path),
        "rows": grid.height,
        "cols": grid.width,
        "bands": [
            {
                "band": i + 1,
                "name": name,
                "scale": header.scales[i],
                "offset": header.offsets[i],
                "dtype": header.dtypes[i],
                "nodata": header.nodatas[i],
                "unit": header.units[i],
                "alpha": i + 1 in header.alpha,
            }
            for i, name in enumerate(header.descriptions)
        ],
        "crs": _crs(grid),
        "pixel_size_m": grid.pixel_size_m,
        "reflectance": "DN x scale + offset, from the file's tags" if header.has_scale else "scale not stated",
        "classes": None if legend is None else {c.code: f"{c.key} {c.name}" for c in legend},
        "tags": dict(header.tags),
    }


def _crs(grid: Grid) -> str | None:
    from pitmap.grid import lack_of_place

    if grid.crs is not None:
        return grid.crs.to_string()
    return None if grid.local_crs is None else f"The image {lack_of_place(grid.local_crs)}."


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
