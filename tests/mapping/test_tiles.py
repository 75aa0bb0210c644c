import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitmap.errors import ModelError
from pitmap.mapping.tiles import TilePlan, batches_of, round_up

plans = st.builds(
    lambda shape, stride, halo, room: TilePlan(shape, stride, halo, 2 * round_up(halo, stride) + stride + room),
    st.tuples(st.integers(1, 300), st.integers(1, 40)),
    st.sampled_from([1, 2, 8, 16, 32]),
    st.integers(0, 100),
    st.integers(8, 100),
)


@given(plans)
def test_every_pixel_is_kept_exactly_once(plan: TilePlan):
    count = np.zeros(plan.shape, np.uint8)
    for tile in plan.tiles():
        assert tile.keep.height > 0
        assert tile.keep.width > 0
        count[tile.keep.slices] += 1
    assert (count == 1).all()


@given(plans)
def test_tiles_are_aligned_equal_and_hold_their_halo(plan: TilePlan):
    tiles = plan.tiles()
    assert len({(t.read.height, t.read.width) for t in tiles}) == 1
    for read, keep in tiles:
        for axis in (0, 1):
            start, length = read[axis], read[axis + 2]
            first, end = keep[axis], keep[axis] + keep[axis + 2]
            assert start % plan.stride == 0
            assert length % plan.stride == 0
            assert length <= max(plan.tile, plan.stride)
            assert start >= 0
            assert start + length <= plan.padded[axis]
            assert first - start >= plan.halo or start == first == 0
            assert start + length - end >= plan.halo or (
                end == plan.shape[axis] and start + length == plan.padded[axis]
            )
            assert first % plan.stride == 0
            assert end % plan.stride == 0 or end == plan.shape[axis]


@given(plans, st.integers(1, 5))
def test_a_batch_keeps_the_same_of_all_its_tiles(plan: TilePlan, size: int):
    tiles = plan.tiles()
    batches = batches_of(tiles, size)
    assert [tile for batch in batches for tile in batch] == tiles
    assert max(map(len, batches)) <= size
    assert all(len({str(tile.kept) for tile in batch}) == 1 for batch in batches)


@pytest.mark.parametrize(("side", "count"), [(1, 1), (15, 1), (255, 1), (256, 1), (257, 4), (320, 4), (321, 9)])
def test_scenes_about_the_size_of_a_tile(side: int, count: int):
    plan = TilePlan((side, side), 16, 96, 256)
    tiles = plan.tiles()
    assert len(tiles) == count
    assert tiles[-1].keep.row + tiles[-1].keep.height == side


def test_tiles_are_evened_out():
    # 1100 pixels need two tiles of at most 1024: two of 656, not one of 1024 and a sliver.
    assert [t.read.height for t in TilePlan((1100, 10), 16, 96, 1024).tiles()] == [656, 656]


def test_a_tile_of_nothing_but_halo_is_refused():
    with pytest.raises(ModelError, match="At least 208 pixels"):
        TilePlan((1000, 1000), 16, 96, 192)
    assert len(TilePlan((192, 192), 16, 96, 192).tiles()) == 1
