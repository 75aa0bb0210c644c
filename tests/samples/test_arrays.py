"""Arrays on disk, read and written by windows."""

import numpy as np
import pytest

from pitmap.grid import Window, blocks
from pitmap.samples import arrays
from pitmap.samples.arrays import DiskArray, create_array


@pytest.mark.parametrize(
    ("shape", "dtype"), [((70, 45), np.uint8), ((3, 70, 45), np.uint16), ((2, 70, 45), np.float32)]
)
@pytest.mark.parametrize(("few", "longest"), [(2**22, 2**26), (0, 200)])
def test_windows_are_those_of_the_whole_array(tmp_path, monkeypatch, shape, dtype, few, longest):
    monkeypatch.setattr(arrays, "FEW_BYTES", few)
    monkeypatch.setattr(arrays, "LONGEST_PIECE", longest)
    whole = np.random.default_rng(0).integers(0, 250, shape).astype(dtype)
    path = tmp_path / "folder" / "a.npy"
    with create_array(path, shape, dtype) as array:
        assert not path.exists()
        for window in blocks((70, 45), 32):
            array.write(window, whole[..., window.slices[0], window.slices[1]])
    np.testing.assert_array_equal(np.load(path), whole)
    np.testing.assert_array_equal(DiskArray(path).read(Window(5, 0, 60, 45)), whole[..., 5:65, :])
    found = DiskArray(path).read(Window(31, 7, 20, 30))
    np.testing.assert_array_equal(found, whole[..., 31:51, 7:37])
    found[:] = 0  # a copy
    np.testing.assert_array_equal(DiskArray(path).mapped(), whole)


def test_an_array_that_was_not_finished_is_not_there(tmp_path):
    with pytest.raises(ZeroDivisionError), create_array(tmp_path / "a.npy", (4, 4), np.uint8):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
