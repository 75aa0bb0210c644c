"""How the mines of an audit look in QGIS: outlines in a colour for each verdict, the mapped ones broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pitmap.qgis.forms import form, rounded
from pitmap.qgis.vector import Naming, by_category, labels, outline, vector_style

REFERENCE_COLOURS = {
    "found": "#1a9641", "split": "#a6d96a", "merged": "#fdae61", "split and merged": "#fee08b", "missed": "#d7191c",
}  # fmt: skip
MAPPED_COLOURS = {"true": "#2b83ba", "false": "#e600a9"}

_NAMES = {"id": "No.", "area_m2": "area (m²)", "iou": "IoU with the other layer"}


def verdict_style(colours: Mapping[str, str], columns: Sequence[str], *, mapped: bool) -> str:
    """QGIS style (QML) of a layer of mines with their verdicts.

    Args:
        colours: ``#rrggbb`` by verdict.
        columns: Fields of the layer.
        mapped: Whether it is the layer of mapped mines.
    """
    decimals = {"m2": 0, "m": 1, "iou": 2, "covered": 2, "inside": 2}
    measured = {name: rounded(decimals[end]) for name in columns if (end := name.rsplit("_")[-1]) in decimals}
    title = "'No. ' || \"id\" || ' · ' || \"verdict\""
    return vector_style(
        by_category("verdict", [(v, v, outline(c, dashed=mapped)) for v, c in colours.items()]),
        form=form(
            columns,
            measured,
            names={name: alias for name, alias in _NAMES.items() if name in columns},
        ),
        naming=Naming(title, f"<b>{'mapped' if mapped else 'reference'}, [% {title} %]</b>"),
        labelled=None if mapped else labels(title, size_pt=8),
    )
