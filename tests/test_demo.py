import json

from pitmap import demo
from pitmap.raster.reading import describe


def test_the_way_from_the_raw_product_to_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "SIZES", {"site1": (128, 128), "site2": (192, 224)})
    text = demo.PROJECT.replace("epochs = 50", "epochs = 1").replace("patch = 128", "patch = 64\nblock_m = 100")
    assert text != demo.PROJECT
    monkeypatch.setattr(demo, "PROJECT", text.replace("width = 8", "width = 2"))
    report = demo.run_demo(tmp_path).report
    assert report == tmp_path / "results" / "report.html"
    assert report.exists()
    for name, shape in demo.SIZES.items():
        image = describe(tmp_path / name / "image.tif")
        assert image.grid.shape == shape
        assert image.has_scale
        assert image.descriptions == ("blue", "green", "red", "nir")
        assert len(list((tmp_path / name).glob("GF2_PMS1_*.tar.gz"))) == 1
        assert (tmp_path / "results" / "maps" / f"{name}.gpkg").exists()
    content = json.loads((tmp_path / "results" / "accuracy.json").read_text())
    assert content["labelled_area"]["figures"]["total"] > 0.9 * (128 * 128 + 192 * 224)
    made = (tmp_path / "site2" / "image.tif").stat().st_mtime_ns
    demo.run_demo(tmp_path)
    assert (tmp_path / "site2" / "image.tif").stat().st_mtime_ns == made
