"""Several trainings of one network, and the model that is made of them.

Networks of several seeds learn different things by chance where labels are few. Validation says whether the mean of
their logits is better than the best of them. (The mean of their weights is not: networks of different seeds are at home
in different places.)
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from pitmap.company import Company
from pitmap.errors import ProjectError
from pitmap.files import replacing
from pitmap.networks import load_model
from pitmap.networks.ensemble import Ensemble
from pitmap.networks.model_card import ModelCard
from pitmap.networks.model_file import save_model
from pitmap.observer import SILENT, Observer, Part
from pitmap.samples.batches import PatchDataset
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.training import loop
from pitmap.training.batches import BatchReader, Normaliser, in_order
from pitmap.training.checkpoint import rank
from pitmap.training.choices import Course, Training
from pitmap.training.losses import loss_of
from pitmap.training.validation import ValidationFigures, validate

FOLDER = "members"
"""Folder beside a model with the networks that it was chosen from or is made of."""


def train(
    samples: SampleSet,
    training: Training,
    model_path: Path,
    observer: Observer = SILENT,
    company: Company | None = None,
) -> ModelCard:
    """Train one network, or ``training.seeds`` of them, and write one model.

    Args:
        samples: The sample set.
        training: What to train.
        model_path: Ends in ``.safetensors``; members lie in the folder ``FOLDER`` beside it, and are gone on with or
            left as they are where a training is repeated.
        observer: Hears of the trainings, and of what was kept and why.
        company: Processes that train one network together.

    Returns:
        The card of the model.

    Raises:
        ProjectError: Several networks are to be trained by a company of processes.
        PitmapError: See ``loop.train``.
    """
    if training.seeds == 1:
        return loop.train(samples, training, model_path, observer, company)
    if company is not None:
        raise ProjectError(
            f"{training.seeds} networks are to be trained by processes that were started to train one together.",
            "One network at a time.",
            "Train each seed by itself, or leave torchrun or Slurm out.",
        )
    key = training.key(samples)
    if (card := loop.current_card(model_path, key)) is not None:
        observer.say(f"{model_path.name} is up to date.")
        return card
    cards: dict[str, ModelCard] = {}
    paths: dict[str, Path] = {}
    networks: dict[str, nn.Module] = {}
    for number in range(training.seeds):
        own = replace(training, seed=training.seed + number, seeds=1)
        path = model_path.parent / FOLDER / f"{model_path.stem}-{own.seed}.safetensors"
        observer.say(f"Network {number + 1} of {training.seeds}, seed {own.seed}.")
        part = Part(observer, number / training.seeds, (number + 1) / training.seeds)
        name = f"seed {own.seed}"
        cards[name], paths[name] = loop.train(samples, own, path, part), path
        networks[name] = load_model(path, trusted=(training.network,))[0]
    mean = f"the mean of {training.seeds}"
    networks[mean] = Ensemble(list(networks.values()), len(samples.bands)).eval()
    found = {name: _validated(network, samples, training) for name, network in networks.items()}
    kept = best_of(found, training)
    observer.say(_sentence(found, kept))
    shown = f"seed {training.seed}" if kept == mean else kept
    figures, first = found[kept], cards[shown]
    assert first.training is not None
    for ending in (".csv", ".png"):
        with replacing(model_path.with_suffix(ending)) as temporary:
            shutil.copyfile(paths[shown].with_suffix(ending), temporary)
    course = Course.of(training.recipe, samples.patch, samples.patch_count(Split.TRAINING))
    checks = loop.checks_of(networks[kept], samples, training, course)
    record = replace(
        first.training,
        key=key,
        validation_loss=figures.loss,
        validation_miou=figures.miou,
        validation_accuracy=figures.accuracy,
    )
    changes = {
        "options": {**first.options, **({"members": training.seeds} if kept == mean else {})},
        "training": record,
        "bf16_agreement": checks.bf16_agreement,
        "temperature": checks.temperature,
        "validation_confidence": checks.confidence,
        "sha256": "",
    }
    return save_model(model_path, networks[kept], first.model_copy(update=changes))


def best_of(found: Mapping[str, ValidationFigures], training: Training) -> str:
    """The candidate that validation finds best by what the recipe watches; of equal ones the first."""

    def of(name: str) -> tuple[float, float]:
        return rank({f"validation_{k}": v for k, v in found[name]._asdict().items()}, training.recipe)

    return max(found, key=of)


def _validated(network: nn.Module, samples: SampleSet, training: Training) -> ValidationFigures:
    """The figures of a network on the validation patches, in float32."""
    device, patches = torch.device(training.device), PatchDataset(samples, Split.VALIDATION)
    batch = training.recipe.batch_for(samples.patch)
    batches = BatchReader(patches, in_order(len(patches), batch), batch, device, training.workers)
    images = Normaliser(samples, device, training.recipe.own_statistics)
    network.eval().to(device)
    figures = validate(network, batches, images, loss_of(training.recipe.loss), len(samples.legend), device)
    network.to("cpu")
    return figures


def _sentence(found: Mapping[str, ValidationFigures], kept: str) -> str:
    listed = "; ".join(f"{name}: loss {f.loss:.4f}, mIoU {f.miou:.3f}" for name, f in found.items())
    return f"On validation ground {listed}. Kept: {kept}."
