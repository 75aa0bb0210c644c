"""Symbols: lines that are seen on any ground."""

from xml.etree import ElementTree

import numpy as np

from pitmap.qgis.elements import element, read_style, rgba
from pitmap.qgis.forms import form, rounded, value_list
from pitmap.qgis.vector import by_category, casing, outline, vector_style


def luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_a_line_and_its_casing_differ_whatever_the_colour():
    for rgb in np.random.default_rng(0).integers(0, 256, (500, 3)):
        colour = "#{:02x}{:02x}{:02x}".format(*rgb)
        light, dark = sorted((luminance(colour), luminance(casing(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # as WCAG 2.1 asks of text
    under, line = outline("#d7191c").layers
    assert under[1]["line_width"] > line[1]["line_width"]
    assert under[1]["line_color"] == rgba("#ffffff")


def test_any_text_is_escaped_and_read_back():
    name = "<b>\"M\u00fcller\" & 'S\u00f6hne'\x00\x1b \U0001f30d</b>"
    text = vector_style(
        by_category("a", [(name, name, outline("#000000"))]),
        form=form(["a"], {"a": value_list([(name, 1)]), "b": rounded(2)}, names={"a": name}),
    )
    clean = name.replace("\x00", "").replace("\x1b", "")
    root = read_style(text)
    assert root.find(".//category").get("label") == root.find(".//alias").get("name") == clean
    assert root.find(".//field[@name='a']//Option[@type='List']/Option/Option").get("name") == clean
    assert ElementTree.tostring(element("a", text=3)) == b"<a>3</a>"
