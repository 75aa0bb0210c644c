from itertools import chain, islice

import numpy as np
import pytest
import torch

from pitmap.networks.normalise import gain_and_bias
from pitmap.samples.batches import Batch, PatchDataset
from pitmap.samples.split import Split
from pitmap.training.batches import BatchReader, EpochOrder, Normaliser, in_order


def test_each_epoch_has_its_own_order_and_every_patch_once():
    order = EpochOrder(10, 4, 3)
    first = list(order)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert len(order) == 3
    order.epoch = 1
    second = list(order)
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert first != second
    order.epoch = 0
    assert list(order) == first
    assert list(EpochOrder(10, 4, 4)) != first


def test_in_order():
    assert in_order(5, 2) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_batches_that_are_read_ahead_are_those_of_the_order(samples, threads):
    patches = PatchDataset(samples, Split.TRAINING)
    order = EpochOrder(len(patches), 2, 0)
    assert len(order) > 4
    reader = BatchReader(patches, order, 2, torch.device("cpu"), threads)
    places = set()
    for epoch in (0, 1):
        order.epoch = epoch
        assert len(list(islice(reader, 1))) == 1  # a pass that is broken off
        passes = 0
        for batch, numbers in zip(reader, order, strict=True):
            for got, expected in zip(batch, patches.read(numbers), strict=True):
                assert torch.equal(got, expected)
            places.add(batch.pixels.data_ptr())
            passes += 1
        assert passes == len(reader) == len(order)
    assert len(places) == threads + 1


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_while_reading_ahead_comes_out(samples, threads):
    patches = PatchDataset(samples, Split.TRAINING)
    reader = BatchReader(patches, [[0], [1], [10**6], [2]], 1, torch.device("cpu"), threads)
    with pytest.raises(IndexError):
        list(reader)


def test_patches_are_normalised_by_the_scaling_of_their_scene(samples):
    patches = PatchDataset(samples, Split.TRAINING)
    batch = patches.read([0, 1])
    seen = Normaliser(samples, torch.device("cpu"), 0.0)(batch)
    scene = samples.scenes[0]
    gain, bias = gain_and_bias(scene.scales, scene.offsets, samples.mean, samples.std)
    pixels = batch.pixels[1].numpy().astype(np.float32)
    expected = pixels * gain.numpy()[:, None, None] + bias.numpy()[:, None, None]
    np.testing.assert_allclose(seen[1].numpy(), np.where(batch.valid[1].numpy(), expected, 0), rtol=1e-5, atol=1e-5)
    assert seen.is_contiguous(memory_format=torch.channels_last)


def test_images_that_are_normalised_by_their_own_statistics_have_mean_0_and_deviation_1(samples):
    seen = Normaliser(samples, torch.device("cpu"), 1.0)
    for number, scene in enumerate(samples.scenes):
        pixels, valid = (torch.from_numpy(np.array(a[number]))[None] for a in (samples.pixels, samples.valid))
        codes = torch.zeros_like(valid, dtype=torch.uint8)
        images = seen(Batch(pixels, valid, codes, torch.tensor([number])))[0][:, valid[0]]
        assert scene.mean is not None
        # The windows that statistics come from overlap, so that they weigh some pixels more than others.
        np.testing.assert_allclose(images.mean(1).numpy(), 0, atol=0.1)
        np.testing.assert_allclose(images.std(1).numpy(), 1, atol=0.1)


def test_patches_of_a_batch_may_take_shares_of_their_own(samples):
    patches = PatchDataset(samples, Split.TRAINING)
    batch = patches.read([0, 1])
    mixed = Normaliser(samples, torch.device("cpu"), 0.5)(batch, [0.0, 1.0])
    for patch, share in enumerate((0.0, 1.0)):
        torch.testing.assert_close(mixed[patch], Normaliser(samples, torch.device("cpu"), share)(batch)[patch])
    assert (mixed[1] - Normaliser(samples, torch.device("cpu"), 0.0)(batch)[1]).abs().max() > 0.01
