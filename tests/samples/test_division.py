"""Kinds of split: those with a name, one's own, and that blocks of reading leave no trace."""

import numpy as np
import pytest

from pitmap.errors import ProjectError
from pitmap.samples import build as building
from pitmap.samples import dataset, division, leakage
from pitmap.samples.build import build
from pitmap.samples.division import SPLITS
from pitmap.samples.split import Split
from pitmap.study import schema
from pitmap.study.study import load_study
from studies import grid, quilt, reflectance_of, write_project, write_site


def study(folder, samples):
    folder.mkdir(exist_ok=True)
    write_site(folder, "a", quilt(150, 120, 3), grid(150, 120))
    write_site(folder, "b", quilt(100, 130, 3, seed=1), grid(100, 130, x=500_061, y=3_799_927, size=5.0))
    return load_study(write_project(folder, ["a", "b"], samples=samples))


def test_the_project_file_knows_the_names_of_the_table():
    assert set(schema.SPLIT.names) == set(SPLITS)


def test_a_split_of_ones_own(tmp_path):
    samples = build(study(tmp_path, 'split = "samples.own_split:north_to_south"'))
    assert (samples.splits[0][:50] == Split.TRAINING).all()
    assert (samples.splits[0][50:100] == Split.VALIDATION).all()
    assert (samples.splits[0][100:] == Split.TEST).all()
    facts = samples.record.split
    assert facts.kind == "samples.own_split:north_to_south"
    assert facts.note == "In thirds from north to south."
    assert not facts.by_patches
    assert samples.record.audit.labelled_pixels["training"] > 0
    # The two places overlap, and this split does not care.
    assert samples.record.audit.leaks


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("samples.own_split:nonsense", "values that are no split"),
        ("samples.own_split:absent", "cannot be imported"),
    ],
)
def test_splits_of_ones_own_that_cannot_be_used(tmp_path, split, message):
    with pytest.raises(ProjectError, match=message):
        build(study(tmp_path, f'split = "{split}"'))


def test_an_unknown_split_is_refused_on_loading(tmp_path):
    with pytest.raises(ProjectError, match=r"no split 'bloks': one of blocks, sites, groups, random"):
        study(tmp_path, 'split = "bloks"')


@pytest.mark.parametrize("split", ["blocks", "random"])
def test_the_size_of_the_blocks_of_reading_leaves_no_trace(tmp_path, monkeypatch, split):
    samples = f'split = "{split}"\nblock_m = 100.0'
    whole = build(study(tmp_path / "whole", samples))
    for module in (building, division, leakage, dataset):
        monkeypatch.setattr(module, "BLOCK", 37)
    parts = build(study(tmp_path / "parts", samples))
    for kind in ("codes", "splits", "valid", "pixels"):
        for a, b in zip(getattr(whole, kind), getattr(parts, kind), strict=True):
            np.testing.assert_array_equal(a, b)
    assert whole.patches == parts.patches
    assert whole.record.audit == parts.record.audit
    np.testing.assert_allclose(whole.mean, parts.mean, rtol=1e-12)
    np.testing.assert_allclose(whole.std, parts.std, rtol=1e-12)
    for split_part in Split:
        if split_part:
            assert whole.class_pixels(split_part).tolist() == parts.class_pixels(split_part).tolist()


DAYS = ("20210619", "20220719", "20230301")


def series(folder, samples):
    """One place on three days, with the same labels."""
    folder.mkdir(exist_ok=True)
    names = [f"west_{day}" for day in DAYS]
    for number, name in enumerate(names):
        codes = quilt(120, 150, 3)
        write_site(folder, name, codes, grid(120, 150), reflectance_of(codes, seed=number))
    return load_study(write_project(folder, names, samples=samples))


def used(samples):
    """The splits that have ground in each scene."""
    return [set(np.unique(s).tolist()) - {0} for s in samples.splits]


def test_a_test_date_shares_neither_ground_nor_image_with_training(tmp_path):
    plain = build(series(tmp_path / "plain", "block_m = 60.0"))
    held = build(series(tmp_path / "held", 'block_m = 60.0\ntest_dates = ["2022-07-19"]'))
    assert used(held) == [{1, 2}, {3}, {1, 2}]
    for before, after in zip(plain.splits, held.splits, strict=True):
        # The ground is divided as it is without dates; nothing but what a date may not see is taken away.
        assert ((after == before) | (after == Split.NONE)).all()
    test = held.splits[1] == Split.TEST
    assert (test == (plain.splits[1] == Split.TEST)).all()
    assert not any((s[test] != Split.NONE).any() for s in (held.splits[0], held.splits[2]))
    facts = held.record.split
    assert (facts.test_dates, facts.validation_dates, facts.unseen) == (("2022-07-19",), None, "date")
    assert (plain.record.split.test_dates, plain.record.split.unseen) == (None, "ground")


def test_statistics_come_from_the_dates_that_are_learnt_from(tmp_path):
    held = build(series(tmp_path, 'test_dates = ["2021-06-19"]\nvalidation_dates = ["2023-03-01"]'))
    learnt = held.splits[1] == Split.TRAINING
    assert used(held) == [{3}, {1}, {2}]
    assert np.allclose(held.mean, held.pixels[1][:, learnt & held.valid[1]].mean(1) * np.array(held.scenes[1].scales))


def test_a_date_is_left_out_by_seed(tmp_path):
    held = build(series(tmp_path, 'leave_out = "date"'))
    assert sorted(map(sorted, used(held))) == [[1, 2], [1, 2], [3]]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ('test_dates = ["2022-07-20"]', "no image was taken on that day"),
        ('test_dates = ["2021-06-19", "2022-07-19"]\nvalidation_dates = ["2023-03-01"]', "no image is left to learn"),
        ('split = "random"\ntest_dates = ["2022-07-19"]', "divides patches"),
    ],
)
def test_dates_that_cannot_be_held_out(tmp_path, samples, message):
    with pytest.raises(ProjectError, match=message):
        build(series(tmp_path, samples))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ('test_dates = ["20.7.2022"]', "is not a day"),
        ("test_dates = [2022-07-19]\nvalidation_dates = [2022-07-19]", "held out for the test and for validation"),
    ],
)
def test_dates_that_the_project_file_refuses(tmp_path, samples, message):
    with pytest.raises(ProjectError, match=message):
        series(tmp_path, samples)
