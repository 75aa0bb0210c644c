"""The page of a comparison of dates: one self-contained HTML file, in the style of the report."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pitmap import __version__
from pitmap.changes.classes import KINDS, transition_base
from pitmap.changes.result import RULES, Change, ChangeOptions, Dated, Step
from pitmap.raster.reading import describe, read_reduced
from pitmap.reporting.page import render
from pitmap.reporting.pictures import calm, coloured, drawn, png, scale_bar
from pitmap.reporting.statement import photograph

PICTURE_SIDE = 620
"""Longest side of the pictures in pixels."""

MINES_ON_PAGE = 200
"""Mines in the table of a step: the largest; the layer has all."""

LINES = 8
"""Mines with a line of their own in the chart: the largest."""


def change_page(made: Change, options: ChangeOptions) -> str:
    """The page."""
    return render(
        {
            "version": __version__,
            "title": options.title or f"{made.maps[0].label} to {made.maps[-1].label}",
            "made": made,
            "options": options,
            "legend": made.legend,
            "kinds": KINDS,
            "steps": [_step(made, k) for k in range(len(made.steps))],
            "rules": RULES,
            "chart": _chart(made),
            "timeline": _timeline(made),
            "estimate": None if made.estimate is None else made.estimate.to_json(),
            "mines_on_page": MINES_ON_PAGE,
        },
        "change.html",
        "pitmap.changes",
    )


def _step(made: Change, index: int) -> dict[str, Any]:
    step = made.steps[index]
    base = transition_base(made.legend)
    transitions = read_reduced(step.files.transitions, [1], PICTURE_SIDE)[0][0]
    kinds = read_reduced(step.files.kinds, [1], PICTURE_SIDE)[0][0]
    grid = describe(step.files.kinds).grid
    pictures = [
        *(_image(m, kinds.shape) for m in made.maps[index : index + 2]),
        (f"Map, {step.before}", png(coloured(transitions // base, made.legend))),
        (f"Map, {step.after}", png(coloured(transitions % base, made.legend))),
        ("What changed", png(coloured(kinds, KINDS))),
    ]
    width = grid.width * (grid.pixel_size_m or 0.0)
    return {
        "step": step,
        "pictures": [p for p in pictures if p is not None],
        "scale_bar": scale_bar(width) if width else None,
        "mines": step.mines[:MINES_ON_PAGE],
        "matrix": _matrix(step),
    }


def _image(m: Dated, shape: tuple[int, int]) -> tuple[str, str] | None:
    return None if m.image is None else (f"Image, {m.label}", photograph(m.image, None, None, shape)[1])


def _matrix(step: Step) -> dict[str, Any]:
    matrix = np.array(step.matrix_ha)
    return {"rows": step.matrix_ha, "before": matrix.sum(axis=1).tolist(), "after": matrix.sum(axis=0).tolist()}


def _timeline(made: Change) -> list[tuple[int, list[float]]]:
    """Hectares on every date of the largest mines."""
    rows: dict[int, list[float]] = {}
    for row in made.timeline:
        rows.setdefault(int(row["mine"]), []).append(float(row["area_ha"]))
    return list(rows.items())[:MINES_ON_PAGE]


def _chart(made: Change) -> str:
    """Hectares of the largest mines over the dates, a line each with its number, and of all of them together above."""
    lines = _timeline(made)
    dates = [m.label for m in made.maps]
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    total, each = figure.subplots(1, 2)
    totals = [sum(float(r["area_ha"]) for r in made.timeline if r["date"] == d) for d in dict.fromkeys(dates)]
    at = np.arange(len(dates))
    total.plot(at[: len(totals)], totals, color="#2f5d8c", marker="o", ms=4, lw=1.6)
    total.set_title("all mines, ha", fontsize=9)
    for number, values in lines[:LINES]:
        each.plot(at, values, marker="o", ms=3, lw=1.2)
        each.annotate(f" {number}", (at[-1], values[-1]), fontsize=8, va="center")
    each.set_title("the largest mines, ha", fontsize=9)
    for axes in (total, each):
        calm(axes)
        axes.set_xticks(at, dates, rotation=30, ha="right", fontsize=8)
        axes.set_ylim(bottom=0)
    return drawn(figure)
