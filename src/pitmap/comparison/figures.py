"""The paper's figures for one's own runs, as PNG: maps of every network (Fig. 9, 10) and bars (Fig. 11)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pitmap.accuracy.census.resampling import Interval
from pitmap.comparison.plan import Plan, Run
from pitmap.comparison.tables import Summary
from pitmap.legend import Legend
from pitmap.raster.bands import composite
from pitmap.raster.reading import read_reduced
from pitmap.reporting.pictures import BLUE, GREY, ORANGE, coloured, resized, stretched
from pitmap.study.scenes import Scene

RED = (255, 0, 0)
"""Mines on the maps."""

LONGEST_SIDE = 700
"""Of a map in pixels."""

BARS = (("overall_accuracy", "OA", GREY), ("kappa", "Kappa", ORANGE), ("mean_iou", "mIoU", BLUE))


def painted(
    codes: NDArray[np.uint8], reference: NDArray[np.uint8], legend: Legend, mines: Sequence[int]
) -> NDArray[np.uint8]:
    """A map in the legend's colours made pale, its mines in red, the verified mines outlined in black.

    Args:
        codes: Of the map, ``(rows, cols)``; 0 stays white.
        reference: Verified codes, ``(rows, cols)``.
        legend: The classes.
        mines: Codes of the mine classes.

    Returns:
        ``(rows, cols, 3)``.
    """
    picture = coloured(codes, legend)
    picture = (255 - (255 - picture.astype(np.int64)) * 11 // 20).astype(np.uint8)
    picture[np.isin(codes, mines)] = RED
    picture[outline(np.isin(reference, mines))] = 0
    return picture


def outline(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of an area with one of their four neighbours outside it; what lies beyond the edge counts as inside."""
    framed = np.pad(area, 1, mode="edge")
    inside = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return area & ~inside


def scene_maps(plan: Plan, split: str, seed: int, scene: Scene) -> dict[str, NDArray[np.uint8]]:
    """The panels of a scene: image, verified land use, and the map of every network that has one.

    Args:
        plan: The plan.
        split: Whose maps.
        seed: Likewise.
        scene: The scene.

    Returns:
        Pictures ``(rows, cols, 3)`` of one shape by title.

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
    for entry in plan.entries:
        path = plan.study(Run(entry, split, seed)).results.map(scene.name).map
        if path.exists():
            codes = resized(read_reduced(path, [1], LONGEST_SIDE)[0][0], valid.shape)
            panels[entry.label] = painted(codes, reference, legend, mines)
    return panels


def draw_maps(panels: Mapping[str, NDArray[np.uint8]], title: str, columns: int = 4) -> bytes:
    """Fig. 9 and 10: the panels side by side, PNG."""
    rows = -(-len(panels) // columns)
    height, width = next(iter(panels.values())).shape[:2]
    side = 3.0
    figure = Figure(figsize=(columns * side, rows * (side * height / width + 0.3) + 0.4), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color="#1f2933")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (name, picture) in zip(axes, panels.items(), strict=False):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(name, loc="left", fontsize=9, color="#1f2933")
    return _png(figure)


def draw_bars(summaries: Mapping[str, Summary], found: Mapping[str, Mapping[str, Interval]], title: str) -> bytes:
    """Fig. 11: OA, Kappa and mIoU of every network as bars, every seed as a dot, intervals as lines, PNG.

    Args:
        summaries: By network.
        found: Intervals by network and figure, empty with too few blocks of ground.
        title: Above the picture.
    """
    figure = Figure(figsize=(max(6.0, 1.45 * len(summaries)), 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10, color="#1f2933")
    lowest = 0.0
    for k, (name, label, colour) in enumerate(BARS):
        for n, (network, summary) in enumerate(summaries.items()):
            place = n + (k - 1) * 0.27
            value = summary.mean[name]
            seeds = [s[name] for s in summary.by_seed.values()]
            lowest = min([lowest, *(v for v in seeds if v is not None)])
            axes.bar(place, value or 0.0, 0.25, color=colour, alpha=0.8, label=label if n == 0 else None)
            axes.plot([place] * len(seeds), [np.nan if v is None else v for v in seeds], "o", color="#1f2933", ms=2.5)
            interval = found.get(network, {}).get(name)
            if interval is not None and interval.lower is not None and interval.upper is not None:
                axes.vlines(place + 0.07, interval.lower, interval.upper, color="#1f2933", lw=1.1)
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
    return _png(figure)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=170, metadata={"Software": None})
    return file.getvalue()


def write_picture(path: Path, picture: bytes) -> None:
    """Write a picture, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    from pitmap.files import replacing

    with replacing(path) as temporary:
        temporary.write_bytes(picture)
