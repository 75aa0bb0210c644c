"""The files of a comparison: rasters, layers and tables of each step from one date to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import shapely
from numpy.typing import NDArray

from pitmap.changes.classes import GAINED, KINDS, LOST, RESTORED, transition_base
from pitmap.changes.looks import mines_change_style, transitions_look, transitions_style
from pitmap.changes.series import Series, Strip
from pitmap.changes.survey import Listener, StepTotals
from pitmap.changes.verdicts import MineChange
from pitmap.files import csv_text, write_text
from pitmap.geopackage import write_layers
from pitmap.grid import Grid
from pitmap.legend import Legend
from pitmap.mapping.measures import LONGEST_EDGE, measure
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, create_cog


@dataclass(frozen=True)
class StepFiles:
    """The files of one step.

    Attributes:
        folder: Where they lie.
        name: First part of their names.
    """

    folder: Path
    name: str

    @property
    def kinds(self) -> Path:
        """Kind of change of each pixel, codes of ``KINDS``: the strata of a sample."""
        return self.folder / f"{self.name}.tif"

    @property
    def transitions(self) -> Path:
        """Class before times a power of ten plus class after."""
        return self.folder / f"{self.name}-transitions.tif"

    @property
    def layers(self) -> Path:
        """Layers ``mines_change`` and ``transitions``."""
        return self.folder / f"{self.name}.gpkg"

    @property
    def matrix(self) -> Path:
        """Hectares from class to class, rows before, columns after."""
        return self.folder / f"{self.name}.csv"


@contextmanager
def rasters(steps: Sequence[StepFiles], series: Series, tags: Sequence[Mapping[str, str]]) -> Iterator[Listener]:
    """Write the rasters of all steps strip by strip; they get their names when the block ends well.

    Args:
        steps: Their files.
        series: The maps.
        tags: Metadata of each step.
    """
    base = transition_base(series.legend)
    dtype = np.uint8 if len(series.legend) * (base + 1) < 256 else np.uint16 if base <= 100 else np.uint32
    with ExitStack() as stack:
        writers = []
        for files, about in zip(steps, tags, strict=True):
            layout = Layout(
                1, np.dtype(dtype).name, 0, (f"class before x {base} + class after",), tags=about, overviews="mode"
            )
            writers.append(
                (
                    stack.enter_context(create_cog(files.kinds, series.grid, codes_layout(KINDS, about))),
                    stack.enter_context(create_cog(files.transitions, series.grid, layout)),
                )
            )

        def write(strip: Strip, kinds: Sequence[NDArray[np.uint8]]) -> None:
            for k, (of_kinds, of_transitions) in enumerate(writers):
                of_kinds.write(kinds[k], strip.window)
                before, after = strip.codes[k].astype(dtype), strip.codes[k + 1].astype(dtype)
                both = (before > 0) & (after > 0)
                of_transitions.write(np.where(both, before * dtype(base) + after, dtype(0)), strip.window)

        yield write


def write_transition_names(path: Path, legend: Legend, step: StepTotals) -> None:
    """Names and colours of the transitions that occur, for QGIS (``.qml``) and GDAL (``.aux.xml``).

    Ground that changed has the colour of its class now, ground that did not a pale one.
    """
    base = transition_base(legend)
    rows: list[tuple[int, str, list[int]]] = []
    for before in legend:
        for after in legend:
            if step.areas_m2[before.code, after.code] > 0:
                same = before == after
                rgb = [round(255 - (255 - v) * (0.25 if same else 1)) for v in after.rgb]
                name = f"{after.name}, unchanged" if same else f"{before.name} → {after.name}"
                rows.append((before.code * base + after.code, name, rgb))
    columns = [("Value", 0, 5), ("Class_Name", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8)]
    fields = "".join(
        f'<FieldDefn index="{i}"><Name>{n}</Name><Type>{t}</Type><Usage>{u}</Usage></FieldDefn>'
        for i, (n, t, u) in enumerate(columns)
    )
    table = "".join(
        f'<Row index="{i}">' + "".join(f"<F>{escape(str(v))}</F>" for v in (value, name, *rgb)) + "</Row>"
        for i, (value, name, rgb) in enumerate(rows)
    )
    aux = (
        '<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable tableType="thematic">'
        f"{fields}{table}</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>\n"
    )
    look = transitions_look([(value, f"#{bytes(rgb).hex()}", name) for value, name, rgb in rows])
    write_text(path.with_suffix(".qml"), look)
    write_text(path.with_name(path.name + ".aux.xml"), aux)


def write_change_layers(
    path: Path, step: StepTotals, changes: Sequence[MineChange], numbers: Mapping[int, int], legend: Legend,
    kinds: NDArray[np.uint8], grid: Grid, smallest_m2: float,
) -> None:  # fmt: skip
    """Write the layers ``mines_change`` (one feature a mine) and ``transitions`` (ground that changed).

    Regions of changed ground that are smaller than ``smallest_m2`` are in the figures of their mine and not in the
    layer ``transitions``.
    """
    import geopandas as gpd

    crs = None if grid.crs is None else grid.crs.to_wkt()
    whole: dict[int, list[Any]] = {}
    rows: list[dict[str, Any]] = []
    shapes: list[Any] = []
    for (mine, before, after), polygons in sorted(step.outlines.items()):
        regions = _joined(polygons)
        whole.setdefault(mine, []).extend(regions)
        kind = int(kinds[before, after])
        if kind not in (GAINED, RESTORED, LOST) or grid.crs is None:
            continue
        areas = measure(regions, grid.crs, LONGEST_EDGE * abs(grid.transform.determinant) ** 0.5).area_m2
        for region, area in zip(regions, areas.tolist(), strict=True):
            if area >= smallest_m2:
                shapes.append(region)
                rows.append(
                    {
                        "mine": numbers.get(mine, 0), "kind": KINDS[kind].key, "name": KINDS[kind].name,
                        "before": legend[before].key, "after": legend[after].key, "area_ha": area / 1e4,
                    }
                )  # fmt: skip
    order = sorted(range(len(rows)), key=lambda i: (-rows[i]["area_ha"], -shapes[i].bounds[3], shapes[i].bounds[0]))
    columns = ("mine", "kind", "name", "before", "after", "area_ha")
    ground = gpd.GeoDataFrame(
        {c: [rows[i][c] for i in order] for c in columns}, geometry=[shapes[i] for i in order], crs=crs
    )
    of_mine = {number: mine for mine, number in numbers.items()}
    outline = [shapely.multipolygons(_joined(whole[of_mine[c.mine]])) for c in changes]
    figures = (
        "before_ha",
        "after_ha",
        "gained_ha",
        "lost_ha",
        "restored_ha",
        "parts_before",
        "parts_after",
        "relation",
    )
    table: dict[str, list[Any]] = {"mine": [c.mine for c in changes], "verdict": [c.verdict for c in changes]}
    table |= {name: [getattr(c, name) for c in changes] for name in figures}
    table |= {
        "gained_from": [_listed(c.gained_from) for c in changes],
        "lost_to": [_listed(c.lost_to) for c in changes],
    }
    mines = gpd.GeoDataFrame(table, geometry=outline, crs=crs)
    for frame, texts in ((mines, ("verdict", "relation", "gained_from", "lost_to")), (ground, columns[1:5])):
        for name in texts:
            frame[name] = frame[name].astype(object)  # an empty list would become a column of numbers
    styles = {
        "mines_change": mines_change_style([c for c in mines.columns if c != "geometry"]),
        "transitions": transitions_style(columns),
    }
    write_layers(
        path, {"transitions": ground, "mines_change": mines}, styles,
        {"transitions": "Polygon", "mines_change": "MultiPolygon"},
    )  # fmt: skip


def _joined(polygons: Sequence[Any]) -> NDArray[np.object_]:
    """Polygons that were cut at the strips in one piece again, without the corners of the cuts."""
    parts = shapely.get_parts(shapely.union_all(np.array(polygons, dtype=object)))
    return np.asarray(shapely.normalize(shapely.simplify(parts, 0.0)), dtype=object)


def _listed(areas: Mapping[str, float]) -> str:
    """``VEG 1.25, BAS 0.10``: hectares by class, the largest first."""
    return ", ".join(f"{key} {ha:.2f}" for key, ha in sorted(areas.items(), key=lambda item: -item[1]))


def write_table(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, csv_text(rows))


def write_matrix(path: Path, legend: Legend, matrix_ha: Sequence[Sequence[float]]) -> None:
    """Write hectares from class to class: a row a class before, a column a class after."""
    head = ["before \\ after", *legend.keys]
    write_table(path, [head, *([c.key, *(f"{v:.4f}" for v in row)] for c, row in zip(legend, matrix_ha, strict=True))])
