"""What a trained model says of itself, and the times that lie beside it.

The card is part of the model file, whose bytes depend on the study alone: dates and seconds are in a file of their own.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pitmap import __version__
from pitmap.errors import ProjectError
from pitmap.files import write_json
from pitmap.grid import blocks
from pitmap.networks.model_card import ModelCard, TrainingGround, TrainingRecord
from pitmap.processor import device_name
from pitmap.samples.dataset import BLOCK, SampleSet
from pitmap.samples.split import Split
from pitmap.stored import Amount, read_json
from pitmap.training.calibration import ValidationChecks
from pitmap.training.checkpoint import Standing
from pitmap.training.choices import Course, Training

TIMES = ".times.json"
"""Ending of the file of times beside a model."""


def make_card(
    samples: SampleSet, training: Training, course: Course, standing: Standing, checks: ValidationChecks
) -> ModelCard:
    """The card of the best epoch's model."""
    best = next(row for row in standing.history if row["epoch"] == standing.best_epoch)
    sizes = [s.pixel_size_m for s in samples.scenes if s.pixel_size_m is not None]
    return ModelCard(
        network=training.network,
        options={**training.options, "width": training.recipe.width},
        legend=samples.legend,
        bands=tuple(samples.bands),
        unit=samples.record.unit,
        dtype=str(np.result_type(*(a.dtype for a in samples.pixels))),
        mean=tuple(samples.mean.tolist()),
        std=tuple(samples.std.tolist()),
        own_statistics=training.recipe.own_statistics,
        pixel_size_m=float(np.median(sizes)) if sizes else None,
        project=samples.record.project,
        seed=training.seed,
        versions={
            "pitmap": __version__,
            "torch": version("torch"),
            "lightning-fabric": version("lightning-fabric"),
            "python": platform.python_version(),
        },
        training=TrainingRecord(
            key=training.key(samples),
            recipe=training.recipe.to_json(),
            precision=standing.precision or training.precision,
            device=training.device,
            split={k: list(v) if isinstance(v, tuple) else v for k, v in asdict(samples.record.split).items()},
            epochs=course.epochs,
            best_epoch=standing.best_epoch,
            validation_miou=best["validation_miou"],
            validation_loss=best["validation_loss"],
            validation_accuracy=best["validation_accuracy"],
            ground=tuple(_grounds(samples)),
        ),
        bf16_agreement=checks.bf16_agreement,
        temperature=checks.temperature,
        validation_confidence=checks.confidence,
    )


def _grounds(samples: SampleSet) -> Iterator[TrainingGround]:
    """The images with labelled training pixels."""
    for number, scene in enumerate(samples.scenes):
        counts = np.zeros(len(samples.legend) + 1, np.int64)
        for window in blocks(scene.shape, BLOCK):
            counts += np.bincount(samples.targets(number, Split.TRAINING, window).ravel(), minlength=len(counts))
        labelled = {c.key: int(counts[c.code]) for c in samples.legend if counts[c.code]}
        if labelled:
            yield TrainingGround(scene.name, scene.site, scene.acquired, scene.bounds, labelled)


def write_times(model_path: Path, training: Training, standing: Standing) -> None:
    """Write beside a model when and where it was trained and how long that took: what differs from run to run."""
    epochs = [
        {"epoch": round(row["epoch"]), "seconds": round(seconds, 3)}
        for row, seconds in zip(standing.history, standing.seconds, strict=True)
    ]
    write_json(
        model_path.with_suffix(TIMES),
        {
            "created": time.strftime("%Y-%m-%d"),
            "device": device_name(training.device),
            "devices": training.devices,
            "seconds": epochs[-1]["seconds"],
            "epochs": epochs,
        },
    )


@dataclass(frozen=True)
class _Times:
    seconds: Amount


def training_seconds(model_path: Path) -> float | None:
    """How long the training of a model took, None where its times do not lie beside it."""
    try:
        return read_json(model_path.with_suffix(TIMES), _Times).seconds
    except ProjectError:
        return None
