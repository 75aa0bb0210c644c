import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from pitmap.errors import ProjectError
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site


@pytest.fixture
def folder(tmp_path):
    write_site(tmp_path, "north", quilt(64, 64), grid(64, 64))
    return tmp_path


def problems_of(path) -> str:
    with pytest.raises(ProjectError) as caught:
        load_study(path)
    return str(caught.value)


def test_a_short_file_works_and_takes_scale_and_names_from_the_image(folder):
    project = load_study(write_project(folder, ["north"]))
    (scene,) = project.scenes
    assert scene.name == "north"
    assert scene.calibrated
    assert scene.scales == (1e-4,) * 4
    assert scene.band_names == ["blue", "green", "red", "nir"]
    assert project.legend.keys[0] == "OPM"
    assert project.mine_classes == ["OPM"]
    assert project.results.folder == folder / "results"


def test_all_problems_are_listed_at_once_with_the_nearest_names(folder):
    path = folder / "pitmap.toml"
    path.write_text(
        """
[project]
sead = 3
[[sites]]
name = "north"
image = "nort.tif"
label = "north-labels.tif"
[samples]
split = "block"
patch = "large"
[trainig]
recipe = "robust"
"""
    )
    text = problems_of(path)
    assert "5 problems" in text
    assert "'sead'. Did you mean 'seed'?" in text
    assert "'label'. Did you mean 'labels'?" in text
    assert "[samples] split = 'block'" in text
    assert "[samples] patch = 'large'" in text
    assert "'trainig'. Did you mean 'training'?" in text


def test_missing_files_bands_layers_and_fields_are_named(folder):
    import geopandas as gpd
    from shapely.geometry import box

    frame = gpd.GeoDataFrame({"kind": ["OPM"]}, geometry=[box(500_000, 3_799_800, 500_100, 3_800_000)], crs=32649)
    frame.to_file(folder / "landuse.gpkg", layer="areas")
    (folder / "pitmap.toml").write_text(
        """
[[sites]]
name = "a"
image = "nort.tif"
[[sites]]
name = "b"
image = "north.tif"
bands = ["blue", "grean"]
[[sites]]
name = "c"
image = "north.tif"
labels = "landuse.gpkg"
label_field = "kimd"
[[sites]]
name = "d"
image = "north.tif"
labels = "landus.gpkg"
label_values = { "1" = "OPX" }
"""
    )
    text = problems_of(folder / "pitmap.toml")
    assert "Did you mean 'north.tif'?" in text
    assert "no band 'grean'" in text
    assert "'kimd'" in text
    assert "'kind'" in text
    assert "Did you mean 'landuse.gpkg'?" in text
    assert "Did you mean 'OPM'?" in text


def test_vector_labels_need_a_crs(folder):
    import warnings

    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(folder / "bare.tif", "w", driver="GTiff", height=8, width=8, count=4, dtype="uint8") as t:
            t.write(np.ones((4, 8, 8), np.uint8))
    gpd.GeoDataFrame({"x": [1]}, geometry=[box(0, 0, 1, 1)], crs=32649).to_file(folder / "landuse.gpkg")
    path = folder / "pitmap.toml"
    path.write_text('[[sites]]\nname="a"\nimage="bare.tif"\nlabels="landuse.gpkg"\nlabel_field="x"\n')
    text = problems_of(path)
    assert "no coordinate reference system" in text
    assert 'split = "groups"' in text


def test_globs_groups_and_label_patterns(folder):
    for name in ("s1", "s2"):
        write_site(folder, name, quilt(32, 32), grid(32, 32))
    (folder / "groups.csv").write_text("file,place\ns1.tif,A\ns2.tif,A\n")
    path = folder / "pitmap.toml"
    path.write_text(
        '[[sites]]\nname="s"\nimage="s?.tif"\nlabels="{stem}-labels.tif"\n'
        'groups = { table = "groups.csv", group = "place" }\n[samples]\nsplit="groups"\n'
    )
    project = load_study(path)
    assert [s.name for s in project.scenes] == ["s-s1", "s-s2"]
    assert {s.group for s in project.scenes} == {"A"}
    assert project.scenes[1].labels == folder / "s2-labels.tif"


def test_different_band_counts_and_scales_are_refused(folder):
    write_site(folder, "three", quilt(32, 32), grid(32, 32), np.ones((3, 32, 32), np.uint16))
    path = write_project(folder, ["north", "three"])
    assert "different numbers of bands: north 4, three 3" in problems_of(path)


def test_invalid_toml_and_missing_file(tmp_path):
    (tmp_path / "a.toml").write_text("[project\n")
    assert "not valid TOML" in problems_of(tmp_path / "a.toml")
    assert "cannot be read" in problems_of(tmp_path / "b.toml")


def test_the_paper_recipe_brings_the_papers_split_unless_the_file_says_otherwise(folder):
    project = load_study(write_project(folder, ["north"], more='[training]\nrecipe="paper"'))
    settings = project.samples_settings
    assert (settings.split, settings.validation, settings.test) == ("random", 0.3, 0.0)
    assert settings.patch == 64
    project = load_study(write_project(folder, ["north"], more='[training]\nrecipe="paper"', samples='split="blocks"'))
    assert project.samples_settings.split == "blocks"
