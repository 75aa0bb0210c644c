"""What changed between dates, out of the files of a comparison: for its own page and for the report of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pitmap.legend import Legend
from pitmap.raster.reading import describe, read_reduced
from pitmap.reporting.pictures import BLUE, calm, coloured, drawn, png, scale_bar

PICTURE_SIDE = 620
"""Longest side of the pictures in pixels."""

LINES = 8
"""Mines with a line of their own in the chart: the largest."""


def change_section(content: Mapping[str, Any], folder: Path, most: int, name: str = "") -> dict[str, Any]:
    """What a page says of a comparison.

    Args:
        content: Of ``change.json``, see ``read_change``.
        folder: Where it lies, with the rasters that it names.
        most: Mines in each table: the largest.
        name: Of the place.

    Returns:
        What the template ``change_section.html`` names.

    Raises:
        ImageError: A raster cannot be read.
    """
    legend, kinds = Legend.from_json(content["classes"]), Legend.from_json(content["kinds"])
    labels = [m["label"] for m in content["maps"]]
    lines = _lines(content["timeline"])
    return {
        **content,
        "name": name,
        "legend": legend,
        "kinds": kinds,
        "steps": [_step(step, folder, legend, kinds, most) for step in content["steps"]],
        "labels": labels,
        "lines": list(lines.items())[:most],
        "mines": len(lines),
        "charts": _charts(lines, labels),
    }


def _step(step: Mapping[str, Any], folder: Path, legend: Legend, kinds: Legend, most: int) -> dict[str, Any]:
    base = 10 ** len(str(len(legend)))  # of the raster of transitions: code before x base + code after
    transitions = read_reduced(folder / step["files"]["transitions"], [1], PICTURE_SIDE)[0][0]
    of_kind = read_reduced(folder / step["files"]["kinds"], [1], PICTURE_SIDE)[0][0]
    grid = describe(folder / step["files"]["kinds"]).grid
    matrix = np.array(step["matrix_ha"])
    return {
        **step,
        "mines": step["mines"][:most],
        "number": len(step["mines"]),
        "height": of_kind.shape[0],
        "width": of_kind.shape[1],
        "pictures": [
            ("Map, {label}", step["before"], png(coloured(transitions // base, legend))),
            ("Map, {label}", step["after"], png(coloured(transitions % base, legend))),
            ("What changed", "", png(coloured(of_kind, kinds))),
        ],
        "scale_bar": None if grid.pixel_size_m is None else scale_bar(grid.width * grid.pixel_size_m),
        "rows_ha": matrix.sum(axis=1).tolist(),
        "columns_ha": matrix.sum(axis=0).tolist(),
    }


def _lines(timeline: Sequence[Mapping[str, Any]]) -> dict[int, list[float]]:
    """Hectares on every date, by mine."""
    lines: dict[int, list[float]] = {}
    for row in timeline:
        lines.setdefault(int(row["mine"]), []).append(float(row["area_ha"]))
    return lines


def _charts(lines: Mapping[int, Sequence[float]], labels: Sequence[str]) -> tuple[str, str]:
    """Hectares over the dates: of all mines together, and of the largest, a line each with its number.

    The pictures hold no words but the dates.
    """
    at = np.arange(len(labels))
    pictures = []
    for each in (False, True):
        figure = Figure(figsize=(4.6, 2.8), layout="constrained")
        axes = figure.subplots()
        calm(axes)
        if each:
            for number, values in list(lines.items())[:LINES]:
                axes.plot(at, values, marker="o", ms=3, lw=1.2)
                axes.annotate(f" {number}", (at[-1], values[-1]), fontsize=8, va="center")
        elif lines:
            axes.plot(at, np.sum(list(lines.values()), axis=0), color=BLUE, marker="o", ms=4, lw=1.6)
        axes.set_xticks(at, labels, rotation=30, ha="right", fontsize=8)
        axes.set_ylim(bottom=0)
        pictures.append(drawn(figure))
    return pictures[0], pictures[1]
