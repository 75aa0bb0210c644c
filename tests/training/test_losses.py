import pytest
import torch
import torch.nn.functional as F

from pitmap.errors import ProjectError
from pitmap.training.losses import LOSSES, class_weights, cross_entropy, dice, dice_cross_entropy, focal, loss_of


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 8, 8, generator=generator, dtype=torch.float64)
    target = torch.randint(-1, 4, (2, 8, 8), generator=generator)
    return logits, target


def test_cross_entropy_is_the_mean_over_labelled_pixels(case):
    logits, target = case
    torch.testing.assert_close(cross_entropy(logits, target), F.cross_entropy(logits, target, ignore_index=-1))
    weights = torch.tensor([0.1, 1.0, 2.0, 0.9], dtype=torch.float64)
    expected = F.cross_entropy(logits, target, weights, ignore_index=-1)
    torch.testing.assert_close(cross_entropy(logits, target, weights), expected)


def test_focal_with_gamma_0_is_cross_entropy(case):
    logits, target = case
    torch.testing.assert_close(focal(logits, target, gamma=0.0), cross_entropy(logits, target))
    assert focal(logits, target) < cross_entropy(logits, target)


def test_focal_by_hand():
    logits = torch.log(torch.tensor([0.8, 0.2])).view(1, 2, 1, 1)
    target = torch.zeros((1, 1, 1), dtype=torch.int64)
    assert float(focal(logits, target)) == pytest.approx(-(0.2**2) * torch.log(torch.tensor(0.8)).item(), rel=1e-5)


def test_dice_by_hand():
    probabilities = torch.tensor([[0.9, 0.4], [0.1, 0.6]])  # class, pixel
    logits = probabilities.log().view(1, 2, 1, 2)
    target = torch.tensor([[[0, 1]]])
    first = 1 - (2 * 0.9 + 1) / (1.3 + 1 + 1)
    second = 1 - (2 * 0.6 + 1) / (0.7 + 1 + 1)
    assert float(dice(logits, target)) == pytest.approx((first + second) / 2, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 1.5, 1.0], dtype=torch.float64)])
def test_both_together_are_their_sum_with_its_gradient(case, weights, smoothing):
    logits, target = case
    one, two = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    together = dice_cross_entropy(one, target, weights, smoothing)
    apart = cross_entropy(two, target, weights, smoothing) + dice(two, target)
    torch.testing.assert_close(together, apart)
    together.backward(), apart.backward()
    torch.testing.assert_close(one.grad, two.grad)


@pytest.mark.parametrize("kind", LOSSES)
def test_ignored_pixels_have_no_gradient_and_no_influence(case, kind):
    logits, target = case
    logits = logits.clone().requires_grad_()
    weights = torch.tensor([0.5, 1.0, 1.5, 1.0], dtype=torch.float64)

    def loss(logits, target):
        return loss_of(kind)(logits, target, weights, 0.1)

    loss(logits, target).backward()
    ignored = (target == -1)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).any()
    other = torch.where(ignored, torch.full_like(logits, 7.0), logits.detach())
    torch.testing.assert_close(loss(other, target), loss(logits.detach(), target))


@pytest.mark.parametrize("kind", LOSSES)
def test_a_batch_without_labels_gives_zero_and_no_nan(kind):
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = loss_of(kind)(logits, torch.full((1, 4, 4), -1), None, 0.0)
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_smoothing_counts_in_every_loss(case):
    logits, target = case
    for name, loss in LOSSES.items():
        assert loss(logits, target, None, 0.2) != loss(logits, target, None, 0.0), name


def test_a_loss_and_weights_of_ones_own_are_found_by_their_address(case):
    logits, target = case
    assert loss_of("training.own_parts:hinge")(logits, target, None, 0.0) > 0
    pixels = torch.tensor([100, 10, 0, 1])
    torch.testing.assert_close(
        class_weights(pixels, pixels, "training.own_parts:rising"), torch.tensor([3 / 7, 6 / 7, 0.0, 12 / 7])
    )
    with pytest.raises(ProjectError, match="no loss 'dise'"):
        loss_of("dise")
    with pytest.raises(ProjectError, match="no weighting of classes 'invers'"):
        class_weights(pixels, pixels, "invers")


def test_absent_classes_do_not_enter_dice(case):
    logits, target = case
    only_two = torch.where(target > 1, -1, target)
    more = torch.cat([logits, torch.full_like(logits[:, :1], -1e9)], dim=1)
    torch.testing.assert_close(dice(logits, only_two), dice(more, only_two))


def test_class_weights():
    pixels, company = torch.tensor([100, 10, 0, 1]), torch.tensor([111, 20, 0, 100])
    inverse = class_weights(pixels, company, "inverse")
    assert inverse[2] == 0
    torch.testing.assert_close(inverse[1] / inverse[0], torch.tensor(10.0))
    assert float(inverse[inverse > 0].mean()) == pytest.approx(1)
    root = class_weights(pixels, company, "root")
    torch.testing.assert_close((root[1] / root[0]) ** 2, torch.tensor(10.0))
    # By hand: frequencies 100/111, 10/20 and 1/100 in the patches where the classes occur.
    median = class_weights(pixels, company, "median")
    by_hand = torch.tensor([1.11, 2.0, 0.0, 100.0])
    torch.testing.assert_close(median, by_hand / by_hand[by_hand > 0].mean())
    assert class_weights(pixels, company, "none") is None


def test_kornia_agrees_on_dice():
    kornia = pytest.importorskip("kornia.losses")
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 3, 16, 16, generator=generator)
    target = torch.randint(0, 3, (1, 16, 16), generator=generator)
    expected = kornia.dice_loss(logits, target, average="macro", eps=0.0)
    # Ours adds 1 to both sides of the ratio, which large classes do not feel.
    assert float(dice(logits, target)) == pytest.approx(float(expected), abs=5e-3)
