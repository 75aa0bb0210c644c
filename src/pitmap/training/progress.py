"""Lightning's calls on a callback as an observer hears them."""

from __future__ import annotations

from typing import Any

import lightning

from pitmap.observer import Epoch, Observer


class Told(lightning.Callback):
    """Tells an observer of steps and epochs.

    Args:
        observer: Hears of them.
    """

    def __init__(self, observer: Observer) -> None:
        self.observer = observer

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on by a step."""
        assert trainer.max_epochs is not None
        batches = int(trainer.num_training_batches)
        done = trainer.current_epoch * batches + batch_idx + 1
        self.observer.progress("training", done / (trainer.max_epochs * batches))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Tell of an epoch."""
        assert trainer.max_epochs is not None
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.observer.epoch(
            Epoch(
                trainer.current_epoch + 1, trainer.max_epochs, figures.get("loss_epoch", float("nan")),
                figures.get("validation_loss"), figures.get("validation_miou"),
            )
        )  # fmt: skip
