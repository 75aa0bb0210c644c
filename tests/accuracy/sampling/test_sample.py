"""Estimates from labelled points: the right figures, and every way in which a sample can fail to fit its map."""

import json

import numpy as np
import pandas as pd
import pyogrio
import pytest
from affine import Affine
from pyproj import CRS
from shapely.geometry import Point

from labelled_samples import change, drawn, label
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.accuracy.sampling.estimation import estimate_counts
from pitmap.accuracy.sampling.sample import EstimateOptions, estimate
from pitmap.errors import LabelError
from pitmap.grid import Grid
from pitmap.legend import LandCoverClass, Legend
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_600_000), 100, 100)
LEGEND = Legend(
    [LandCoverClass(1, "PIT", "open pit", "#ff0000"), LandCoverClass(2, "WOOD", "wood", "#00ff00"),
     LandCoverClass(3, "REST", "the rest", "#0000ff")]
)  # fmt: skip


@pytest.fixture
def truth():
    truth = np.full(GRID.shape, 3, np.uint8)
    truth[:50] = 2
    truth[30:60, 30:60] = 1
    return truth


@pytest.fixture
def sample(tmp_path, truth):
    """A map (the truth shifted by three pixels) with a labelled sample."""
    map_path, points = tmp_path / "map.tif", tmp_path / "points.gpkg"
    codes = np.roll(truth, 3, axis=1)
    codes[:2] = 0
    write_cog(map_path, codes, GRID, codes_layout(LEGEND))
    design(map_path, points, DesignOptions(points=600, floor=100, seed=2))

    label(points, truth)
    return points, map_path


def set_values(field, rows, value):
    def edit(layer):
        layer.loc[layer.index[rows], field] = value
        return layer

    return edit


def test_estimates_are_those_of_the_counts(sample, truth, tmp_path):
    points, map_path = sample
    result = estimate(points, map_path)
    layer = drawn(points)
    counts = np.zeros((3, 3))
    np.add.at(counts, (layer["map_code"] - 1, truth[layer["row"], layer["col"]] - 1), 1)
    strata = pyogrio.read_dataframe(points, layer="strata", read_geometry=False)
    by_stratum = np.zeros((3, 3, 3))
    by_stratum[range(3), range(3)] = counts
    expected = estimate_counts(
        by_stratum, strata["area"], LEGEND, LEGEND.keys, [1, 2, 3], pixels=strata["pixels"].to_numpy()
    )
    assert result.estimates.overall_accuracy == expected.overall_accuracy
    assert result.estimates.classes == expected.classes
    assert (result.drawn, result.used) == (600, 600)
    true_ha = (truth[2:] == 1).sum() * 0.01 / 0.9996**2
    area = result.estimates.classes[0].area
    assert area.lower < true_ha < area.upper
    result.write(tmp_path / "estimate.json")
    content = json.loads((tmp_path / "estimate.json").read_text())
    assert content["points"]["used"] == 600
    assert content["unit"] == "ha"
    assert content["sources"]["unmapped_area"] == pytest.approx(200 * 0.01 / 0.9996**2, rel=1e-4)
    assert "600 of 600 points used" in result.summary()
    assert result.warnings == ()


def test_points_saved_in_another_crs(sample):
    points, map_path = sample
    before = estimate(points, map_path).to_json()
    change(points, lambda layer: layer, crs="EPSG:4326")
    assert estimate(points, map_path).to_json() == before


def test_unlabelled_deleted_and_doubtful_points_are_counted_and_named(sample):
    points, map_path = sample
    change(points, set_values("reference", [4, 7], None))
    change(points, set_values("doubtful", [1, 2, 3], True))
    change(points, lambda layer: layer.drop(index=layer.index[10]))
    result = estimate(points, map_path)
    assert result.left_out["have no reference class"] == (5, 8)
    assert result.left_out["were deleted from the layer"] == (11,)
    assert result.doubtful == (2, 3, 4)
    assert result.used == 597
    assert result.without_doubtful.points == 594
    without = estimate(points, map_path, EstimateOptions(use_doubtful=False))
    assert without.left_out["are doubtful"] == (2, 3, 4)
    assert without.used == 594
    assert without.estimates.overall_accuracy == result.without_doubtful
    assert "2 points have no reference class." in result.warnings


def test_many_lost_points_are_warned_of(sample):
    points, map_path = sample
    change(points, set_values("reference", list(range(60)), None))
    assert "60 of 600 points are not used" in estimate(points, map_path).warnings[-1]


def test_points_off_the_map_on_nodata_or_moved(sample):
    points, map_path = sample

    def move(layer):
        geometry = layer.geometry.copy()
        geometry.iloc[0] = Point(400_000, 5_600_000)
        geometry.iloc[1] = Point(500_505, 5_599_995)  # row 0: the map has no class there
        row, col = drawn(points)[["row", "col"]].iloc[2]
        geometry.iloc[2] = Point(500_000 + 10 * ((col + 50) % 100) + 5, 5_600_000 - 10 * row - 5)
        geometry.iloc[3] = geometry.iloc[3].buffer(1).centroid  # a nudge below a pixel
        return layer.set_geometry(geometry)

    change(points, move)
    result = estimate(points, map_path)
    assert result.left_out["lie outside the map"] == (1,)
    assert result.left_out["were moved off their pixel"] == (2, 3)
    assert result.used == 597


def test_duplicate_points(sample):
    points, map_path = sample
    before = estimate(points, map_path).estimates.overall_accuracy
    change(points, lambda layer: pd.concat([layer, layer.iloc[[5]]]))
    result = estimate(points, map_path)
    assert result.left_out["are second copies of another point"] == (6,)
    assert result.estimates.overall_accuracy == before
    # An unlabelled copy does not push the labelled one out.
    change(points, set_values("reference", [5], None))
    assert estimate(points, map_path).estimates.overall_accuracy == before

    def contradict(layer):
        layer.loc[layer["point_id"] == 6, "reference"] = [1, 2]
        return layer

    change(points, lambda layer: contradict(layer.reset_index(drop=True)))
    with pytest.raises(LabelError, match=r"different reference classes: 6\."):
        estimate(points, map_path)


def test_points_that_were_added_by_hand(sample):
    points, map_path = sample

    def add(layer):
        extra = layer.iloc[[0]].copy()
        extra["point_id"] = 601
        return pd.concat([layer, extra])

    change(points, add)
    with pytest.raises(LabelError, match=r"not drawn: 601"):
        estimate(points, map_path)


def test_another_map_is_refused(sample, tmp_path, truth):
    points, _ = sample
    other = tmp_path / "other.tif"
    write_cog(other, truth, GRID, codes_layout(LEGEND))
    with pytest.raises(LabelError, match=r"another map .*codes of the map differ"):
        estimate(points, other)
    moved = tmp_path / "moved.tif"
    codes = np.roll(truth, 3, axis=1)
    codes[:2] = 0
    write_cog(moved, codes, Grid(GRID.crs, Affine(10, 0, 500_100, 0, -10, 5_600_000), 100, 100), codes_layout(LEGEND))
    with pytest.raises(LabelError, match="lies elsewhere"):
        estimate(points, moved)


def test_other_designs_are_refused_with_a_reason(sample):
    points, map_path = sample
    about = pyogrio.read_dataframe(points, layer="design", read_geometry=False)
    about.loc[about["key"] == "design", "value"] = json.dumps("cluster sample")
    change(points, lambda layer: layer, design=about)
    with pytest.raises(LabelError, match=r"'cluster sample'.*depend on each other"):
        estimate(points, map_path)
    change(points, lambda layer: layer, design=None, strata=None)
    with pytest.raises(LabelError, match="does not say how its points were drawn"):
        estimate(points, map_path)


def test_reference_as_text_and_foreign_classes(sample):
    points, map_path = sample
    before = estimate(points, map_path).estimates

    def as_text(layer):
        layer["reference"] = [{1: "PIT", 2: "wood", 3: "3"}[v] for v in layer["reference"]]
        return layer

    change(points, as_text)
    assert estimate(points, map_path).estimates.classes == before.classes
    change(points, set_values("reference", [0], "lake"))
    with pytest.raises(LabelError, match="holds 'lake'"):
        estimate(points, map_path)
    options = EstimateOptions(values={"lake": None, "PIT": "PIT", "wood": "WOOD", 3: "REST"})
    assert estimate(points, map_path, options).left_out["have no reference class"] == (1,)


def test_no_point_labelled(sample):
    points, map_path = sample
    change(points, set_values("reference", slice(None), None))
    with pytest.raises(LabelError, match="Label the points"):
        estimate(points, map_path)


def test_not_a_geopackage_of_points(tmp_path, sample):
    _, map_path = sample
    with pytest.raises(LabelError, match="no file"):
        estimate(tmp_path / "none.gpkg", map_path)


def test_belt_counts_as_a_mixed_stratum(tmp_path, truth, sample):
    _, map_path = sample
    points = tmp_path / "belt.gpkg"
    design(map_path, points, DesignOptions(points=600, floor=100, buffer_class="PIT", buffer_m=60, seed=1))

    label(points, truth)
    result = estimate(points, map_path).estimates
    assert [s.name for s in result.strata] == ["PIT", "WOOD", "REST", "near PIT"]
    true_ha = (truth[2:] == 1).sum() * 0.01 / 0.9996**2
    assert result.classes[0].area.lower < true_ha < result.classes[0].area.upper
    assert result.total_area == pytest.approx(98 * 100 * 0.01 / 0.9996**2, rel=1e-4)
