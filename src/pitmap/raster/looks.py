"""How the rasters that pitmap writes look in QGIS: styles (QML) that lie beside them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import ParseError

import numpy as np
from rasterio.enums import ColorInterp

from pitmap.legend import Legend
from pitmap.qgis.elements import read_style
from pitmap.qgis.raster import colours, grey, paletted, ramp, raster_style
from pitmap.raster.bands import BLUE_NAMES, GREEN_NAMES, NEAR_INFRARED_NAMES, PERCENTILES, RED_NAMES, composite
from pitmap.raster.reading import open_raster
from pitmap.raster.writing import Layout

LOOKED_AT = 1024
"""Rows or columns, at most, of the reduced image from which the stretch is taken."""

FEW_BANDS = 4
"""Up to so many bands each combination of saturated ones has an entry in the legend."""

_CONFIDENCE = ((0.0, "#7f2704"), (0.5, "#d94801"), (0.7, "#fdae6b"), (0.9, "#c6dbef"), (1.0, "#2171b5"))
_PROBABILITY = ((0.0, 0.0), (0.25, 0.4), (0.5, 0.7), (1.0, 1.0))
_SATURATED = ("#ffff00", "#ff9d00", "#ff4d4d", "#ff00ff")


def codes_look(legend: Legend) -> str:
    """Land-cover codes in the colours of the legend."""
    return raster_style(paletted([(c.code, c.colour, c.name) for c in legend]))


def own_look(path: Path) -> str | None:
    """The style that lies beside a raster, where there is one that can be read."""
    with contextlib.suppress(OSError, UnicodeDecodeError, ParseError):
        text = path.with_suffix(".qml").read_text(encoding="utf-8")
        read_style(text)
        return text
    return None


def image_look(path: Path, bands: Sequence[int | str] | None = None) -> str:
    """An image as the report shows it: in natural or false colour, stretched by percentiles, without data transparent.

    Args:
        path: The image.
        bands: Its bands that are used, by number or name; all but alpha where None.

    Raises:
        ImageError: The image cannot be read.
    """
    with open_raster(path, bands) as reader:
        info, indices = reader.info, reader.indices
        pixels, valid = reader.read_reduced(LOOKED_AT)
    names = [info.descriptions[i - 1] or f"band {i}" for i in indices]
    shown = composite(names).bands
    limits = []
    for k in shown:
        band = pixels[k][valid]
        low, high = np.percentile(band, PERCENTILES).tolist() if band.size else (0.0, 1.0)
        scale, offset = info.scales[indices[k] - 1], info.offsets[indices[k] - 1]
        limits.append((low * scale + offset, max(high, low + 1e-6) * scale + offset))
    first = indices[shown[0]] - 1
    # Where the file names no value for it, zeros are the fill of level-1 products.
    void = info.offsets[first] if info.nodatas[first] is None and np.issubdtype(info.dtype, np.integer) else None
    alpha = info.alpha[0] if info.alpha else -1
    chosen = [indices[k] for k in shown]
    if len(set(chosen)) == 1:
        return raster_style(grey(chosen[0], limits[0], void, alpha))
    return raster_style(colours(chosen, limits, void, alpha))


def confidence_look() -> str:
    """Doubtful ground in dark orange, sure ground in blue."""
    return raster_style(ramp([(value, colour, 1.0, f"{value:.0%}") for value, colour in _CONFIDENCE]))


def probability_look(legend: Legend) -> str:
    """The probability of the first class of mines, else of the first class, in its colour."""
    key = (legend.mine_keys or legend.keys)[0]
    shown = legend[key]
    entries = [(value, shown.colour, opacity, f"{shown.name}: {value:.0%}") for value, opacity in _PROBABILITY]
    return raster_style(ramp(entries, band=shown.code))


def saturation_look(names: Sequence[str]) -> str:
    """Saturated pixels by the bands that are, the others transparent.

    Args:
        names: Of the bands; band ``i``, counted from 0, is bit ``i``.
    """
    if len(names) > FEW_BANDS:
        entries = [(0.5, "#000000", 0.0, "not saturated"), (255.0, _SATURATED[0], 1.0, "saturated in a band or more")]
        return raster_style(ramp(entries, steps=True))
    palette = []
    for value in range(1, 2 ** len(names)):
        bands = [name for bit, name in enumerate(names) if value >> bit & 1]
        palette.append((value, _SATURATED[len(bands) - 1], f"{', '.join(bands)} saturated"))
    return raster_style(paletted(palette))


def interpretations(names: Sequence[str]) -> list[ColorInterp]:
    """What GDAL calls the bands, by their names; empty where none is known."""
    known = {
        **dict.fromkeys(RED_NAMES, ColorInterp.red), **dict.fromkeys(GREEN_NAMES, ColorInterp.green),
        **dict.fromkeys(BLUE_NAMES, ColorInterp.blue), **dict.fromkeys(NEAR_INFRARED_NAMES, ColorInterp.nir),
    }  # fmt: skip
    found = [known.get(name.strip().lower(), ColorInterp.undefined) for name in names]
    return found if any(f is not ColorInterp.undefined for f in found) else []


def image_layout(
    names: Sequence[str], dtype: str = "uint16", nodata: float | None = 0, scale: float = 1.0,
    tags: Mapping[str, str] | None = None,
) -> Layout:  # fmt: skip
    """The layout of an image: names and colours of its bands, and its style.

    Args:
        names: One a band.
        dtype: NumPy name of the pixel type.
        nodata: The value of pixels without data.
        scale: Reflectance (or another quantity) is ``DN x scale``.
        tags: Metadata of the file.
    """
    return Layout(
        len(names), dtype, nodata, names, scale, tags=tags or {}, interpretation=interpretations(names), look=image_look
    )
