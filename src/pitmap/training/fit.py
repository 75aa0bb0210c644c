"""Training a network on a sample set: choices first, then epochs that can be interrupted, then the model file."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
import torch.distributed
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, Sampler

from pitmap import __version__
from pitmap.errors import LabelError, ModelError, PitmapError
from pitmap.files import make_folder, replacing, write_json
from pitmap.networks import build
from pitmap.networks.model_file import ModelCard, read_card, save_model
from pitmap.samples.dataset import Batch, PatchDataset, SampleSet
from pitmap.samples.split import Split
from pitmap.study.schema import TrainingSection
from pitmap.training.calibration import ValidationChecks, check_on_validation
from pitmap.training.curves import draw_curves, write_curves
from pitmap.training.module import Segmentation
from pitmap.training.recipes import Recipe, resolve

VALIDATIONS = 40
"""A training of many short epochs is validated about this often."""

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """A training to be done.

    Attributes:
        network: Name of the network.
        options: Its options, without width.
        recipe: How it is trained.
        seed: Of weights, order and augmentation.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: Number of GPUs.
        workers: Processes that read patches.
    """

    network: str
    options: dict[str, Any]
    recipe: Recipe
    seed: int
    device: str = "auto"
    devices: int = 1
    workers: int = 0

    @classmethod
    def of(cls, section: TrainingSection, seed: int, network: str | None = None) -> Training:
        """The training that a project file describes.

        Args:
            section: ``[training]``.
            seed: See ``Training``.
            network: Wins over the section's; its options are then the network's defaults.
        """
        device = _device(section.device)
        name = network or section.network
        options = section.options if name == section.network else {}
        return cls(name, options, resolve(section, device != "cpu"), seed, device, section.devices, section.workers)


class EpochOrder(Sampler[int]):
    """All patches in an order that depends on seed and epoch alone; each process of several takes its share."""

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning's hook."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        rank, world = _rank_and_world()
        padded = np.concatenate([order, order[: -self.length % world]])
        return iter(padded[rank::world].tolist())

    def __len__(self) -> int:
        return -(-self.length // _rank_and_world()[1])


def _rank_and_world() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def train(
    samples: SampleSet,
    training: Training,
    model_path: Path,
    *,
    announce: Announce = lambda text: None,
    callbacks: list[lightning.Callback] | None = None,
) -> ModelCard:
    """Train a network and write the best epoch's model, its curves (CSV) and their picture (PNG) beside it.

    A training that was interrupted goes on at the last validated epoch and ends with the same tensors as one that was
    not; a model that is up to date is left as it is.

    Args:
        samples: The sample set.
        training: What to train.
        model_path: Ends in ``.safetensors``.
        announce: Called with sentences for the user: choices, and the time it will take.
        callbacks: For Lightning's trainer, such as a progress bar.

    Returns:
        The card of the model.

    Raises:
        LabelError: A split has no patches.
        ProjectError: The network or its options do not exist.
        OutputError: The model cannot be written.
    """
    key = _key(samples, training)
    if (current := _current(model_path, key)) is not None:
        announce(f"{model_path.name} is up to date.")
        return current
    make_folder(model_path.parent)
    work = model_path.parent / f".{model_path.stem}.training"
    if not _belongs(work, key):
        shutil.rmtree(work, ignore_errors=True)
        make_folder(work)
        write_json(work / "key.json", key)

    train_set, validation_set = (PatchDataset(samples, s) for s in (Split.TRAINING, Split.VALIDATION))
    for patches in (train_set, validation_set):
        if not len(patches):
            raise LabelError(f"The sample set has no patch for {patches.split.label}.", remedy="Sample again.")
    recipe = training.recipe
    batch = recipe.batch_for(samples.patch)
    loader = _loader(train_set, batch, EpochOrder(len(train_set), training.seed), training)
    validation_loader = _loader(validation_set, batch, None, training)
    epochs = recipe.epochs_for(len(loader))
    every = max(1, round(epochs / VALIDATIONS)) if not recipe.epochs else 1
    epochs = -(-epochs // every) * every
    total_steps = epochs * -(-len(loader) // recipe.accumulate)

    torch.manual_seed(training.seed)
    network = build(training.network, len(samples.bands), len(samples.legend), recipe.width, **training.options)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frequencies = train_set.class_frequencies()
    module = Segmentation(network, recipe, samples.mean, samples.std, *frequencies, total_steps, training.seed)
    device = torch.device(training.device)
    precision = _choose_precision(work, module, train_set, device, len(loader) * epochs, announce)

    journal = Journal(work, every, recipe)
    with warnings.catch_warnings(), _quiet_lightning():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[device.type],
            devices=training.devices if device.type == "cuda" else 1,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            accumulate_grad_batches=recipe.accumulate,
            check_val_every_n_epoch=every,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
            use_distributed_sampler=False,
            callbacks=[journal, *(callbacks or [])],
        )
        last = work / "last.ckpt"
        if last.exists():
            announce(f"Going on after an interruption ({last}).")
        trainer.fit(module, loader, validation_loader, ckpt_path=last if last.exists() else None, weights_only=True)
    best = load_file(work / "best.safetensors")
    network.load_state_dict(best)
    network.eval().to(device)
    checks = check_on_validation(module, network, validation_loader, device)
    card = _card(samples, training, journal, precision, epochs, key, checks)
    network.to("cpu", memory_format=torch.contiguous_format)
    write_curves(model_path.with_suffix(".csv"), journal.history)
    draw_curves(model_path.with_suffix(".png"), journal.history, journal.best_epoch)
    save_model(model_path, network, card)
    shutil.rmtree(work, ignore_errors=True)
    return read_card(model_path)


class Journal(lightning.Callback):
    """Keeps the history, the best epoch's tensors and a checkpoint to resume from, after each validated epoch.

    Args:
        folder: Where the files lie until training has ended.
        every: Epochs between validations.
        recipe: Says how epochs are compared and when training ends early.
    """

    def __init__(self, folder: Path, every: int, recipe: Recipe) -> None:
        self.folder, self.every, self.recipe = folder, every, recipe
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self._started = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps."""
        return {"history": self.history, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up after an interruption."""
        self.history, self.best_epoch = state["history"], state["best_epoch"]

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        before = self.history[-1]["seconds"] if self.history else 0.0
        self._started = time.monotonic() - before

    def rank(self, row: dict[str, float]) -> tuple[float, float]:
        """Larger is better: by loss, ties to the higher accuracy, or by mIoU, ties to the lower loss."""
        if self.recipe.monitor == "loss":
            return -row["validation_loss"], row["validation_accuracy"]
        return row["validation_miou"], -row["validation_loss"]

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the history, keep the epoch if it is the best so far, and save what resuming needs."""
        epoch = trainer.current_epoch + 1
        if epoch % self.every:
            return
        figures = {k: float(v) for k, v in trainer.callback_metrics.items()}
        row = {
            "epoch": float(epoch),
            "loss": figures["loss_epoch"],
            "validation_loss": figures["validation_loss"],
            "validation_miou": figures["validation_miou"],
            "validation_accuracy": figures["validation_accuracy"],
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.monotonic() - self._started,
        }
        if not np.isfinite(row["validation_loss"]):
            raise PitmapError(
                f"The loss became {row['validation_loss']} in epoch {epoch}.",
                "Finite losses.",
                "Lower [training] learning_rate, or set precision = \"float32\".",
            )  # fmt: skip
        best = next((r for r in self.history if r["epoch"] == self.best_epoch), None)
        self.history.append(row)
        assert isinstance(pl_module, Segmentation)
        if best is None or self.rank(row) > self.rank(best):
            self.best_epoch = epoch
            if trainer.is_global_zero:
                tensors = {k: v.detach().cpu().contiguous() for k, v in pl_module.kept.state_dict().items()}
                with replacing(self.folder / "best.safetensors") as temporary:
                    save_file(tensors, temporary)
        patience = self.recipe.early_stopping
        if patience and epoch - self.best_epoch >= patience:
            trainer.should_stop = True
        with replacing(self.folder / "last.ckpt") as temporary:
            trainer.save_checkpoint(temporary)


def _device(asked: str) -> str:
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _loader(patches: PatchDataset, batch: int, order: EpochOrder | None, training: Training) -> DataLoader[Any]:
    return DataLoader(
        patches,
        batch_size=batch,
        sampler=order,
        collate_fn=patches.collate,
        num_workers=training.workers,
        pin_memory=training.device == "cuda",
        persistent_workers=training.workers > 0,
    )


def _key(samples: SampleSet, training: Training) -> dict[str, Any]:
    """What a model depends on."""
    state = {
        "samples": samples.record.fingerprint,
        "network": training.network,
        "options": training.options,
        "recipe": training.recipe.to_json(),
        "seed": training.seed,
    }
    return {"sha256": hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()}


def _current(model_path: Path, key: dict[str, Any]) -> ModelCard | None:
    try:
        card = read_card(model_path)
    except ModelError:
        return None
    return card if card.training.get("key") == key["sha256"] else None


def _belongs(work: Path, key: dict[str, Any]) -> bool:
    try:
        return bool(json.loads((work / "key.json").read_text(encoding="utf-8")) == key)
    except (OSError, ValueError):
        return False


def _choose_precision(
    work: Path, module: Segmentation, patches: PatchDataset, device: torch.device, batches: int, announce: Announce
) -> str:
    """Measure a step in float32 and bf16, announce the time, and write the choice down before training starts."""
    path = work / "choice.json"
    if path.exists():
        return str(json.loads(path.read_text(encoding="utf-8"))["precision"])
    wanted = module.recipe.precision
    size = min(module.recipe.batch_for(patches.samples.patch), len(patches))
    batch = patches.collate([patches[i] for i in range(size)]).to(device)
    state = {k: v.clone() for k, v in module.state_dict().items()}
    module.to(device)
    seconds = _seconds_a_step(module, batch, ("float32", "bf16") if wanted == "auto" else (wanted,))
    module.to("cpu")
    module.load_state_dict(state)
    chosen = wanted
    if wanted == "auto":
        chosen = "bf16" if seconds["bf16"] < 0.9 * seconds["float32"] else "float32"
    measured = ", ".join(f"{p} {s:.2f} s" for p, s in seconds.items())
    estimate = seconds[chosen] * batches * 1.15
    announce(
        f"A step of {size} patches takes {measured} here; {batches} steps in {chosen} take about {clock(estimate)}."
    )
    write_json(path, {"precision": chosen, "seconds_a_step": seconds})
    return chosen


def clock(seconds: float) -> str:
    """A time for people: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _seconds_a_step(module: Segmentation, batch: Batch, precisions: Sequence[str]) -> dict[str, float]:
    """The best time of a step in each precision.

    They take turns, so that other work on the machine slows all of them alike; the first round does not count.
    """
    times: dict[str, list[float]] = {p: [] for p in precisions}
    module.train()
    for _ in range(5):
        for precision in precisions:
            start = time.perf_counter()
            with torch.autocast(batch.pixels.device.type, torch.bfloat16, enabled=precision == "bf16"):
                logits = module.network(module.images(batch))
            module.loss(logits, batch.target).backward()
            if batch.pixels.device.type == "cuda":
                torch.cuda.synchronize()
            times[precision].append(time.perf_counter() - start)
    module.zero_grad(set_to_none=True)
    return {precision: min(own[1:]) for precision, own in times.items()}


def _card(
    samples: SampleSet, training: Training, journal: Journal, precision: str, epochs: int, key: dict[str, Any],
    checks: ValidationChecks,
) -> ModelCard:  # fmt: skip
    best = next(r for r in journal.history if r["epoch"] == journal.best_epoch)
    sizes = [s.pixel_size_m for s in samples.scenes if s.pixel_size_m is not None]
    return ModelCard(
        network=training.network,
        options={**training.options, "width": training.recipe.width},
        legend=samples.legend,
        bands=samples.bands,
        unit=samples.record.unit,
        dtype=str(np.result_type(*(a.dtype for a in samples.pixels))),
        mean=samples.mean.tolist(),
        std=samples.std.tolist(),
        pixel_size_m=float(np.median(sizes)) if sizes else None,
        project=samples.record.project,
        seed=training.seed,
        created=time.strftime("%Y-%m-%d"),
        versions={
            "pitmap": __version__,
            "torch": version("torch"),
            "lightning": version("lightning"),
            "python": platform.python_version(),
        },
        training={
            "key": key["sha256"],
            "recipe": training.recipe.to_json(),
            "precision": precision,
            "device": training.device,
            "split": asdict(samples.record.split),
            "epochs": epochs,
            "best_epoch": journal.best_epoch,
            "validation_miou": best["validation_miou"],
            "validation_loss": best["validation_loss"],
            "validation_accuracy": best["validation_accuracy"],
            "seconds": journal.history[-1]["seconds"],
        },
        **checks._asdict(),
    )


class _quiet_lightning:  # noqa: N801
    """Silence Lightning's lines about devices and products while it runs."""

    def __enter__(self) -> None:
        self._loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric", "lightning")]
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *exc: object) -> None:
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)
