import pytest
import torch
from torch import nn

from pitmap.samples.batches import Batch
from pitmap.training.losses import cross_entropy
from pitmap.training.validation import validate


def test_figures_by_hand():
    """Two batches of a row of pixels whose logits are given: three classes, of which the last one is nowhere."""
    sure = 10.0 * torch.eye(3)
    first = Batch(sure[[0, 0, 1, 0]].T[None, :, None], torch.ones(1, 1, 4, dtype=bool), torch.tensor([[[1, 2, 2, 0]]]),
                  torch.zeros(1))  # fmt: skip
    second = Batch(sure[[1, 0]].T[None, :, None], torch.ones(1, 1, 2, dtype=bool), torch.tensor([[[2, 0]]]),
                   torch.zeros(1))  # fmt: skip
    empty = second._replace(codes=torch.zeros_like(second.codes))
    given = [first, second, empty]
    figures = validate(nn.Identity(), given, lambda b: b.pixels, cross_entropy, 3, torch.device("cpu"))
    # Labelled: 1 as 1, 2 as 1, 2 as 2; 2 as 2. IoU 1/2 and 2/3.
    assert figures.accuracy == pytest.approx(3 / 4)
    assert figures.miou == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert figures.loss == pytest.approx(10 / 4, abs=1e-3)


def test_without_labels_nothing_is_undefined():
    batch = Batch(torch.zeros(1, 3, 2, 2), torch.ones(1, 2, 2, dtype=bool), torch.zeros(1, 2, 2, dtype=torch.uint8),
                  torch.zeros(1))  # fmt: skip
    for given in ([batch], []):
        figures = validate(nn.Identity(), given, lambda b: b.pixels, cross_entropy, 3, torch.device("cpu"))
        assert figures == (0, 0, 0)
