"""An inventory that lacks mines: what is listed first, and what the map lacks."""

import geopandas as gpd
import pytest
from shapely.geometry import box
from typer.testing import CliRunner

from pitmap.accuracy.mines.inventory import check_inventory
from pitmap.cli import app
from pitmap.geopackage import write_layers
from pitmap.qgis.vector import outline, single, vector_style

CRS = "EPSG:32649"


def square(col, side=100.0, row=0.0):
    x, y = 500_000 + 1000 * col, 3_800_000 + 1000 * row
    return box(x, y, x + side, y + side)


@pytest.fixture
def files(tmp_path):
    """Mapped: a listed mine, three new ones, one far beyond its outline. Listed: two more that the map lacks."""
    mapped = [square(0), square(1), square(2, 50), square(3, 200), square(4, 300)]
    table = {"confidence": [0.9, 0.6, 0.95, 0.7, 0.8]}
    mines = gpd.GeoDataFrame(table, geometry=mapped, crs=CRS)
    write_layers(tmp_path / "mines.gpkg", {"mines": mines}, {"mines": vector_style(single(outline("#d7191c")))})
    listed = [square(0), square(4, 130), square(6, 80), square(7, 120)]
    gpd.GeoDataFrame({"name": list("abcd")}, geometry=listed, crs=CRS).to_file(tmp_path / "inventory.gpkg")
    return tmp_path


def test_the_likeliest_mines_come_first_and_the_largest_gaps(files):
    check = check_inventory(files / "mines.gpkg", files / "inventory.gpkg")
    assert [(m.rank, m.kind, m.probability) for m in check.unlisted] == [
        (1, "new", 0.95), (2, "beyond", 0.8), (3, "new", 0.7), (4, "new", 0.6),
    ]  # fmt: skip
    assert check.unlisted[1].listed == pytest.approx((130 / 300) ** 2, rel=1e-3)
    assert [m.area_m2 for m in check.unmapped] == pytest.approx([120**2, 80**2], rel=2e-3)
    assert "3 mapped mine(s) are not in the inventory, 1 reach far beyond" in check.summary()
    assert "2 of 4 listed mines are not on the map" in check.summary()


def test_the_list_is_a_layer_for_the_visit(files):
    found = CliRunner().invoke(
        app, ["audit", str(files / "mines.gpkg"), str(files / "inventory.gpkg"), "--inventory", str(files / "v.gpkg")]
    )
    assert found.exit_code == 0, found.output
    unlisted, unmapped = (gpd.read_file(files / "v.gpkg", layer=name) for name in ("unlisted", "unmapped"))
    assert list(unlisted["rank"]) == [1, 2, 3, 4]
    assert unlisted.geometry[0].equals(square(2, 50))
    assert set(unlisted["finding"].fillna("")) == {""}
    assert unmapped.geometry[0].equals(square(7, 120))
    assert len(gpd.read_file(files / "v.gpkg", layer="layer_styles")) == 2


def test_without_confidence_the_largest_come_first(files):
    gpd.GeoDataFrame(geometry=[square(1), square(3, 200)], crs=CRS).to_file(files / "bare.gpkg")
    check = check_inventory(files / "bare.gpkg", files / "inventory.gpkg")
    assert [m.probability for m in check.unlisted] == [None, None]
    assert check.unlisted[0].area_m2 > check.unlisted[1].area_m2
    assert "ranked by area" in check.warnings[0]


def test_a_map_that_has_all_that_is_listed_and_no_more(files):
    check = check_inventory(files / "inventory.gpkg", files / "inventory.gpkg")
    assert (check.unlisted, check.unmapped) == ((), ())
    check.write(files / "none.gpkg")
    assert len(gpd.read_file(files / "none.gpkg", layer="unlisted")) == 0
