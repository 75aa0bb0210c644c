import geopandas as gpd
import numpy as np
import pytest
import torch
from affine import Affine
from shapely.geometry import box

from pitmap.errors import ImageError, LabelError, OutputError, ProjectError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.reading import describe
from pitmap.raster.writing import Layout, write_cog
from pitmap.samples.batches import PatchDataset
from pitmap.samples.build import build
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import USED, Split
from pitmap.study.study import load_study
from studies import grid, quilt, reflectance_of, write_project, write_site


def two_dates(tmp_path, samples="", more="", seed=0):
    """Two dates of one place, the second on a grid of another pixel size, shifted."""
    write_site(tmp_path, "a", quilt(200, 150, 4, 10, seed), grid(200, 150))
    write_site(tmp_path, "b", quilt(150, 120, 4, 8, seed + 1), grid(150, 120, x=500_061, y=3_799_927, size=5.0))
    return load_study(write_project(tmp_path, ["a", "b"], samples=samples, more=more))


def test_every_labelled_pixel_of_a_split_is_in_a_patch_of_it(tmp_path):
    samples = build(two_dates(tmp_path))
    for split in USED:
        for scene in range(2):
            seen = np.zeros(samples.codes[scene].shape, bool)
            for p in samples.patches:
                if p.scene == scene and p.split == split:
                    seen[p.row : p.row + 64, p.col : p.col + 64] = True
            assert seen[samples.targets(scene, split) > 0].all()


def test_blocks_share_no_labelled_ground_and_most_labels_are_used(tmp_path):
    samples = build(two_dates(tmp_path))
    audit = samples.record.audit
    assert set(audit.shared_labelled_pixels.values()) == {0}
    assert audit.shared_input_pixels["training-test"] > 0
    assert not audit.leaks
    total = sum((c > 0).sum() for c in samples.codes)
    assert sum(audit.labelled_pixels.values()) > 0.6 * total


def test_random_patches_leak_and_the_audit_says_so(tmp_path):
    samples = build(two_dates(tmp_path, samples='split = "random"\nvalidation = 0.3\ntest = 0.0'))
    audit = samples.record.audit
    assert audit.leaks
    assert audit.shared_labelled_pixels["training-validation"] > 0
    validation = [p[:3] for p in samples.patches if p.split == Split.VALIDATION]
    assert validation == [p[:3] for p in samples.patches if p.split == Split.TEST]
    training = [p for p in samples.patches if p.split == Split.TRAINING]
    assert len(training) == round(0.7 * (len(training) + len(validation)))


def test_sites_keep_one_place_for_the_test(tmp_path):
    write_site(tmp_path, "a", quilt(150, 150), grid(150, 150))
    write_site(tmp_path, "b", quilt(150, 150, seed=5), grid(150, 150, x=600_000))
    write_site(tmp_path, "b2", quilt(150, 150, seed=6), grid(150, 150, x=600_040))
    project = load_study(write_project(tmp_path, ["a", "b", "b2"], samples='split = "sites"\ntest_sites = ["b"]'))
    samples = build(project)
    # b2 overlaps b, so it goes with it.
    assert (samples.splits[1] == Split.TEST).all()
    assert (samples.splits[2] == Split.TEST).all()
    assert set(np.unique(samples.splits[0])) <= {0, 1, 2}
    assert set(samples.record.audit.shared_input_pixels.items()) >= {
        ("training-test", 0),
        ("validation-test", 0),
    }


def bare_images(tmp_path, number=12):
    import warnings

    folder = tmp_path / "crops"
    folder.mkdir()
    rows = ["file,group"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(number):
            codes = quilt(48, 48, 3, 12, seed=i)
            where = Grid(None, Affine.identity(), 48, 48)
            write_cog(folder / f"c{i}.tif", reflectance_of(codes, 3), where, Layout(3, "uint16"))
            write_cog(folder / f"c{i}-labels.tif", codes, where, codes_layout(DEFAULT_LEGEND))
            rows.append(f"c{i}.tif,g{i // 2}")
    (tmp_path / "groups.csv").write_text("\n".join(rows))
    path = tmp_path / "pitmap.toml"
    path.write_text(
        '[[sites]]\nname="crops"\nimage="crops/c*[0-9].tif"\nlabels="crops/{stem}-labels.tif"\n'
        'groups = { table = "groups.csv" }\n[samples]\nsplit="groups"\n'
    )
    return path


def test_groups_of_images_without_crs_are_never_divided(tmp_path):
    samples = build(load_study(bare_images(tmp_path)))
    sides = {}
    for scene, raster in zip(samples.scenes, samples.splits, strict=True):
        assert len(np.unique(raster)) == 1
        sides.setdefault(scene.group, set()).add(int(raster[0, 0]))
    assert all(len(s) == 1 for s in sides.values())
    assert {next(iter(s)) for s in sides.values()} == {1, 2, 3}
    assert samples.record.unit == "DN"
    assert samples.patch == 64  # 48 rounded up: smaller images are padded


def test_patches_of_small_images_are_padded_and_masked(tmp_path):
    samples = build(load_study(bare_images(tmp_path)))
    patches = PatchDataset(samples, Split.TRAINING)
    used = patches.buffer(3)
    for part in used:
        part.fill_(77)  # of a batch before
    batch = patches.read([0, 1], used)
    assert batch.pixels.shape == (2, 3, 64, 64)
    assert batch.valid[:, :48, :48].all()
    assert not batch.valid[:, 48:].any()
    assert not batch.pixels[:, :, 48:].any()
    assert not batch.codes[:, :, 48:].any()
    assert batch.codes.dtype == torch.uint8
    assert batch.pixels.data_ptr() == used.pixels.data_ptr()
    assert (batch.target[:, 48:] == -1).all()
    assert batch.target[:, :48, :48].min() >= 0
    assert batch.scene.tolist() == [patches.patches[0].scene, patches.patches[1].scene]


def test_statistics_are_of_valid_training_pixels_only(tmp_path):
    codes = quilt(160, 160)
    image = reflectance_of(codes)
    image[:, 40:60] = 0
    write_site(tmp_path, "a", codes, grid(160, 160), image)
    samples = build(load_study(write_project(tmp_path, ["a"])))
    used = (samples.splits[0] == Split.TRAINING) & (image != 0).all(axis=0)
    values = image[:, used].astype(np.float64) * 1e-4
    np.testing.assert_allclose(samples.mean, values.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(samples.std, values.std(axis=1, ddof=1), rtol=1e-9)
    assert not samples.codes[0][40:60].any()


def test_patches_are_copies_of_the_image(tmp_path):
    project = two_dates(tmp_path)
    samples = build(project)
    from pitmap.raster.reading import open_raster

    with open_raster(project.scenes[0].image) as reader:
        image, _ = reader.read()
    patches = PatchDataset(samples, Split.TRAINING)
    for i, p in enumerate(patches.patches):
        if p.scene == 0:
            batch = patches.read([i])
            pixels, codes = batch.pixels[0].numpy(), batch.codes[0].numpy()
            assert pixels.dtype == image.dtype
            np.testing.assert_array_equal(pixels, image[:, p.row : p.row + 64, p.col : p.col + 64])
            expected = samples.targets(0, Split.TRAINING)[p.row : p.row + 64, p.col : p.col + 64]
            np.testing.assert_array_equal(codes, expected)


def test_building_again_does_nothing_until_something_changes(tmp_path):
    project = two_dates(tmp_path)
    build(project)
    file = project.results.folder / "samples" / "samples.json"
    before = file.stat().st_mtime_ns
    build(project)
    assert file.stat().st_mtime_ns == before
    build(two_dates(tmp_path, more="[project]\nseed = 5"))
    assert file.stat().st_mtime_ns != before


def test_the_same_project_and_seed_give_the_same_files(tmp_path):
    first = two_dates(tmp_path)
    build(first)
    content = {
        p.relative_to(first.results.folder): p.read_bytes()
        for p in sorted(first.results.folder.rglob("*.*"))
        if p.is_file()
    }
    (first.results.folder / "samples" / "samples.json").unlink()
    build(first)
    for path, data in content.items():
        assert (first.results.folder / path).read_bytes() == data, path


def test_footprints_open_as_a_layer_with_class_shares(tmp_path):
    project = two_dates(tmp_path)
    samples = build(project)
    frame = gpd.read_file(project.results.folder / "samples" / "patches.gpkg", layer="patches")
    assert len(frame) == len(samples.patches)
    assert set(frame["split"]) == {"training", "validation", "test"}
    shares = frame[[f"share_{k}" for k in DEFAULT_LEGEND.keys]].sum(axis=1)
    np.testing.assert_allclose(shares, 1.0)
    assert describe(project.results.folder / "samples" / "splits" / "a.tif").grid.same_as(project.scenes[0].info.grid)


def vector_study(tmp_path, frame, site):
    write_site(tmp_path, "a", quilt(100, 100), grid(100, 100))
    frame.to_file(tmp_path / "landuse.gpkg", layer="landuse")
    path = tmp_path / "pitmap.toml"
    path.write_text(
        f'[[sites]]\nname="a"\nimage="a.tif"\nlabels="landuse.gpkg"\n{site}\n[samples]\npatch=64\nblock_m=80\n'
    )
    return load_study(path)


def frame_of(rows, crs=32649):
    boxes = [box(500_000 + a, 3_800_000 - d, 500_000 + c, 3_800_000 - b) for _, a, b, c, d in rows]
    return gpd.GeoDataFrame({"class": [r[0] for r in rows]}, geometry=boxes, crs=crs)


def test_extent_and_exclusion_limit_the_labels(tmp_path):
    frame = frame_of([("OPM", 0, 0, 400, 400), ("WAT", 80, 80, 160, 160)])
    box_extent = frame_of([("x", 0, 0, 400, 200)])
    box_cloud = frame_of([("x", 0, 0, 40, 40)])
    box_extent.to_file(tmp_path / "extent.gpkg")
    box_cloud.to_file(tmp_path / "cloud.gpkg")
    site = 'label_field="class"\nextent="extent.gpkg"\nexclude=["cloud.gpkg"]'
    samples = build(vector_study(tmp_path, frame.to_crs(4326), site))
    codes = samples.codes[0]
    assert not codes[50:].any()
    assert not codes[:10, :10].any()
    assert codes[5, 50] == 1
    assert (codes[21:39, 21:39] == 2).all()  # the smaller polygon wins


def test_labels_entirely_outside_are_refused_and_nothing_is_written(tmp_path):
    far = frame_of([("OPM", 50_000, 0, 50_400, 400)])
    project = vector_study(tmp_path, far, 'label_field="class"')
    with pytest.raises(LabelError, match="outside the image"):
        build(project)
    assert not (project.results.folder / "samples" / "samples.json").exists()


def test_a_class_that_the_legend_lacks_is_refused(tmp_path):
    project = vector_study(
        tmp_path, frame_of([("OPM", 0, 0, 400, 400), ("glacier", 0, 0, 40, 40)]), 'label_field="class"'
    )
    with pytest.raises(LabelError, match="glacier"):
        build(project)


def test_no_labelled_pixel_is_refused(tmp_path):
    write_site(tmp_path, "a", np.zeros((64, 64), np.uint8), grid(64, 64))
    with pytest.raises(LabelError, match="No pixel of any image has a label"):
        build(load_study(write_project(tmp_path, ["a"])))


def test_label_rasters_elsewhere_are_refused(tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    write_cog(tmp_path / "a-labels.tif", quilt(64, 64), grid(64, 64, x=700_000), codes_layout(DEFAULT_LEGEND))
    with pytest.raises(LabelError, match="lies entirely outside the image"):
        build(load_study(write_project(tmp_path, ["a"])))


def test_a_truncated_image_is_refused_and_no_sample_set_is_left(tmp_path):
    write_site(tmp_path, "a", quilt(300, 300), grid(300, 300))
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: len(whole) * 2 // 3])
    project = load_study(write_project(tmp_path, ["a"]))
    with pytest.raises(ImageError, match="truncated"):
        build(project)
    assert not (project.results.folder / "samples" / "samples.json").exists()
    with pytest.raises(ProjectError, match="no sample set"):
        SampleSet(project.results.folder / "samples")


def test_a_full_disk_is_a_clear_error_and_leaves_no_sample_set(tmp_path, monkeypatch):
    project = two_dates(tmp_path)

    def full(descriptor, offset, length):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OutputError, match="No space left"):
        build(project)
    assert not list((project.results.folder / "samples" / "pixels").iterdir())


def test_too_few_blocks_are_refused_with_a_remedy(tmp_path):
    codes = np.zeros((64, 64), np.uint8)
    codes[:10, :10] = 1
    write_site(tmp_path, "a", codes, grid(64, 64))
    with pytest.raises(ProjectError, match="block_m lower"):
        build(load_study(write_project(tmp_path, ["a"], samples="block_m = 200")))
