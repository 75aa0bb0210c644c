"""Which polygons of a layer are mines."""

import geopandas as gpd
import pytest
from shapely.geometry import box

from pitmap.accuracy.mines.audit import AuditOptions, audit
from pitmap.accuracy.mines.polygons import ALL, MineFilter, class_field, read_mines
from pitmap.errors import LabelError

UTM = "EPSG:32649"


def write(path, **fields):
    number = len(next(iter(fields.values()))) if fields else 3
    shapes = [box(500_000 + 300 * i, 3_800_000, 500_100 + 300 * i, 3_800_100) for i in range(number)]
    gpd.GeoDataFrame(fields, geometry=shapes, crs=UTM).to_file(path)
    return path


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"class": ["quarry", "forest", "water"]}, "class"),
        ({"CODE_18": ["131", "312", "512"]}, "CODE_18"),
        ({"id": [1, 2, 3], "landuse": ["quarry", "quarry", "forest"]}, "landuse"),
        ({"what": ["quarry", "wood", "wood"]}, "what"),  # by its values
        ({"地类名称": ["采矿用地", "林地", "林地"]}, "地类名称"),
        ({"type": [1, 2, 2]}, "type"),
    ],
)
def test_a_reference_of_several_classes_is_refused_with_field_and_values(tmp_path, fields, field):
    path = write(tmp_path / "reference.gpkg", **fields)
    mines = write(tmp_path / "mines.gpkg")
    with pytest.raises(LabelError) as error:
        audit(mines, path)
    assert f"field {field!r} holds" in str(error.value)
    for value in set(fields[field]):
        assert repr(str(value)) in str(error.value)
    assert audit(mines, path, AuditOptions(reference_values=(ALL,), draws=20)).totals.reference == 3
    first = AuditOptions(reference_field=field, reference_values=(fields[field][0],), draws=20)
    assert audit(mines, path, first).totals.reference == list(fields[field]).count(fields[field][0])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"class": ["quarry", "quarry", "quarry"]},
        {"name": ["Oak Pit", "Old Mine", "Hill"], "tile_id": [1, 1, 2]},
        {"ISO3_CODE": ["CHN", "CHN", "POL"], "COUNTRY": ["China", "China", "Poland"], "AREA": [1.5, 2.5, 2.5]},
    ],
)
def test_a_reference_of_mines_alone_goes_through(tmp_path, fields):
    path = write(tmp_path / "reference.gpkg", **fields)
    assert class_field(path, None) is None
    assert len(read_mines(path, MineFilter(), several_classes=False).polygons) == 3


def test_the_field_of_groups_gives_no_classes(tmp_path):
    path = write(tmp_path / "reference.gpkg", type=["a", "a", "b"])
    options = AuditOptions(group_field="type", draws=20)
    assert len(audit(path, path, options).by_group) == 2


def test_a_field_without_values_is_refused(tmp_path):
    path = write(tmp_path / "reference.gpkg", use=["quarry", "wood", "wood"])
    with pytest.raises(LabelError, match=r"No value of field 'use'.*It has 'quarry', 'wood'"):
        read_mines(path, MineFilter(field="use"))
