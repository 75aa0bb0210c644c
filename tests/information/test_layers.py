"""What is said of vector layers, and that its block of label values is read by a project file."""

import json
import tomllib

import geopandas as gpd
import pytest
import shapely

from commands import run
from pitmap.information.layers import guess
from pitmap.landuse import class_codes, read_layer
from pitmap.legend import DEFAULT_LEGEND
from studies import UTM, grid, quilt, write_site

VALUES = ['Tagebau "Nord"', "lake", "lake", "露天采场", None, "odd \\ value"]


@pytest.fixture
def landuse(tmp_path):
    squares = [shapely.box(500_000 + 50 * i, 3_799_900, 500_040 + 50 * i, 3_799_940) for i in range(len(VALUES))]
    columns = {"owner": list("abcdef"), "Landuse": VALUES, "area": [0.5 * i for i in range(len(VALUES))]}
    frame = gpd.GeoDataFrame(columns, geometry=squares, crs=UTM.to_wkt())
    frame.to_file(tmp_path / "land use.gpkg", layer="areas")
    return tmp_path / "land use.gpkg"


def test_fields_values_and_counts(capsys, landuse):
    code, out, _ = run(capsys, "info", landuse, "--json")
    assert code == 0
    (layer,) = json.loads(out)["layers"]
    assert (layer["layer"], layer["features"], layer["geometry"], layer["crs"]) == ("areas", 6, "Polygon", "EPSG:32649")
    assert layer["extent"] == [500_000, 3_799_900, 500_290, 3_799_940]
    fields = {field["field"]: field for field in layer["fields"]}
    assert fields["Landuse"]["values"] == {"lake": 2, 'Tagebau "Nord"': 1, "odd \\ value": 1, "露天采场": 1}
    assert (fields["Landuse"]["missing"], fields["Landuse"]["distinct"]) == (1, 4)
    assert "values" not in fields["owner"]  # a value a feature is a name, and no class
    assert (fields["area"]["least"], fields["area"]["greatest"]) == (0, 2.5)


def test_the_block_can_be_pasted(capsys, landuse):
    code, out, _ = run(capsys, "info", landuse)
    assert code == 0
    block = out[out.index("[[sites]]") :]
    (site,) = tomllib.loads(block)["sites"]
    assert site["labels"] == str(landuse)
    assert site["label_field"] == "Landuse"
    assert site["label_values"] == dict.fromkeys([v for v in VALUES if v], "")
    assert 'lake" = ""  # 2 features; perhaps WAT, water' in block
    # Every value of the layer is in it: a project that takes the block reads the layer without a value left over.
    layer = read_layer(landuse, field=site["label_field"])
    codes = class_codes({v: key or None for v, key in site["label_values"].items()}, DEFAULT_LEGEND)
    assert set(layer.counts()) == set(codes)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("Granite quarry", "OPM"), ("露天采场", "OPM"), ("Tagebau", "OPM"), ("tailings pond", "WDA"), ("lake", "WAT"),
        ("residential", "BUI"), ("Bare soil", "BAS"), ("railway", "ROA"), ("林地", "VEG"), ("opm", "OPM"),
        ("administration", None), ("7", None),
    ],
)  # fmt: skip
def test_guesses(value, key):
    assert guess(value, DEFAULT_LEGEND) == key


def test_a_damaged_layer_is_refused(capsys, tmp_path):
    (tmp_path / "a.geojson").write_text('{"type": "FeatureCollection", "features": [{')
    code, out, err = run(capsys, "info", tmp_path / "a.geojson")
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert "a.geojson" in err


def test_text_in_another_encoding_is_said(capsys):
    from pathlib import Path

    cases = Path(__file__).parents[1] / "data" / "cases"
    code, out, err = run(capsys, "info", cases / "gbk_cpg_utf8.shp")
    assert (code, out) == (1, "")
    assert "label_encoding" in err


def test_a_raster_is_still_an_image(capsys, tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    code, out, _ = run(capsys, "info", tmp_path / "a-labels.tif", "--json")
    assert (code, json.loads(out)["classes"]["1"]) == (0, "OPM open-pit mine")
