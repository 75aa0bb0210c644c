"""Corrections of an analyst: labels of training ground only, which leave validation and test ground as they were."""

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.errors import LabelError, ProjectError
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.review import review
from pitmap.raster.codes import IMAGE_TAG, codes_layout, read_codes
from pitmap.raster.writing import Layout, write_cog
from pitmap.samples.build import build, fingerprint
from pitmap.samples.corrections import Corrections
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.study.study import Study, load_study
from studies import UTM, grid, quilt, reflectance_of, write_project, write_site

SIDE = 128
BLOCKS = "block_m = 64.0\nbuffer_m = 8.0\n"  # blocks of 16 pixels, two pixels between splits


def ground(rows: tuple[int, int], cols: tuple[int, int]) -> object:
    return box(500_000 + 4 * cols[0], 3_800_000 - 4 * rows[1], 500_000 + 4 * cols[1], 3_800_000 - 4 * rows[0])


def labels() -> np.ndarray:
    """A quilt of four classes; the right third has no labels."""
    codes = quilt(SIDE, SIDE, 4, cell=4)
    codes[:, 88:] = 0
    return codes


def study(folder: Path, polygons: list | None = None, samples: str = BLOCKS) -> Study:
    folder.mkdir()
    write_site(folder, "a", labels(), grid(SIDE, SIDE), reflectance_of(quilt(SIDE, SIDE, 4, cell=4)))
    line = ""
    if polygons is not None:
        shapes, values = zip(*polygons, strict=True)
        frame = gpd.GeoDataFrame(
            {"reference": list(values), "rank": range(len(values))}, geometry=list(shapes), crs=UTM
        )
        frame["reference"] = frame["reference"].astype(object)
        frame.to_file(folder / "review.gpkg", layer="review")
        line = 'corrections = "review.gpkg"'
    return load_study(write_project(folder, ["a"], samples=samples, site=line))


def same_but_training(before: SampleSet, after: SampleSet) -> None:
    for split in (Split.VALIDATION, Split.TEST):
        held = before.splits[0] == split
        assert held.any()
        assert (held == (after.splits[0] == split)).all()
        assert (before.codes[0][held] == after.codes[0][held]).all()
        assert before.class_pixels(split).tolist() == after.class_pixels(split).tolist()


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> SampleSet:
    return build(study(tmp_path_factory.mktemp("plain") / "study"))


def test_all_over_the_ground_only_training_labels_change(tmp_path: Path, plain: SampleSet):
    project = study(tmp_path / "study", [(ground((0, SIDE), (0, SIDE)), "WDA")])
    after = build(project)
    same_but_training(plain, after)
    training = after.splits[0] == Split.TRAINING
    assert (after.codes[0][training] == 7).all()
    assert after.codes[0][~training].tolist() == plain.codes[0][~training].tolist()
    was = plain.splits[0] == Split.TRAINING
    assert training[was].all()
    new = training & ~was
    assert new[:, 96:].all()  # whole blocks without labels, none of which touches another split
    assert after.record.corrections == Corrections(
        polygons=1, open=0, confirmed=0, changed=int((plain.codes[0][was] > 0).sum()),
        added=int((training & (plain.codes[0] == 0)).sum()), removed=0, left_aside=int((~training).sum()),
    )  # fmt: skip
    assert set(after.record.audit.shared_labelled_pixels.values()) == {0}
    assert read_codes(after.given_file(0)).tolist() == plain.codes[0].tolist()
    assert "1 reviewed polygon(s), 0 still open" in after.summary()


def test_new_ground_keeps_its_distance_from_validation_and_test(tmp_path: Path, plain: SampleSet):
    after = build(study(tmp_path / "study", [(ground((0, SIDE), (80, SIDE)), "WDA")]))
    from scipy.ndimage import distance_transform_edt

    held = (after.splits[0] == Split.TEST) | (after.splits[0] == Split.VALIDATION)
    new = (after.splits[0] == Split.TRAINING) & (plain.splits[0] != Split.TRAINING)
    assert new.any()
    old = plain.splits[0] == Split.TRAINING
    distance = distance_transform_edt(~held)
    assert distance[new].min() >= distance[old].min() > 2


def test_open_features_unclear_ground_and_overlaps(tmp_path: Path, plain: SampleSet):
    whole = np.lib.stride_tricks.sliding_window_view(plain.splits[0] == Split.TRAINING, (8, 8)).all(axis=(2, 3))
    row, col = (int(v) - 4 for v in np.argwhere(whole[4:, 4:])[0] + 4)
    inner = (row + 4, row + 12), (col + 4, col + 12)
    polygons = [
        (ground(*inner), "open-pit mine"),  # a name stands for its class
        (ground((row + 6, row + 8), (col + 6, col + 8)), "?"),
        (ground((row + 8, row + 10), (col + 6, col + 8)), None),  # smaller, but nobody has looked at it
        (ground((row + 5, row + 6), (col + 5, col + 6)), "3"),  # so does a code
    ]
    after = build(study(tmp_path / "study", polygons))
    same_but_training(plain, after)
    expected = plain.codes[0].copy()
    expected[row + 4 : row + 12, col + 4 : col + 12] = 1
    expected[row + 6 : row + 8, col + 6 : col + 8] = 0
    expected[row + 5, col + 5] = 3
    assert after.codes[0].tolist() == expected.tolist()
    done = after.record.corrections
    assert (done.polygons, done.open, done.removed, done.left_aside) == (3, 1, 4, 0)
    was = plain.codes[0][row + 4 : row + 12, col + 4 : col + 12]
    now = expected[row + 4 : row + 12, col + 4 : col + 12]
    assert done.confirmed == ((was == now) & (now > 0)).sum()
    assert done.changed == ((was != now) & (now > 0)).sum()


def test_pixels_without_data_and_excluded_ground_stay_without_label(tmp_path: Path):
    project = study(tmp_path / "study", [(ground((0, SIDE), (0, SIDE)), "WDA")])
    image = reflectance_of(quilt(SIDE, SIDE, 4, cell=4))
    image[:, :, 100:104] = 0
    write_site(project.folder, "a", labels(), grid(SIDE, SIDE), image)
    gpd.GeoDataFrame(geometry=[ground((0, 8), (0, SIDE))], crs=UTM).to_file(project.folder / "clouds.gpkg")
    text = project.path.read_text().replace("corrections", 'exclude = ["clouds.gpkg"]\ncorrections')
    project.path.write_text(text)
    after = build(load_study(project.path))
    assert not after.codes[0][:8].any()
    assert not after.codes[0][:, 100:104].any()
    assert after.codes[0][8:, 104:].all()


def test_under_the_random_split_test_and_validation_patches_keep_their_labels(tmp_path: Path):
    settings = 'split = "random"\npatch = 32\nstride = 32'
    before = build(study(tmp_path / "before", samples=settings.replace("patch = 32\n", "")))
    after = build(
        study(tmp_path / "after", [(ground((0, SIDE), (0, SIDE)), "WDA")], settings.replace("patch = 32\n", ""))
    )
    assert before.patches == after.patches
    held = after.splits[0] != Split.TRAINING
    assert (before.codes[0][held] == after.codes[0][held]).all()
    assert (after.codes[0][~held] == 7).all()


def test_a_filled_in_queue_makes_new_samples_and_a_missing_one_is_named(tmp_path: Path):
    project = study(tmp_path / "study", [(ground((0, 40), (0, 40)), None)])
    first = build(project).record
    assert first.corrections.open == 1
    assert first.corrections.added == first.corrections.changed == 0
    frame = gpd.read_file(project.folder / "review.gpkg")
    frame["reference"] = "WAT"
    frame.to_file(project.folder / "review.gpkg", layer="review")
    assert build(load_study(project.path)).record.fingerprint != first.fingerprint
    frame.rename(columns={"reference": "klass"}).to_file(project.folder / "other.gpkg", layer="review")
    for wrong, message in (("reviev.gpkg", "Did you mean 'review.gpkg'"), ("other.gpkg", "has no field 'reference'")):
        text = project.path.read_text().replace("review.gpkg", wrong)
        (project.folder / "wrong.toml").write_text(text)
        with pytest.raises(ProjectError, match=message):
            load_study(project.folder / "wrong.toml")


def test_of_several_images_some_may_not_have_been_reviewed(tmp_path: Path):
    folder = tmp_path / "study"
    folder.mkdir()
    for name in ("a", "b"):
        write_site(folder, name, labels(), grid(SIDE, SIDE))
    gpd.GeoDataFrame({"reference": ["WDA"]}, geometry=[ground((0, SIDE), (0, SIDE))], crs=UTM).to_file(
        folder / "review-b.gpkg"
    )
    text = (
        '[[sites]]\nname = "s"\nimage = "[ab].tif"\nlabels = "{stem}-labels.tif"\ncorrections = "review-{stem}.gpkg"\n'
        f"[samples]\npatch = 64\n{BLOCKS}"
    )
    (folder / "pitmap.toml").write_text(text)
    samples = build(load_study(folder / "pitmap.toml"))
    assert 7 not in samples.codes[0]
    assert 7 in samples.codes[1]
    (folder / "pitmap.toml").write_text(text.replace("review-{stem}", "review-b"))
    with pytest.raises(ProjectError, match="one file for 2 images"):
        load_study(folder / "pitmap.toml")
    (folder / "pitmap.toml").write_text(text)
    (folder / "review-b.gpkg").unlink()
    with pytest.raises(ProjectError, match=r"corrections .*review-a.gpkg does not exist"):
        load_study(folder / "pitmap.toml")


def test_ground_that_nobody_can_tell_does_not_become_training_ground(tmp_path: Path, plain: SampleSet):
    after = build(study(tmp_path / "study", [(ground((0, 64), (100, SIDE)), "?")]))
    assert (after.splits[0] == plain.splits[0]).all()
    assert after.record.corrections.left_aside == 64 * 28


def test_keys_win_over_codes_and_wrong_classes_are_named(tmp_path: Path):
    project = study(tmp_path / "study", [(ground((0, SIDE), (0, SIDE)), "1")])
    swapped = "".join(
        f'[[classes]]\ncode = {code}\nkey = "{key}"\nname = "class {code}"\ncolour = "#808080"\n'
        for code, key in ((1, "2"), (2, "1"), (3, "C"), (4, "D"))
    )
    values = 'label_values = { 1 = "2", 2 = "1", 3 = "C", 4 = "D" }\n'
    text = project.path.read_text()
    project.path.write_text(text.replace("corrections", values + "corrections") + swapped)
    after = build(load_study(project.path))
    assert (after.codes[0][after.splits[0] == Split.TRAINING] == 2).all()
    frame = gpd.read_file(project.folder / "review.gpkg")
    frame["reference"] = "opm"
    frame.to_file(project.folder / "review.gpkg", layer="review")
    project.path.write_text(text)
    with pytest.raises(LabelError, match=r"holds 'opm'. A class by its key \(OPM"):
        build(load_study(project.path))


def test_an_empty_queue_and_other_layers_do_no_harm(tmp_path: Path, plain: SampleSet):
    project = study(tmp_path / "study", [(ground((0, 40), (0, 40)), "WAT")])
    queue = project.folder / "review.gpkg"
    gpd.read_file(queue).rename(columns={"reference": "text"}).to_file(queue, layer="notes", driver="GPKG")
    assert build(load_study(project.path)).record.corrections.polygons == 1
    frame = gpd.read_file(queue, layer="review")
    queue.unlink()
    frame.iloc[:0].to_file(queue, layer="review", driver="GPKG")
    samples = build(load_study(project.path))
    assert samples.record.corrections.polygons == 0
    assert (samples.codes[0] == plain.codes[0]).all()


def test_the_points_of_an_estimate_and_the_review_of_another_image_are_refused(tmp_path: Path):
    project = study(tmp_path / "study", [(ground((0, 40), (0, 40)), "WAT")])
    text = project.path.read_text()
    map_file = project.folder / "a-labels.tif"
    design(map_file, project.folder / "points.gpkg", DesignOptions(points=60, floor=5))
    confidence = np.full((SIDE, SIDE), 100, np.uint8)
    write_cog(project.folder / "c.tif", confidence, grid(SIDE, SIDE), Layout(1, "uint8", 0, scale=1 / 255))
    made = project.folder / "made.tif"
    write_cog(made, labels(), grid(SIDE, SIDE), codes_layout(DEFAULT_LEGEND, {IMAGE_TAG: "june.tif"}))
    review(made, project.folder / "c.tif", project.folder / "june.gpkg")
    for wrong, message in (("points.gpkg", "must not learn"), ("june.gpkg", r"a map of june.tif, not of a\.tif")):
        project.path.write_text(text.replace("review.gpkg", wrong))
        with pytest.raises(ProjectError, match=message):
            load_study(project.path)


def test_edits_that_an_open_editor_keeps_beside_the_file_count(tmp_path: Path):
    project = study(tmp_path / "study", [(ground((0, 40), (0, 40)), "WAT")])
    before = build(project).record.fingerprint
    with closing(sqlite3.connect(project.folder / "review.gpkg")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        mark = fingerprint(load_study(project.path))
        database.execute("CREATE TABLE note (text TEXT)")
        database.commit()
        assert fingerprint(load_study(project.path)) != mark
    assert before
