"""Fields of a layer: what they are called, how they are shown, and how they are edited in a form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from pitmap.qgis.elements import element, option


@dataclass(frozen=True)
class Widget:
    """How a field is edited in a form and shown in a table.

    Attributes:
        kind: QGIS's name of the widget.
        options: Its configuration.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


CHECK_BOX = Widget("CheckBox")
HIDDEN = Widget("Hidden")
LONG_TEXT = Widget("TextEdit", {"IsMultiline": True})
PICTURE = Widget(
    "ExternalResource",
    # Paths are relative to the folder of the layer's own file, so that pictures show wherever a project is saved.
    {
        "DocumentViewer": 1, "RelativeStorage": 2, "DocumentViewerHeight": 256, "DocumentViewerWidth": 256,
        "FileWidget": False, "StorageMode": 0,
        "PropertyCollection": {
            "name": "",
            "properties": {
                "propertyRootPath": {
                    "active": True, "expression": "file_path(layer_property(@layer_id, 'path'))", "type": 3,
                }
            },
            "type": "collection",
        },
    },
)  # fmt: skip


def rounded(decimals: int) -> Widget:
    """A number that form and table show with so many decimals; the file keeps all."""
    return Widget("Range", {"AllowNull": True, "Precision": decimals, "Style": "SpinBox", "Step": 1.0})


def value_list(entries: Iterable[tuple[str, str | int]]) -> Widget:
    """A list of names, each of which stands for the value beside it."""
    return Widget("ValueMap", {"map": [{name: str(value)} for name, value in entries]})


def form(
    columns: Sequence[str],
    widgets: Mapping[str, Widget],
    hidden: Iterable[str] = (),
    locked: Iterable[str] = (),
    names: Mapping[str, str] | None = None,
) -> list[Element]:
    """The form of a layer and its attribute table.

    Args:
        columns: All fields in the order of the table.
        widgets: How fields are edited that are not edited as QGIS would by itself.
        hidden: Fields that neither form nor table shows.
        locked: Fields that cannot be edited; hidden ones are locked too.
        names: What fields are called in form and table that do not go by their own name.
    """
    hidden = list(hidden)
    fields = [
        element(
            "field", element("editWidget", element("config", option(w.options)), type=w.kind), name=name
        )
        for name, w in {**widgets, **dict.fromkeys(hidden, HIDDEN)}.items()
    ]  # fmt: skip
    aliases = [element("alias", field=name, name=alias) for name, alias in (names or {}).items()]
    shown = [element("column", type="field", name=name, hidden=name in hidden) for name in columns]
    editable = [element("field", name=name, editable=0) for name in [*locked, *hidden]]
    return [
        element("fieldConfiguration", *fields),
        element("aliases", *aliases),
        element("attributetableconfig", element("columns", *shown)),
        element("editable", *editable),
        element("editorlayout", text="generatedlayout"),
    ]
