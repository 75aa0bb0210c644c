"""How mines look in QGIS: outlines that are seen on any ground, with number and hectares."""

from __future__ import annotations

from collections.abc import Sequence

from pitmap.legend import LandCoverClass
from pitmap.qgis.forms import form, rounded
from pitmap.qgis.vector import Naming, by_category, filled, labels, outline, vector_style

NAMES = {
    "id": "No.", "class": "class", "name": "land cover", "pixels": "pixels", "area_m2": "area (m²)",
    "area_ha": "area (ha)", "perimeter_m": "outline (m)", "outline_change_pct": "outline against pixels (%)",
    "confidence": "mean confidence", "image": "image",
}  # fmt: skip
"""What the fields are called."""

DECIMALS = {"area_m2": 0, "area_ha": 2, "perimeter_m": 0, "outline_change_pct": 2, "confidence": 2}


def mine_style(classes: Sequence[LandCoverClass], columns: Sequence[str], *, covering: bool = False) -> str:
    """QGIS style (QML) of a layer of mines.

    Args:
        classes: The classes that are mines.
        columns: Fields of the layer, of those of ``extract_mines`` at least ``id``, ``class``, ``name``, ``pixels``.
        covering: Whether they cover the ground: then they are filled, and have no labels.
    """
    size = "format_number(\"area_ha\", 1) || ' ha'" if "area_ha" in columns else "\"pixels\" || ' pixels'"
    title = f"'No. ' || \"id\" || ' · ' || {size}"
    rows = []
    if "perimeter_m" in columns:
        rows.append('outline [% format_number("perimeter_m", 0) %] m')
    if "confidence" in columns:
        rows.append('mean confidence [% format_number(100 * "confidence", 0) %] %')
    tip = "<br>".join([f"<b>[% {title} %]</b>", '[% "name" %]', *rows])
    return vector_style(
        by_category("class", [(c.key, c.name, (filled if covering else outline)(c.colour)) for c in classes]),
        form=form(
            columns,
            {name: rounded(decimals) for name, decimals in DECIMALS.items() if name in columns},
            names={name: alias for name, alias in NAMES.items() if name in columns and name != alias},
        ),
        naming=Naming(title, tip),
        labelled=None if covering else labels(title),
    )
