"""The paper's figures for one's own runs: maps of every network (Fig. 9, 10) and bars (Fig. 11)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pitmap.accuracy.census.resampling import Interval
from pitmap.comparison.cartography import (
    INK,
    Ground,
    draw_north_arrow,
    draw_scale_bar,
    legend_entries,
    painted,
)
from pitmap.comparison.plan import Plan, Run
from pitmap.comparison.tables import Summary
from pitmap.files import replacing
from pitmap.grid import Grid
from pitmap.legend import UNLABELLED, Legend
from pitmap.raster.bands import composite
from pitmap.raster.reading import read_reduced
from pitmap.reporting.pictures import BLUE, GREY, ORANGE, resized, stretched
from pitmap.study.scenes import Scene

LONGEST_SIDE = 700
"""Of a map in pixels."""

KINDS = ("png", "svg", "pdf")
"""Files of a figure: for the page, and for papers."""

BARS = (("overall_accuracy", "OA", GREY), ("kappa", "Kappa", ORANGE), ("mean_iou", "mIoU", BLUE))


@dataclass(frozen=True)
class Panels:
    """Pictures of one scene.

    Attributes:
        pictures: ``(rows, cols, 3)``, of one shape, by title: image, reference, and the map of every network.
        ground: How they lie on the Earth.
        codes: Of the classes that occur on reference or maps.
    """

    pictures: dict[str, NDArray[np.uint8]]
    ground: Ground
    codes: tuple[int, ...]


def scene_maps(plan: Plan, split: str, seed: int, scene: Scene) -> Panels:
    """The panels of a scene: image, verified land use, and the map of every network that has one.

    Args:
        plan: The plan.
        split: Whose maps.
        seed: Likewise.
        scene: The scene.

    Raises:
        ImageError: A raster cannot be read.
    """
    legend, mines = plan.project.legend, [plan.project.legend[key].code for key in plan.project.mine_classes]
    shown = composite(scene.band_names)
    pixels, valid = read_reduced(scene.image, scene.band_indices, LONGEST_SIDE, scene.site.nodata)
    image = stretched(pixels[list(shown.bands)], valid)
    labels = plan.samples_study(split, seed).samples_folder / "labels" / f"{scene.name}.tif"
    reference = resized(read_reduced(labels, [1], LONGEST_SIDE)[0][0], valid.shape)
    panels = {"image": image, "reference": painted(reference, reference, legend, mines)}
    present = set(np.unique(reference).tolist())
    for entry in plan.entries:
        path = plan.study(Run(entry, split, seed)).results.map(scene.name).map
        if path.exists():
            codes = resized(read_reduced(path, [1], LONGEST_SIDE)[0][0], valid.shape)
            panels[entry.label] = painted(codes, reference, legend, mines)
            present |= set(np.unique(codes).tolist())
    return Panels(panels, Ground(_reduced(scene.info.grid, valid.shape)), tuple(sorted(present - {UNLABELLED})))


def _reduced(grid: Grid, shape: tuple[int, int]) -> Grid:
    """The same ground in fewer pixels."""
    t, rows, cols = grid.transform, grid.height / shape[0], grid.width / shape[1]
    smaller = Affine(t.a * cols, t.b * rows, t.c, t.d * cols, t.e * rows, t.f)
    return Grid(grid.crs, smaller, *shape, grid.local_crs)


def draw_maps(panels: Panels, legend: Legend, mines: Sequence[int], title: str, columns: int = 4) -> Figure:
    """Fig. 9 and 10: the panels side by side, with legend, scale bar and north arrow.

    Args:
        panels: What is drawn.
        legend: The classes.
        mines: Codes of the mine classes.
        title: Above the panels.
        columns: Panels in a row at most.
    """
    rows = -(-len(panels.pictures) // columns)
    columns = -(-len(panels.pictures) // rows)
    height, width = next(iter(panels.pictures.values())).shape[:2]
    side = 3.0
    entries = legend_entries(panels.codes, legend, mines)
    lines = -(-len(entries) // columns)
    size = columns * side, rows * (side * height / width + 0.3) + 0.4 + 0.2 * lines
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (name, picture) in zip(axes, panels.pictures.items(), strict=False):
        axis.imshow(picture, interpolation="none")
        axis.set_title(name, loc="left", fontsize=9, color=INK)
    if panels.ground.width_m is not None:
        draw_scale_bar(axes[0], panels.ground.width_m, width)
    if panels.ground.north is not None:
        draw_north_arrow(axes[0], panels.ground.north)
    figure.legend(handles=entries, loc="outside lower left", ncols=columns, frameon=False, fontsize=8)
    return figure


def draw_bars(summaries: Mapping[str, Summary], found: Mapping[str, Mapping[str, Interval]], title: str) -> Figure:
    """Fig. 11: OA, Kappa and mIoU of every network as bars, every seed as a dot, intervals as lines.

    Args:
        summaries: By network.
        found: Intervals by network and figure, empty with too few blocks of ground.
        title: Above the picture.
    """
    figure = Figure(figsize=(max(6.0, 1.45 * len(summaries)), 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    lowest = 0.0
    for k, (name, label, colour) in enumerate(BARS):
        for n, (network, summary) in enumerate(summaries.items()):
            place = n + (k - 1) * 0.27
            value = summary.mean[name]
            seeds = [s[name] for s in summary.by_seed.values()]
            lowest = min([lowest, *(v for v in seeds if v is not None)])
            axes.bar(place, value or 0.0, 0.25, color=colour, alpha=0.8, label=label if n == 0 else None)
            axes.plot([place] * len(seeds), [np.nan if v is None else v for v in seeds], "o", color=INK, ms=2.5)
            interval = found.get(network, {}).get(name)
            if interval is not None and interval.lower is not None and interval.upper is not None:
                axes.vlines(place + 0.07, interval.lower, interval.upper, color=INK, lw=1.1)
            if value is not None:
                top = max([value, *(v for v in seeds if v is not None)])
                axes.annotate(
                    f"{100 * value:.1f}", (place, top), (0, 5), textcoords="offset points", ha="center", fontsize=6
                )
    axes.set_xticks(range(len(summaries)), list(summaries), fontsize=8)
    axes.set_ylim(1.1 * lowest, 1.08)
    axes.tick_params(labelsize=8, colors="#52606d")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e7eb", lw=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.1))
    return figure


def rendered(figure: Figure, kind: str) -> bytes:
    """A figure as a file: the same figure gives the same bytes.

    Letters stay text in SVG and TrueType in PDF, so that both can be edited and printed; maps are rasters in them.

    Args:
        figure: From ``draw_maps`` or ``draw_bars``.
        kind: One of ``KINDS``.
    """
    file = io.BytesIO()
    undated: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with rc_context({"svg.hashsalt": "pitmap", "svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(file, format=kind, dpi=170, metadata=undated)
    return file.getvalue()


def write_figure(folder: Path, name: str, figure: Figure) -> None:
    """Write a figure in all ``KINDS``, each file whole or not at all.

    Args:
        folder: Where.
        name: Of the files, without ending.
        figure: The figure.

    Raises:
        OutputError: A file cannot be written.
    """
    for kind in KINDS:
        with replacing(folder / f"{name}.{kind}") as temporary:
            temporary.write_bytes(rendered(figure, kind))
