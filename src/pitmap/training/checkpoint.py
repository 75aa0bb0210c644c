"""Where a training stands after a validated epoch, kept in one file that is complete or absent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pitmap.files import replacing
from pitmap.stored import shortened
from pitmap.training.choices import Precision
from pitmap.training.recipes import Recipe


@dataclass
class Standing:
    """Where a training stands.

    Attributes:
        precision: In which it is trained.
        epoch: How many epochs are done.
        history: Figures of the validated epochs.
        seconds: Seconds of training that had passed at each of them.
        best_epoch: The best of them, from 1 on.
        best: Its tensors.
        state: What the learner goes on from.
    """

    precision: Precision | None = None
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Standing:
        """The standing of a checkpoint; that of the beginning where there is none."""
        return cls(**torch.load(path, map_location="cpu", weights_only=True, mmap=True)) if path.exists() else cls()

    def write(self, path: Path) -> None:
        """Write a checkpoint, which cannot run code.

        Raises:
            OutputError: The disk is full or not writable.
        """
        with replacing(path) as temporary:
            try:
                torch.save(vars(self), temporary)
            except RuntimeError as error:  # how PyTorch tells of a full disk
                raise OSError(shortened(str(error))) from error

    def note(self, figures: dict[str, float], seconds: float, kept: nn.Module, recipe: Recipe) -> None:
        """Add a validated epoch, and keep its tensors if it is the best so far."""
        best = next((row for row in self.history if row["epoch"] == self.best_epoch), None)
        self.epoch = round(figures["epoch"])
        self.history.append(figures)
        self.seconds.append(seconds)
        if best is None or rank(figures, recipe) > rank(best, recipe):
            self.best_epoch = self.epoch
            # Copies, as the weights go on changing.
            self.best = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in kept.state_dict().items()}

    def is_complete(self, recipe: Recipe) -> bool:
        """Whether the last epochs were no better for as long as the recipe waits."""
        return 0 < recipe.early_stopping <= self.epoch - self.best_epoch


def rank(figures: dict[str, float], recipe: Recipe) -> tuple[float, float]:
    """Larger is better: by loss, ties to the higher accuracy, or by mIoU, ties to the lower loss."""
    if recipe.monitor == "loss":
        return -figures["validation_loss"], figures["validation_accuracy"]
    return figures["validation_miou"], -figures["validation_loss"]
