"""How the mines of an audit look in QGIS: outlines in a colour for each verdict, the mapped ones broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pitmap.qgis.forms import form, rounded
from pitmap.qgis.vector import Naming, by_category, labels, outline, single, vector_style

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


VISIT_COLOURS = {"new": "#e600a9", "beyond": "#fdae61"}
UNMAPPED_COLOUR = "#2b83ba"


def visit_style(layer: str, columns: Iterable[str]) -> str:
    """QGIS style (QML) of a layer of the check of an inventory, ``unlisted`` or ``unmapped``.

    Args:
        layer: Its name.
        columns: Its fields.
    """
    decimals = {"probability": 2, "area_m2": 0, "listed": 2, "mapped": 2}
    fields = [c for c in columns if c != "geometry"]
    title = "'No. ' || \"rank\""
    colours = VISIT_COLOURS if layer == "unlisted" else {}
    drawn = (
        by_category("kind", [(k, k, outline(c)) for k, c in colours.items()])
        if colours
        else single(outline(UNMAPPED_COLOUR))
    )
    return vector_style(
        drawn,
        form=form(
            fields,
            {name: rounded(decimals[name]) for name in fields if name in decimals},
            names={name: alias for name, alias in _VISIT_NAMES.items() if name in fields},
        ),
        naming=Naming(title, f"<b>{layer}, [% {title} %]</b>"),
        labelled=labels(title, size_pt=8),
    )


_VISIT_NAMES = {
    "rank": "No.", "area_m2": "area (m²)", "listed": "share in the inventory", "mapped": "share on the map",
    "finding": "found on the visit",
}  # fmt: skip
