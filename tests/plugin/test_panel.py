"""The panel in QGIS itself: keys, steps, what is written and what must not be seen; needs QGIS, see ``qgis_python``."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pyogrio
import pytest
import rasterio

import qgis_python
from deliver.mapped import write_study
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.review import ReviewOptions, review

pytestmark = pytest.mark.verify


@pytest.fixture(scope="module")
def told(plugins, command, tmp_path_factory):
    """What the panel showed, its picture, and the study that was labelled with it: two dates of one place."""
    study = write_study(tmp_path_factory.mktemp("panel"))
    before = (study.folder / "north.tif").read_bytes()
    for name in ("earlier_20171030", "own_20190701"):
        (study.folder / f"{name}.tif").write_bytes(before)
    with rasterio.open(study.folder / "north.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as image:
        image.update_tags(ACQUISITIONDATETIME="2018-04-16T03:20:15Z")
    with study.path.open("a") as file:
        file.write('[[sites]]\nname = "earlier"\nimage = "earlier_20171030.tif"\nlabels = "north-labels.tif"\n')
    files = study.results.map("north")
    design(files.map, study.folder / "points.gpkg", DesignOptions(points=70, floor=10))
    review(files.map, files.confidence, study.folder / "queue.gpkg", ReviewOptions(minimum_m2=0))
    study.results.report.write_text("<!doctype html><title>Report</title>", encoding="utf-8")
    picture = tmp_path_factory.mktemp("picture") / "panel.png"
    script = Path(__file__).with_name("panel_in_qgis.py")
    return qgis_python.shown(script, plugins, study.path, picture), picture, study


def test_a_study_opens_with_its_files_and_images(told):
    shown, _, study = told
    assert shown["files"] == ["points: points.gpkg", "review: queue.gpkg"]
    assert (
        shown["opened"]["title"].endswith("1 of 70 · 0 labelled · not labelled") or " of " in shown["opened"]["title"]
    )
    assert len([i for i in shown["opened"]["images"] if i]) == 2
    assert shown["opened"]["bands"] == [[4, 3, 2], [4, 3, 2]]  # near infrared, red, green: not QGIS's first three
    assert max(shown["opened"]["centre"]) < 0.01
    assert shown["pages"] == [str(study.results.report)]
    assert shown["left"] == [0, True]  # the plugin takes everything away again


def test_keys_write_the_reference_and_go_on(told):
    shown, _, study = told
    sample = read_sample(study.folder / "points.gpkg").points
    assert [shown[k]["place"] for k in ("opened", "after 3", "after 1 and right", "back", "deleted")] == [1, 2, 4, 2, 2]
    assert [shown[k]["done"] for k in ("opened", "after 3", "after 1 and right", "deleted")] == [0, 1, 2, 1]
    assert "open-pit mine" in shown["back"]["title"]
    assert "not labelled" in shown["deleted"]["title"]
    assert sample["reference"].iloc[0] == 3
    assert sample["reference"].iloc[1] == 7
    assert sample["reference"].iloc[2:].isna().all()
    assert sample["doubtful"].tolist() == [False, False, False, True, *[False] * (len(sample) - 4)]
    assert sample["comment"].iloc[3] == "sure 7"


def test_nothing_tells_the_class_of_the_map_or_the_stratum(told):
    shown, _, study = told
    drawn = read_sample(study.folder / "points.gpkg")
    assert shown["hidden"]
    assert shown["hidden again"]
    for name in ("opened", "after 3", "review"):
        classes = {f"{n}  {c.name}" for n, c in enumerate(DEFAULT_LEGEND, start=1)}
        said = [w for w in shown[name]["words"] if w not in classes and not w.startswith("8  ")]
        for secret in [*DEFAULT_LEGEND.keys, *(c.name for c in DEFAULT_LEGEND), *drawn.strata["stratum"], "mine"]:
            assert not any(secret in word for word in said), (name, secret, said)


def test_two_dates_show_the_same_ground_and_say_when_it_was(told):
    shown, picture, study = told
    assert shown["opened"]["images"] == ["2017-10-30 · earlier", "2018-04-16 · north"]
    assert shown["with own"] == ["2017-10-30 · earlier", "2018-04-16 · north", "2019-07-01 · own_20190701"]
    assert shown["wrong image"] == f"{study.folder / 'none.tif'} cannot be opened as an image."
    assert len(set(shown["zoomed"]["extents"])) == 1
    assert shown["zoomed"]["extents"] != shown["after button"]["extents"]
    rgb = (matplotlib.image.imread(picture)[..., :3] * 255).astype(int)
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) > 200


def test_a_review_queue_goes_by_rank(told):
    shown, _, study = told
    queue = pyogrio.read_dataframe(study.folder / "queue.gpkg", layer="review").sort_values("rank")
    assert shown["review"]["title"].startswith(f"No. 1 · {queue['area_ha'].iloc[0]:.1f} ha · 1 of {len(queue)}")
    assert queue["reference"].iloc[0] == "?"
    assert shown["review after 8"]["place"] == 2
