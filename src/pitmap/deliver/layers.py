"""Layers of results for a QGIS project: each with its style, made only where the project is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyproj import CRS, Transformer

from pitmap import __version__
from pitmap.currency import content_key, digest
from pitmap.geopackage import default_style
from pitmap.grid import Grid, place_of
from pitmap.qgis.project import Group, Layer, place
from pitmap.raster.codes import read_legend
from pitmap.raster.looks import codes_look, image_look, own_look
from pitmap.vectors import header, layer_names

FORMAT = 1
"""Changes with what a project of the same files holds."""

MAP_OPACITY = 0.6
"""Of maps, so that the image shows under them."""


@dataclass(frozen=True)
class Entry:
    """A layer, whose style is made only where the project is written."""

    layer: Layer
    style: Callable[[], str]


@dataclass(frozen=True)
class Folder:
    """Layers and folders under one name, from the top down."""

    name: str
    members: tuple[Folder | Entry, ...]

    def entries(self) -> Iterator[Entry]:
        """All layers in it, from the top down."""
        for member in self.members:
            if isinstance(member, Entry):
                yield member
            else:
                yield from member.entries()

    def group(self) -> Group:
        """As QGIS takes it, with the styles."""
        return Group(
            self.name,
            tuple(m.group() if isinstance(m, Folder) else replace(m.layer, style=m.style()) for m in self.members),
        )

    def key(self, folder: Path) -> str:
        """Of all that a project in a folder shows of them."""
        layers = [
            [place(e.layer, folder), e.layer.name, e.layer.visible, e.layer.opacity, digest(e.layer.source)]
            for e in self.entries()
        ]
        return content_key({"step": "qgis project", "format": FORMAT, "version": __version__, "layers": layers})


def raster(
    name: str,
    path: Path,
    grid: Grid,
    bands: Sequence[int | str] | None = None,
    *,
    visible: bool = True,
    opacity: float = 1.0,
) -> Entry:
    """A raster with the style that lies beside it, else with the look of what it holds.

    Args:
        name: Of the layer.
        path: The file.
        grid: Its grid.
        bands: Of an image, those that are used; None where it may be land cover.
        visible: Whether it is drawn.
        opacity: How much it hides what lies under it.
    """
    layer = Layer(name, path, "raster", "", grid.crs, visible=visible, opacity=opacity)

    def style() -> str:
        if (own := own_look(path)) is not None:
            return own
        legend = read_legend(path) if bands is None else None
        return image_look(path, bands) if legend is None else codes_look(legend)

    return Entry(layer, style)


def vectors(path: Path, tables: tuple[str, ...] | None, name: str, *, visible: bool = True) -> Iterator[Entry]:
    """Layers of a GeoPackage with the styles that it holds.

    Args:
        path: The file; where there is none there are no layers.
        tables: Which; None for all.
        name: Of the layers, ``{}`` for that of the table.
        visible: Whether they are drawn.
    """
    if not path.exists():
        return
    there = layer_names(path)
    for table in there if tables is None else [t for t in tables if t in there]:
        written = header(path, table)["crs"]
        crs = place_of(CRS.from_user_input(written).to_wkt()) if written else None
        layer = Layer(name.format(table), path, "vector", "", crs, table, visible)
        if (style := default_style(path, table)) is not None:
            yield Entry(layer, lambda style=style: style)  # type: ignore[misc]


def view(grids: Iterable[Grid]) -> tuple[CRS | None, tuple[float, float, float, float]]:
    """The CRS of the first grid, and the extent in it of those that can be seen together with it."""
    first, *others = grids
    corners = [first.bounds]
    for grid in others:
        if first.crs is None or grid.crs is None:
            corners += [grid.bounds] if first.crs is grid.crs else []
        else:
            corners.append(Transformer.from_crs(grid.crs, first.crs, always_xy=True).transform_bounds(*grid.bounds))
    x_min, y_min, x_max, y_max = zip(*corners, strict=True)
    return first.crs, (min(x_min), min(y_min), max(x_max), max(y_max))
