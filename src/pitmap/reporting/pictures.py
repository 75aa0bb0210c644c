"""Pictures of the report, as data URIs: pure functions on arrays.

Images become JPEG, codes and diagrams PNG. The same arrays give the same bytes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.image
import numpy as np
import shapely
from affine import Affine
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pitmap.legend import Legend
from pitmap.raster.bands import PERCENTILES

if TYPE_CHECKING:
    import geopandas as gpd

NO_DATA_GREY = 238
"""Brightness of pixels without data in images."""

BLUE, ORANGE, GREY = "#2f5d8c", "#c8642b", "#6b7280"
"""Colours of diagrams: training or mapped, validation or reference, marks."""

MINES_NUMBERED = 8
"""Mines that carry their number on a picture: the largest."""


def stretched(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bands stretched between percentiles of their valid pixels.

    Args:
        pixels: ``(3, rows, cols)``.
        valid: ``(rows, cols)``.

    Returns:
        ``(rows, cols, 3)``, light grey without data.
    """
    shown = np.full((*valid.shape, 3), NO_DATA_GREY, np.uint8)
    if valid.any():
        for k, band in enumerate(pixels.astype(np.float64)):
            low, high = np.percentile(band[valid], PERCENTILES)
            scaled = (band - low) / max(high - low, 1e-12)
            shown[..., k] = np.where(valid, np.clip(scaled, 0, 1) * 255 + 0.5, NO_DATA_GREY)
    return shown


def coloured(codes: NDArray[Any], legend: Legend) -> NDArray[np.uint8]:
    """Codes in the legend's colours, ``(rows, cols, 3)``, white for 0 and for codes that the legend lacks."""
    table = np.full((256, 3), 255, np.uint8)
    for c in legend:
        table[c.code] = c.rgb
    painted: NDArray[np.uint8] = table[codes]
    return painted


def split_overlay(
    splits: NDArray[np.uint8], labelled: NDArray[np.bool_], backdrop: NDArray[np.uint8], legend: Legend
) -> NDArray[np.uint8]:
    """Ground of the splits over a pale image: labelled pixels in full colour, the others of a split lightly tinted.

    Args:
        splits: ``(rows, cols)``.
        labelled: ``(rows, cols)``.
        backdrop: ``(rows, cols, 3)``.
        legend: Colours of the splits.

    Returns:
        ``(rows, cols, 3)``.
    """
    grey = 255 - (255 - backdrop.astype(np.float64).mean(axis=2, keepdims=True)) * 0.35
    strength = np.where(splits > 0, np.where(labelled, 0.85, 0.25), 0.0)[..., None]
    laid_over: NDArray[np.uint8] = (grey * (1 - strength) + coloured(splits, legend) * strength + 0.5).astype(np.uint8)
    return laid_over


def resized(array: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Nearest neighbour resampling of ``(rows, cols)`` to another shape of the same ground."""
    rows = (np.arange(shape[0]) + 0.5) * array.shape[0] / shape[0]
    cols = (np.arange(shape[1]) + 0.5) * array.shape[1] / shape[1]
    nearest: NDArray[Any] = array[rows.astype(np.int64)][:, cols.astype(np.int64)]
    return nearest


def jpeg(rgb: NDArray[np.uint8]) -> str:
    """A photograph-like picture ``(rows, cols, 3)`` as a data URI."""
    return _encoded(rgb, "jpeg", pil_kwargs={"quality": 88, "subsampling": 0})


def png(rgb: NDArray[np.uint8]) -> str:
    """A picture of flat colours ``(rows, cols, 3)`` as a data URI, without loss."""
    return _encoded(rgb, "png", metadata={"Software": None})


def _encoded(rgb: NDArray[np.uint8], kind: str, **options: Any) -> str:
    file = io.BytesIO()
    matplotlib.image.imsave(file, np.ascontiguousarray(rgb), format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


@dataclass(frozen=True)
class Outline:
    """A polygon on a picture.

    Attributes:
        path: SVG path data in pixels of the picture.
        colour: ``#rrggbb``.
        number: Of the mine.
        name: Of its class.
        area_ha: None without a CRS.
        pixels: Their number.
        label: Written beside it, empty for most.
        x: Where the label stands, in pixels of the picture.
        y: Likewise.
    """

    path: str
    colour: str
    number: int
    name: str
    area_ha: float | None
    pixels: int
    label: str = ""
    x: float = 0.0
    y: float = 0.0


def to_picture(polygons: NDArray[np.object_], transform: Affine, factor: tuple[float, float]) -> NDArray[np.object_]:
    """Polygons in map coordinates brought to pixels of a picture, and simplified to what can be seen there.

    Args:
        polygons: shapely polygons, coordinates ``x, y``.
        transform: Of the raster, from ``(col, row)`` to ``(x, y)``.
        factor: Pixels of the picture for each pixel of the raster, rows and columns.
    """
    inverse = ~transform

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = points.T
        col, row = inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f
        return np.stack([col * factor[1], row * factor[0]], axis=1)

    return shapely.simplify(shapely.transform(polygons, place), 0.5)


def svg_path(polygon: shapely.Polygon) -> str:
    """SVG path data of a polygon with its holes, to a tenth of a pixel."""
    parts = []
    for ring in (polygon.exterior, *polygon.interiors):
        points = shapely.get_coordinates(ring)[:-1].round(1)
        if len(points) >= 3:
            parts.append("M" + "L".join(f"{x:g} {y:g}" for x, y in points.tolist()) + "Z")
    return "".join(parts)


@dataclass(frozen=True)
class ScaleBar:
    """A scale bar: its length, and that length as a share of the picture's width."""

    metres: float
    share: float


def scale_bar(width_m: float) -> ScaleBar:
    """A scale bar of a round length, at most a third of a width on the ground."""
    step = 10.0 ** np.floor(np.log10(width_m / 3))
    metres = max(m * step for m in (1, 2, 5) if m * step <= width_m / 3)
    return ScaleBar(float(metres), float(metres / width_m))


def mine_outlines(
    mines: gpd.GeoDataFrame, transform: Affine, legend: Legend, factor: tuple[float, float]
) -> list[Outline]:
    """Outlines of mines on a picture.

    Args:
        mines: The mines to draw, of the layer of ``extract_mines``.
        transform: Of the map, from ``(col, row)`` to ``(x, y)``.
        legend: The classes.
        factor: Pixels of the picture for each pixel of the map, rows and columns.
    """
    polygons = to_picture(np.asarray(mines.geometry.array, dtype=object), transform, factor)
    outlines = []
    for n, (polygon, row) in enumerate(
        zip(polygons, mines.drop(columns=mines.geometry.name).to_dict("records"), strict=True)
    ):
        hectares = row.get("area_ha")
        spot = shapely.point_on_surface(polygon) if n < MINES_NUMBERED and not polygon.is_empty else None
        outlines.append(
            Outline(
                svg_path(polygon),
                legend[row["class"]].colour,
                int(row["id"]),
                str(row["name"]),
                None if hectares is None else float(hectares),
                int(row["pixels"]),
                "" if spot is None else str(row["id"]),
                0.0 if spot is None else round(spot.x, 1),
                0.0 if spot is None else round(spot.y, 1),
            )
        )
    return outlines


RIGHT, WRONG, MISSED, FALSE = range(1, 5)
"""Classes of ground in a picture of disagreement; 0 is not compared."""

DISAGREEMENT = {RIGHT: "#d5dade", WRONG: "#e0a100", MISSED: "#2166ac", FALSE: "#c51b1b"}
"""Colours of a picture of disagreement."""


def disagreement(mapped: NDArray[Any], labels: NDArray[Any], mines: Sequence[int]) -> NDArray[np.uint8]:
    """Where a map and labels disagree.

    Args:
        mapped: Codes of the map, any shape; 0 is no map.
        labels: Codes of the labels in the same shape; 0 is no label.
        mines: Codes of the mine classes.

    Returns:
        ``RIGHT``; ``MISSED``, a mine class by the labels that the map calls none; ``FALSE``, the other way round;
        ``WRONG``, any other error; 0 where either has no code.
    """
    kind = np.where(mapped == labels, RIGHT, WRONG)
    mapped_mine, true_mine = np.isin(mapped, mines), np.isin(labels, mines)
    kind[true_mine & ~mapped_mine] = MISSED
    kind[mapped_mine & ~true_mine] = FALSE
    return np.where((mapped > 0) & (labels > 0), kind, 0).astype(np.uint8)


def disagreement_picture(kinds: NDArray[np.uint8]) -> str:
    """A data URI of what ``disagreement`` gives, white where nothing is compared."""
    table = np.full((256, 3), 255, np.uint8)
    for kind, colour in DISAGREEMENT.items():
        table[kind] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return png(table[kinds])


def confidence_picture(steps: NDArray[np.uint8]) -> str:
    """A data URI of a map's confidence in grey; white where there is none."""
    return png(np.repeat(np.where(steps > 0, steps, 255)[..., None], 3, axis=2).astype(np.uint8))


def curves(history: Sequence[dict[str, float]], best_epoch: float | None) -> tuple[str, str]:
    """Learning curves: losses, and figures on validation ground; a dashed line marks the epoch that was kept.

    The pictures hold no words, so that the page says them in its own language: training loss and validation mIoU are
    blue, validation loss and overall accuracy are orange, the axis below is the epoch.
    """
    epochs = [row["epoch"] for row in history]
    marker = "o" if len(epochs) < 3 else None
    pictures = []
    for columns in (("loss", "validation_loss"), ("validation_miou", "validation_accuracy")):
        figure = Figure(figsize=(4.6, 2.6), layout="constrained")
        axes = figure.subplots()
        calm(axes)
        for column, colour in zip(columns, (BLUE, ORANGE), strict=True):
            axes.plot(epochs, [row[column] for row in history], color=colour, lw=1.6, marker=marker, ms=4)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        if best_epoch is not None:
            axes.axvline(best_epoch, color=GREY, lw=1, ls=(0, (3, 3)))
        if columns[0] != "loss":
            axes.set_ylim(0, 1)
        pictures.append(drawn(figure))
    return pictures[0], pictures[1]


def reliability(bins: Iterable[dict[str, float | None]]) -> str:
    """Reliability diagram: share that is right against the confidence stated, and below it pixels at each confidence.

    The picture holds no words.
    """
    rows = [(b.get("confidence"), b.get("accuracy"), b.get("pixels") or 0.0) for b in bins]
    kept = [(c, a, n) for c, a, n in rows if c is not None and a is not None]
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    confidence, accuracy, pixels = (list(column) for column in zip(*kept, strict=True)) if kept else ([], [], [])
    calm(upper)
    upper.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (3, 3)))
    upper.plot(confidence, accuracy, color=BLUE, marker="o", ms=4, lw=1.4)
    upper.set(xlim=(0, 1), ylim=(0, 1))
    calm(lower)
    lower.bar(confidence, pixels, width=0.6 / max(len(confidence), 10), color=BLUE, alpha=0.6)
    return drawn(figure)


def calm(axes: Axes) -> None:
    """Take away what a diagram does not need: two sides of its frame, and dark lines."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9aa5b1")
    axes.tick_params(colors="#52606d", labelsize=9)
    axes.grid(axis="y", color="#e4e7eb", lw=0.8)
    axes.set_axisbelow(True)


def drawn(figure: Figure) -> str:
    """A diagram as a data URI; the same figure gives the same bytes."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=170, metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
