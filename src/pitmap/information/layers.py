"""Vector layers: fields, values with their counts, and what stands in a project file to read them as labels."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pitmap.information import Information
from pitmap.landuse import value_text
from pitmap.legend import DEFAULT_LEGEND, Legend
from pitmap.vectors import header, layer_names, read_frame

MOST_VALUES = 60
"""Fields with more values than this are no classes, and their values are not listed."""

CLASS_FIELDS = ("class", "klasse", "landuse", "land_use", "landcover", "fclass", "cover", "type", "category", "code")
"""Names, or parts of names, of fields that hold classes, the likeliest first."""

WORDS = {
    "OPM": r"quarr \bmin(e|es|ing)\b \bpits?\b open.?cast open.?pit tagebau abbau steinbruch 露天 采矿 采石 矿",
    "WDA": r"dump waste tailing spoil \bheap halde deponie 排土 废石 尾矿",
    "WAT": r"water lake pond river reservoir canal \bsea\b gew.sser fluss 水 河 湖",
    "BUI": r"build built urban residential industr settlement village house geb.ude siedlung 建筑 居民 城 村",
    "ROA": r"\broads?\b street \brail track highway motorway straße strasse \bweg 道路 公路 铁路",
    "BAS": r"\bbare \bsoil \bsand \brock \bbarren \bfels 裸 沙",
    "VEG": r"forest wood tree grass meadow crop field farm arable orchard scrub shrub vegetat pasture wald wiese acker "
    r"林 草 耕 田 园",
}
"""Patterns, with blanks between, by which values are guessed to be of the default legend; the first class wins."""


def layers(path: Path, legend: Legend = DEFAULT_LEGEND) -> Information:
    """All layers of a file.

    Args:
        path: The file.
        legend: The classes that values are guessed to be.

    Raises:
        LabelError: It cannot be read.
    """
    found = [_layer(path, name) for name in layer_names(path)]
    blocks = [block for layer in found if (block := label_block(path, layer, legend, len(found) > 1))]
    content = {"file": str(path), "layers": found, "label_values": blocks}
    return Information("\n\n".join([*(_text(layer) for layer in found), *blocks]), content)


def _layer(path: Path, name: str) -> dict[str, Any]:
    about = header(path, name, counted=True)
    table = read_frame(path, name, geometry=False)
    bounds = about["total_bounds"]
    extent = None if bounds is None or not all(map(_finite, bounds)) else [round(float(v), 6) for v in bounds]
    return {
        "layer": name,
        "geometry": about["geometry_type"],
        "features": int(about["features"]),
        "crs": about["crs"],
        "extent": extent,
        "encoding": about["encoding"],
        "fields": [_field(str(field), list(table[field])) for field in about["fields"] if field in table],
    }


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")


def _field(name: str, values: Sequence[Any]) -> dict[str, Any]:
    texts = [value_text(v) for v in values]
    counts = Counter(t for t in texts if t is not None)
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and v == v]
    about: dict[str, Any] = {
        "field": name,
        "type": _kind(values),
        "missing": texts.count(None),
        "distinct": len(counts),
    }
    fraction = any(isinstance(v, float) and v != int(v) for v in numbers if _finite(v))
    if numbers and (fraction or len(counts) > MOST_VALUES):
        about |= {"least": float(min(numbers)), "greatest": float(max(numbers))}
    elif len(counts) <= MOST_VALUES and (len(counts) < len(values) or len(counts) <= 1):
        about["values"] = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return about


def _kind(values: Sequence[Any]) -> str:
    kinds = {type(v) for v in values if v is not None and v == v}
    if not kinds:
        return "empty"
    if kinds <= {bool}:
        return "yes or no"
    if kinds <= {int}:
        return "whole number"
    if kinds <= {int, float}:
        return "number"
    return "text" if kinds <= {str} else "other"


def class_field(layer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The field of a layer that most likely holds its classes: by its name, else the first with text in few values."""
    able = [f for f in layer["fields"] if len(f.get("values", ())) >= 1]

    def rank(field: Mapping[str, Any]) -> tuple[int, bool]:
        name = str(field["field"]).lower()
        named = next((i for i, part in enumerate(CLASS_FIELDS) if part in name), len(CLASS_FIELDS))
        return named, field["type"] != "text"

    able = [f for f in able if rank(f)[0] < len(CLASS_FIELDS) or f["type"] == "text"]
    return min(able, key=rank, default=None)


def guess(value: str, legend: Legend) -> str | None:
    """The key of the class that a value may mean: by key or name, else by a word in it; None where there is none."""
    lowered = value.lower()
    for c in legend:
        if lowered in (c.key.lower(), c.name.lower()):
            return c.key
    patterns = {key: "|".join(words.split()) for key, words in WORDS.items() if key in legend.keys}
    return next((key for key, pattern in patterns.items() if re.search(pattern, lowered)), None)


def label_block(path: Path, layer: Mapping[str, Any], legend: Legend, named: bool) -> str | None:
    """What stands in a project file below its ``[[sites]]``; None for a layer that has no field of classes.

    All values are unlabelled until somebody writes a key in the place of ``""``: guesses are comments.

    Args:
        path: The file.
        layer: See ``layers``.
        legend: The classes.
        named: Whether the layer must be named, because the file has several.
    """
    field = class_field(layer)
    if field is None or "Point" in str(layer["geometry"]) or "Line" in str(layer["geometry"]):
        return None
    lines = ["[[sites]]", 'name = ""', 'image = ""', f"labels = {_toml(str(path))}"]
    if named:
        lines.append(f"label_layer = {_toml(layer['layer'])}")
    lines += [
        f"label_field = {_toml(field['field'])}",
        "",
        "[sites.label_values]  # class keys: " + ", ".join(legend.keys),
    ]
    for value, count in field["values"].items():
        key = guess(value, legend)
        perhaps = "" if key is None else f"; perhaps {key}, {legend[key].name}"
        lines.append(f'{_toml(value)} = ""  # {count} feature{"s" if count != 1 else ""}{perhaps}')
    return "\n".join(lines)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(layer: Mapping[str, Any]) -> str:
    extent = "none"
    if layer["extent"] is not None:
        x_min, y_min, x_max, y_max = layer["extent"]
        extent = f"{x_min} to {x_max} and {y_min} to {y_max}"
    lines = [
        f"layer {layer['layer']}: {layer['features']} features, {layer['geometry']}, "
        f"{layer['crs'] or 'no CRS'}, text read as {layer['encoding'] or 'UTF-8'}",
        f"  extent: {extent}",
    ]
    for field in layer["fields"]:
        line = f"  {field['field']}: {field['type']}, {field['distinct']} different"
        line += f", {field['missing']} missing" if field["missing"] else ""
        if "least" in field:
            line += f", {field['least']:g} to {field['greatest']:g}"
        lines.append(line)
        lines += [f"    {value}: {count}" for value, count in field.get("values", {}).items()]
    return "\n".join(lines)
