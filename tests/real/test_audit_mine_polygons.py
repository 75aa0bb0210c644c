"""The audit on real outlines from all over the world, in degrees: published ones against those corrected by hand."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Geod

from pitmap.accuracy.mines.audit import AuditOptions, audit

TILES = (
    Path(__file__).resolve().parents[2].parent / "shared/data/mine_polygons/jasansky_mining_tiles_test_annotations.gpkg"
)
pytestmark = pytest.mark.skipif(not TILES.exists(), reason="the data beside the project are absent")


def geodesic_m2(polygons):
    geod = Geod(ellps="WGS84")
    # Edges are short beside the earth, so straight edges in degrees and geodesics agree.
    return np.array([abs(geod.geometry_area_perimeter(shapely.segmentize(p, 1e-3))[0]) for p in polygons])


@pytest.fixture(scope="module")
def some_tiles(tmp_path_factory):
    """Eight tiles, the most northern one and the one that was corrected most among them."""
    path = tmp_path_factory.mktemp("tiles") / "tiles.gpkg"
    original, annotated = (gpd.read_file(TILES, layer=f"polygons_{n}") for n in ("original", "annotated"))
    north = annotated.loc[annotated.geometry.bounds["maxy"].idxmax(), "tile_id"]
    pairs = original.merge(annotated, on="tile_id")
    a, b = (np.array(pairs[f"geometry_{k}"].to_list(), dtype=object) for k in "xy")
    iou = shapely.area(shapely.intersection(a, b)) / shapely.area(shapely.union(a, b))
    chosen = {north, pairs["tile_id"][int(np.argmin(iou))], *pairs["tile_id"].iloc[::20]}
    for name, layer in (("original", original), ("annotated", annotated)):
        layer[layer["tile_id"].isin(chosen)].to_file(path, layer=f"polygons_{name}")
    return path, len(chosen)


def options(**more):
    return AuditOptions(
        layer="polygons_original", reference_layer="polygons_annotated", group_field="tile_id", boundary_m=20.0,
        step_m=20.0, draws=200, **more,
    )  # fmt: skip


def test_areas_are_geodesic_and_counts_add_up(some_tiles, tmp_path):
    path, tiles = some_tiles
    result = audit(path, path, options())
    t = result.totals
    for layer, total, count in (("annotated", "reference_m2", "reference"), ("original", "mapped_m2", "mapped")):
        polygons = gpd.read_file(path, layer=f"polygons_{layer}").explode().geometry
        assert getattr(t, count) == len(polygons)
        assert getattr(t, total) == pytest.approx(geodesic_m2(polygons).sum(), rel=1e-5)
    assert t.found + t.missed == t.reference
    assert sum(row.reference for row in result.by_size) == t.reference
    assert len(result.by_group) == tiles
    assert t.overlap_m2 <= min(t.reference_m2, t.mapped_m2)
    result.write(tmp_path / "audit.json")
    layer = gpd.read_file(tmp_path / "audit.gpkg", layer="reference")
    assert layer["verdict"].value_counts()["missed"] == t.missed


def test_outlines_against_themselves_are_found_whole(some_tiles):
    path, _ = some_tiles
    same = AuditOptions(
        layer="polygons_annotated", reference_layer="polygons_annotated", group_field="tile_id", step_m=100.0, draws=50
    )
    result = audit(path, path, same)
    assert result.totals.found == result.totals.reference == result.totals.true
    assert result.figures["area_iou"].value == pytest.approx(1)
    assert result.figures["panoptic_quality"].value == pytest.approx(1)


@pytest.mark.verify
def test_all_tiles_have_the_agreement_that_is_known():
    """Known from the data's description: IoU by tile 0.97 in the median, 0.88 at the 10th percentile, 0.64 at worst."""
    result = audit(TILES, TILES, options())
    iou = np.array([row.area_iou for row in result.by_group.values()])
    assert len(iou) == 116
    assert np.median(iou) == pytest.approx(0.97, abs=0.006)
    assert np.percentile(iou, 10) == pytest.approx(0.88, abs=0.006)
    assert iou.min() == pytest.approx(0.64, abs=0.006)
