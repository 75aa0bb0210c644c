"""Points of other tools: what is taken from each, what is checked, and the right figures."""

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from observers import Heard
from pitmap.accuracy.sampling.estimation import estimate_counts
from pitmap.accuracy.sampling.sample import EstimateOptions
from pitmap.accuracy.sampling.stated import ASSUMED, StatedDesign, estimate_stated
from pitmap.errors import ImageError, LabelError
from pitmap.grid import Grid
from pitmap.legend import LandCoverClass, Legend
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_600_000), 100, 100)
LEGEND = Legend(
    [LandCoverClass(1, "PIT", "open pit", "#ff0000"), LandCoverClass(2, "WOOD", "wood", "#00ff00"),
     LandCoverClass(3, "REST", "the rest", "#0000ff")]
)  # fmt: skip
NAMES = np.array(["", "open pit", "wood", "the rest"])
HA = 0.01 / 0.9996**2


@pytest.fixture
def ground(tmp_path):
    """A map without data in its two northern rows, and the truth."""
    truth = np.full(GRID.shape, 3, np.uint8)
    truth[:50] = 2
    truth[30:60, 30:60] = 1
    codes = np.roll(truth, 3, axis=1)
    codes[:2] = 0
    write_cog(tmp_path / "map.tif", codes, GRID, codes_layout(LEGEND))
    return tmp_path / "map.tif", codes, truth


def stratified(strata, number, seed=0):
    generator = np.random.default_rng(seed)
    chosen = [
        generator.choice(np.flatnonzero(strata == h), number, replace=False) for h in np.unique(strata[strata > 0])
    ]
    return np.unravel_index(np.concatenate(chosen), strata.shape)


def layer(rows, cols, **fields):
    x, y = GRID.pixel_centres(np.asarray(rows), np.asarray(cols))
    return gpd.GeoDataFrame(fields, geometry=gpd.points_from_xy(x, y), crs=GRID.crs.to_wkt())


def counts_of(strata, codes, truth, rows, cols):
    counts = np.zeros((int(strata.max()), 3, 3))
    np.add.at(counts, (strata[rows, cols] - 1, codes[rows, cols] - 1, truth[rows, cols] - 1), 1)
    return counts


def test_a_layer_of_acatama_with_strata_of_the_map(ground, tmp_path):
    path, codes, truth = ground
    rows, cols = stratified(codes, 80)
    fields = {
        "ID": np.arange(1, 241),
        "Label": NAMES[truth[rows, cols]],
        "Is labeled as": truth[rows, cols].astype(int),
    }
    points = tmp_path / "labeled.gpkg"
    layer(rows, cols, **fields).to_crs(4326).to_file(points)
    heard = Heard()
    result = estimate_stated(points, path, StatedDesign("map"), observer=heard)
    areas = [(codes == c).sum() * HA for c in (1, 2, 3)]
    pixels = [(codes == c).sum() for c in (1, 2, 3)]
    expected = estimate_counts(
        counts_of(codes, codes, truth, rows, cols), areas, LEGEND, LEGEND.keys, [1, 2, 3], pixels=pixels
    )
    assert result.estimates.overall_accuracy.value == pytest.approx(expected.overall_accuracy.value, rel=1e-5)
    assert result.estimates.classes[0].area.lower == pytest.approx(expected.classes[0].area.lower, rel=1e-4)
    assert (result.drawn, result.used) == (240, 240)
    assert heard.said == [ASSUMED["map"]]
    content = result.to_json()["sources"]
    assert content["assumed"] == [ASSUMED["map"]]
    assert content["points_by_stratum"] == {"PIT": 80, "WOOD": 80, "REST": 80}


def test_a_table_of_collect_earth_online(ground, tmp_path):
    path, codes, truth = ground
    generator = np.random.default_rng(4)
    chosen = generator.choice(np.flatnonzero(codes > 0), 300, replace=False)
    rows, cols = np.unravel_index(chosen, codes.shape)
    degrees = layer(rows, cols).to_crs(4326).geometry
    lines = ["plotid,center_lon,center_lat,flagged,LAND COVER"]
    lines += [
        f"{i},{p.x:.8f},{p.y:.8f},false,{NAMES[truth[r, c]]}"
        for i, p, r, c in zip(range(1, 301), degrees, rows, cols, strict=True)
    ]
    table = tmp_path / "ceo.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(LabelError, match="known to hold labels"):
        estimate_stated(table, path, StatedDesign("simple"))
    result = estimate_stated(table, path, StatedDesign("simple"), EstimateOptions(field="LAND COVER"))
    right = (codes[rows, cols] == truth[rows, cols]).mean()
    assert result.estimates.overall_accuracy.value == pytest.approx(right)
    assert result.estimates.total_area == pytest.approx(9800 * HA, rel=1e-4)
    assert result.to_json()["sources"]["assumed"] == [ASSUMED["simple"]]


def test_a_table_with_coordinates_of_the_map(ground, tmp_path):
    path, codes, truth = ground
    rows, cols = stratified(codes, 60)
    x, y = GRID.pixel_centres(rows, cols)
    table = tmp_path / "points.csv"
    lines = [f"{a},{b},{v}" for a, b, v in zip(x, y, np.array([0, 10, 20, 30])[truth[rows, cols]], strict=True)]
    table.write_text("\n".join(["X,Y,class", *lines]))
    options = EstimateOptions(field="class", values={10: "PIT", 20: "WOOD", 30: "REST"})
    result = estimate_stated(table, path, StatedDesign("map"), options)
    assert result.used == 180
    assert result.estimates.overall_accuracy.value > 0.9


def test_strata_of_a_raster_that_are_not_classes_of_the_map(ground, tmp_path):
    path, codes, truth = ground
    strata = np.ones(GRID.shape, np.uint8)
    strata[25:65, 25:70] = 2
    strata[95:] = 0
    write_cog(tmp_path / "strata.tif", strata, GRID, Layout(1, "uint8", nodata=0))
    rows, cols = stratified(np.where(codes > 0, strata, 0), 150)
    points = tmp_path / "points.gpkg"
    layer(rows, cols, reference=truth[rows, cols].astype(int), zone=strata[rows, cols].astype(int)).to_file(points)
    design = StatedDesign("raster", tmp_path / "strata.tif", "zone")
    result = estimate_stated(points, path, design).estimates
    assert [s.name for s in result.strata] == ["1", "2"]
    assert result.total_area == pytest.approx(93 * 100 * HA, rel=1e-4)
    assert result.classes[0].area.lower < (truth == 1).sum() * HA < result.classes[0].area.upper
    # What the points say of their strata is compared.
    frame = layer(rows, cols, reference=truth[rows, cols].astype(int), zone=strata[rows, cols].astype(int))
    frame.loc[3, "zone"] = 3 - frame.loc[3, "zone"]
    frame.to_file(points)
    with pytest.raises(LabelError, match=r"1 of 300 points .* another stratum than they lie in: 4\."):
        estimate_stated(points, path, design)
    small = Grid(GRID.crs, GRID.transform, 50, 50)
    write_cog(tmp_path / "small.tif", strata[:50, :50], small, Layout(1, "uint8", nodata=0))
    with pytest.raises(ImageError, match="another grid"):
        estimate_stated(points, path, StatedDesign("raster", tmp_path / "small.tif"))


def test_points_that_cannot_be_used_are_counted_and_named(ground, tmp_path):
    path, codes, truth = ground
    rows, cols = stratified(codes, 50)
    rows, cols = np.append(rows, [0, rows[0], 5]), np.append(cols, [9, cols[0], 2000])
    values = [int(v) for v in truth[rows, np.minimum(cols, 99)]]
    values[7] = None
    points = tmp_path / "points.gpkg"
    layer(rows, cols, reference=values).to_file(points)
    result = estimate_stated(points, path, StatedDesign("map"))
    assert result.left_out == {
        "lie outside the map": (153,),
        "lie on ground without a class on the map": (151,),
        "lie in no stratum": (),
        "lie on a pixel of another point": (152,),
        "have no reference class": (8,),
    }
    assert (result.drawn, result.used) == (153, 149)
    values[151] = 1 + values[0] % 3
    layer(rows, cols, reference=values).to_file(points)
    with pytest.raises(LabelError, match=r"on one pixel and have different reference classes: 1, 152"):
        estimate_stated(points, path, StatedDesign("map"))


def test_a_sample_that_is_not_simple_is_found_out(ground, tmp_path):
    path, codes, truth = ground
    rows, cols = stratified(codes, 100)
    points = tmp_path / "points.gpkg"
    layer(rows, cols, reference=truth[rows, cols].astype(int)).to_file(points)
    heard = Heard()
    estimate_stated(points, path, StatedDesign("simple"), observer=heard)
    assert "PIT 100 where 28 were to be expected" in heard.said[1]


def test_a_stratum_without_points_is_named(ground, tmp_path):
    path, codes, truth = ground
    rows, cols = stratified(np.where(codes == 3, 0, codes), 50)
    points = tmp_path / "points.gpkg"
    layer(rows, cols, reference=truth[rows, cols].astype(int)).to_file(points)
    result = estimate_stated(points, path, StatedDesign("map")).estimates
    assert any("Stratum REST" in w and "has no point" in w for w in result.warnings)


def test_tables_without_coordinates_and_wrong_designs(ground, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(LabelError, match=r"no coordinates: its columns are a, b"):
        estimate_stated(table, ground[0], StatedDesign("map"))
    with pytest.raises(LabelError, match="no file"):
        estimate_stated(tmp_path / "none.gpkg", ground[0], StatedDesign("map"))
    with pytest.raises(LabelError, match="where a raster is given"):
        StatedDesign("raster")
