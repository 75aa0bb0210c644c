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
from studies import grid, quilt, write_project, write_site


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
