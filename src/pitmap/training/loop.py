"""Training a network on a sample set: epochs that can be interrupted, then the best epoch's model.

Device, precision and processes are Lightning Fabric's; the loop is the one below.
"""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from pitmap.company import Company
from pitmap.currency import is_current, mark
from pitmap.errors import LabelError, ModelError, PitmapError
from pitmap.files import make_folder
from pitmap.networks.model_card import ModelCard, read_card
from pitmap.networks.model_file import save_model
from pitmap.observer import SILENT, Epoch, Observer
from pitmap.samples.batches import PatchDataset
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.training.batches import BatchReader, EpochOrder, Normaliser, in_order
from pitmap.training.calibration import ValidationChecks, check_on_validation
from pitmap.training.card import make_card, write_times
from pitmap.training.checkpoint import Standing
from pitmap.training.choices import Course, Pace, Precision, Training
from pitmap.training.curves import draw_curves, write_curves
from pitmap.training.learner import Learner, fresh_network, seed_of
from pitmap.training.processes import from_the_first, launch


def train(
    samples: SampleSet,
    training: Training,
    model_path: Path,
    observer: Observer = SILENT,
    company: Company | None = None,
) -> ModelCard:
    """Train a network and write the best epoch's model, with its curves (CSV, PNG) and times (JSON) beside it.

    A training that was interrupted goes on at the last validated epoch and ends with the same tensors as one that was
    not; a model that is up to date is left as it is.

    Args:
        samples: The sample set.
        training: What to train.
        model_path: Ends in ``.safetensors``.
        observer: Hears of choices, the time it will take, steps and epochs.
        company: The processes that train together, each of which calls this; the first one writes and is heard.

    Returns:
        The card of the model.

    Raises:
        LabelError: A split has no patches.
        ProjectError: The network, its options, the loss, the schedule or the devices do not exist.
        OutputError: The model cannot be written.
        PitmapError: The loss became infinite.
    """
    key = training.key(samples)
    if (card := current_card(model_path, key)) is not None:
        observer.say(f"{model_path.name} is up to date.")
        return card
    for split in (Split.TRAINING, Split.VALIDATION):
        if not samples.patch_count(split):
            raise LabelError(f"The sample set has no patch for {split.label}.", remedy="Sample again.")
    training.check_device(training.devices if company is None else company.local_size)
    work = model_path.parent / f".{model_path.stem}.training"
    checkpoint, going_on = work / "last.ckpt", is_current(work / "key", key)
    precision = (Standing.read(checkpoint).precision if going_on else None) or training.precision
    if company is not None:
        training = replace(training, devices=company.size)
        if not company.speaks:
            launch(fit, training, precision, SILENT, (samples, training, precision, checkpoint), company)
            return from_the_first(None)
    if not going_on:
        make_folder(model_path.parent)
        shutil.rmtree(work, ignore_errors=True)
        mark(make_folder(work) / "key", key)
    launch(fit, training, precision, observer, (samples, training, precision, checkpoint), company)
    standing = Standing.read(checkpoint)

    course = Course.of(training.recipe, samples.patch, samples.patch_count(Split.TRAINING))
    network = fresh_network(samples, training)
    network.load_state_dict(standing.best)
    checks = checks_of(network, samples, training, course)
    write_curves(model_path.with_suffix(".csv"), standing.history)
    draw_curves(model_path.with_suffix(".png"), standing.history, standing.best_epoch)
    write_times(model_path, training, standing)
    card = save_model(model_path, network, make_card(samples, training, course, standing, checks))
    shutil.rmtree(work, ignore_errors=True)
    return card if company is None else from_the_first(card)


def fit(
    fabric: Fabric, observer: Observer, samples: SampleSet, training: Training, precision: Precision, checkpoint: Path
) -> None:
    """The epochs. Each process runs this; the first one writes the checkpoint and is heard.

    Args:
        fabric: Knows device, precision and processes.
        observer: Hears of the time it will take, steps and epochs.
        samples: The sample set.
        training: What to train.
        precision: In which ``fabric`` works.
        checkpoint: Where the training's ``Standing`` is kept, after each validated epoch.

    Raises:
        PitmapError: The loss became infinite.
    """
    patches, validation = PatchDataset(samples, Split.TRAINING), PatchDataset(samples, Split.VALIDATION)
    course = Course.of(training.recipe, samples.patch, len(patches))
    order = EpochOrder(len(patches), course.batch, training.seed)
    batches = BatchReader(patches, order, course.batch, fabric.device, training.workers)
    own = in_order(len(validation), course.batch)[fabric.global_rank :: fabric.world_size]
    validation_batches = BatchReader(validation, own, course.batch, fabric.device, training.workers)
    learner = Learner(fabric, samples, training, course, patches.class_frequencies())
    standing = Standing.read(checkpoint)
    if standing.epoch:
        learner.go_on_from(standing.state)
        observer.say(f"Going on after epoch {standing.epoch} of {course.epochs}.")
    standing.precision = precision
    pace = Pace(fabric.device)
    began = time.monotonic() - (standing.seconds[-1] if standing.seconds else 0.0)

    def keep(path: Path) -> None:
        standing.state = learner.state()
        if fabric.is_global_zero:
            standing.write(path)

    def forecast(done: int) -> str:
        first = list(islice(validation_batches, 1))
        validation_seconds = len(own) * pace.seconds_of(lambda: learner.validate(first))
        checkpoint_seconds = pace.seconds_of(lambda: keep(checkpoint.with_name("trial.ckpt")))
        to_come = course.validations - standing.epoch // course.every
        return pace.forecast(course.epochs * course.batches - done, to_come, validation_seconds + checkpoint_seconds)

    for epoch in range(standing.epoch, course.epochs):
        if standing.is_complete(training.recipe):
            break
        order.epoch = epoch
        torch.manual_seed(seed_of(training.seed, epoch, fabric.global_rank))  # for networks with dropout
        lost = torch.zeros((), device=fabric.device)
        pace.start()
        for index, batch in enumerate(batches):
            lost += learner.learn(batch, epoch, index) * len(batch.scene)
            done = epoch * course.batches + index + 1
            observer.progress("training", done / (course.epochs * course.batches))
            if pace.knows_after_this_step():
                observer.say(forecast(done))
                pace.start()
        loss, number = float(lost) / len(patches), epoch + 1
        if number % course.every:
            observer.epoch(Epoch(number, course.epochs, loss))
            continue

        figures = learner.validate(validation_batches)
        if not math.isfinite(figures.loss):
            raise PitmapError(
                f"The loss became {figures.loss} in epoch {number}.", "Finite losses.",
                'Lower [training] learning_rate, or set precision = "float32".',
            )  # fmt: skip
        row = {
            "epoch": float(number),
            "loss": loss,
            **{f"validation_{name}": value for name, value in figures._asdict().items()},
            "learning_rate": learner.learning_rate(epoch, course.batches - 1),
        }
        standing.note(row, time.monotonic() - began, learner.kept, training.recipe)
        keep(checkpoint)
        observer.epoch(Epoch(number, course.epochs, loss, figures.loss, figures.miou))


def checks_of(network: nn.Module, samples: SampleSet, training: Training, course: Course) -> ValidationChecks:
    """What the best network shows on the validation ground; the network comes back on the processor."""
    device, patches = torch.device(training.device), PatchDataset(samples, Split.VALIDATION)
    network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    order = in_order(len(patches), course.batch)
    batches = BatchReader(patches, order, course.batch, device, training.workers)
    labelled = int(patches.class_frequencies()[0].sum())
    images = Normaliser(samples, device, training.recipe.own_statistics)
    checks = check_on_validation(network, batches, images, device, labelled)
    network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return checks


def current_card(model_path: Path, key: str) -> ModelCard | None:
    """The card of a model of this key, None where there is none."""
    try:
        card = read_card(model_path)
    except ModelError:
        return None
    return card if card.training is not None and card.training.key == key else None
