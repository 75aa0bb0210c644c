"""Maps against references: hand-counted cases, other grids and CRS, hectares on the ellipsoid, and refusals."""

import json

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from shapely.geometry import box

from pitmap.accuracy.census import assess as module
from pitmap.accuracy.census.assess import AssessOptions, assess, assess_arrays
from pitmap.errors import ImageError, LabelError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

UTM = CRS.from_epsg(32633)
GRID = Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_600_000), 40, 50)
TWO = Legend([LandCoverClass(1, "PIT", "pit", "#ff0000"), LandCoverClass(2, "REST", "the rest", "#00ff00")])


def write(folder, name, codes, grid=GRID, legend=DEFAULT_LEGEND, **layout):
    path = folder / name
    write_cog(path, codes, grid, Layout(1, str(codes.dtype), **layout) if layout else codes_layout(legend))
    return path


@pytest.fixture
def truth():
    codes = np.full(GRID.shape, 6, np.uint8)
    codes[5:20, 5:25] = 1
    codes[25:30, 10:40] = 2
    return codes


def test_arrays_by_hand():
    mapped = np.array([[1, 1, 2], [2, 0, 1]], np.uint8)
    reference = np.array([[1, 2, 2], [0, 1, 1]], np.uint8)
    region = np.array([[True, True, True], [True, True, False]])
    result = assess_arrays(mapped, reference, TWO, region, np.full((2, 3), 16.0), ground="test blocks")
    np.testing.assert_array_equal(result.matrix.counts, [[1, 1], [0, 1]])
    np.testing.assert_array_equal(result.areas_m2, [[16, 16], [0, 16]])
    np.testing.assert_array_equal(result.mapped, [2, 2])
    np.testing.assert_array_equal(result.referenced, [2, 2])
    content = result.to_json()
    assert content["pixels"] == {"ground": 5, "compared": 3, "map_without_reference": 1, "reference_without_map": 1}
    assert content["ground"] == "test blocks"
    assert content["areas"][0]["mapped_compared_ha"] == pytest.approx(32 / 1e4)
    assert content["areas"][0]["mapped_anywhere_ha"] == pytest.approx(32 / 1e4)
    assert content["areas"][1]["mapped_compared_pixels"] == 1


def test_same_grid_and_files(tmp_path, truth):
    mapped = truth.copy()
    mapped[5:7] = 6  # two rows of the pit are missed
    mapped[0, :5] = 0
    result = assess(write(tmp_path, "map.tif", mapped), write(tmp_path, "reference.tif", truth))
    figures = result.matrix.figures()
    assert figures.overall_accuracy == pytest.approx((2000 - 5 - 40) / 1995)
    assert figures.classes[0].producers_accuracy == pytest.approx(260 / 300)
    assert result.sources["matching"] == "same grid"
    # A transverse Mercator pixel of 10 m on the central meridian is 100 m2 / 0.9996^2 on the ground.
    assert result.referenced_m2[0] == pytest.approx(300 * 100 / 0.9996**2, rel=1e-5)
    result.write(tmp_path / "accuracy.json")
    content = json.loads((tmp_path / "accuracy.json").read_text())
    assert content["conventions"]["orientation"] == "rows = map, columns = reference"
    assert content["confusion"]["counts"][5][0] == 40
    assert (tmp_path / "confusion.csv").read_text().startswith('"rows = map, columns = reference",OPM,')
    assert "VEG alone scores OA" in result.summary()
    low, high = content["intervals"]["overall_accuracy"]
    assert low < content["figures"]["overall_accuracy"] < high
    assert set(content["intervals"]["iou"]) <= {"OPM", "WAT", "VEG"}
    assert "VEG" in content["intervals"]["iou"]
    assert content["intervals_made"]["blocks"] == len(np.unique(result.blocks.groups))
    np.testing.assert_array_equal(result.blocks.matrices.sum(axis=0), result.matrix.counts)


def test_blocks_give_the_same_as_the_whole(tmp_path, truth, monkeypatch):
    mapped = np.roll(truth, 3, axis=1)
    paths = write(tmp_path, "map.tif", mapped), write(tmp_path, "reference.tif", truth)
    extent = tmp_path / "extent.gpkg"
    gpd.GeoDataFrame(geometry=[box(500_033, 5_599_700, 500_400, 5_599_950)], crs=UTM).to_file(extent)
    options = AssessOptions(extent=extent)
    whole = assess(*paths, options)
    monkeypatch.setattr(module, "BLOCK", 17)
    pieces = assess(*paths, options)
    assert pieces.matrix == whole.matrix
    np.testing.assert_array_equal(pieces.blocks.matrices.sum(axis=0), whole.matrix.counts)
    np.testing.assert_allclose(pieces.areas_m2, whole.areas_m2, rtol=1e-6)
    assert whole.pixels == 25 * 37
    assert "within extent.gpkg" in whole.ground


def test_polygons_equal_the_raster_that_they_came_from(tmp_path, truth):
    mapped = np.roll(truth, 2, axis=0)
    map_path = write(tmp_path, "map.tif", mapped)
    # Drawn over one another: the smaller one wins.
    shapes = [
        box(500_000, 5_599_600, 500_500, 5_600_000),
        box(500_050, 5_599_800, 500_250, 5_599_950),
        box(500_100, 5_599_700, 500_400, 5_599_750),
    ]
    layer = tmp_path / "landuse.gpkg"
    gpd.GeoDataFrame({"use": ["forest", "quarry", "lake"]}, geometry=shapes, crs=UTM).to_crs(4326).to_file(layer)
    values = {"forest": "VEG", "quarry": "OPM", "lake": "WAT"}
    by_raster = assess(map_path, write(tmp_path, "reference.tif", truth))
    by_layer = assess(map_path, layer, AssessOptions(field="use", values=values))
    assert by_layer.matrix == by_raster.matrix


def test_reference_of_another_crs_and_pixel_size(tmp_path, truth):
    map_path = write(tmp_path, "map.tif", truth)
    # The same ground as longitude and latitude at about 1 m: the truth of every map pixel centre is recovered.
    to_geographic = GRID._to_geographic
    rows, cols = np.indices(GRID.shape)
    lon, lat = to_geographic.transform(*GRID.pixel_centres(rows, cols))
    step = 1.2e-5
    grid = Grid(CRS.from_epsg(4326), Affine(step, 0, lon.min() - 1e-3, 0, -step, lat.max() + 1e-3), 550, 780)
    x, y = _inverse(grid)
    fine = np.zeros(grid.shape, np.uint8)
    r, c = np.floor((5_600_000 - y) / 10).astype(int), np.floor((x - 500_000) / 10).astype(int)
    inside = (r >= 0) & (r < 40) & (c >= 0) & (c < 50)
    fine[inside] = truth[r[inside], c[inside]]
    result = assess(map_path, write(tmp_path, "fine.tif", fine, grid))
    assert result.matrix.figures().overall_accuracy == 1
    assert result.matrix.total == 2000
    assert "EPSG:4326" in result.sources["matching"]
    assert "nearest neighbour" in result.sources["matching"]


def _inverse(grid):
    from pyproj import Transformer

    rows, cols = np.indices(grid.shape)
    return Transformer.from_crs(grid.crs, UTM, always_xy=True).transform(*grid.pixel_centres(rows, cols))


def test_reference_that_covers_part_of_the_map_block_by_block(tmp_path, truth, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 16)
    part = Grid(UTM, Affine(10, 0, 500_200, 0, -10, 5_599_900), 10, 10)
    result = assess(write(tmp_path, "map.tif", truth), write(tmp_path, "part.tif", truth[10:20, 20:30].copy(), part))
    assert result.matrix.total == 100
    assert result.matrix.figures().overall_accuracy == 1


def test_web_mercator_hectares_are_those_of_the_ground(tmp_path):
    grid = Grid(CRS.from_epsg(3857), Affine(10, 0, 1_000_000, 0, -10, 8_400_000), 20, 20)  # 60 degrees north
    codes = np.ones(grid.shape, np.uint8)
    result = assess(write(tmp_path, "a.tif", codes, grid), write(tmp_path, "b.tif", codes, grid))
    assert result.mapped_m2[0] == pytest.approx(40_000 * np.cos(np.deg2rad(60)) ** 2, rel=0.02)


def test_class_coded_0_in_reference_and_map(tmp_path):
    reference = np.zeros(GRID.shape, np.uint8)
    reference[:10] = 1
    mapped = reference.copy()
    mapped[:12] = 1
    options = AssessOptions(legend=TWO, values={0: "REST", 1: "PIT"}, map_values={0: "REST", 1: "PIT"})
    result = assess(
        write(tmp_path, "map.tif", mapped, overviews="mode"),
        write(tmp_path, "ref.tif", reference, overviews="mode"), options,
    )  # fmt: skip
    np.testing.assert_array_equal(result.matrix.counts, [[500, 100], [0, 1400]])
    declared = write(tmp_path, "declared.tif", reference, nodata=0.0, overviews="mode")
    with pytest.raises(LabelError, match="declares 0 as its nodata value"):
        assess(write(tmp_path, "map.tif", mapped, overviews="mode"), declared, options)


def test_without_crs_pixels_are_counted(tmp_path, truth):
    plain = Grid(None, Affine.identity(), *GRID.shape)
    result = assess(write(tmp_path, "map.tif", truth, plain), write(tmp_path, "ref.tif", truth, plain))
    assert result.areas_m2 is None
    content = result.to_json()
    assert content["areas"][0]["mapped_anywhere_pixels"] == 300
    assert content["areas"][0]["mapped_anywhere_ha"] is None
    with pytest.raises(ImageError, match="the map has no coordinate reference system"):
        assess(tmp_path / "map.tif", write(tmp_path, "geo.tif", truth))
    smaller = write(tmp_path, "small.tif", truth[:10].copy(), Grid(None, Affine.identity(), 10, 50))
    with pytest.raises(ImageError, match="10 x 50 pixels, the map 40 x 50"):
        assess(tmp_path / "map.tif", smaller)


def test_the_maps_own_legend_is_read(tmp_path):
    codes = np.where(np.arange(50) < 20, 1, 2).astype(np.uint8) * np.ones((40, 1), np.uint8)
    path = write(tmp_path, "map.tif", codes, legend=TWO)
    assert assess(path, path).legend == TWO


def test_a_region_array_limits_the_ground(tmp_path, truth):
    path = write(tmp_path, "map.tif", truth)
    region = np.zeros(GRID.shape, np.bool_)
    region[:10] = True
    assert assess(path, path, AssessOptions(ground="test blocks"), region).matrix.total == 500
    with pytest.raises(ValueError, match="shape"):
        assess(path, path, region=region[:5])


def test_sites_are_pooled():
    a = assess_arrays(np.array([[1, 2]]), np.array([[1, 1]]), TWO, areas=np.full((1, 2), 4.0), sources={"map": "a"})
    b = assess_arrays(np.array([[2]]), np.array([[2]]), TWO, areas=np.full((1, 1), 9.0), sources={"map": "b"})
    both = a + b
    np.testing.assert_array_equal(both.areas_m2, [[4, 0], [4, 9]])
    assert both.intervals() is None
    assert both.to_json()["intervals"] is None
    assert both.sources == {"map": "a; b"}
    assert (a + assess_arrays(np.array([[2]]), np.array([[2]]), TWO)).areas_m2 is None


def test_refusals(tmp_path, truth):
    path = write(tmp_path, "map.tif", truth)
    far = Grid(UTM, Affine(10, 0, 700_000, 0, -10, 5_600_000), *GRID.shape)
    with pytest.raises(LabelError, match=r"entirely outside the map.*longitude 15\.0000 to 15\.0071"):
        assess(path, write(tmp_path, "far.tif", truth, far))
    with pytest.raises(LabelError, match="mapped to no class: '9'"):
        assess(path, write(tmp_path, "odd.tif", np.full(GRID.shape, 9, np.uint8), nodata=0.0))
    with pytest.raises(LabelError, match="no pixel where both"):
        assess(path, write(tmp_path, "empty.tif", np.zeros(GRID.shape, np.uint8)))
    with pytest.raises(LabelError, match="'opm'"):
        assess(path, path, AssessOptions(values={1: "opm"}))
    with pytest.raises(ImageError, match="no file"):
        assess(path, tmp_path / "none.tif")
    layer = tmp_path / "l.gpkg"
    gpd.GeoDataFrame(geometry=[box(500_000, 5_599_900, 500_100, 5_600_000)], crs=UTM).to_file(layer)
    with pytest.raises(LabelError, match="No field"):
        assess(path, layer)
    whole = assess(path, layer, AssessOptions(values={"": "VEG"}))
    assert whole.matrix.total == 100
