"""Networks learn four patches by heart, which they can only if every layer is wired as it should be.

The images are noise, so nothing helps but memory; the labels are constant on cells of 8 x 8 pixels, because FCN-8s
cannot draw finer.
"""

import pytest
import torch
import torch.nn.functional as F

from pitmap.networks.registry import BUILT_IN, build, variants

CLASSES = 4
SLOW = {"segnet", "resunet", "unetplusplus"}
OTHERS = [(name, variant) for name in BUILT_IN for variant in list(variants(name))[1:]]


def four_patches():
    """Images (4, 3, 64, 64) and targets (4, 64, 64)."""
    generator = torch.Generator().manual_seed(5)
    cells = torch.randint(0, CLASSES, (4, 8, 8), generator=generator)
    return torch.randn(4, 3, 64, 64, generator=generator), cells.repeat_interleave(8, 1).repeat_interleave(8, 2)


def train(network, steps, *, bfloat16=False, until=2.0):
    """Loss and share of right pixels at the last step, or at the first with more than ``until``."""
    images, target = four_patches()
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    loss, right = torch.tensor(torch.inf), 0.0
    for _ in range(steps):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), target)
        right = (logits.argmax(dim=1) == target).float().mean().item()
        if right > until:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item(), right


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.verify] if n in SLOW else []) for n in BUILT_IN])
def test_four_patches_are_learnt_by_heart(name):
    torch.manual_seed(0)
    _, right = train(build(name, 3, CLASSES, 8), steps=300, until=0.99)
    assert right > 0.99


@pytest.mark.verify
@pytest.mark.parametrize(("name", "variant"), OTHERS)
def test_variants_learn_four_patches_by_heart(name, variant):
    torch.manual_seed(0)
    _, right = train(build(name, 3, CLASSES, 8, variant=variant), steps=300, until=0.99)
    assert right > 0.99


@pytest.mark.verify
@pytest.mark.parametrize("name", [n for n in BUILT_IN if n != "segnet"])  # too slow: it has no skips
def test_without_batch_normalisation_they_learn_too(name):
    torch.manual_seed(0)
    _, right = train(build(name, 3, CLASSES, 16, batch_norm=False), steps=600, until=0.99)
    assert right > 0.99


@pytest.mark.verify
@pytest.mark.parametrize("name", BUILT_IN)
def test_bfloat16_ends_at_the_same_loss(name):
    losses = []
    for bfloat16 in (False, True):
        torch.manual_seed(0)
        losses.append(train(build(name, 3, CLASSES, 8), steps=60, bfloat16=bfloat16)[0])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
