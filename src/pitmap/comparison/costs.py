"""What a network costs: counted, and measured in a short trial, which also tells how long the plan will take."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pitmap.comparison.plan import Entry, Plan, Run
from pitmap.comparison.runs import Samples
from pitmap.errors import ProjectError
from pitmap.files import write_json
from pitmap.mapping.engines.interface import EngineOptions
from pitmap.mapping.engines.torch_engine import TorchEngine
from pitmap.networks.count import Cost, cost
from pitmap.networks.registry import build
from pitmap.observer import clock
from pitmap.processor import device_name
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.stored import read_json
from pitmap.training.choices import VALIDATIONS, Training
from pitmap.training.losses import IGNORED, loss_of
from pitmap.training.recipes import Recipe

TRIAL_SIDE = {"cpu": 256}
"""Longest side of a trial image by device; elsewhere 512."""

OVERHEAD = 1.15
"""Reading, augmentation and the optimiser, beside the passes through the network."""

MAP_TILE = 1024
"""Side of a tile that the estimate assumes; its halo is mapped twice."""


@dataclass(frozen=True)
class Trial:
    """A network measured on one image.

    Attributes:
        device: What it ran on.
        width: Channels of the first stage.
        side: Of the square image, px.
        training_seconds: Of a training step in float32, for a megapixel of input.
        training_bytes: Rise of memory during the step, for a megapixel; weights and their gradients not counted.
        mapping_seconds: Of a pass without gradient in float32, for a megapixel.
        mapping_bytes: Rise of memory during the pass, for a megapixel.
    """

    device: str
    width: int
    side: int
    training_seconds: float
    training_bytes: float
    mapping_seconds: float
    mapping_bytes: float


@dataclass(frozen=True)
class _Kept:
    of: dict[str, Any]
    trial: Trial


def trial_of(plan: Plan, entry: Entry, samples: Samples, anywhere: bool = False) -> Trial:
    """The trial of a network: read from the results folder, or measured now and kept there.

    Args:
        plan: The plan.
        entry: The network.
        samples: For its bands and classes.
        anywhere: Whether a trial on another device will do, because nothing is left to be trained here.
    """
    split, seed = plan.splits[0], plan.seeds[0]
    study = plan.study(Run(entry, split, seed))
    training = Training.of(study.training, seed)
    path = plan.folder / "trials" / f"{entry.file_name}.json"
    wanted = {"device": device_name(training.device), "width": training.recipe.width, "options": entry.options}
    try:
        kept = read_json(path, _Kept)
        if all(kept.of.get(name) == value for name, value in wanted.items() if not anywhere or name == "options"):
            return kept.trial
    except ProjectError:
        pass  # measured again
    trial = measure(samples.whole(split, seed), training)
    write_json(path, asdict(_Kept(wanted, trial)))
    return trial


def measure(samples: SampleSet, training: Training) -> Trial:
    """Time and memory of a training step and of a mapping pass on one image of random pixels."""
    recipe, device = training.recipe, torch.device(training.device)
    bands, classes = len(samples.bands), len(samples.legend)
    side = min(samples.patch, TRIAL_SIDE.get(device.type, 512))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(training.network, bands, classes, recipe.width, **training.options).to(device)
        # Batch normalisation of a network that sees one pixel at its deepest level needs two images.
        images = torch.randn(2, bands, side, side, device=device).contiguous(memory_format=torch.channels_last)
        target = torch.randint(IGNORED, classes, (2, side, side), device=device)
    megapixels = images.shape[0] * side**2 / 1e6
    step = _step(network, recipe, images, target)
    step()  # allocates the gradients, and lets the libraries choose their algorithms
    training_seconds = min(_seconds(step, device) for _ in range(2))
    training_bytes = _rise(step, device)
    network.eval()
    gain = torch.ones(bands)
    engine = TorchEngine(network, gain, torch.zeros(bands), EngineOptions(str(device)))
    pixels, valid = np.ones((1, bands, side, side), np.float32), np.ones((1, side, side), np.bool_)
    engine.logits(pixels, valid)  # the libraries choose their algorithms
    mapping_seconds = min(_seconds(lambda: engine.logits(pixels, valid), device) for _ in range(3))
    mapping_bytes = _rise(lambda: engine.logits(pixels, valid), device)
    one = side**2 / 1e6
    return Trial(
        device_name(training.device), recipe.width, side, training_seconds / megapixels, training_bytes / megapixels,
        mapping_seconds / one, mapping_bytes / one,
    )  # fmt: skip


def _step(network: nn.Module, recipe: Recipe, images: Tensor, target: Tensor) -> Callable[[], None]:
    loss = loss_of(recipe.loss)

    def step() -> None:
        network.zero_grad(set_to_none=False)
        torch.autograd.backward(loss(network(images).float(), target, None, recipe.label_smoothing))

    network.train()
    return step


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _rise(work: Callable[[], Any], device: torch.device) -> float:
    """Bytes by which memory rises above its level before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return float(torch.cuda.max_memory_allocated(device) - before)
    with LiveTensors() as live:
        work()
    return float(live.peak)


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Counts the bytes of the tensors that are made and still alive; for devices whose allocator does not count.

    Attributes:
        peak: Most bytes at any time. Scratch space inside a layer does not count.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.peak = 0
        self._now = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                storage = leaf.untyped_storage()
                if storage._cdata not in self._sizes and storage._cdata not in given:
                    self._sizes[storage._cdata] = storage.nbytes()
                    self._now += storage.nbytes()
                    self.peak = max(self.peak, self._now)
                    weakref.finalize(storage, self._freed, storage._cdata)
        return result

    def _freed(self, storage: int) -> None:
        self._now -= self._sizes.pop(storage, 0)


def counted(plan: Plan, entry: Entry, bands: int, width: int) -> Cost:
    """Depth, parameters, operations at 512 x 512, stride, reach and halo of a network as it is trained."""
    network = build(entry.network, bands, len(plan.project.legend), width, **entry.options)
    return cost(network, bands, entry.network, entry.options.get("variant", ""))


def run_seconds(plan: Plan, run: Run, samples: Samples, trial: Trial, halo: int) -> tuple[float, float]:
    """Estimated seconds of training and of mapping for a run, in float32."""
    own, recipe = samples.training(run.split, run.seed), Training.of(plan.study(run).training, run.seed).recipe
    patches, epochs = own.patch_count(Split.TRAINING), samples.epochs(run)
    megapixels = own.patch**2 / 1e6
    validations = epochs if recipe.epochs else min(epochs, VALIDATIONS)
    training = OVERHEAD * epochs * patches * megapixels * trial.training_seconds
    training += validations * own.patch_count(Split.VALIDATION) * megapixels * trial.mapping_seconds
    mapping = 0.0
    for scene in plan.project.scenes:
        height, width = scene.info.grid.shape
        tiled = max(height, width) > MAP_TILE
        twice = (MAP_TILE / (MAP_TILE - 2 * min(halo, MAP_TILE // 4))) ** 2 if tiled else 1.0
        mapping += height * width / 1e6 * twice * trial.mapping_seconds
    if plan.project.mapping.test_time_augmentation:
        mapping *= 8
    return training, mapping


def describe_plan(
    plan: Plan, seconds: dict[Run, tuple[float, float]], done: set[Run], part: str | None, trials: dict[str, Trial]
) -> str:
    """The plan as lines of text: each network's time for a run, what is done, and the hours to go.

    Args:
        plan: The plan.
        seconds: Of training and mapping, for the runs of the part.
        done: Runs whose results are complete.
        part: Such as ``2/8``.
        trials: By label.
    """
    runs = list(seconds)
    lines = [
        f"{len(plan.entries)} networks x {len(plan.seeds)} seeds ({', '.join(map(str, plan.seeds))}) x "
        f"{len(plan.splits)} splits ({', '.join(plan.splits)}): {len(plan.runs)} runs"
        + (f", of which part {part} has {len(runs)}." if part else ".")
    ]
    for entry in plan.entries:
        own = [r for r in runs if r.entry == entry]
        if not own:
            continue
        training = sum(seconds[r][0] for r in own) / len(own)
        mapping = sum(seconds[r][1] for r in own) / len(own)
        left = sum(r not in done for r in own)
        lines.append(
            f"  {entry.label}: training {clock(training)}, mapping {clock(mapping)} a run; {left} of {len(own)} to do"
        )
    to_do = sum(sum(seconds[r]) for r in runs if r not in done)
    device = next(iter(trials.values())).device
    lines.append(
        f"{sum(r not in done for r in runs)} runs to do take about {to_do / 3600:.1f} hours in float32 on this machine "
        f"({device})."
    )
    return "\n".join(lines)
