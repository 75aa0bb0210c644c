"""How features are drawn: symbols, renderers, labels, and the style of a vector layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree.ElementTree import Element

from pitmap.qgis.elements import element, option, rgba, style

TO_CHECK, DONE = "#d7191c", "#1a9641"
"""Colours of what somebody has still to fill in, and of what is filled in."""

_CASING_MM = 0.5
"""By how much a casing is wider than its line, at each side."""


@dataclass(frozen=True)
class Symbol:
    """How a feature is drawn.

    Attributes:
        kind: Of which features: polygons or points.
        layers: Drawn one over the other, each with QGIS's name for its kind and its properties.
    """

    kind: Literal["fill", "marker"]
    layers: tuple[tuple[str, Mapping[str, Any]], ...]

    def element(self, name: str) -> Element:
        """As QGIS writes it, under a name by which a renderer finds it."""
        layers = [
            element(
                "layer", option({k: str(v) for k, v in properties.items()}), class_=kind, enabled=1, locked=0, pass_=0
            )
            for kind, properties in self.layers
        ]
        return element("symbol", *layers, type=self.kind, name=name, alpha=1, clip_to_extent=1, force_rhr=0)


def casing(colour: str) -> str:
    """Black or white, whichever differs more from a colour: lines of the two are seen on any ground.

    The contrast is that of relative luminance (WCAG 2.1); the better of the two is 4.6 at least.
    """
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in _channels(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"


def _channels(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def outline(colour: str, *, width_mm: float = 0.5, dashed: bool = False) -> Symbol:
    """The outline of a polygon in a colour with a casing round it; what is inside stays visible.

    Args:
        colour: ``#rrggbb``.
        width_mm: Of the coloured line.
        dashed: Whether the coloured line is broken; its casing is not.
    """

    def line(colour: str, width: float, pattern: str) -> tuple[str, dict[str, Any]]:
        return "SimpleLine", {
            "line_color": rgba(colour), "line_width": width, "line_width_unit": "MM", "line_style": pattern,
            "joinstyle": "round", "capstyle": "flat",
        }  # fmt: skip

    under = line(casing(colour), width_mm + 2 * _CASING_MM, "solid")
    return Symbol("fill", (under, line(colour, width_mm, "dash" if dashed else "solid")))


def filled(colour: str, opacity: float = 0.6) -> Symbol:
    """A polygon in a colour, for layers whose polygons cover the ground."""
    options = {
        "color": rgba(colour, opacity), "style": "solid", "outline_color": rgba("#000000", 0.6),
        "outline_style": "solid", "outline_width": 0.1, "outline_width_unit": "MM",
    }  # fmt: skip
    return Symbol("fill", (("SimpleFill", options),))


def cross(colour: str, size_mm: float = 4.0) -> Symbol:
    """A cross that leaves what is under its middle visible, with a casing."""

    def marker(colour: str, width: float) -> tuple[str, dict[str, Any]]:
        return "SimpleMarker", {
            "name": "cross2", "outline_color": rgba(colour), "outline_width": width, "outline_width_unit": "MM",
            "size": size_mm, "size_unit": "MM", "color": rgba(colour),
        }  # fmt: skip

    return Symbol("marker", (marker(casing(colour), 1.1), marker(colour, 0.5)))


def dot(colour: str, size_mm: float = 2.6) -> Symbol:
    """A round point with a casing."""
    options = {
        "name": "circle", "color": rgba(colour), "outline_color": rgba(casing(colour)), "outline_width": 0.4,
        "outline_width_unit": "MM", "size": size_mm, "size_unit": "MM",
    }  # fmt: skip
    return Symbol("marker", (("SimpleMarker", options),))


def single(symbol: Symbol) -> Element:
    """A renderer that draws all features alike."""
    return element(
        "renderer-v2", element("symbols", symbol.element("0")),
        type="singleSymbol", symbollevels=0, enableorderby=0, forceraster=0,
    )  # fmt: skip


def by_category(attribute: str, categories: Sequence[tuple[str | int, str, Symbol]]) -> Element:
    """A renderer with a symbol for each value of a field.

    Args:
        attribute: The field.
        categories: Value, label and symbol of each.
    """
    entries = [
        element("category", render="true", symbol=i, value=value, label=label,
                type="long" if isinstance(value, int) else "string")
        for i, (value, label, _) in enumerate(categories)
    ]  # fmt: skip
    symbols = [symbol.element(str(i)) for i, (_, _, symbol) in enumerate(categories)]
    return element(
        "renderer-v2", element("categories", *entries), element("symbols", *symbols),
        type="categorizedSymbol", attr=attribute, symbollevels=0, enableorderby=0, forceraster=0,
    )  # fmt: skip


def by_rule(rules: Sequence[tuple[str, str, Symbol]]) -> Element:
    """A renderer with a symbol for each rule.

    Args:
        rules: Label, filter expression and symbol of each.
    """
    entries = [
        element("rule", key=f"rule{i}", symbol=i, label=label, filter=expression)
        for i, (label, expression, _) in enumerate(rules)
    ]
    symbols = [symbol.element(str(i)) for i, (_, _, symbol) in enumerate(rules)]
    return element(
        "renderer-v2", element("rules", *entries, key="root"), element("symbols", *symbols),
        type="RuleRenderer", symbollevels=0, enableorderby=0, forceraster=0,
    )  # fmt: skip


def labels(expression: str, size_pt: float = 9.0) -> Element:
    """Labels that are read on any ground: dark with a light seam, inside polygons or over points.

    Args:
        expression: What they say, in QGIS's expressions.
        size_pt: Height of the letters.
    """
    seam = element(
        "text-buffer", bufferDraw=1, bufferSize=0.9, bufferSizeUnits="MM", bufferColor=rgba("#ffffff"), bufferOpacity=1,
        bufferNoFill=1, bufferJoinStyle=128,
    )  # fmt: skip
    text = element(
        "text-style", seam, fieldName=expression, isExpression=1, fontSize=size_pt, fontSizeUnit="Point",
        fontWeight=75, textColor=rgba("#14171a"), textOpacity=1,
    )  # fmt: skip
    place = element("placement", placement=1, centroidInside=1, centroidWhole=1, quadOffset=4, priority=5)
    drawn = element("rendering", drawLabels=1, obstacle=0, displayAll=0, fontMinPixelSize=3)
    return element("labeling", element("settings", text, place, drawn, calloutType="simple"), type="simple")


@dataclass(frozen=True)
class Naming:
    """How QGIS names a feature.

    Attributes:
        display: Expression by which a feature goes in lists.
        tip: HTML of its map tip; expressions stand between ``[%`` and ``%]``.
    """

    display: str
    tip: str


def vector_style(
    renderer: Element, *, form: Sequence[Element] = (), naming: Naming | None = None, labelled: Element | None = None
) -> str:
    """A QML document, as it is stored in a GeoPackage.

    Args:
        renderer: How features are drawn.
        form: How they are edited, see ``forms.form``.
        naming: How QGIS names them; it chooses a field itself where none is given.
        labelled: Labels, see ``labels``.
    """
    categories, children, attributes = ["Symbology"], [renderer], {}
    if labelled is not None:
        categories.append("Labeling")
        children.append(labelled)
        attributes["labelsEnabled"] = 1
    if form:
        categories += ["Fields", "Forms", "AttributeTable"]
        children += form
    if naming is not None:
        categories.append("MapTips")
        children += [element("previewExpression", text=naming.display), element("mapTip", text=naming.tip)]
    return style(categories, *children, **attributes)
