"""How rasters are drawn. QGIS applies scale and offset of a file first: limits are in what the numbers stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element

from pitmap.qgis.elements import element, style


def paletted(entries: Sequence[tuple[int, str, str]], band: int = 1) -> Element:
    """A renderer with a colour for each code; codes that are not listed are transparent.

    Args:
        entries: Code, colour ``#rrggbb`` and label of each.
        band: The band, counted from 1.
    """
    palette = [element("paletteEntry", value=v, color=c, alpha=255, label=label) for v, c, label in entries]
    return _renderer("paletted", element("colorPalette", *palette), band=band)


def ramp(entries: Sequence[tuple[float, str, float, str]], band: int = 1, *, steps: bool = False) -> Element:
    """A renderer with colours between, or up to, some values.

    Args:
        entries: Value, colour ``#rrggbb``, opacity and label of each, from the least value on.
        band: The band, counted from 1.
        steps: Whether a colour holds up to its value, instead of passing into the next.
    """
    low, high = entries[0][0], entries[-1][0]
    items = [
        element("item", value=value, color=colour, alpha=round(255 * opacity), label=label)
        for value, colour, opacity, label in entries
    ]
    shader = element(
        "colorrampshader", *items, colorRampType="DISCRETE" if steps else "INTERPOLATED", classificationMode=1, clip=0,
        minimumValue=low, maximumValue=high,
    )  # fmt: skip
    return _renderer(
        "singlebandpseudocolor", element("rastershader", shader), band=band, classificationMin=low,
        classificationMax=high,
    )  # fmt: skip


def colours(
    bands: Sequence[int], limits: Sequence[tuple[float, float]], void: float | None, alpha: int = -1
) -> Element:
    """A renderer of three bands as red, green and blue.

    Args:
        bands: Counted from 1.
        limits: What is black and what is full colour, a band.
        void: Where all three bands have this value, nothing is drawn.
        alpha: The band that says how opaque a pixel is.
    """
    names = ("red", "green", "blue")
    children = [] if void is None else [_transparent(element(
        "threeValuePixelList",
        element("pixelListEntry", red=void, green=void, blue=void, percentTransparent=100),
    ))]  # fmt: skip
    children += [
        element(f"{name}ContrastEnhancement", *_stretch(low, high))
        for name, (low, high) in zip(names, limits, strict=True)
    ]
    chosen = {f"{name}Band": band for name, band in zip(names, bands, strict=True)}
    return _renderer("multibandcolor", *children, alpha=alpha, **chosen)


def grey(band: int, limits: tuple[float, float], void: float | None, alpha: int = -1) -> Element:
    """A renderer of one band from black to white; see ``colours``."""
    children = [] if void is None else [_transparent(element(
        "singleValuePixelList", element("pixelListEntry", min=void, max=void, percentTransparent=100)
    ))]  # fmt: skip
    return _renderer(
        "singlebandgray", *children, element("contrastEnhancement", *_stretch(*limits)), alpha=alpha, grayBand=band,
        gradient="BlackToWhite",
    )  # fmt: skip


def raster_style(renderer: Element) -> str:
    """A QML document, as it lies beside a raster."""
    return style(["Symbology"], element("pipe", renderer))


def _renderer(kind: str, *children: Element, alpha: int = -1, **attributes: Any) -> Element:
    return element("rasterrenderer", *children, type=kind, opacity=1, alphaBand=alpha, nodataColor="", **attributes)


def _transparent(values: Element) -> Element:
    return element("rasterTransparency", values)


def _stretch(low: float, high: float) -> list[Element]:
    return [
        element("minValue", text=repr(low)),
        element("maxValue", text=repr(high)),
        element("algorithm", text="StretchToMinimumMaximum"),
    ]
