"""The plugin's settings, which QGIS keeps with those of Processing."""

from __future__ import annotations

from qgis.core import QgsSettings

COMMAND = "PITMAP_COMMAND"
_PLACE = f"Processing/Configuration/{COMMAND}"


def pitmap_setting() -> str:
    """Path of pitmap, or of a Python that has it; empty: it is looked for."""
    return str(QgsSettings().value(_PLACE, "") or "").strip()


def set_pitmap(path: str) -> None:
    """Keep that path."""
    QgsSettings().setValue(_PLACE, path)
