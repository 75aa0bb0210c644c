"""One step of training: what the network sees, its loss, and how its weights and their average change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from pitmap.networks import build
from pitmap.samples.batches import Batch, target_of
from pitmap.samples.dataset import SampleSet
from pitmap.training.augmentation import augment
from pitmap.training.averaging import MovingAverage
from pitmap.training.batches import Normaliser
from pitmap.training.choices import Course, Training
from pitmap.training.losses import class_weights, loss_of
from pitmap.training.processes import CommonBatchNorm, Share, with_common_statistics
from pitmap.training.recipes import Recipe
from pitmap.training.schedule import schedule_of
from pitmap.training.upsampling import with_product_gradients
from pitmap.training.validation import ValidationFigures, validate


def fresh_network(samples: SampleSet, training: Training) -> nn.Module:
    """The network with the first weights of its seed.

    Raises:
        ProjectError: The network or one of its options does not exist.
    """
    torch.manual_seed(training.seed)
    return build(
        training.network, len(samples.bands), len(samples.legend), training.recipe.width, **training.options
    )  # fmt: skip


class Heads(nn.Module):
    """Logits of all heads of a deeply supervised network, else of the only one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (N, B, H, W) to logits (N, K, H, W)."""
        if getattr(self.network, "deep_supervision", False):
            return list(self.network.side_logits(images))  # type: ignore[operator]
        return [self.network(images)]


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam, or AdamW with weight decay on convolution kernels alone."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    fused = all(p.device.type in ("cpu", "cuda") for p in network.parameters())
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=fused)


class Learner:
    """A network that is trained by a recipe, in one of the processes.

    Args:
        fabric: Knows device, precision and processes.
        samples: The sample set.
        training: What to train.
        course: How long.
        frequencies: Of the classes in the training patches, see ``PatchDataset.class_frequencies``.

    Raises:
        ProjectError: The network, its options, the loss, the weights or the schedule do not exist.
    """

    def __init__(
        self,
        fabric: Fabric,
        samples: SampleSet,
        training: Training,
        course: Course,
        frequencies: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> None:
        recipe = training.recipe
        self.fabric, self.recipe, self.seed, self.course = fabric, recipe, training.seed, course
        self.images, self.share = Normaliser(samples, fabric.device, recipe.own_statistics), Share(fabric)
        self.loss, self.schedule, self.classes = loss_of(recipe.loss), schedule_of(recipe.schedule), len(samples.legend)
        pixels, company = (torch.from_numpy(counts) for counts in frequencies)
        weights = class_weights(pixels, company, recipe.class_weights)
        self.weights = None if weights is None else weights.to(fabric.device)
        network = fresh_network(samples, training)
        network = network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network = with_product_gradients(network, fabric.device)
        self.network = with_common_statistics(network, fabric.device) if fabric.world_size > 1 else network
        self._norms = [m for m in self.network.modules() if isinstance(m, CommonBatchNorm)]
        self.average = MovingAverage(self.network, recipe.averaging) if recipe.averaging else None
        self.heads, self.optimizer = fabric.setup(Heads(self.network), make_optimizer(self.network, recipe))

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and kept: the average of the weights where the recipe has one."""
        return self.network if self.average is None else self.average.network

    def learn(self, batch: Batch, epoch: int, index: int) -> Tensor:
        """Take a batch in, and change the weights if it ends a step.

        Args:
            batch: The whole batch, the same in every process, on the device.
            epoch: From 0 on.
            index: Of the batch in the epoch, from 0 on.

        Returns:
            Its loss, on the device.
        """
        ends_step = self.course.ends_step(index)
        images, target = self._see(batch, epoch, index)
        for norm in self._norms:
            norm.common = self.share.divides(len(images))
        with self.fabric.no_backward_sync(self.heads, enabled=not ends_step):
            heads = [self.share.join(own, len(images)) for own in self.heads(self.share.take(images))]
            losses = [self.loss(logits.float(), target, self.weights, self.recipe.label_smoothing) for logits in heads]
            loss = torch.stack(losses).mean()
            self.fabric.backward(loss * (self.share.factor(len(images)) / self.recipe.accumulate))
        if ends_step:
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate(epoch, index)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            if self.average is not None:
                self.average.update(self.network)
        return loss.detach()

    def learning_rate(self, epoch: int, index: int) -> float:
        """Of the step that a batch belongs to."""
        step = self.course.steps_before(epoch, index)
        return self.recipe.learning_rate * self.schedule(step, self.course.steps)

    def _see(self, batch: Batch, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        """Images and targets; augmentation depends on seed and place alone, so that a training can go on."""
        recipe, codes = self.recipe, batch.codes
        if not recipe.augmentation:
            return self.images(batch), target_of(codes)
        shares = None
        if recipe.vary_statistics:
            shares = np.random.default_rng(seed_of(self.seed, epoch, index, 1)).random(len(batch.scene)).tolist()
        generator = torch.Generator().manual_seed(seed_of(self.seed, epoch, index, 0))
        images = self.images(batch, shares)
        images, codes = augment(images, batch.valid, codes, recipe.jitter, recipe.mixing, generator)
        return images.contiguous(memory_format=torch.channels_last), target_of(codes)

    def validate(self, batches: Iterable[Batch]) -> ValidationFigures:
        """The figures of ``kept`` over the batches of all processes."""
        self.kept.eval()
        with self.fabric.autocast():
            figures = validate(
                self.kept, batches, self.images, self.loss, self.classes, self.fabric.device, self._added
            )  # fmt: skip
        self.kept.train()
        return figures

    def _added(self, own: Tensor) -> Tensor:
        total = self.fabric.all_reduce(own, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total

    def state(self) -> dict[str, Any]:
        """What a training goes on from."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.network.state_dict(),
            "average_steps": 0 if self.average is None else self.average.steps,
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` gave."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.network.load_state_dict(state["average"])
            self.average.steps = state["average_steps"]


def seed_of(*place: int) -> int:
    """A seed for a place in a training, unlike those of other places."""
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1)
