"""Two interpreters: agreement with known answers, and the estimate with either; export and labels that come back."""

import json
import shutil

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from pyproj import CRS

from labelled_samples import change, label
from pitmap.accuracy.sampling.agreement import compare_interpreters
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.accuracy.sampling.export import export_points
from pitmap.accuracy.sampling.sample import EstimateOptions, estimate
from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.errors import LabelError, OutputError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_600_000), 80, 90)


@pytest.fixture
def samples(tmp_path):
    truth = np.full(GRID.shape, 6, np.uint8)
    truth[20:60, 20:60] = 1
    path, first, second = tmp_path / "map.tif", tmp_path / "first.gpkg", tmp_path / "second.gpkg"
    write_cog(path, np.roll(truth, 2, axis=0), GRID, codes_layout(DEFAULT_LEGEND))
    design(path, first, DesignOptions(points=100, floor=40))
    shutil.copyfile(first, second)
    label(first, truth)
    label(second, truth)
    return path, first, second, truth


def test_agreement_and_the_estimate_with_either(samples, tmp_path):
    path, first, second, _ = samples
    own = estimate(first, path)
    before = gpd.read_file(first, layer="points")["reference"].tolist()

    def other(layer):
        layer["reference"] = layer["reference"].astype("Int32")
        layer.loc[[1, 5, 9], "reference"] = [1 if before[i] == 6 else 6 for i in (1, 5, 9)]
        layer.loc[[20], "reference"] = None
        return layer

    change(second, other)
    result = compare_interpreters(first, second, path)
    assert result.share == pytest.approx(96 / 99)
    assert set(result.disagreements) == {2, 6, 10}
    assert result.disagreements[2] == (("OPM", "VEG") if before[1] == 1 else ("VEG", "OPM"))
    assert result.one_only == (21,)
    # Cohen's kappa by its definition.
    a, b = (np.delete(np.array(v, float), 20) for v in (before, gpd.read_file(second, layer="points")["reference"]))
    chance = sum((a == c).mean() * (b == c).mean() for c in (1, 6))
    assert result.kappa == pytest.approx(((a == b).mean() - chance) / (1 - chance))
    assert result.first.estimates.classes == own.estimates.classes
    assert result.second.used == 99
    assert result.second.estimates.classes == estimate(second, path).estimates.classes
    assert "They agree on 97.0% of 99 points" in result.summary()
    result.write(tmp_path / "e.json")
    content = json.loads((tmp_path / "e.json").read_text())
    assert content["overall_accuracy"]["value"] == own.estimates.overall_accuracy.value
    assert content["second_interpreter"]["disagreements"]["2"] == list(result.disagreements[2])


def test_another_sample_is_no_second_interpretation(samples, tmp_path):
    path, first, second, truth = samples
    other = tmp_path / "other.gpkg"
    design(path, other, DesignOptions(points=100, floor=40, seed=1))
    label(other, truth)
    with pytest.raises(LabelError, match="other points were drawn"):
        compare_interpreters(first, other, path)
    change(second, lambda layer: layer.assign(reference=pd.array([None] * len(layer), dtype="Int32")))
    with pytest.raises(LabelError, match="labelled by both"):
        compare_interpreters(first, second, path)


def test_export_to_collect_earth_online_and_back(samples, tmp_path):
    path, first, _, truth = samples
    before = estimate(first, path).estimates
    drawn = read_sample(first).drawn
    table = tmp_path / "plots.csv"
    export_points(first, table)
    frame = pd.read_csv(table)
    assert list(frame.columns) == ["LON", "LAT", "PLOTID"]
    places = gpd.GeoSeries(gpd.points_from_xy(frame["LON"], frame["LAT"]), crs=4326).to_crs(GRID.crs.to_wkt())
    rows, cols = GRID.pixel_indices(places.x.to_numpy(), places.y.to_numpy())
    np.testing.assert_array_equal((rows, cols), (drawn["row"], drawn["col"]))
    # Labelled there and downloaded, in another order, one plot left out.
    answers = [DEFAULT_LEGEND[int(c)].name for c in truth[drawn["row"], drawn["col"]]]
    back = pd.DataFrame({"plot_id": 1000 + drawn["point_id"], "pl_plotid": drawn["point_id"], "Class": answers})
    back.sample(frac=1, random_state=0).to_csv(tmp_path / "ceo.csv", index=False)
    change(first, lambda layer: layer.assign(reference=pd.array([None] * len(layer), dtype="Int32")))
    options = EstimateOptions(labels=tmp_path / "ceo.csv", field="Class")
    assert estimate(first, path, options).estimates.classes == before.classes
    back[back["pl_plotid"] != 7].to_csv(tmp_path / "ceo.csv", index=False)
    assert estimate(first, path, options).left_out["have no reference class"] == (7,)


@pytest.mark.parametrize("name", ["sampling.geojson", "sampling.gpkg"])
def test_export_of_a_layer(samples, tmp_path, name):
    _, first, _, _ = samples
    export_points(first, tmp_path / name)
    frame = gpd.read_file(tmp_path / name)
    assert list(frame.columns) == ["id", "geometry"]
    assert frame["id"].tolist() == list(range(1, 101))
    points = gpd.read_file(first, layer="points")
    assert frame.to_crs(points.crs).geometry.distance(points.geometry).max() < 1e-2
    with pytest.raises(OutputError, match="exists"):
        export_points(first, tmp_path / name)


def test_formats_that_nobody_reads_are_refused(samples, tmp_path):
    with pytest.raises(OutputError, match="names no format"):
        export_points(samples[1], tmp_path / "points.kmz")
