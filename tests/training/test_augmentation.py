import pytest
import torch

from pitmap.training.augmentation import augment, dihedral


def test_the_eight_elements_are_distinct_and_keep_neighbours():
    x = torch.arange(16).view(4, 4)
    results = list(dihedral(x.expand(8, 4, 4), torch.arange(8)))
    assert len({tuple(r.flatten().tolist()) for r in results}) == 8
    torch.testing.assert_close(results[0], x)
    torch.testing.assert_close(results[1], torch.rot90(x))
    torch.testing.assert_close(results[4], x.flip(1))
    for element, result in enumerate(results):
        turned = torch.rot90(x, element % 4)
        torch.testing.assert_close(result, turned.flip(1) if element >= 4 else turned)
    for result in results:
        sides = [(result[:, 1:] - result[:, :-1]).abs(), (result[1:] - result[:-1]).abs()]
        assert sorted(s.unique().item() for s in sides) == [1, 4]


def test_labels_move_with_the_image():
    target = torch.randint(-1, 5, (6, 32, 32))
    images = torch.stack([target.float()] * 3, dim=1)
    moved, labels = augment(images, target > -2, target, 0.0, 0.0, torch.Generator().manual_seed(0))
    codes = (target + 1).to(torch.uint8)
    _, moved_codes = augment(images, target > -2, codes, 0.0, 0.0, torch.Generator().manual_seed(0))
    assert moved_codes.dtype == torch.uint8
    torch.testing.assert_close(moved_codes.long() - 1, labels)
    for band in range(3):
        torch.testing.assert_close(moved[:, band], labels.float())
    assert not torch.equal(labels, target)


def test_jitter_is_affine_per_band_and_leaves_invalid_pixels_at_zero():
    images = torch.randn(4, 3, 16, 16)
    valid = torch.rand(4, 16, 16) > 0.2
    images = images * valid[:, None]
    target = torch.zeros(4, 16, 16, dtype=torch.int64)
    moved, _ = augment(images, valid, target, 0.3, 0.0, torch.Generator().manual_seed(1))
    plain, _ = augment(images, valid, target, 0.0, 0.0, torch.Generator().manual_seed(1))
    assert (moved[plain == 0] == 0).all()
    for i in range(4):
        for band in range(3):
            inside = plain[i, band] != 0
            x, y = plain[i, band][inside], moved[i, band][inside]
            gain = (y.max() - y.min()) / (x.max() - x.min())
            offset = (y - gain * x).mean()
            torch.testing.assert_close(y, gain * x + offset, atol=1e-4, rtol=1e-4)
            assert float(gain) > 0
            assert float(gain) != pytest.approx(1, abs=1e-6)


def test_chance_comes_from_the_generator_alone():
    images, target = torch.randn(4, 3, 16, 16), torch.zeros(4, 16, 16, dtype=torch.int64)
    valid = torch.ones(4, 16, 16, dtype=torch.bool)
    first = augment(images, valid, target, 0.2, 0.5, torch.Generator().manual_seed(3))[0]
    torch.manual_seed(0)
    second = augment(images, valid, target, 0.2, 0.5, torch.Generator().manual_seed(3))[0]
    assert torch.equal(first, second)


def test_mixed_pieces_bring_their_labels_along():
    target = torch.arange(4)[:, None, None].expand(4, 32, 32).contiguous()
    images = target[:, None].float().expand(4, 2, 32, 32).contiguous()
    valid = torch.ones(4, 32, 32, dtype=torch.bool)
    moved, labels = augment(images, valid, target, 0.0, 1.0, torch.Generator().manual_seed(0))
    for i in range(4):
        torch.testing.assert_close(moved[i, 0], labels[i].float())
        share = float((labels[i] == (i + 1) % 4).float().mean())
        assert set(labels[i].unique().tolist()) == {i, (i + 1) % 4}
        assert 0.06 <= share <= 0.57
    untouched, _ = augment(images, valid, target, 0.0, 0.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(untouched, images)
