"""Small inputs after public bug reports: the very commands, and the right value or the right refusal of each.

The inputs are 16 x 16 pixels of 4 m. "Void" are their four left columns: 75 % of the pixels hold data. The map has
code 1 in its left half and 2 in its right.
"""

import json
import shutil
import sys
import unicodedata
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from shapely.geometry import box

from pitmap.cli import main
from pitmap.grid import Window
from pitmap.raster.reading import open_raster
from pitmap.samples.labels import scene_labels
from pitmap.study.study import load_study

CASES = Path(__file__).parents[1] / "data" / "cases"


@pytest.fixture
def cases(tmp_path):
    """A copy, in which results may be written."""
    return Path(shutil.copytree(CASES, tmp_path / "cases"))


@pytest.fixture
def pitmap(capsys, cases, monkeypatch):
    """Run a command in the folder of the cases: exit code, stdout, stderr."""
    monkeypatch.chdir(cases)

    def run(*arguments):
        code = 0
        monkeypatch.setattr(sys, "argv", ["pitmap", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, " ".join(err.split())

    return run


@pytest.mark.parametrize(
    ("image", "scale"),
    [
        ("alpha5.tif", "0.0001"),
        ("nodata_by_band.vrt", "0.0001"),
        ("float_nodata.vrt", "1"),
    ],
)
def test_what_a_raster_says_is_valid(pitmap, cases, image, scale):
    code, out, err = pitmap("prepare", image, "o.tif", "--scale", scale)
    assert code == 0, err
    assert "75.0% of the grid has data" in out
    with rasterio.open(cases / "o.tif") as source:
        assert source.count == 4
        pixels = source.read()
    assert (pixels[:, :, :4] == 0).all()
    assert (pixels[:, :, 4:] > 0).all()


def test_bands_of_two_types_are_read(pitmap, cases):
    code, out, err = pitmap("prepare", "mixed_types.vrt", "o.tif", "--scale", "0.0001")
    assert code == 0, err
    assert "100.0% of the grid has data" in out
    with rasterio.open(cases / "o.tif") as made, rasterio.open(cases / "src.tif") as source:
        np.testing.assert_array_equal(made.read(), source.read())


def test_a_crs_without_a_way_to_wgs_84_is_described(pitmap):
    code, out, err = pitmap("info", "engineering_crs.tif", "--json")
    assert code == 0, err
    content = json.loads(out)
    assert "'local grid', from which no way leads to WGS 84" in content["crs"]
    assert content["pixel_size_m"] is None
    assert (content["rows"], content["cols"]) == (16, 16)


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "engineering_crs.tif", "o.tif", "--scale", "0.0001"),
        ("prepare", "src.tif", "o.tif", "--scale", "0.0001", "--like", "engineering_crs.tif"),
        ("prepare", "src.tif", "o.tif", "--scale", "0.0001", "--crs", 'LOCAL_CS["site",UNIT["metre",1]]'),
        ("prepare", "src.tif", "o.tif", "--scale", "0.0001", "--crs", "IAU_2015:30100"),
        ("assess", "map.tif", "local_labels.tif"),
        ("assess", "map.tif", "local.gpkg", "--values", "=OPM"),
        ("assess", "map.tif", "reference_mask.tif", "--extent", "local.gpkg"),
    ],
)
def test_a_crs_without_a_way_to_wgs_84_is_refused_with_the_reason(pitmap, cases, arguments):
    with rasterio.open(cases / "engineering_crs.tif") as source:
        crs, profile = source.crs, source.profile
    with rasterio.open(cases / "local_labels.tif", "w", **(profile | {"count": 1, "dtype": "uint8"})) as target:
        target.write(np.ones((1, 16, 16), np.uint8))
    frame = gpd.GeoDataFrame({"class": ["OPM"]}, geometry=[box(0, 0, 50, 50)], crs=crs.to_wkt())
    frame.to_file(cases / "local.gpkg")
    code, _, err = pitmap(*arguments)
    assert code == 1
    assert "no way leads to WGS 84" in err


@pytest.mark.parametrize(("reference", "pixels"), [("reference_mask.tif", 192), ("reference_mask_15.tif", 176)])
def test_a_mask_counts_on_the_same_grid_and_on_another(pitmap, reference, pixels):
    code, out, err = pitmap("assess", "map.tif", reference, "--values", "1=OPM,2=VEG", "--map-values", "1=OPM,2=VEG")
    assert code == 0, err
    assert "OA 100.00%" in out
    assert f"over {pixels} pixels" in out


def test_a_picture_of_labels_is_refused(pitmap):
    code, _, err = pitmap(
        "assess", "map.tif", "reference_rgb.tif", "--values", "255=OPM,0=VEG", "--map-values", "1=OPM,2=VEG"
    )
    assert code == 1
    assert "reference_rgb.tif has 3 bands" in err


GBK = ("--field", "class", "--values", "露天采矿场=OPM,植被=VEG", "--map-values", "1=OPM,2=VEG")


def test_text_in_the_encoding_that_is_stated_is_read(pitmap):
    for file, stated in (
        ("gbk_cpg_gbk.shp", ()),
        ("gbk_cpg_utf8.shp", ("--encoding", "GBK")),
        ("gbk_no_cpg.shp", ("--encoding", "gb18030")),
    ):
        code, out, err = pitmap("assess", "map.tif", file, *GBK, *stated)
        assert code == 0, err
        assert "OA 100.00%" in out, file


@pytest.mark.parametrize(("file", "encoding"), [("gbk_cpg_utf8.shp", "UTF-8"), ("gbk_no_cpg.shp", "ISO-8859-1")])
def test_text_in_another_encoding_is_refused_with_what_to_do(pitmap, file, encoding):
    code, _, err = pitmap("assess", "map.tif", file, *GBK)
    assert code == 1
    assert encoding in err
    assert "such as GBK" in err
    assert "--encoding" in err
    assert "label_encoding" in err


def test_an_audit_reads_the_encoding_that_is_stated(pitmap, cases):
    gpd.GeoDataFrame(geometry=gpd.read_file(cases / "gbk_cpg_gbk.shp").geometry[:1]).to_file(cases / "mines.gpkg")
    asked = (
        "audit",
        "mines.gpkg",
        "gbk_cpg_utf8.shp",
        "--reference-field",
        "class",
        "--reference-values",
        "露天采矿场",
    )
    code, _, err = pitmap(*asked)
    assert code == 1
    assert "--encoding" in err
    code, out, err = pitmap(*asked, "--encoding", "GBK")
    assert code == 0, err
    assert "1 of 1" in out


def study_of_shapefile(cases, shapefile, more=""):
    """The study ``same_name`` with one image and the labels of a shapefile laid over it."""
    text = (cases / "same_name" / "pitmap.toml").read_text(encoding="utf-8")
    text = text.replace('"*/scene.tif"', '"2017/scene.tif"').replace('"l.geojson"', f'"../{shapefile}"')
    text = text.replace('label_field = "class"', 'label_field = "class"\n' + more)
    (cases / "same_name" / "pitmap.toml").write_text(text, encoding="utf-8")


def test_a_study_states_the_encoding_of_its_labels(pitmap, cases):
    values = 'label_values = { "露天采矿场" = "OPM", "植被" = "VEG" }'
    study_of_shapefile(cases, "gbk_cpg_utf8.shp", values)
    code, _, err = pitmap("sample", "same_name")
    assert code == 1
    assert "UTF-8" in err
    assert "label_encoding" in err
    study_of_shapefile(cases, "gbk_cpg_utf8.shp", "")  # the text was replaced before: add the encoding beside it
    path = cases / "same_name" / "pitmap.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(values, f'{values}\nlabel_encoding = "GBK"'), "utf-8")
    assert load_study(path).scenes[0].label_options.encoding == "GBK"


@pytest.mark.parametrize("study", ["brackets", "envi_labels", "bom"])
def test_studies_whose_files_are_found_and_read(pitmap, cases, study):
    # The one patch of 16 x 16 pixels that there is cannot be divided, which shows only when everything has been read.
    code, _, err = pitmap("sample", study)
    assert code == 1
    assert "leaves no labelled pixel for validation" in err
    project = load_study(cases / study / "pitmap.toml")
    assert [s.image.name for s in project.scenes] == ["scene [1].tif" if study == "brackets" else "scene.tif"]
    codes = scene_labels(project, project.scenes[0]).read(Window(0, 0, 16, 16))
    assert sorted(set(codes.ravel().tolist())) == [1, 2]


def test_a_class_that_is_the_files_nodata_value_is_refused_by_sampling_assessment_and_the_check(pitmap, cases):
    for arguments in (
        ("sample", "class_is_nodata"),
        ("run", "class_is_nodata"),
        ("assess", "class_is_nodata/lab.tif", "class_is_nodata/lab.tif", "--values", "0=OPM,1=VEG,2=WAT,3=BUI"),
        ("assess", "class_is_nodata/lab.tif", "class_is_nodata/lab.tif", "--map-values", "0=OPM,1=VEG,2=WAT,3=BUI"),
    ):
        code, _, err = pitmap(*arguments)
        assert code == 1
        assert "declares 0 as its nodata value, and the value 0 is mapped to a class" in err


def test_a_value_that_occurs_nowhere_is_said(pitmap, cases):
    path = cases / "bom" / "pitmap.toml"
    text = path.read_text(encoding="utf-8-sig").replace('"2" = "VEG"', '"2" = "VEG", "17" = "WAT"')
    path.write_text(text, encoding="utf-8")
    _, _, err = pitmap("sample", "bom")
    assert "The value '17' is mapped to WAT and occurs nowhere in the labels of site 'a' (lab.tif)" in err
    code, _, err = pitmap(
        "assess", "map.tif", "reference_mask.tif", "--values", "1=OPM,2=VEG,3=WAT", "--map-values", "1=OPM,2=VEG,9=WAT"
    )
    assert code == 0
    assert "The value '3' is mapped to WAT and occurs nowhere in reference_mask.tif" in err
    assert "The value '9' is mapped to WAT and occurs nowhere in map.tif" in err


def test_letters_composed_in_another_way_are_the_same(pitmap, cases):
    composed, apart = (unicodedata.normalize(form, "Steinbrüche") for form in ("NFC", "NFD"))
    assert composed != apart
    cells = [box(500_000, 3_799_936, 500_032, 3_800_000), box(500_032, 3_799_936, 500_064, 3_800_000)]
    gpd.GeoDataFrame({f"{apart} Art": [apart, "Wald"]}, geometry=cells, crs=32649).to_file(
        cases / "a.gpkg", layer=apart
    )
    code, out, err = pitmap(
        "assess", "map.tif", "a.gpkg", "--layer", composed, "--field", f"{composed} Art",
        "--values", f"{composed}=OPM,Wald=VEG", "--map-values", "1=OPM,2=VEG",
    )  # fmt: skip
    assert code == 0, err
    assert "OA 100.00%" in out


def test_the_alpha_of_a_mosaic_without_bands_is_validity_and_no_band(pitmap, cases):
    folder = cases / "bom"
    with rasterio.open(folder / "scene.tif") as source:
        pixels, profile = source.read(), source.profile
    alpha = np.full(pixels.shape[1:], 255, np.uint8)
    alpha[:, :4] = 0
    profile |= {"count": 4, "dtype": "uint8", "photometric": "RGB", "alpha": "yes"}
    profile.pop("nodata", None)
    mosaic = np.stack([*np.clip(pixels[:3] // 40 + 1, 1, 255).astype(np.uint8), alpha])
    (folder / "scene.tif").unlink()
    with rasterio.open(folder / "scene.tif", "w", **profile) as target:
        target.write(mosaic)
    study = load_study(folder / "pitmap.toml")
    assert study.scenes[0].band_indices == (1, 2, 3)
    with open_raster(study.scenes[0].image, study.scenes[0].band_indices) as reader:
        np.testing.assert_array_equal(reader.read()[1], alpha > 0)
    code, out, err = pitmap("prepare", "bom/scene.tif", "o.tif", "--scale", "0.001")
    assert code == 0, err
    assert "75.0% of the grid has data" in out
    text = (folder / "pitmap.toml").read_text(encoding="utf-8-sig")
    (folder / "pitmap.toml").write_text(text.replace("scale =", "bands = [1, 2, 3, 4]\nscale ="), encoding="utf-8")
    code, _, err = pitmap("sample", "bom")
    assert code == 1
    assert "Band 4" in err
    assert "alpha band" in err
