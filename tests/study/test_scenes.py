import shutil

import numpy as np
import pytest

from pitmap.errors import ProjectError
from pitmap.raster.writing import Layout, write_cog
from pitmap.study.study import load_study
from studies import grid, quilt, reflectance_of, write_site


@pytest.fixture
def image(tmp_path):
    """An image and a label raster to copy, beside the folder of the study."""
    (tmp_path / "source").mkdir()
    write_site(tmp_path / "source", "a", quilt(32, 32), grid(32, 32))
    return tmp_path / "source" / "a.tif"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study [1]").mkdir()  # a pattern itself
    return tmp_path / "study [1]"


def study_of(folder, *sites: str, more: str = ""):
    path = folder / "pitmap.toml"
    path.write_text("".join(f"[[sites]]\n{site}\n" for site in sites) + more, encoding="utf-8")
    return load_study(path)


def put(image, *targets):
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, target)


def names(study) -> dict[str, str]:
    return {s.name: s.image.relative_to(study.folder).as_posix() for s in study.scenes}


def test_images_of_one_name_in_two_folders_are_two_scenes(image, folder):
    put(image, folder / "2017" / "scene.tif", folder / "2018" / "scene.tif")
    study = study_of(folder, 'name = "a"\nimage = "*/scene.tif"', more='[samples]\nsplit = "groups"')
    assert names(study) == {"a-2017-scene": "2017/scene.tif", "a-2018-scene": "2018/scene.tif"}
    assert len({s.group for s in study.scenes}) == 2


def test_a_path_that_exists_is_no_pattern(image, folder):
    put(
        image,
        folder / "scene [1].tif",
        folder / "scene 1.tif",
        folder / "data [x]" / "b.tif",
        folder / "data x" / "c.tif",
    )
    one = study_of(folder, "name = 'a'\nimage = 'scene [1].tif'")
    assert names(one) == {"a": "scene [1].tif"}
    assert names(study_of(folder, "name = 'a'\nimage = 'data [x]/*.tif'")) == {"a-b": "data [x]/b.tif"}
    assert names(study_of(folder, "name = 'a'\nimage = 'scene [[]1].tif'")) == {"a-scene_1": "scene [1].tif"}
    absolute = study_of(folder, f"name = 'a'\nimage = '{folder}/data [x]/*.tif'")
    assert names(absolute) == {"a-b": "data [x]/b.tif"}


def test_patterns_go_through_folders_and_leave_side_files_out(image, folder):
    put(image, folder / "s" / "x.tif", folder / "s" / "2017" / "may" / "x.tif")
    for name in ("x.tif.aux.xml", "x.tif.ovr", "x.qml", "x.tif.xml"):
        (folder / "s" / name).touch()
    (folder / "s" / "folder.tif").mkdir()
    study = study_of(folder, 'name = "a"\nimage = "s/**/*x*"')
    assert names(study) == {"a-2017-may-x": "s/2017/may/x.tif", "a-x": "s/x.tif"}
    with pytest.raises(ProjectError, match=r"no file matches image = 's/\*\.jp2'"):
        study_of(folder, 'name = "a"\nimage = "s/*.jp2"')


def test_scene_names_are_unique_over_all_sites(image, folder):
    put(image, folder / "b.tif", folder / "c" / "b.tif", folder / "c" / "B.TIF")
    study = study_of(folder, 'name = "a-b"\nimage = "b.tif"', 'name = "a"\nimage = "c/*"')
    assert next(iter(names(study))) == "a-b"
    assert len({s.name.casefold() for s in study.scenes}) == 3
    for sites in (("a", "a-confidence"), ("May", "may")):
        with pytest.raises(ProjectError, match="would lie in one file"):
            study_of(folder, *(f'name = "{name}"\nimage = "b.tif"' for name in sites))
    with pytest.raises(ProjectError, match="no file can have this name on Windows"):
        study_of(folder, 'name = "nul"\nimage = "b.tif"')


def test_labels_by_stem_must_not_be_shared_by_images_of_one_name(image, folder):
    put(image, folder / "2017" / "scene.tif", folder / "2018" / "scene.tif")
    labels = image.with_name("a-labels.tif")
    put(labels, folder / "scene-l.tif", folder / "2017" / "scene-l.tif", folder / "2018" / "scene-l.tif")
    with pytest.raises(ProjectError, match=r"names one file for two images.*\{folder\}/\{stem\}-l\.tif"):
        study_of(folder, 'name = "a"\nimage = "*/scene.tif"\nlabels = "{stem}-l.tif"')
    study = study_of(folder, 'name = "a"\nimage = "*/scene.tif"\nlabels = "{folder}/{stem}-l.tif"')
    assert [s.labels.relative_to(folder).as_posix() for s in study.scenes] == ["2017/scene-l.tif", "2018/scene-l.tif"]
    # One layer for all images is no mistake.
    assert len({s.labels for s in study_of(folder, 'name="a"\nimage="*/scene.tif"\nlabels="scene-l.tif"').scenes}) == 1


def test_each_image_of_a_site_resolves_bands_and_scaling_itself(folder):
    codes = quilt(32, 32)
    pixels = reflectance_of(codes)
    write_cog(folder / "x1.tif", pixels, grid(32, 32), Layout(4, "uint16", 0, ("b", "g", "r", "n"), scale=1e-4))
    turned = Layout(4, "uint16", 0, ("n", "r", "g", "b"), scale=1e-3, offset=-0.1)
    write_cog(folder / "x2.tif", pixels[::-1], grid(32, 32), turned)
    study = study_of(folder, 'name = "a"\nimage = "x?.tif"\nbands = ["b", "g", "r", "n"]')
    assert [s.band_indices for s in study.scenes] == [(1, 2, 3, 4), (4, 3, 2, 1)]
    assert [s.scales[0] for s in study.scenes] == [1e-4, 1e-3]
    assert [s.offsets[0] for s in study.scenes] == [0.0, -0.1]
    with pytest.raises(ProjectError, match="same bands in different orders: a-x1 b, g, r, n; a-x2 n, r, g, b"):
        study_of(folder, 'name = "a"\nimage = "x?.tif"')


def test_an_offset_without_a_known_scale_is_refused(folder):
    write_cog(folder / "a.tif", np.ones((1, 8, 8), np.uint16), grid(8, 8), Layout(1, "uint16", 0))
    with pytest.raises(ProjectError, match=r"offset is given, but no scale is known for a\.tif"):
        study_of(folder, 'name = "a"\nimage = "a.tif"\noffset = -0.1')
