"""The accuracy statement on real ground: a map of Strzegom west is sampled, labelled from the mask, estimated, audited.

The map comes from a per-pixel random forest trained on the northern half of one date; what is tested is the statement
on it, not the map.
"""

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from labelled_samples import label
from pitmap.accuracy.census.assess import AssessOptions, assess
from pitmap.accuracy.mines.audit import AuditOptions, audit
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.accuracy.sampling.sample import estimate
from pitmap.legend import LandCoverClass, Legend
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.reading import describe, open_raster
from pitmap.raster.regions import code_regions
from pitmap.raster.writing import write_cog

DATA = Path(__file__).resolve().parents[2].parent / "shared/data/strzegom_west"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the data beside the project are absent")
PIT = 10


@pytest.fixture(scope="module")
def legend():
    with (DATA / "legend.csv").open(newline="") as file:
        rows = [row for row in csv.reader(file) if row[0].strip().isdigit() and int(row[0]) > 0]
    return Legend(LandCoverClass(int(code), f"C{code.strip()}", name.strip(), "#808080") for code, name, *_ in rows)


@pytest.fixture(scope="module")
def mask():
    return read_codes(DATA / "masks/strzegom_west_20230530.tif")


@pytest.fixture(scope="module")
def map_path(tmp_path_factory, legend, mask):
    image = DATA / "images/strzegom_west_20230530.tif"
    with open_raster(image) as reader:
        bands, _ = reader.read()
    valid = (bands != 0).all(axis=0)
    north = np.arange(mask.shape[0])[:, None] < mask.shape[0] // 2
    training = (mask > 0) & valid & north
    forest = RandomForestClassifier(25, max_depth=12, random_state=0).fit(bands[:, training].T, mask[training])
    codes = np.zeros(mask.shape, np.uint8)
    codes[valid] = forest.predict(bands[:, valid].T)
    path = tmp_path_factory.mktemp("strzegom") / "map.tif"
    write_cog(path, codes, describe(image).grid, codes_layout(legend))
    return path


def test_layer_and_mask_give_the_same_census(map_path, legend):
    by_mask = assess(map_path, DATA / "masks/strzegom_west_20230530.tif")
    by_layer = assess(map_path, DATA / "landuse_west.gpkg", AssessOptions(field="code"))
    assert by_layer.matrix == by_mask.matrix
    assert by_mask.legend == legend
    assert by_mask.matrix.total == pytest.approx(31_022, abs=700)  # labelled pixels, less those without data
    intervals = by_mask.intervals().figures
    assert intervals["overall_accuracy"].lower < intervals["overall_accuracy"].upper


@pytest.mark.verify
def test_sample_labelled_from_the_mask_agrees_with_the_census(map_path, legend, mask, tmp_path):
    points = tmp_path / "points.gpkg"
    image = DATA / "images/strzegom_west_20230530.tif"
    options = DesignOptions(
        points=400, floor=30, seed=7, extent=DATA / "landuse_west.gpkg", images=(image,), bands=("B08", "B04", "B03")
    )
    drawn = design(map_path, points, options)
    assert len(list((tmp_path / "points_chips").glob("*.png"))) == 2 * len(drawn.rows) == 800
    label(points, mask)

    result = estimate(points, map_path)
    census = assess(map_path, DATA / "masks/strzegom_west_20230530.tif")
    assert result.used == 400
    assert result.estimates.total_area == pytest.approx(census.areas_m2.sum() / 1e4, rel=1e-6)
    # The census is the truth of the sampled ground: of many estimates, nearly all intervals hold it.
    figures = census.matrix.figures()
    pairs = [(result.estimates.overall_accuracy, figures.overall_accuracy)]
    for e, c, area in zip(result.estimates.classes, figures.classes, census.areas_m2.sum(axis=0) / 1e4, strict=True):
        if e.area.standard_error:
            pairs.append((e.area, area))
        if e.users_accuracy.standard_error:
            pairs.append((e.users_accuracy, c.users_accuracy))
    assert len(pairs) >= 10
    assert np.mean([e.lower <= value <= e.upper for e, value in pairs]) >= 0.8
    oa = result.estimates.overall_accuracy
    assert oa.lower <= figures.overall_accuracy <= oa.upper
    pit = result.estimates.classes[PIT - 1].area
    assert pit.lower <= census.areas_m2[:, PIT - 1].sum() / 1e4 <= pit.upper


def test_audit_of_the_pits(map_path, tmp_path):
    polygons = [polygon for found in code_regions(map_path, [PIT]) for polygon in found.polygons]
    mines = tmp_path / "mines.gpkg"
    gpd.GeoDataFrame(geometry=polygons, crs=describe(map_path).grid.crs.to_wkt()).to_file(mines)
    options = AuditOptions(
        reference_field="code", reference_values=[PIT], minimum_m2=1361.0, boundary_m=20.0, step_m=5.0, draws=500
    )
    result = audit(mines, DATA / "landuse_west.gpkg", options)
    t = result.totals
    reference = gpd.read_file(DATA / "landuse_west.gpkg")
    pits = reference[reference["code"] == PIT].explode().geometry
    assert t.reference == (pits.area >= 1361).sum()
    assert t.found + t.missed == t.reference
    assert t.found >= t.reference // 2
    # 3862 pixels of 100 m2 are pits in the mask; UTM makes areas 0.08 % too small here.
    assert t.reference_m2 == pytest.approx(pits.area[pits.area >= 1361].sum(), rel=2e-3)
    assert result.figures["area_recall"].value > 0.5
    result.write(tmp_path / "audit.json")
    assert len(gpd.read_file(tmp_path / "audit.gpkg", layer="reference")) == t.reference
