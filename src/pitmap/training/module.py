"""The training and validation steps, for Lightning's loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.samples.dataset import Batch
from pitmap.training.augmentation import augment
from pitmap.training.losses import IGNORED, class_weights, make_loss
from pitmap.training.recipes import Recipe

WARM_UP = 0.05
"""Share of the steps over which the learning rate rises under the cosine schedule."""


def moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """An exponential moving average for ``AveragedModel`` whose memory grows with the steps done, up to ``decay``.

    Without the growth a short training would keep its first weights: decay = min(decay, (1 + n) / (10 + n)).
    """

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], done: Tensor | int) -> None:
        n = int(done)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new, weight)
            else:
                old.copy_(new)

    return update


class Segmentation(lightning.LightningModule):
    """A network with a recipe.

    Args:
        network: From (N, B, H, W) normalised images to (N, K, H, W) logits.
        recipe: How it is trained.
        mean: Of each band over the training ground.
        std: Likewise.
        class_pixels: Labelled pixels of each class in the training patches.
        class_company: Labelled pixels of the training patches in which each class occurs.
        total_steps: Optimiser steps of the whole training.
        seed: Of the augmentation.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        mean: NDArray,
        std: NDArray,
        class_pixels: NDArray,
        class_company: NDArray,
        total_steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.averaged = (
            AveragedModel(network, multi_avg_fn=moving_average(recipe.averaging), use_buffers=True)
            if recipe.averaging
            else None
        )
        self.recipe, self.mean, self.std = recipe, mean, std
        self.total_steps, self.seed = total_steps, seed
        weights = class_weights(torch.from_numpy(class_pixels), torch.from_numpy(class_company), recipe.class_weights)
        self.register_buffer("weights", weights, persistent=False)
        self.counts = torch.zeros((len(class_pixels), len(class_pixels)), dtype=torch.int64)
        self.sums = torch.zeros(2, dtype=torch.float64)

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and kept: the average of the weights where the recipe has one."""
        return self.network if self.averaged is None else self.averaged.module

    def images(self, batch: Batch) -> Tensor:
        """Normalised images of a batch, (N, B, H, W) float32, channels last."""
        normalised = []
        for i in range(len(batch.pixels)):
            gain, bias = gain_and_bias(batch.scale[i].numpy(), batch.offset[i].numpy(), self.mean, self.std)
            pixels, valid = batch.pixels[i : i + 1], batch.valid[i : i + 1]
            normalised.append(normalise(pixels, valid, gain.to(pixels.device), bias.to(pixels.device)))
        return torch.cat(normalised).contiguous(memory_format=torch.channels_last)

    def heads(self, images: Tensor) -> list[Tensor]:
        """Logits of all heads of a deeply supervised network, else of the only one."""
        if getattr(self.network, "deep_supervision", False):
            return list(self.network.side_logits(images))  # type: ignore[operator]
        return [self.network(images)]

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The recipe's loss, in float32 whatever the precision of the network."""
        weights = self.weights if isinstance(self.weights, Tensor) else None
        return make_loss(self.recipe.loss, weights, self.recipe.label_smoothing)(logits.float(), target)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Lightning's hook."""
        return batch.to(device)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Loss of a batch; augmentation depends on seed, epoch and place in the epoch alone, so training can resume."""
        images, target = self.images(batch), batch.target
        if self.recipe.augmentation:
            place = (self.seed, self.current_epoch, index, self.global_rank)
            generator = torch.Generator().manual_seed(
                int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1)
            )
            images, target = augment(images, batch.valid, target, self.recipe.jitter, self.recipe.mixing, generator)
            images = images.contiguous(memory_format=torch.channels_last)
        loss = torch.stack([self.loss(logits, target) for logits in self.heads(images)]).mean()
        self.log("loss", loss, on_step=True, on_epoch=True, batch_size=len(images), sync_dist=True)
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """One step, after which the average of the weights moves."""
        super().optimizer_step(*args, **kwargs)
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation's counts."""
        self.counts.zero_()
        self.sums.zero_()

    def validation_step(self, batch: Batch, index: int) -> None:
        """Count agreement over labelled pixels, pooled over all patches, rows = map."""
        logits = self.kept(self.images(batch))
        labelled = batch.target != IGNORED
        number = int(labelled.sum())
        if number:
            loss = make_loss(self.recipe.loss, None, 0.0)(logits.float(), batch.target)
            self.sums += torch.tensor([float(loss) * number, number], dtype=torch.float64)
            k = len(self.counts)
            cells = logits.argmax(dim=1)[labelled] * k + batch.target[labelled]
            self.counts += torch.bincount(cells.cpu(), minlength=k * k).view(k, k)

    def on_validation_epoch_end(self) -> None:
        """Log validation loss, mean IoU over the classes present, and overall accuracy."""
        counts = self.trainer.strategy.reduce(self.counts.to(self.device), reduce_op="sum").double().cpu()
        sums = self.trainer.strategy.reduce(self.sums.float().to(self.device), reduce_op="sum").double().cpu()
        agreed, union = counts.diagonal(), counts.sum(0) + counts.sum(1) - counts.diagonal()
        present = union > 0
        miou = (agreed[present] / union[present]).mean() if present.any() else torch.tensor(0.0)
        total = counts.sum().clamp(min=1)
        self.log_dict(
            {
                "validation_loss": (sums[0] / sums[1].clamp(min=1)).float(),
                "validation_miou": miou.float(),
                "validation_accuracy": (agreed.sum() / total).float(),
            }
        )

    def configure_optimizers(self) -> Any:
        """Adam, or AdamW with weight decay on convolution kernels; cosine or constant learning rate a step."""
        recipe = self.recipe
        kernels = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        if recipe.schedule == "constant":
            return {"optimizer": optimizer}
        warm_up = max(1, round(WARM_UP * self.total_steps))

        def factor(step: int) -> float:
            if step < warm_up:
                return (step + 1) / warm_up
            done = min(1.0, (step - warm_up) / max(1, self.total_steps - warm_up))
            return 0.5 * (1 + math.cos(math.pi * done))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
