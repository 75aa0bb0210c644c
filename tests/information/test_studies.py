import shutil

from deliver.mapped import write_study
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.information import look_at
from pitmap.mapping.review import ReviewOptions, review


def test_files_to_label_and_results_are_found(tmp_path):
    study = write_study(tmp_path)
    content = look_at(study.path).to_json()
    assert content["files"] == {
        "report": None, "qgis": None, "points": [], "reviews": [],
        "maps": [f"results/maps/{n}" for n in
                 ("north.tif", "north-confidence.tif", "north.gpkg", "far.tif", "far-confidence.tif", "far.gpkg")],
    }  # fmt: skip
    assert [s["date"] for s in content["scenes"]] == [None, None]
    shutil.copy(tmp_path / "north.tif", tmp_path / "north_20171030.tif")
    assert look_at(tmp_path / "north_20171030.tif").to_json()["date"] == "2017-10-30"
    assert [s["shown_bands"] for s in content["scenes"]] == [[4, 3, 2], [4, 3, 2]]
    files = study.results.map("north")
    design(files.map, tmp_path / "points.gpkg", DesignOptions(points=70, floor=10))
    (tmp_path / "review").mkdir()
    review(files.map, files.confidence, tmp_path / "review" / "north.gpkg", ReviewOptions(minimum_m2=0))
    shutil.copy(files.mines, tmp_path / "mines.gpkg")
    study.results.report.write_text("page")
    told = look_at(study.path).to_json()["files"]
    assert (told["points"], told["reviews"]) == (["points.gpkg"], ["review/north.gpkg"])
    assert told["report"] == "results/report.html"
