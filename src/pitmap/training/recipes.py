"""Recipes: named sets of training settings, and what the project file says beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Literal

from pitmap.study.schema import TrainingSection

WIDTH_ON_PROCESSOR = 16
WIDTH_ON_GPU = 64


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained.

    Attributes:
        name: ``robust``, ``transfer`` or ``paper``.
        width: Channels of the first stage.
        epochs: Passes over the training patches at most; 0 derives them from ``steps``.
        steps: Optimiser steps that ``epochs = 0`` aims at, within ``EPOCH_RANGE``.
        batch: Patches a step, over all devices together; 0 takes about ``PIXELS_A_STEP`` pixels, 2 patches at least.
        accumulate: Steps whose gradients are added before the weights change.
        learning_rate: Of Adam, at its highest.
        weight_decay: Decoupled (AdamW); 0 is plain Adam.
        schedule: A name of ``schedule.SCHEDULES``: ``constant``, or ``cosine`` to zero after a warm-up.
        loss: A name of ``losses.LOSSES``: ``cross_entropy``, ``dice_cross_entropy`` or ``focal``.
        class_weights: A name of ``losses.WEIGHTINGS``: ``none``, ``inverse`` frequency, its square ``root``, or
            ``median`` frequency.
        label_smoothing: Share of the target that is spread over all classes.
        augmentation: The eight flips and rotations, and shifts of the patches.
        mixing: Probability that a patch gets a piece of another one.
        jitter: Brightness and contrast a band, in standard deviations.
        own_statistics: Share of an image's own mean and standard deviation in those that its bands are normalised by.
        vary_statistics: In training each patch draws that share anew between 0 and 1; part of the augmentation.
        averaging: Decay of the moving average of the weights that is validated and kept; 0 keeps the last weights.
        early_stopping: Epochs without a better score after which training ends; 0 never.
        monitor: ``loss`` (least) or ``miou`` (highest) on validation ground chooses the epoch.
        precision: ``auto``, ``float32`` or ``bf16``.
    """

    name: str
    width: int
    epochs: int
    steps: int
    batch: int
    accumulate: int
    learning_rate: float
    weight_decay: float
    schedule: str
    loss: str
    class_weights: str
    label_smoothing: float
    augmentation: bool
    jitter: float
    mixing: float
    own_statistics: float
    vary_statistics: bool
    averaging: float
    early_stopping: int
    monitor: Literal["loss", "miou"]
    precision: Literal["auto", "float32", "bf16"]

    def batch_for(self, patch: int) -> int:
        """Patches a step for patches of ``patch`` pixels a side."""
        return self.batch or max(2, round(PIXELS_A_STEP / patch**2))

    def epochs_for(self, batches: int) -> int:
        """Epochs for a number of batches an epoch."""
        if self.epochs:
            return self.epochs
        per_epoch = max(1, batches // self.accumulate)
        return min(max(round(self.steps / per_epoch), EPOCH_RANGE[0]), EPOCH_RANGE[1])

    def steps_for(self, batches: int) -> int:
        """Steps in which the weights change, for a number of batches an epoch."""
        return self.epochs_for(batches) * max(1, batches // self.accumulate)

    def to_json(self) -> dict[str, str | int | float | bool]:
        """Plain values, for the model file."""
        return asdict(self)


EPOCH_RANGE = (15, 300)

PIXELS_A_STEP = 2**17

# Found by experiment on real images with few labels: benchmarks/results, "robust recipe".
_ROBUST = Recipe(
    name="robust", width=0, epochs=0, steps=400, batch=0, accumulate=1, learning_rate=5e-3, weight_decay=0.1,
    schedule="cosine", loss="dice_cross_entropy", class_weights="root", label_smoothing=0.0, augmentation=True,
    jitter=0.0, mixing=1.0, own_statistics=0.0, vary_statistics=False, averaging=0.98, early_stopping=0,
    monitor="loss", precision="auto",
)  # fmt: skip

RECIPES = {
    # Chen et al. (2022), section IV: Adam at 1e-4, cross-entropy, 20 epochs, the epoch of least validation loss. Batch
    # size and augmentation are not stated there; the patch count suggests no augmentation.
    "paper": Recipe(
        name="paper", width=64, epochs=20, steps=0, batch=4, accumulate=1, learning_rate=1e-4, weight_decay=0.0,
        schedule="constant", loss="cross_entropy", class_weights="none", label_smoothing=0.0, augmentation=False,
        jitter=0.0, mixing=0.0, own_statistics=0.0, vary_statistics=False, averaging=0.0, early_stopping=0,
        monitor="loss", precision="float32",
    ),
    "robust": _ROBUST,
    # Found by experiment on dates and ground that were not learnt from: benchmarks/results, "unseen".
    "transfer": replace(_ROBUST, name="transfer", jitter=0.15, own_statistics=0.7, vary_statistics=True),
}  # fmt: skip


def resolve(section: TrainingSection, on_gpu: bool) -> Recipe:
    """The recipe of a project file; each field that the file sets wins over it.

    Steps that the file sets win over the recipe's epochs, too.

    Args:
        section: ``[training]``.
        on_gpu: Decides the default width of ``robust`` and ``transfer``.
    """
    recipe = RECIPES[section.recipe]
    names = [f.name for f in fields(Recipe) if f.name != "name"]
    written = {name: value for name in names if (value := getattr(section, name)) is not None}
    if "steps" in written:
        written.setdefault("epochs", 0)
    recipe = replace(recipe, **written)
    return recipe if recipe.width else replace(recipe, width=WIDTH_ON_GPU if on_gpu else WIDTH_ON_PROCESSOR)
