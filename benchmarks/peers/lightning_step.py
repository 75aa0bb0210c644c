"""Steps of pitmap's U-Net+ in plain float32 Lightning on TorchGeo's loader.

``lightning_step.py FOLDER PATCH BATCH WIDTH STEPS``, with pitmap's sources on the path. Prints the seconds of each
step, with reading, but for the first one.
"""

import logging
import sys
import time

import lightning
import torch
import torch.nn.functional as F
from torchgeo_loader import loader

from pitmap.networks import build

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
folder, (patch, batch, width, steps) = sys.argv[1], map(int, sys.argv[2:6])


class Segmentation(lightning.LightningModule):
    """As of Lightning's introduction; notes when steps end."""

    def __init__(self):
        super().__init__()
        self.network = build("unetplus", 4, 7, width)
        self.ends = []

    def training_step(self, batch, index):
        """Loss of a batch."""
        images, target = batch["image"] * 1e-4, batch["mask"].squeeze(1).long() - 1
        return F.cross_entropy(self.network(images), target, ignore_index=-1)

    def on_train_batch_end(self, *_):
        """A step ends."""
        self.ends.append(time.perf_counter())

    def configure_optimizers(self):
        """Adam."""
        return torch.optim.Adam(self.parameters(), 1e-3)


module = Segmentation()
trainer = lightning.Trainer(
    accelerator="cpu", max_steps=steps + 1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False,
)  # fmt: skip
trainer.fit(module, loader(folder, patch, batch, 2, (steps + 1) * batch))
print(*(b - a for a, b in zip(module.ends, module.ends[1:], strict=False)))
