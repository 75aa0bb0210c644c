"""Code that the pages give to be copied does what they say."""

import re
import sys
import types

import pytest
import torch

from docs.make_pages import DOCS
from pitmap.training.losses import class_weights

(SOURCE,) = re.findall(
    r"^```python\n# my_parts.py\n(.*?)^```$", (DOCS / "researcher.md").read_text(), re.DOTALL | re.MULTILINE
)


@pytest.fixture
def parts(monkeypatch):
    module = types.ModuleType("my_parts")
    exec(compile(SOURCE, "my_parts.py", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "my_parts", module)
    return module


def test_the_loss_prefers_what_is_right_and_leaves_unlabelled_ground_alone(parts):
    target = torch.tensor([[[0, 1], [2, -1]]])
    right = 20 * torch.nn.functional.one_hot(target.clamp(min=0), 3).movedim(-1, 1).float()
    assert parts.tversky(right, target) == pytest.approx(0, abs=1e-3)
    # Of class 0 and 1 a pixel each is exchanged: with 1 added, (0 + 1) / (0 + 0.7 + 0.3 + 1) = 1/2 for both.
    swapped = right[:, [1, 0, 2]]
    assert parts.tversky(swapped, target) == pytest.approx(1 - (0.5 + 0.5 + 1) / 3, abs=1e-3)
    moved = right.clone()
    moved[..., 1, 1] = torch.tensor([-5.0, 5.0, 0.0])[None]
    assert parts.tversky(moved, target) == parts.tversky(right, target)
    nothing = right.clone().requires_grad_()
    loss = parts.tversky(nothing, torch.full_like(target, -1))
    loss.backward()
    assert loss == 0
    assert not nothing.grad.any()


def test_the_weights_are_those_of_effective_numbers(parts):
    pixels = torch.tensor([1_000.0, 1_000_000.0, 0.0])
    weights = class_weights(pixels, pixels, "my_parts:effective_number")
    effective = [(1 - 0.99999**n) / (1 - 0.99999) for n in (1_000, 1_000_000)]
    assert weights[0] / weights[1] == pytest.approx(effective[1] / effective[0], rel=1e-4)
    assert weights[2] == 0


def test_the_schedule_falls_in_the_last_third(parts):
    assert [parts.in_steps(step, 9) for step in range(9)] == [1.0] * 6 + [0.1] * 3
