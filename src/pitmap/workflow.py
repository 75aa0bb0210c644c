"""The steps of a project in their order, each skipped where its result is up to date.

Results lie in the project's results folder: ``samples/``, ``models/<network>-seed<S>.safetensors``,
``maps/<scene>.tif`` and ``.gpkg``, ``accuracy.json``, ``confusion.csv``, ``report.html``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pitmap import __version__
from pitmap.currency import content_key, digest, is_current, mark, unmark
from pitmap.errors import ModelError
from pitmap.exclusive import exclusive
from pitmap.observer import SILENT, Observer
from pitmap.study.study import Study

if TYPE_CHECKING:
    from pitmap.accuracy.census.study import StudyAccuracy
    from pitmap.networks.model_file import ModelCard
    from pitmap.samples.dataset import SampleSet


def model_path(project: Study, network: str | None = None, seed: int | None = None) -> Path:
    """Where the model of a network and a seed lies."""
    return project.results.model(network or project.training.network, project.project.seed if seed is None else seed)


def sample(project: Study, observer: Observer = SILENT, *, wait: bool = False) -> SampleSet:
    """Build the sample set.

    Args:
        project: The study.
        observer: Told of the steps.
        wait: Whether to wait for another process that works on the same results, instead of raising.
    """
    from pitmap.samples.build import build

    with exclusive(project.results.folder, wait=wait, observer=observer):
        return build(project, observer)


def train_model(
    project: Study,
    network: str | None = None,
    seed: int | None = None,
    observer: Observer = SILENT,
    samples: SampleSet | None = None,
    steps: int | None = None,
    *,
    wait: bool = False,
) -> ModelCard:
    """Train a network on the project's sample set, or on another one or for other steps where these are given."""
    from pitmap.samples.dataset import SampleSet
    from pitmap.training.choices import Training
    from pitmap.training.loop import train

    samples = SampleSet(project.samples_folder) if samples is None else samples
    training = Training.of(project.training, project.project.seed if seed is None else seed, network)
    if steps is not None:
        training = replace(training, recipe=replace(training.recipe, steps=steps))
    with exclusive(project.results.folder, wait=wait, observer=observer):
        return train(samples, training, model_path(project, network, seed), observer)


def assess_project(project: Study, model: Path, *, with_ground: bool = False) -> StudyAccuracy:
    """Compare the maps of all scenes with their labels and write ``accuracy.json`` and ``confusion.csv``.

    Args:
        project: The project.
        model: The model that made the maps.
        with_ground: Whether the counts by cells of test ground are written too, for comparison with other maps.
    """
    from pitmap.accuracy.census.study import assess_study

    result = assess_study(project, model)
    result.write(project.results, with_ground=with_ground)
    return result


def estimate_reference(project: Study, observer: Observer = SILENT) -> bool:
    """Estimate accuracy and areas from the labelled points that ``[accuracy] reference`` names.

    Writes ``estimate.json``. Points that cannot be used, because they were drawn from another map or nobody has
    labelled them yet, give no estimate: the reason is said, and an estimate of an earlier map is removed.

    Returns:
        Whether there is an estimate.
    """
    from pitmap.accuracy.sampling.sample import EstimateOptions, drawn_from, estimate
    from pitmap.errors import LabelError

    if project.accuracy.reference is None:
        return False
    points, out = project.place(project.accuracy.reference), project.results.estimate
    try:
        maps = {path.name: path for path in (project.results.map(s.name).map for s in project.scenes)}
        name = drawn_from(points)
        if name not in maps:
            raise LabelError(f"{points} is a sample of {name!r}, which is no map of this project.")
        threshold = project.report.threshold_ha
        asked = {} if threshold is None else dict.fromkeys(project.mine_classes, threshold)
        result = estimate(points, maps[name], EstimateOptions(thresholds=asked))
    except LabelError as error:
        out.unlink(missing_ok=True)
        observer.warn(f"No estimate from reference points: {error}")
        return False
    result.write(out)
    observer.say(result.summary())
    return True


def run(
    project: Study,
    network: str | None = None,
    observer: Observer = SILENT,
    *,
    replace: bool = False,
    wait: bool = False,
) -> Path:
    """Sample, train, map all scenes, assess, estimate from reference points and report; what is current is skipped.

    Args:
        project: The study.
        network: Wins over the study's.
        observer: Told of the steps.
        replace: Whether other maps may take the place of those on which somebody's work rests, see ``map_scenes``.
        wait: Whether to wait for another process that works on the same results, instead of raising.

    Returns:
        The path of the report.

    Raises:
        BusyError: Another process works on the same results.
        PitmapError: Any of the steps'.
    """
    from pitmap.mapping.study import map_scenes
    from pitmap.reporting import write_report

    with exclusive(project.results.folder, wait=wait, observer=observer):
        samples = sample(project, observer)
        observer.say(samples.summary())
        card = train_model(project, network, None, observer)
        observer.say(describe_model(card))
        model = model_path(project, network)
        if card.sha256 != read_sha(model):
            raise ModelError(f"{model} changed while it was being used.", remedy="Run the command again.")
        map_scenes(project, model, observer, replace=replace)
        results = project.results
        key = _figures_key(project, samples, card)
        if is_current(results.accuracy, key):
            observer.say(f"{results.accuracy.name} is up to date.")
        else:
            unmark(results.accuracy)
            observer.say(assess_project(project, model).summary())
            mark(results.accuracy, key, [results.confusion])
        estimate_reference(project, observer)
        key = _report_key(project, key)
        if not is_current(results.report, key):
            unmark(results.report)
            write_report(project, model)
            mark(results.report, key)
        return results.report


def _figures_key(project: Study, samples: SampleSet, card: ModelCard) -> str:
    """The key of the accuracy: of the ground, of the model, and of the maps as they lie there."""
    maps = [project.results.map(scene.name) for scene in project.scenes]
    return content_key(
        {
            "step": "accuracy",
            "version": __version__,
            "project": project.project.name,
            "samples": samples.record.fingerprint,
            "model": card.sha256,
            "maps": [[digest(m.map), digest(m.confidence)] for m in maps],
        }
    )


def _report_key(project: Study, figures: str) -> str:
    """The key of the report: of the figures, of the project file that it prints, and of what else it shows."""
    results = project.results
    shown = [results.accuracy, results.estimate, results.audit, *(results.map(s.name).mines for s in project.scenes)]
    return content_key(
        {
            "step": "report",
            "figures": figures,
            "project": digest(project.path),
            "shown": [digest(file) if file.exists() else None for file in shown],
        }
    )


def read_sha(model: Path) -> str:
    """The checksum that a model file carries."""
    from pitmap.networks.model_file import read_card

    return read_card(model).sha256


def describe_model(card: ModelCard) -> str:
    """One line on a model."""
    start = f"{card.network} (width {card.options['width']}, seed {card.seed})"
    if card.training is None:
        return f"{start}."
    t = card.training
    return f"{start}: epoch {t.best_epoch} of {t.epochs} kept, validation mIoU {t.validation_miou:.3f}."
