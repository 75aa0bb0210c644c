"""How the layers and rasters of a comparison look in QGIS."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from pitmap.changes.classes import GAINED, KINDS, LOST, RESTORED
from pitmap.changes.verdicts import VERDICTS
from pitmap.qgis.forms import form, rounded
from pitmap.qgis.raster import paletted, raster_style
from pitmap.qgis.vector import Naming, by_category, filled, labels, outline, vector_style

VERDICT_COLOURS = dict(
    zip(VERDICTS, ("#e7298a", "#e66101", "#b8860b", "#6b6b6b", "#5e8bc0", "#7b3294", "#1b9e77"), strict=True)
)

ALIASES = {
    "mine": "No.", "verdict": "what became of it", "before_ha": "before (ha)", "after_ha": "after (ha)",
    "gained_ha": "gained (ha)", "lost_ha": "lost (ha)", "restored_ha": "restored (ha)",
    "parts_before": "pieces before", "parts_after": "pieces after", "relation": "pieces",
    "gained_from": "gained from (ha)", "lost_to": "lost to (ha)", "kind": "kind of change", "name": "change",
    "before": "class before", "after": "class after", "area_ha": "area (ha)",
}  # fmt: skip


def mines_change_style(columns: Sequence[str]) -> str:
    """Outlines by what became of a mine, with number and the hectares before and after."""
    title = (
        "'No. ' || \"mine\" || ' · ' || \"verdict\" || ' · ' || format_number(\"before_ha\", 1) || ' → ' || "
        "format_number(\"after_ha\", 1) || ' ha'"
    )
    tip = f'<b>[% {title} %]</b><br>gained [% "gained_from" %]<br>lost [% "lost_to" %]'
    return vector_style(
        by_category("verdict", [(v, v, outline(VERDICT_COLOURS[v])) for v in VERDICTS]),
        form=_form(columns),
        naming=Naming(title, tip),
        labelled=labels(title),
    )


def transitions_style(columns: Sequence[str]) -> str:
    """Ground gained, restored and lost, in the colours of the raster."""
    title = "\"before\" || ' → ' || \"after\" || ' · ' || format_number(\"area_ha\", 2) || ' ha'"
    shown = [c for c in KINDS if c.code in (GAINED, RESTORED, LOST)]
    return vector_style(
        by_category("kind", [(c.key, c.name, filled(c.colour, 0.7)) for c in shown]),
        form=_form(columns),
        naming=Naming(title, f"<b>[% {title} %]</b>"),
    )


def transitions_look(entries: Sequence[tuple[int, str, str]]) -> str:
    """The raster of transitions: code, colour and name of each."""
    return raster_style(paletted(entries))


def _form(columns: Sequence[str]) -> list[Element]:
    return form(
        columns,
        {c: rounded(2) for c in columns if c.endswith("_ha")},
        names={c: ALIASES[c] for c in columns if c in ALIASES},
    )
