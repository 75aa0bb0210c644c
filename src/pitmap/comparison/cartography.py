"""What makes a picture of ground a map: legend, scale bar, north arrow. Drawn on panels of matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.transforms import offset_copy
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from numpy.typing import NDArray
from pyproj import Transformer

from pitmap.grid import Grid
from pitmap.legend import Legend
from pitmap.reporting.pictures import scale_bar

RED = (255, 0, 0)
"""Mines on the maps."""

INK = "#1f2933"

ARROW_POINTS = 24.0
"""Length of a north arrow, in points of 1/72 inch."""

HALO = [patheffects.withStroke(linewidth=2, foreground="white")]
"""Round what is drawn on the ground itself, so that it can be read on every colour."""


@dataclass(frozen=True)
class Ground:
    """How a picture lies on the Earth.

    Attributes:
        grid: Of the picture; a grid without a CRS has neither scale nor north.
    """

    grid: Grid

    @cached_property
    def width_m(self) -> float | None:
        """Metres on the ground along the middle row."""
        return None if self.grid.crs is None else self.grid.width * self.grid.pixel_steps_m[1]

    @cached_property
    def north(self) -> tuple[float, float] | None:
        """Direction of true north in the middle of the picture: a unit vector to the right and upwards."""
        grid = self.grid
        if grid.crs is None:
            return None
        to_lon_lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        x, y = grid.pixel_centres(np.array([grid.height / 2]), np.array([grid.width / 2]))
        lon, lat = to_lon_lat.transform(x, y)
        step = 1e-4 if lat[0] < 89 else -1e-4
        ahead = to_lon_lat.transform(lon, lat + step, direction="INVERSE")
        row, col = grid.pixel_positions(np.array([x[0], ahead[0][0]]), np.array([y[0], ahead[1][0]]))
        rows_m, cols_m = grid.pixel_steps_m
        right, up = float(col[1] - col[0]) * cols_m * np.sign(step), float(row[0] - row[1]) * rows_m * np.sign(step)
        length = float(np.hypot(right, up))
        return right / length, up / length


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
    table = np.full((256, 3), 255, np.uint8)
    for c in legend:
        table[c.code] = RED if c.code in mines else pale(c.rgb)
    picture: NDArray[np.uint8] = table[codes]
    picture[outline(np.isin(reference, mines))] = 0
    return picture


def pale(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """A colour of a class as it stands beside the mines."""
    red, green, blue = (255 - (255 - value) * 11 // 20 for value in rgb)
    return red, green, blue


def outline(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of an area with one of their four neighbours outside it; what lies beyond the edge counts as inside."""
    framed = np.pad(area, 1, mode="edge")
    inside = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return area & ~inside


def legend_entries(codes: Iterable[int], legend: Legend, mines: Sequence[int]) -> list[Patch]:
    """What the colours of ``painted`` mean: a patch for each class that occurs, and the verified outline last.

    Args:
        codes: That occur; others than the legend's are left out.
        legend: The classes.
        mines: Codes of the mine classes.
    """
    present = set(codes)
    patches = []
    for c in legend:
        if c.code in present:
            red, green, blue = RED if c.code in mines else pale(c.rgb)
            face = (red / 255, green / 255, blue / 255)
            patches.append(Patch(facecolor=face, edgecolor="#9aa5b1", lw=0.4, label=f"{c.key} {c.name}"))
    if present & set(mines):
        patches.append(Patch(facecolor="none", edgecolor="black", lw=1, label="verified mine"))
    return patches


def draw_scale_bar(axes: Axes, width_m: float, width_px: int) -> None:
    """A scale bar of a round length in the lower left corner.

    Args:
        axes: With a picture of ``width_px`` columns.
        width_m: Its width on the ground.
        width_px: Its columns.
    """
    bar = scale_bar(width_m)
    text = f"{bar.metres / 1000:g} km" if bar.metres >= 1000 else f"{bar.metres:g} m"
    artist = AnchoredSizeBar(
        axes.transData, bar.share * width_px, text, "lower left", pad=0.35, borderpad=0.4, sep=2, color=INK,
        size_vertical=max(width_px / 200, 0.5), fontproperties=FontProperties(size=7),
    )  # fmt: skip
    artist.patch.set(alpha=0.8, lw=0)
    axes.add_artist(artist)


def draw_north_arrow(axes: Axes, north: tuple[float, float]) -> None:
    """An arrow to true north with an N at its tip, in the upper right corner.

    Args:
        axes: With a picture.
        north: Unit vector to the right and upwards.
    """
    half = ARROW_POINTS / 2
    middle = np.array([-half - 10, -half - 10])
    away = half * np.array(north)
    tip_x, tip_y = (middle + away).tolist()
    at_tip = offset_copy(axes.transAxes, axes.get_figure(root=True), tip_x, tip_y, units="points")
    arrow = axes.annotate(
        "", (1, 1), (-2 * away).tolist(), xycoords=at_tip, textcoords="offset points",
        arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.3, "shrinkA": 0, "shrinkB": 0, "path_effects": HALO},
    )  # fmt: skip
    letter = axes.annotate(
        "N", (1, 1), (5.5 * np.array(north)).tolist(), xycoords=at_tip, textcoords="offset points",
        ha="center", va="center", fontsize=7, fontweight="bold", color=INK, path_effects=HALO,
    )  # fmt: skip
    letter.set_gid("north-arrow")
    for artist in (arrow, letter):
        artist.set_in_layout(False)
