"""A progress bar for training: epoch, loss, validation mIoU, time left."""

from __future__ import annotations

from typing import Any

import lightning
from rich.progress import Progress, TaskID


class TrainingBar(lightning.Callback):
    """Shows the training on a rich progress bar.

    Args:
        progress: The bar, already running.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._task: TaskID | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin at the epoch that training resumes from."""
        assert trainer.max_epochs is not None
        total = trainer.max_epochs * int(trainer.num_training_batches)
        done = trainer.current_epoch * int(trainer.num_training_batches)
        self._task = self.progress.add_task("training", total=total, completed=done)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on by a step."""
        if self._task is None:
            return
        figures = trainer.callback_metrics
        text = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  loss {float(figures.get('loss_step', 0)):.3f}"
        if "validation_miou" in figures:
            text += f"  validation mIoU {float(figures['validation_miou']):.3f}"
        self.progress.update(self._task, advance=1, description=text)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Fill the bar."""
        if self._task is not None:
            self.progress.update(self._task, completed=self.progress.tasks[self._task].total)
