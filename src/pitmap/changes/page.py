"""The page of a comparison of dates: one self-contained HTML file, in the style of the report."""

from __future__ import annotations

import json
from itertools import pairwise

from pitmap import __version__
from pitmap.changes.result import Change
from pitmap.reporting.change_section import change_section
from pitmap.reporting.language import Language
from pitmap.reporting.page import render
from pitmap.reporting.statement import photograph

MINES_ON_PAGE = 200
"""Mines in the table of a step: the largest; the layer has all."""


def change_page(made: Change) -> str:
    """The page."""
    section = change_section(json.loads(json.dumps(made.content())), made.folder, MINES_ON_PAGE)
    for (before, after), step in zip(pairwise(made.maps), section["steps"], strict=True):
        width, height = step["width"], step["height"]
        step["pictures"][:0] = [
            ("Image, {label}", m.label, photograph(m.image, None, None, (height, width))[1])
            for m in (before, after)
            if m.image is not None
        ]
    return render(
        {
            "version": __version__,
            "t": Language("en"),
            "title": made.options.title or f"{made.maps[0].label} to {made.maps[-1].label}",
            "c": section,
        },
        "change.html",
        "pitmap.changes",
    )
