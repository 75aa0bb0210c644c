"""What is chosen before a training starts, what its model depends on, and how long it will take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from pitmap.currency import content_key
from pitmap.errors import ProjectError
from pitmap.observer import clock
from pitmap.processor import cores, has_bf16
from pitmap.samples.dataset import SampleSet
from pitmap.study.schema import TrainingSection
from pitmap.training.recipes import Recipe, resolve

VALIDATIONS = 40
"""A training of many short epochs is validated about this often."""

FORMAT = 3
"""Rises when the same choices give another model."""

MOST_WORKERS = 4
"""Threads that read patches where the project file leaves their number open: two read as fast as memory is copied, and
all of them rest as soon as each is a batch ahead. What they read does not depend on their number."""

Precision = Literal["float32", "bf16"]


@dataclass(frozen=True)
class Training:
    """A training to be done.

    Attributes:
        network: Name of the network.
        options: Its options, without width.
        recipe: How it is trained.
        seed: Of weights, order and augmentation.
        device: ``cpu``, ``cuda`` or ``mps``.
        devices: Number of GPUs, or of processes on the processor.
        workers: Threads that read patches ahead of the network.
        seeds: How many networks are trained, from ``seed`` on, of which ``members`` makes one model.
    """

    network: str
    options: dict[str, Any]
    recipe: Recipe
    seed: int
    device: str = "cpu"
    devices: int = 1
    workers: int = 1
    seeds: int = 1

    @classmethod
    def of(cls, section: TrainingSection, seed: int, network: str | None = None) -> Training:
        """The training that a project file describes.

        Args:
            section: ``[training]``.
            seed: See ``Training``.
            network: Wins over the section's; its options are then the network's defaults.
        """
        device = best_device() if section.device == "auto" else section.device
        name = network or section.network
        options = section.options if name == section.network else {}
        workers = min(cores(), MOST_WORKERS) if section.workers == "auto" else section.workers
        return cls(
            name,
            options,
            resolve(section, device != "cpu"),
            seed,
            device,
            section.devices,
            workers,
            section.seeds,
        )

    @property
    def precision(self) -> Precision:
        """The recipe's precision; ``auto`` is bf16 where the device has it."""
        if self.recipe.precision == "auto":
            return "bf16" if has_bf16(self.device) else "float32"
        return self.recipe.precision

    def key(self, samples: SampleSet) -> str:
        """The checksum of what the model depends on.

        Device, devices, workers and a precision that is left to the device are not part of it: a model that was trained
        elsewhere is up to date here.
        """
        return content_key(
            {
                "step": "training",
                "format": FORMAT,
                "samples": samples.record.fingerprint,
                "network": self.network,
                "options": self.options,
                "recipe": self.recipe.to_json(),
                "seed": self.seed,
                **({"seeds": self.seeds} if self.seeds > 1 else {}),
            }
        )

    def check_device(self, devices: int) -> None:
        """Check that so many devices are there.

        Raises:
            ProjectError: They are not.
        """
        there = {
            "cpu": math.inf,
            "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
            "mps": int(torch.backends.mps.is_available()),
        }[self.device]
        if there < devices:
            raise ProjectError(
                f"The training wants {devices} device(s) {self.device!r}, and PyTorch finds {there} here.",
                "Devices that this machine has.",
                'Set device = "auto", or fewer devices.',
            )


def best_device() -> str:
    """The device that trains fastest here."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@dataclass(frozen=True)
class Course:
    """How long a training is.

    Attributes:
        batch: Patches a step, over all devices together.
        batches: Batches an epoch.
        accumulate: Batches whose gradients are added before the weights change.
        epochs: At most.
        every: Epochs from one validation to the next.
    """

    batch: int
    batches: int
    accumulate: int
    epochs: int
    every: int

    @classmethod
    def of(cls, recipe: Recipe, patch: int, patches: int) -> Course:
        """The course of a recipe over a number of training patches of ``patch`` pixels a side."""
        batch = recipe.batch_for(patch)
        batches = -(-patches // batch)
        epochs = recipe.epochs_for(batches)
        every = 1 if recipe.epochs else max(1, round(epochs / VALIDATIONS))
        return cls(batch, batches, recipe.accumulate, -(-epochs // every) * every, every)

    @property
    def steps(self) -> int:
        """Changes of the weights, if no epoch is spared."""
        return self.epochs * -(-self.batches // self.accumulate)

    @property
    def validations(self) -> int:
        """Validated epochs, if none is spared."""
        return self.epochs // self.every

    def steps_before(self, epoch: int, index: int) -> int:
        """Changes of the weights before batch ``index`` of an epoch, both counted from 0."""
        return epoch * -(-self.batches // self.accumulate) + index // self.accumulate

    def ends_step(self, index: int) -> bool:
        """Whether the weights change after batch ``index`` of an epoch."""
        return (index + 1) % self.accumulate == 0 or index + 1 == self.batches


class Pace:
    """Times the first steps of a training; the very first ones, in which libraries choose their ways, do not count.

    Args:
        device: Of the network.
    """

    LEFT_OUT, TIMED = 3, 8

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._since = 0.0
        self._steps: list[float] = []

    def start(self) -> None:
        """A step begins that does not follow on another one."""
        self._since = time.perf_counter()

    def knows_after_this_step(self) -> bool:
        """Call after each step; True once, when enough of them were timed."""
        if len(self._steps) == self.LEFT_OUT + self.TIMED:
            return False
        self._wait()
        now = time.perf_counter()
        self._steps.append(now - self._since)
        self._since = now
        return len(self._steps) == self.LEFT_OUT + self.TIMED

    def seconds_of(self, work: Callable[[], object]) -> float:
        """The time of other work, done a second time."""
        work()
        self._wait()
        began = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - began

    def forecast(self, batches: int, validations: int, seconds_a_validation: float) -> str:
        """A sentence on the time that is left.

        Args:
            batches: Batches of training to come.
            validations: Validations to come.
            seconds_a_validation: Of each, with its checkpoint.
        """
        timed = self._steps[self.LEFT_OUT :]
        seconds = sum(timed) / len(timed)
        left = clock(batches * seconds + validations * seconds_a_validation)
        return f"A step takes {seconds:.2g} s; {batches} more steps and {validations} validations take about {left}."

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
