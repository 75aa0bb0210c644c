import numpy as np
import pytest

from pitmap.samples.batches import PatchDataset
from pitmap.samples.build import build
from pitmap.samples.split import Split
from pitmap.samples.subsample import subsample
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site


@pytest.mark.parametrize("split", ["random", "blocks"])
def test_training_patches_are_dropped_until_the_number_of_labelled_pixels_is_left(tmp_path, split):
    write_site(tmp_path, "a", quilt(320, 256, 3), grid(320, 256))
    samples = build(
        load_study(write_project(tmp_path, ["a"], samples=f'split = "{split}"\nstride = 32\nblock_m = 128.0'))
    )
    whole = int(samples.ground(0, Split.TRAINING).sum())
    assert whole == samples.record.audit.labelled_pixels["training"]
    for share in (0.8, 0.5):
        wanted = int(share * whole)
        less = subsample(samples, wanted, seed=3)
        held = np.zeros((320, 256), bool)
        patches = PatchDataset(less, Split.TRAINING)
        for codes, patch in zip(patches.read(list(range(len(patches)))).codes.numpy(), patches.patches, strict=True):
            held[patch.row : patch.row + 64, patch.col : patch.col + 64] |= codes > 0
        number = int(held.sum())
        assert number == wanted
        assert number == int(less.ground(0, Split.TRAINING).sum())
        audit = less.record.audit
        assert number == audit.labelled_pixels["training"] == less.record.split.subsampled_to
        assert sum(audit.labelled_pixels_by_class["training"].values()) == number
        assert [p for p in less.patches if p.split != 1] == [p for p in samples.patches if p.split != 1]
        for part in (Split.VALIDATION, Split.TEST):
            np.testing.assert_array_equal(less.targets(0, part), samples.targets(0, part))
        assert subsample(samples, wanted, seed=3).patches == less.patches
        assert subsample(samples, wanted, seed=4).patches != less.patches
        assert less.record.fingerprint != samples.record.fingerprint
    assert len(samples.patches) > len(less.patches)
    assert subsample(samples, whole, seed=3) is samples
