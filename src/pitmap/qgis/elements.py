"""XML as QGIS writes it. Text is escaped here, and characters that XML cannot hold are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

VERSION = "3.22.0"
"""The oldest QGIS whose words are used."""

DOCTYPE = '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">\n'

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TYPES = {bool: "bool", int: "int", float: "double", str: "QString"}


def element(tag: str, *children: Element, text: str | int | None = None, **attributes: Any) -> Element:
    """An element.

    Args:
        tag: Its name.
        children: What it holds.
        text: Or its text.
        attributes: A name that is a word of Python ends in an underscore; True and False become 1 and 0.
    """
    made = Element(tag, {name.rstrip("_"): _text(value) for name, value in attributes.items()})
    made.text = None if text is None else _text(text)
    made.extend(children)
    return made


def option(value: Any, name: str | None = None) -> Element:
    """QGIS's ``Option``: a boolean, number, text, or a list or mapping of such."""
    named = {} if name is None else {"name": name}
    if isinstance(value, Mapping):
        return element("Option", *(option(v, k) for k, v in value.items()), type="Map", **named)
    if isinstance(value, list | tuple):
        return element("Option", *(option(v) for v in value), type="List", **named)
    text = str(value).lower() if isinstance(value, bool) else value
    return element("Option", type=_TYPES[type(value)], value=text, **named)


def document(root: Element) -> str:
    """The text of a document; the same elements give the same text."""
    ElementTree.indent(root, " ")
    return DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"


def style(categories: Iterable[str], *children: Element, **attributes: Any) -> str:
    """A QML document.

    Args:
        categories: What it says something of, in QGIS's words; the rest of a layer stays as it is.
        children: What it says.
        attributes: Of the layer.
    """
    root = element("qgis", *children, version=VERSION, styleCategories="|".join(categories), **attributes)
    return document(root)


def read_style(qml: str) -> Element:
    """The root of a QML document.

    Raises:
        ParseError: It is none.
    """
    from defusedxml import ElementTree as Safe  # a style may be anybody's

    root: Element = Safe.fromstring(re.sub(r"^\s*(<\?xml[^>]*>)?\s*<!DOCTYPE[^>]*>", "", qml))
    return root


def rgba(colour: str, opacity: float = 1.0) -> str:
    """``#rrggbb`` as QGIS writes colours: ``r,g,b,a``."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return ",".join(map(str, (*parts, round(255 * opacity))))


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else _NOT_XML.sub("", str(value))
