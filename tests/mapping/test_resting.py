import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.errors import OutputError
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.resting import geopackages, refuse_to_replace_under, work_on
from pitmap.mapping.review import review
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog
from studies import grid, quilt

SIDE = 96


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    write_cog(tmp_path / "map.tif", quilt(SIDE, SIDE, 3), grid(SIDE, SIDE), codes_layout(DEFAULT_LEGEND))
    confidence = np.full((SIDE, SIDE), 100, np.uint8)
    write_cog(tmp_path / "map-confidence.tif", confidence, grid(SIDE, SIDE), Layout(1, "uint8", 0, scale=1 / 255))
    return tmp_path / "map.tif"


def fill_in(path: Path, layer: str, number: int) -> None:
    frame = gpd.read_file(path, layer=layer)
    frame["reference"] = frame["reference"].astype(object)
    frame.loc[: number - 1, "reference"] = "WAT"
    frame.to_file(path, layer=layer, driver="GPKG")


def test_points_count_from_the_first_one_that_is_labelled(mapped: Path):
    points = mapped.parent / "points.gpkg"
    design(mapped, points, DesignOptions(points=30, floor=5))
    assert work_on(mapped, [points]) == []
    refuse_to_replace_under(mapped, [points])
    fill_in(points, "points", 7)
    (work,) = work_on(mapped, geopackages(mapped.parent))
    assert (work.file, work.filled) == (points, 7)
    with pytest.raises(OutputError, match=r"map\.tif, on which rest 7 labelled point\(s\) of .*points"):
        refuse_to_replace_under(mapped, [points])
    # Points of another map, or of an earlier one of that name, lose nothing.
    other = mapped.with_name("other.tif")
    other.write_bytes(mapped.read_bytes())
    assert work_on(other, [points]) == []
    write_cog(mapped, quilt(SIDE, SIDE, 3, seed=1), grid(SIDE, SIDE), codes_layout(DEFAULT_LEGEND))
    assert work_on(mapped, [points]) == []
    mapped.unlink()
    refuse_to_replace_under(mapped, [points])


def test_a_queue_that_was_filled_in_rests_on_its_map(mapped: Path):
    queue = mapped.parent / "review" / "queue.gpkg"
    review(mapped, mapped.with_name("map-confidence.tif"), queue)
    assert work_on(mapped, geopackages(mapped.parent)) == []
    fill_in(queue, "review", 1)
    (work,) = work_on(mapped, geopackages(mapped.parent))
    assert str(work) == f"1 reviewed polygon(s) of {queue}"
    assert work_on(mapped, geopackages(mapped.parent, but=queue.parent)) == []


def test_files_of_other_kinds_are_passed_over(mapped: Path):
    (mapped.parent / "text.gpkg").write_text("no database")
    with closing(sqlite3.connect(mapped.parent / "points.gpkg")) as database, database:
        database.execute("CREATE TABLE points (id INTEGER)")
        database.execute("CREATE TABLE design (id INTEGER)")
    assert work_on(mapped, geopackages(mapped.parent)) == []
