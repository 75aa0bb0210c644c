"""QGIS styles (QML) of vector layers: symbols, categories and rules, and forms that offer the classes by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import quoteattr


class Widget(NamedTuple):
    """How a field is edited in a form.

    Attributes:
        kind: QGIS's name of the widget.
        options: Its configuration, as QGIS's ``Option`` elements.
    """

    kind: str
    options: str = ""


CHECK_BOX = Widget("CheckBox")
HIDDEN = Widget("Hidden")
LONG_TEXT = Widget("TextEdit", '<Option name="IsMultiline" type="bool" value="true"/>')
PICTURE = Widget(
    "ExternalResource",
    # Paths are relative to the folder of the layer's own file, so that pictures show wherever a project is saved.
    '<Option name="DocumentViewer" type="int" value="1"/><Option name="RelativeStorage" type="int" value="2"/>'
    '<Option name="DocumentViewerHeight" type="int" value="256"/>'
    '<Option name="DocumentViewerWidth" type="int" value="256"/>'
    '<Option name="FileWidget" type="bool" value="false"/><Option name="StorageMode" type="int" value="0"/>'
    '<Option name="PropertyCollection" type="Map"><Option name="name" type="QString" value=""/>'
    '<Option name="properties" type="Map"><Option name="propertyRootPath" type="Map">'
    '<Option name="active" type="bool" value="true"/><Option name="expression" type="QString" '
    "value=\"file_path(layer_property(@layer_id, 'path'))\"/>"
    '<Option name="type" type="int" value="3"/></Option></Option>'
    '<Option name="type" type="QString" value="collection"/></Option>',
)


def value_list(entries: Iterable[tuple[str, str | int]]) -> Widget:
    """A list of names, each of which stands for the value beside it."""
    items = "".join(
        f'<Option type="Map"><Option name={quoteattr(name)} type="QString" value={quoteattr(str(value))}/></Option>'
        for name, value in entries
    )
    return Widget("ValueMap", f'<Option name="map" type="List">{items}</Option>')


def symbol(name: str, kind: str, layer: str, options: Mapping[str, str]) -> str:
    """A symbol of one layer.

    Args:
        name: The number under which a renderer refers to it.
        kind: ``fill`` or ``marker``.
        layer: QGIS's class of symbol layer, such as ``SimpleFill``.
        options: Its properties; colours as ``r,g,b,a``, sizes in millimetres.
    """
    properties = "".join(f'<Option type="QString" name="{key}" value="{value}"/>' for key, value in options.items())
    return (
        f'<symbol type="{kind}" name="{name}" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="{layer}" enabled="1" locked="0" pass="0"><Option type="Map">{properties}</Option></layer>'
        "</symbol>"
    )


def by_category(attribute: str, categories: Sequence[tuple[str, str]], symbols: Sequence[str]) -> str:
    """A renderer with a symbol for each value of a field.

    Args:
        attribute: The field.
        categories: Value and label of each.
        symbols: One each, named ``0``, ``1``, ....
    """
    entries = "".join(
        f'<category render="true" symbol="{index}" value={quoteattr(value)} label={quoteattr(label)}/>'
        for index, (value, label) in enumerate(categories)
    )
    return (
        f'<renderer-v2 type="categorizedSymbol" attr={quoteattr(attribute)} symbollevels="0" enableorderby="0" '
        f'forceraster="0"><categories>{entries}</categories><symbols>{"".join(symbols)}</symbols></renderer-v2>'
    )


def by_rule(rules: Sequence[tuple[str, str]], symbols: Sequence[str]) -> str:
    """A renderer with a symbol for each rule.

    Args:
        rules: Label and filter expression of each.
        symbols: One each, named ``0``, ``1``, ....
    """
    entries = "".join(
        f'<rule key="rule{index}" symbol="{index}" label={quoteattr(label)} filter={quoteattr(expression)}/>'
        for index, (label, expression) in enumerate(rules)
    )
    return (
        '<renderer-v2 type="RuleRenderer" symbollevels="0" enableorderby="0" forceraster="0">'
        f'<rules key="root">{entries}</rules><symbols>{"".join(symbols)}</symbols></renderer-v2>'
    )


def form(
    columns: Sequence[str],
    widgets: Mapping[str, Widget],
    hidden: Iterable[str] = (),
    locked: Iterable[str] = (),
    names: Mapping[str, str] | None = None,
) -> str:
    """The form of a layer and its attribute table.

    Args:
        columns: All fields in the order of the table.
        widgets: How fields are edited that are not edited as QGIS would by itself.
        hidden: Fields that neither form nor table shows.
        locked: Fields that cannot be edited; hidden ones are locked too.
        names: What fields are called in form and table that do not go by their own name.
    """
    hidden = list(hidden)
    fields = "".join(
        f'<field name="{name}"><editWidget type="{w.kind}"><config><Option type="Map">{w.options}</Option></config>'
        "</editWidget></field>"
        for name, w in {**widgets, **dict.fromkeys(hidden, HIDDEN)}.items()
    )
    shown = "".join(f'<column type="field" name="{name}" hidden="{int(name in hidden)}"/>' for name in columns)
    editable = "".join(f'<field name="{name}" editable="0"/>' for name in [*locked, *hidden])
    aliases = "".join(
        f"<alias field={quoteattr(field)} name={quoteattr(name)}/>" for field, name in (names or {}).items()
    )
    return (
        f"<fieldConfiguration>{fields}</fieldConfiguration><aliases>{aliases}</aliases>"
        f"<attributetableconfig><columns>{shown}</columns></attributetableconfig>"
        f"<editable>{editable}</editable><editorlayout>generatedlayout</editorlayout>"
    )


def style(renderer: str, form: str = "", display: str = "") -> str:
    """A QML document, as it is stored in a GeoPackage.

    Args:
        renderer: How features are drawn.
        form: How they are edited.
        display: Field by which QGIS names a feature in lists and map tips; it chooses one itself where none is given.
    """
    categories = ["Symbology"]
    if form:
        categories += ["Fields", "Forms", "AttributeTable"]
    named = ""
    if display:
        categories.append("MapTips")
        named = f'<previewExpression>"{display}"</previewExpression><mapTip>[% "{display}" %]</mapTip>'
    return (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">\n'
        f'<qgis version="3.22" styleCategories="{"|".join(categories)}">{renderer}{form}{named}</qgis>\n'
    )
