import pytest

from pitmap.study.names import LONGEST, Unnamed, clashes, scene_names


def named(*images: tuple[str, str | None]) -> list[str]:
    return scene_names([Unnamed(*image) for image in images])


def test_a_site_of_one_image_has_the_sites_name_and_others_have_the_path_below_the_pattern():
    assert named(("north", None), ("s", "s1.tif"), ("s", "2017/scene.tif"), ("s", "2018/scene.tif")) == [
        "north", "s-s1", "s-2017-scene", "s-2018-scene",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "images",
    [
        [("a", "scene.tif"), ("a", "scene.img")],
        [("a", "scene.tif"), ("a", "scene.tiff")],
        [("a", "scene.tif"), ("a", "Scene.tif"), ("a", "SCENE.TIF")],
        [("a", "b.tif"), ("a-b", None)],
        [("a", "b-c.tif"), ("a-b", "c.tif")],
        [("a", "x/y.tif"), ("a", "x-y.tif")],
        [("a", "scene [1].tif"), ("a", "scene (1).tif"), ("a", "scene_1.tif")],
        [("a", "may.tif"), ("a", "may-confidence.tif"), ("a", "may-probabilities.tif")],
        [("a", "b.tif"), ("a-b-confidence", None)],
        [("a", "x" * 300 + "1.tif"), ("a", "x" * 300 + "2.tif")],
        [("a", "grün.tif"), ("a", "gru\u0308n.tif")],
    ],
)
def test_no_two_scenes_share_a_file_whatever_the_disk(images):
    names = named(*images)
    assert len({n.casefold() for n in names}) == len(images)
    assert clashes(names) == []
    assert named(*reversed(images)) == names[::-1]
    for (site, path), name in zip(images, names, strict=True):
        assert name == site if path is None else name.startswith(f"{site}-")
        assert len(name) <= LONGEST + 9
        assert not set(name) & set('/\\:*?"<>|[]() ')


def test_one_more_image_renames_no_other():
    few = [("a", "2017/scene.tif"), ("a", "2018/scene.tif"), ("b", "x.img")]
    more = [("a", "2016/scene.tif"), *few, ("a", "2019/scene.tif"), ("c", None), ("b", "y.img")]
    names = dict(zip(more, named(*more), strict=True))
    assert [names[image] for image in few] == named(*few)
    assert named(("a", "s1.tif")) == ["a-s1"]  # nor would a second one


def test_sites_that_cannot_be_told_apart_are_found():
    assert clashes(["may", "may-confidence"]) == [("may", "may-confidence")]
    assert clashes(["may", "May"]) == [("may", "May")]
    assert clashes(["may", "june"]) == []
