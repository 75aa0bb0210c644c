"""Parts of a recipe that a user brings along, for tests."""

from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pitmap.errors import PitmapError
from pitmap.observer import Observer
from pitmap.samples.batches import PatchDataset
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.training.choices import Course, Training
from pitmap.training.learner import Learner


def hinge(logits: Tensor, target: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Multi-class hinge loss over labelled pixels."""
    labelled = target >= 0
    wanted = logits.gather(1, target.clamp(min=0)[:, None])
    missing = (1 + logits - wanted).clamp(min=0).sum(1) - 1
    return (missing * labelled).sum() / labelled.sum().clamp(min=1)


def rising(pixels: Tensor, company: Tensor) -> Tensor:
    """Weights 1, 2, 3 ..."""
    return torch.arange(1, len(pixels) + 1)


def half(step: int, steps: int) -> float:
    """Half the learning rate."""
    return 0.5


def dropping(bands: int, classes: int, width: int) -> nn.Module:
    """A network with dropout and total stride 1."""
    return nn.Sequential(nn.Conv2d(bands, width, 3, padding=1), nn.Dropout2d(0.5), nn.Conv2d(width, classes, 1))


def first_steps(fabric: Fabric, observer: Observer, samples: SampleSet, training: Training, path: Path) -> None:
    """What a first step of a fresh network gives on 1, 3 and 4 patches: loss, gradients, statistics; then an error."""
    patches = PatchDataset(samples, Split.TRAINING)
    found = {}
    for number in (1, 3, 4):
        course = Course(number, len(patches), 1, 1, 1)
        learner = Learner(fabric, samples, training, course, patches.class_frequencies())
        learner.optimizer.zero_grad = lambda **_: None
        found[f"{number} loss"] = learner.learn(patches.read(list(range(number))), 0, 0)
        found |= {f"{number} {name}": p.grad for name, p in learner.network.named_parameters()}
        found |= {f"{number} {name}": b for name, b in learner.network.named_buffers()}
    observer.say("done")
    if fabric.is_global_zero:
        torch.save(found, path)
    raise PitmapError("Found this.", "Expected that.")
