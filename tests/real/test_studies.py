"""Project files on real data: everything up to training, which needs no minutes."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pitmap.samples.build import build
from pitmap.samples.split import Split
from pitmap.study.study import load_study

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT))

from benchmarks.real_projects import write_aberystwyth, write_gid  # noqa: E402
from benchmarks.strzegom import write_project  # noqa: E402

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the real data lie beside the checkout only where they are allowed"
)


def test_six_dates_of_one_place_share_no_labelled_ground(tmp_path):
    samples = build(load_study(write_project(tmp_path, seed=3)))
    audit = samples.record.audit
    assert set(audit.shared_labelled_pixels.values()) == {0}
    assert audit.classes_below_minimum == ()
    # The same pixel is on the same side on every date.
    splits = np.stack(samples.splits)
    assert (splits == splits[0]).all()
    # Column 0 and row 400 are zeros in the bands used: no label there.
    for codes in samples.codes:
        assert not codes[:, 0].any()
        assert not codes[400].any()
    # Scale and offset differ by date; blue must not.
    for scene, pixels in zip(samples.scenes, samples.pixels, strict=True):
        blue = np.median(pixels[0][pixels[0] > 0]) * scene.scales[0] + scene.offsets[0]
        assert 0.02 < blue < 0.08


def test_the_land_use_layer_gives_the_mask_back(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    date = ("20230530",)
    from_mask = build(load_study(write_project(tmp_path / "a", seed=0, dates=date)))
    from_layer = build(load_study(write_project(tmp_path / "b", seed=0, dates=date, vector=True)))
    np.testing.assert_array_equal(from_mask.codes[0], from_layer.codes[0])
    assert int((from_layer.codes[0] == 9).sum()) > 3800  # open pit


@pytest.mark.verify
def test_gaofen_crops_without_crs_are_split_by_group(tmp_path):
    samples = build(load_study(write_gid(tmp_path)))
    assert len(samples.scenes) == 120
    sides: dict[str, set[int]] = {}
    for scene, split in zip(samples.scenes, samples.splits, strict=True):
        sides.setdefault(scene.group, set()).add(int(split.flat[0]))
    assert all(len(s) == 1 for s in sides.values())
    assert 50 < len(sides) < 120
    assert sum(int((c == 1).sum()) for c in samples.codes) > 100_000
    assert samples.record.audit.labelled_pixels["test"] > 100_000


def test_vector_samples_in_four_layers(tmp_path):
    samples = build(load_study(write_aberystwyth(tmp_path)))
    pixels = np.bincount(samples.codes[0].ravel(), minlength=5)[1:]
    # Hectares of the README, pixels of 100 m2.
    np.testing.assert_allclose(pixels / 100, [16.4, 30.0, 13.3, 6.1], rtol=0.03)
    assert set(samples.record.audit.shared_labelled_pixels.values()) == {0}
    assert all(samples.class_pixels(s).sum() > 0 for s in (Split.TRAINING, Split.VALIDATION, Split.TEST))


def test_weak_labels_with_large_codes_and_overlaps(tmp_path):
    folder = DATA / "brandenburg_s2"
    keys = {"meadow": "VEG", "wetland": "VEG", "farm": "BAS", "scrub": "VEG", "forest": "VEG", "water": "WAT",
            "residential": "BUI", "grass": "VEG"}  # fmt: skip
    values = ", ".join(f'{k} = "{v}"' for k, v in keys.items())
    (tmp_path / "pitmap.toml").write_text(
        f"""
[[sites]]
name = "brandenburg"
image = "{folder}/T33UUU_20170216T102101_B04.jp2"
scale = 0.0001
labels = "{folder}/gis_osm_landuse-water_a_free_1_area-10000-to-500000.gpkg"
label_field = "fclass"
label_values = {{ {values} }}
"""
    )
    samples = build(load_study(tmp_path / "pitmap.toml"))
    assert set(np.unique(samples.codes[0])) == {0, 2, 3, 4, 6}
