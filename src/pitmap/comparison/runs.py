"""Doing the runs of a plan, and reading what they left behind.

A run is done when its ``run.json``, written last, carries the key of what it depends on (see ``currency``): runs made
on several machines are recognised when their folders are copied together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pitmap import workflow
from pitmap.accuracy.census.agreement import AgreementByPlace
from pitmap.accuracy.census.record import StudyRecord
from pitmap.comparison.plan import Plan, Run
from pitmap.currency import content_key
from pitmap.errors import ProjectError
from pitmap.exclusive import exclusive
from pitmap.files import write_json
from pitmap.mapping.study import map_scenes
from pitmap.networks.model_card import ModelCard
from pitmap.observer import SILENT, Observer
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.samples.subsample import subsample
from pitmap.stored import Amount, Count, read_json, read_plain
from pitmap.study.inputs import site_inputs
from pitmap.study.study import Study
from pitmap.training.card import training_seconds
from pitmap.training.choices import Training
from pitmap.training.recipes import Recipe, resolve

FORMAT = 3

Scores = Mapping[str, float | None]
"""Figures of one map by name, such as ``mean_iou`` or ``iou OPM``; shares 0..1, None where undefined."""

GLOBAL_FIGURES = ("overall_accuracy", "kappa", "mean_iou")
CLASS_FIGURES = ("producers_accuracy", "users_accuracy", "iou")
"""The figures of the paper's tables: with seven classes 24."""


class Samples:
    """The sample sets of a plan, made when they are asked for.

    Args:
        plan: The plan.
        observer: Told of the steps.
    """

    def __init__(self, plan: Plan, observer: Observer = SILENT) -> None:
        self.plan, self.observer = plan, observer
        self._whole: dict[tuple[str, int], SampleSet] = {}
        self._training: dict[tuple[str, int], SampleSet] = {}

    def whole(self, split: str, seed: int) -> SampleSet:
        """The sample set of a split and a seed."""
        if (split, seed) not in self._whole:
            study = self.plan.samples_study(split, seed)
            with exclusive(study.samples_folder, wait=True, observer=self.observer):
                self._whole[split, seed] = workflow.sample(study, self.observer)
        return self._whole[split, seed]

    def training(self, split: str, seed: int) -> SampleSet:
        """The sample set to train on: of all splits of the seed at the same number of labelled training pixels."""
        if (split, seed) not in self._training:
            own = self.whole(split, seed)
            if self.plan.project.compare.equal_training and len(self.plan.splits) > 1:
                least = min(training_pixels(self.whole(s, seed)) for s in self.plan.splits)
                own = subsample(own, least, seed)
            self._training[split, seed] = own
        return self._training[split, seed]

    def steps(self, run: Run) -> int:
        """Steps of training of a run: with ``equal_training`` those of the split of its seed that would take most.

        A recipe counts in epochs as well as in steps, and fewer patches would mean fewer steps: a difference between
        two splits would then be one of training.
        """
        recipe = Training.of(self.plan.study(run).training, run.seed).recipe
        if recipe.epochs or not self.plan.project.compare.equal_training:
            return recipe.steps
        return max(recipe.steps_for(self._batches(split, run.seed, recipe)) for split in self.plan.splits)

    def epochs(self, run: Run) -> int:
        """Epochs of a run."""
        recipe = replace(Training.of(self.plan.study(run).training, run.seed).recipe, steps=self.steps(run))
        return recipe.epochs_for(self._batches(run.split, run.seed, recipe))

    def _batches(self, split: str, seed: int, recipe: Recipe) -> int:
        own = self.training(split, seed)
        return -(-own.patch_count(Split.TRAINING) // recipe.batch_for(own.patch))


def training_pixels(samples: SampleSet) -> int:
    """Labelled pixels of ground that training patches hold."""
    return samples.record.audit.labelled_pixels[Split.TRAINING.label]


class Keys:
    """What the runs of a plan depend on, as checksums.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def _sites(self) -> list[dict[str, Any]]:
        return site_inputs(self.plan.project)

    def key(self, run: Run) -> str:
        """The checksum of everything that the result of a run depends on, but for the machine."""
        study, project = self.plan.study(run), self.plan.project
        compare = project.compare
        return content_key(
            {
                "step": "run",
                "format": FORMAT,
                "run": asdict(run),
                "samples": study.samples.model_dump(),
                "equal_to": sorted(self.plan.splits) if compare.equal_training else [run.split],
                "sites": self._sites,
                "legend": study.legend.to_json(),
                # As the project file has it: what depends on the device (width 0 and precision "auto" here) is in the
                # facts of the run, and runs that differ in it are refused when they are compared.
                "recipe": {**resolve(project.training, on_gpu=False).to_json(), "width": project.training.width or 0},
                "mapping": project.mapping.model_dump(),
                "mines": study.mine_classes,
            }
        )

    def is_done(self, run: Run) -> bool:
        """Whether the run's results are complete and of this plan."""
        results = self.plan.study(run).results
        try:
            written = read_json(results.run, RunRecord)
        except ProjectError:
            return False
        complete = results.accuracy.exists() and results.ground.exists()
        return complete and written.key == self.key(run)


def execute(
    plan: Plan,
    run: Run,
    samples: Samples,
    key: str,
    observer: Observer = SILENT,
) -> None:
    """Train, map and assess a run, going on where it was interrupted, and write ``run.json`` last.

    Raises:
        PitmapError: Any of the steps'.
    """
    study, training = plan.study(run), samples.training(run.split, run.seed)
    with exclusive(study.results.folder, observer=observer):
        study.results.run.unlink(missing_ok=True)
        card = workflow.train(study, observer=observer, samples=training, steps=samples.steps(run), seeds=1)
        observer.say(card.summary())
        model = workflow.model_path(study)
        map_scenes(study, model, observer)
        workflow.assess_study(study, model, observer, with_ground=True)
        write_json(study.results.run, {"key": key, **_facts(run, training, card, model)})


def _facts(run: Run, samples: SampleSet, card: ModelCard, model: Path) -> dict[str, Any]:
    training = card.training
    assert training is not None
    return {
        "network": run.entry.label,
        "split": run.split,
        "seed": run.seed,
        "options": card.options,
        "recipe": training.recipe,
        "precision": training.precision,
        "device": training.device,
        "epochs": training.epochs,
        "best_epoch": training.best_epoch,
        "training_seconds": training_seconds(model),
        "patch": samples.patch,
        "samples": samples.record.fingerprint,
        "training_patches": samples.record.audit.patches[Split.TRAINING.label],
        "training_pixels": training_pixels(samples),
        "test_pixels": samples.record.audit.labelled_pixels[Split.TEST.label],
        "model_sha256": card.sha256,
        "versions": dict(card.versions),
    }


@dataclass(frozen=True)
class RunRecord:
    """What of ``run.json`` is read back: its key, and the ``_facts`` that a comparison speaks of."""

    key: str
    network: str
    split: str
    seed: int
    options: dict[str, Any]
    recipe: dict[str, Any]
    precision: str
    device: str
    epochs: Count
    best_epoch: Count
    training_seconds: Amount | None
    training_patches: Count
    training_pixels: Count
    test_pixels: Count


@dataclass(frozen=True)
class Result:
    """What a run left behind.

    Attributes:
        run: The run.
        facts: ``run.json``.
        figures: ``figures`` of the test ground in ``accuracy.json``.
        matrix: Confusion matrix of the test ground, ``(K, K)``, rows = map.
        scenes: That of each scene, for scenes with test ground.
        agreement: Counts by cells of test ground.
    """

    run: Run
    facts: dict[str, Any]
    figures: dict[str, Any]
    matrix: np.ndarray
    scenes: dict[str, np.ndarray]
    agreement: AgreementByPlace

    @property
    def scores(self) -> Scores:
        """The figures of the paper's tables."""
        return scores_of(self.figures)


def scores_of(figures: Mapping[str, Any]) -> Scores:
    """The figures of the paper's tables, by name, from ``Figures.to_json``."""
    scores = {name: figures[name] for name in GLOBAL_FIGURES}
    for name in CLASS_FIGURES:
        scores |= {f"{name} {row['key']}": row[name] for row in figures["classes"]}
    return scores


def read_result(plan: Plan, run: Run) -> Result:
    """The result of a run that is done."""
    project: Study = plan.project
    paths, scenes = plan.study(run).results, project.scenes
    accuracy, facts = read_plain(paths.accuracy, StudyRecord), read_plain(paths.run, RunRecord)
    grids, groups = [s.info.grid for s in scenes], [s.group for s in scenes]
    tested = {name: grounds["test"] for name, grounds in accuracy["scenes"].items() if grounds["test"] is not None}
    return Result(
        run,
        facts,
        accuracy["test"]["figures"],
        np.array(accuracy["test"]["confusion"]["counts"]),
        {name: np.array(test["confusion"]["counts"]) for name, test in tested.items()},
        AgreementByPlace.read(paths.ground, grids, groups, len(project.legend)),
    )


def check_alike(results: list[Result]) -> None:
    """Refuse runs that were trained in different ways.

    Raises:
        ProjectError: Their recipes differ, by the default width of a processor and a GPU for instance.
    """
    first = results[0]
    for result in results[1:]:
        own, other = first.facts["recipe"], result.facts["recipe"]
        # Seeds have different numbers of patches, and so of steps.
        if different := [name for name in own if name != "steps" and own[name] != other.get(name)]:
            name = different[0]
            raise ProjectError(
                f"The runs {first.run.name} and {result.run.name} were trained with {name} {own[name]} and "
                f"{other.get(name)}.",
                "One recipe for all networks.",
                f"Set [training] {name} in the project file, so that it does not depend on the machine.",
            )
