"""Commands on satellite products and images: info, prepare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pitmap.cli.console import one_step, say
from pitmap.errors import ImageError, ProjectError


def info(
    path: Annotated[Path, typer.Argument(metavar="PRODUCT|IMAGE|MODEL", help="What to look at.")],
) -> None:
    """Print what a file is and what would be done with it.

    Example: pitmap info GF2_PMS1_E113.2_N34.4_20171030_L1A0002714385.tar.gz
    """
    if path.suffix == ".safetensors":
        from pitmap.networks.model_file import read_card

        content: dict[str, Any] = read_card(path).model_dump(mode="json")
    elif path.is_dir() or path.name.endswith((".tar.gz", ".tgz", ".tar")):
        from pitmap.imagery.gaofen import describe_product

        content = describe_product(path)
    else:
        content = _describe_image(path)
    print(json.dumps(content, indent=1, ensure_ascii=False, default=str))


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
            {"band": i + 1, "name": name, "scale": header.scales[i], "offset": header.offsets[i]}
            for i, name in enumerate(header.descriptions)
        ],
        "dtype": header.dtype,
        "nodata": header.nodata,
        "crs": None if grid.crs is None else grid.crs.to_string(),
        "pixel_size_m": grid.pixel_size_m,
        "reflectance": "DN x scale + offset, from the file's tags" if header.has_scale else "scale not stated",
        "classes": None if legend is None else {c.code: f"{c.key} {c.name}" for c in legend},
        "tags": dict(header.tags),
    }


def prepare(
    product: Annotated[Path, typer.Argument(metavar="PRODUCT", help="Gaofen folder or tar.gz, or an image.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The reflectance image, a .tif.")],
    dem: Annotated[Path | None, typer.Option(help="Elevation model, metres.")] = None,
    dem_datum: Annotated[
        str | None, typer.Option(help="What its heights count from: egm96, ellipsoid, or a geoid raster.")
    ] = None,
    height: Annotated[float | None, typer.Option(help="Instead of a DEM: metres above the ellipsoid.")] = None,
    voids: Annotated[str, typer.Option(help="Voids of the DEM: fill or refuse.")] = "fill",
    crs: Annotated[str | None, typer.Option(help="Of the result. Default: the scene's UTM zone.")] = None,
    resolution: Annotated[float | None, typer.Option(help="Pixel size. Default: 4 m for GF-2, 1 m with --pan.")] = None,
    extent: Annotated[str | None, typer.Option(help="x_min,y_min,x_max,y_max in the CRS.")] = None,
    like: Annotated[Path | None, typer.Option(help="Take the grid of this raster.")] = None,
    kernel: Annotated[str, typer.Option(help="bilinear or cubic.")] = "bilinear",
    coefficients: Annotated[str, typer.Option(help="by_year, or envi_2014 to repeat work done with ENVI.")] = "by_year",
    pan: Annotated[bool, typer.Option("--pan", help="Sharpen with the panchromatic image.")] = False,
    gcps: Annotated[Path | None, typer.Option(help="Ground control points, CSV or QGIS .points.")] = None,
    gcp_model: Annotated[str, typer.Option(help="shift, affine, or auto by their number.")] = "auto",
    scale: Annotated[float | None, typer.Option(help="Of an image: reflectance = DN x scale + offset.")] = None,
    offset: Annotated[float, typer.Option(help="See --scale.")] = 0.0,
    nodata: Annotated[float | None, typer.Option(help="Overrides the nodata value of an image.")] = None,
) -> None:
    """Calibrate and orthorectify a product: reflectance x 10000 on a map grid.

    Example: pitmap prepare GF2_PMS1_….tar.gz scene.tif --dem srtm.tif --dem-datum egm96
    """
    from pitmap.imagery.prepare import PrepareOptions
    from pitmap.imagery.prepare import prepare as prepare_image

    options = PrepareOptions(
        dem=dem,
        dem_datum=dem_datum,
        voids=_choice("--voids", voids, ("fill", "refuse")),
        height=height,
        crs=crs,
        resolution=resolution,
        extent=_extent(extent),
        like=like,
        kernel=_choice("--kernel", kernel, ("bilinear", "cubic")),
        coefficients=_choice("--coefficients", coefficients, ("by_year", "envi_2014")),
        pan=pan,
        gcps=gcps,
        gcp_model=_choice("--gcp-model", gcp_model, ("auto", "shift", "affine")),
        scale=scale,
        offset=offset,
        nodata=nodata,
    )
    with one_step(f"preparing {product.name}") as progress:
        result = prepare_image(product, out, options, progress)
    for warning in result.warnings:
        say(f"Warning: {warning}")
    print(f"{result.output}: {result.valid_share:.1%} of the grid has data. Report beside it: {out.stem}.json")


def _choice(option: str, value: str, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise ProjectError(f"{option} is {value!r}.", f"One of {', '.join(choices)}.")
    return value


def _extent(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        x_min, y_min, x_max, y_max = (float(part) for part in text.split(","))
    except ValueError:
        raise ImageError(f"--extent is {text!r}.", "Four numbers: x_min,y_min,x_max,y_max.") from None
    return x_min, y_min, x_max, y_max
