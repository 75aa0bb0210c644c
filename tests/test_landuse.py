"""Land-use layers on grids: values, overlaps, projections, and every way in which a layer can fail to fit."""

from unicodedata import normalize

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from pitmap import landuse
from pitmap.errors import LabelError
from pitmap.grid import Grid, Window
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend

UTM = CRS.from_epsg(32633)
GRID = Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_600_000), 20, 30)


def pixels(row, col, height, width):
    """The polygon of a rectangle of pixels of GRID."""
    return box(500_000 + 10 * col, 5_600_000 - 10 * (row + height), 500_000 + 10 * (col + width), 5_600_000 - 10 * row)


def layer_file(folder, geometries, crs=UTM, name="landuse", **fields):
    path = folder / "layer.gpkg"
    gpd.GeoDataFrame(fields, geometry=list(geometries), crs=crs).to_file(path, layer=name)
    return path


def test_polygons_burn_their_pixels_and_the_smaller_wins_whatever_the_order(tmp_path):
    small, large = pixels(4, 4, 2, 3), pixels(2, 2, 10, 10)
    for shapes, codes in (([small, large], [1, 2]), ([large, small], [2, 1])):
        layer = landuse.read_layer(layer_file(tmp_path, shapes, code=codes), field="code")
        burned = landuse.burn(layer, GRID, {"1": 1, "2": 2})
        expected = np.zeros(GRID.shape, np.uint8)
        expected[2:12, 2:12] = 2
        expected[4:6, 4:7] = 1
        np.testing.assert_array_equal(burned, expected)
        assert burned.dtype == np.uint8


@pytest.mark.parametrize("stored", [[3, 4], ["3", " 4 "], [3.0, 4.0], ["3.0", "4"]])
@pytest.mark.parametrize("keys", [{"3": 1, "4": 2}, {3: 1, 4.0: 2}])
def test_numbers_and_their_text_are_one_value(tmp_path, stored, keys):
    layer = landuse.read_layer(layer_file(tmp_path, [pixels(0, 0, 1, 1), pixels(1, 1, 1, 1)], v=stored), field="v")
    burned = landuse.burn(layer, GRID, keys)
    assert (burned[0, 0], burned[1, 1]) == (1, 2)


def test_a_class_coded_0_and_a_value_left_unlabelled(tmp_path):
    path = layer_file(tmp_path, [pixels(0, 0, 5, 5), pixels(0, 0, 2, 2), pixels(10, 10, 1, 1)], v=[0, 7, None])
    layer = landuse.read_layer(path, field="v")
    burned = landuse.burn(layer, GRID, landuse.class_codes({0: "OPM", 7: None}, DEFAULT_LEGEND))
    assert burned[4, 4] == 1
    assert burned[0, 0] == 0  # the smaller, deliberately unlabelled polygon wins
    assert burned[10, 10] == 0


def test_unmapped_values_are_all_listed_with_the_nearest_key(tmp_path):
    layer = landuse.read_layer(layer_file(tmp_path, [pixels(0, 0, 1, 1)] * 3, v=["watr", "pit", "x"]), field="v")
    with pytest.raises(LabelError, match=r"'watr' \(nearest: 'Water'\)") as caught:
        landuse.burn(layer, GRID, {"Water": 2, "pit": 1})
    assert "'x'" in caught.value.found
    assert "'pit'" not in caught.value.found


def test_unknown_class_keys_are_listed():
    with pytest.raises(LabelError, match=r"'opm' \(nearest: 'OPM'\)"):
        landuse.class_codes({"pit": "opm"}, DEFAULT_LEGEND)


def test_without_a_mapping_codes_keys_and_names_count():
    codes = landuse.class_codes(None, DEFAULT_LEGEND)
    assert codes["2"] == codes["WAT"] == codes["water"] == 2


def test_layer_without_attributes_is_one_class(tmp_path):
    layer = landuse.read_layer(layer_file(tmp_path, [pixels(0, 0, 2, 2)]))
    assert landuse.burn(layer, GRID, {"": 5})[:3, :3].sum() == 20
    with pytest.raises(LabelError, match="one class"):
        landuse.burn(layer, GRID, {"a": 1, "b": 2})


def test_geometries_are_mended_flattened_or_skipped_and_counted(tmp_path):
    bow_tie = Polygon([(500_000, 5_600_000), (500_040, 5_599_960), (500_040, 5_600_000), (500_000, 5_599_960)])
    three_d = shapely.force_3d(pixels(10, 10, 2, 2), 300.0)
    layer = landuse.read_layer(
        layer_file(tmp_path, [bow_tie, three_d, None, MultiPolygon()], v=[1, 1, 1, 1]), field="v"
    )
    assert (layer.repaired, layer.skipped, len(layer.geometries)) == (1, 2, 2)
    assert not shapely.has_z(layer.geometries).any()
    burned = landuse.burn(layer, GRID, {"1": 1})
    assert burned[10:12, 10:12].all()
    assert burned[:4, :4].any()


def test_points_burn_one_pixel_and_win_over_polygons(tmp_path):
    layer = landuse.read_layer(
        layer_file(tmp_path, [Point(500_055, 5_599_945), pixels(0, 0, 9, 9)], v=[1, 2]), field="v"
    )
    burned = landuse.burn(layer, GRID, {"1": 1, "2": 2})
    assert burned[5, 5] == 1
    assert (burned == 1).sum() == 1


def test_lines_are_refused(tmp_path):
    path = layer_file(tmp_path, [LineString([(500_000, 5_600_000), (500_100, 5_599_900)])])
    with pytest.raises(LabelError, match="no width"):
        landuse.read_layer(path)


def test_all_touched_burns_more(tmp_path):
    sliver = box(500_006, 5_599_801, 500_014, 5_599_999)
    layer = landuse.read_layer(layer_file(tmp_path, [sliver]))
    assert landuse.burn(layer, GRID, {"": 1}).sum() == 0
    assert landuse.burn(layer, GRID, {"": 1}, all_touched=True).sum() == 2 * 20


def test_another_crs_with_long_edges_gives_the_same_pixels(tmp_path):
    # A polygon with four corners whose edges are 200 km long in geographic coordinates is bent in UTM.
    grid = Grid(UTM, Affine(100, 0, 480_000, 0, -100, 5_600_000), 200, 2000)
    outline = box(15.0, 50.4, 18.0, 50.5)
    layer = landuse.read_layer(layer_file(tmp_path, [outline], crs="EPSG:4326"))
    burned = landuse.burn(layer, grid, {"": 1})
    rows, cols = np.indices(grid.shape)
    lon, lat = grid._to_geographic.transform(*grid.pixel_centres(rows, cols))
    inside = (lon > 15.0) & (lon < 18.0) & (lat > 50.4) & (lat < 50.5)
    assert (burned != inside).sum() <= 2  # centres within centimetres of an edge


def test_blocks_equal_the_whole(tmp_path):
    generator = np.random.default_rng(3)
    shapes = [
        Point(500_000 + x, 5_600_000 - y).buffer(r) for x, y, r in generator.uniform([0, 0, 5], [300, 200, 60], (40, 3))
    ]
    layer = landuse.read_layer(layer_file(tmp_path, shapes, v=generator.integers(1, 5, 40)), field="v")
    projected = landuse.project(layer, GRID, {str(i): i for i in range(1, 5)})
    whole = projected.burn()
    for window in (Window(0, 0, 7, 11), Window(7, 11, 13, 19)):
        np.testing.assert_array_equal(projected.burn(window), whole[window.slices])


def test_layer_outside_the_grid_names_both_boxes(tmp_path):
    for crs, shape in ((UTM, box(600_000, 5_600_000, 600_100, 5_600_100)), ("EPSG:4326", box(10, 10, 11, 11))):
        layer = landuse.read_layer(layer_file(tmp_path, [shape], crs=crs))
        with pytest.raises(LabelError, match=r"entirely outside.*longitude 15\.0 to 15\.0042"):
            landuse.burn(layer, GRID, {"": 1})


def test_missing_crs_on_either_side(tmp_path):
    without = Grid(None, Affine.identity(), 20, 30)
    layer = landuse.read_layer(layer_file(tmp_path, [pixels(0, 0, 1, 1)]))
    with pytest.raises(LabelError, match="no coordinate reference system"):
        landuse.burn(layer, without, {"": 1})
    path = layer_file(tmp_path, [pixels(0, 0, 1, 1)]).with_name("plain.shp")
    gpd.GeoDataFrame({"v": [1]}, geometry=[pixels(0, 0, 1, 1)], crs=UTM).to_file(path)
    path.with_suffix(".prj").unlink()
    with pytest.raises(LabelError, match="Define Layer Projection"):
        landuse.burn(landuse.read_layer(path), GRID, {"": 1})


def test_names_that_do_not_exist(tmp_path):
    path = layer_file(tmp_path, [pixels(0, 0, 1, 1)], class_name=["a"])
    with pytest.raises(LabelError, match=r"no field 'classname' \(nearest: 'class_name'\)"):
        landuse.read_layer(path, field="classname")
    with pytest.raises(LabelError, match=r"no layer 'land_use' \(nearest: 'landuse'\)"):
        landuse.read_layer(path, layer="land_use")
    with pytest.raises(LabelError, match="There is no file"):
        landuse.read_layer(tmp_path / "none.gpkg")
    (tmp_path / "text.gpkg").write_text("not a layer")
    with pytest.raises(LabelError, match="cannot be read as a vector file"):
        landuse.read_layer(tmp_path / "text.gpkg")


def test_several_layers_ask_for_a_name(tmp_path):
    layer_file(tmp_path, [pixels(0, 0, 1, 1)], name="a")
    path = layer_file(tmp_path, [pixels(0, 0, 1, 1)], name="b")
    with pytest.raises(LabelError, match="2 layers: a, b"):
        landuse.read_layer(path)
    assert landuse.read_layer(path, layer="b").name == "b"


def test_an_empty_layer_is_refused(tmp_path):
    with pytest.raises(LabelError, match="no feature"):
        landuse.read_layer(layer_file(tmp_path, [None], v=[1]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.float32])
def test_label_raster_values(dtype):
    array = np.array([[0, 1, 1], [5, 200, 1]], dtype)
    codes = landuse.map_values(array, {"1": 3, 5: 1, "200": 0})
    np.testing.assert_array_equal(codes, [[0, 3, 3], [1, 0, 3]])
    assert codes.dtype == np.uint8


def test_label_raster_with_class_0_and_pixels_without_data():
    array = np.array([[0.0, np.nan], [2.0, 99.0]])
    covered = np.array([[True, True], [True, False]])
    np.testing.assert_array_equal(landuse.map_values(array, {0: 4, 2: 1}, covered), [[4, 0], [1, 0]])
    with pytest.raises(LabelError, match=r"'2', '99'"):
        landuse.map_values(array, {0: 4})


def test_far_features_listed_first_do_not_take_the_codes_of_near_ones(tmp_path):
    frame = gpd.GeoDataFrame(
        {"v": [7, 7, 1, 2]},
        geometry=[box(-70, -30, -69, -29), box(20, 60, 21, 61), pixels(0, 0, 2, 2), pixels(5, 5, 3, 3)],
    )
    near = gpd.GeoSeries(frame.geometry[2:], crs=UTM).to_crs(4326)
    frame.loc[2:, "geometry"] = near.to_numpy()
    frame.set_crs(4326).to_file(tmp_path / "layer.gpkg")
    burned = landuse.burn(landuse.read_layer(tmp_path / "layer.gpkg", field="v"), GRID, {"7": 7, "1": 1, "2": 2})
    assert (burned[0, 0], burned[6, 6]) == (1, 2)
    assert 7 not in burned


def test_the_smaller_of_two_layers_wins_in_either_order(tmp_path):
    layer_file(tmp_path, [pixels(2, 2, 10, 10)], name="large")
    path = layer_file(tmp_path, [pixels(4, 4, 2, 3)], name="small")
    for layers in ({"large": 2, "small": 1}, {"small": 1, "large": 2}):
        burned = landuse.project_layers(path, layers, GRID).burn()
        assert (burned[3, 3], burned[4, 4]) == (2, 1)


def test_all_parts_of_a_mended_bow_tie_are_burned(tmp_path):
    x, y = 500_000, 5_600_000
    bow_tie = Polygon([(x, y), (x + 40, y - 40), (x + 40, y), (x, y - 40)])
    burned = landuse.burn(landuse.read_layer(layer_file(tmp_path, [bow_tie])), GRID, {"": 1})
    assert burned[1:3, 0].all()
    assert burned[1:3, 3].all()


def test_a_name_that_is_another_classs_code_means_the_code():
    legend = Legend([LandCoverClass(1, "A", "2", "#000000"), LandCoverClass(2, "B", "wood", "#ffffff")])
    assert landuse.class_codes(None, legend)["2"] == 2


CHINESE = "露天采矿场"


def encoded(folder, kind):
    """A layer whose text is GBK, which the file does not say."""
    wkt = "POLYGON ((500000 5600000, 500050 5600000, 500050 5599950, 500000 5600000))"
    if kind == "csv":
        (folder / "a.csv").write_bytes(f'WKT,class\n"{wkt}",{CHINESE}\n'.encode("gbk"))
    elif kind == "mif":
        ring = "0 0\n5 0\n5 5\n0 0\n"
        head = 'Version 300\nCharset "Neutral"\nDelimiter ","\nCoordSys Earth Projection 8, 104, "m", 15, 0, 0.9996, '
        head += "500000, 0\nColumns 1\n  class Char(20)\nData\n\nRegion 1\n  4\n"
        (folder / "a.mif").write_bytes((head + ring).encode())
        (folder / "a.mid").write_bytes(f'"{CHINESE}"\n'.encode("gbk"))
    else:
        frame = gpd.GeoDataFrame({"class": [CHINESE]}, geometry=[pixels(0, 0, 2, 2)], crs=UTM)
        frame.to_file(folder / "a.shp", encoding="GBK")
        (folder / "a.cpg").write_text("UTF-8")
    return folder / f"a.{kind}"


@pytest.mark.parametrize("kind", ["csv", "mif", "shp"])
def test_text_in_another_encoding_is_refused_or_read_as_stated(tmp_path, kind):
    path = encoded(tmp_path, kind)
    with pytest.raises(LabelError, match=r"not in the encoding UTF-8.*State the encoding of the text, such as GBK"):
        landuse.read_layer(path, field="class")
    assert landuse.read_layer(path, field="class", encoding="GBK").values == (CHINESE,)
    with pytest.raises(LabelError, match="'GBQ' is not known"):
        landuse.check_layer(path, encoding="GBQ")


def test_a_field_that_is_not_used_may_be_in_any_encoding(tmp_path):
    assert len(landuse.read_layer(encoded(tmp_path, "shp")).geometries) == 1


def test_names_are_the_same_however_their_letters_are_composed(tmp_path):
    apart, composed = (normalize(form, "Flächen") for form in ("NFD", "NFC"))
    path = layer_file(tmp_path, [pixels(0, 0, 2, 2)], name=apart, **{apart: [apart]})
    layer = landuse.read_layer(path, composed, composed)
    assert layer.values == (composed,)
    assert landuse.burn(layer, GRID, {apart: 3})[0, 0] == 3
    legend = Legend([LandCoverClass(1, apart, apart, "#000000")])
    assert landuse.class_codes({"x": composed}, legend) == {"x": 1}
    assert legend[composed].code == legend[apart].code == 1


def test_a_layer_in_a_local_system_is_refused_with_the_reason(tmp_path):
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    path = tmp_path / "layer.gpkg"
    gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs=local).to_file(path)
    with pytest.raises(LabelError, match="'site', from which no way leads to WGS 84"):
        landuse.burn(landuse.read_layer(path), GRID, {"": 1})


@pytest.mark.parametrize("features", [1, 3, 4, 5])
def test_features_are_read_in_batches(tmp_path, monkeypatch, features):
    monkeypatch.setattr(landuse, "AT_ONCE", 2)
    kinds = [None, 1, 2, 1, None][:features]
    path = layer_file(tmp_path, [pixels(k, 0, 1, 1) for k in range(features)], kind=np.array(kinds, dtype=object))
    layer = landuse.read_layer(path, field="kind")
    assert layer.values == tuple(landuse.value_text(k) for k in kinds)
    assert all(a.equals(pixels(k, 0, 1, 1)) for k, a in enumerate(layer.geometries))
    assert landuse.read_layer(path).values == ("",) * features
