"""The steps of a project in their order, each skipped where its result is up to date.

Results lie in the project's results folder: ``samples/``, ``models/<network>-seed<S>.safetensors``,
``maps/<scene>.tif`` and ``.gpkg``, ``accuracy.json``, ``confusion.csv``, ``report.html``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitmap import __version__
from pitmap.currency import content_key, digest, is_current, mark, unmark
from pitmap.errors import ModelError, ProjectError
from pitmap.exclusive import exclusive
from pitmap.observer import SILENT, Observer
from pitmap.stored import read_json
from pitmap.study.study import Study

if TYPE_CHECKING:
    from pitmap.accuracy.census.study import StudyAccuracy
    from pitmap.accuracy.sampling.sample import SampleEstimate
    from pitmap.company import Company
    from pitmap.networks.model_card import ModelCard
    from pitmap.samples.dataset import SampleSet


@dataclass(frozen=True)
class Report:
    """A report as it was written.

    Attributes:
        path: The page, one HTML file.
        warnings: What the page cannot say.
    """

    path: Path
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line for the screen."""
        return f"Report: {self.path}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"path": str(self.path), "warnings": list(self.warnings)}


@dataclass(frozen=True)
class StudyRun:
    """A study that was run from its images to its report.

    Attributes:
        report: The page.
        qgis: The project that shows all results in QGIS.
        model: The model file.
        samples: The sample set.
        card: Of the model.
        estimate: From reference points; None where the study has none that can be used.
        unanswered: What the project file asks for and nothing answers: a threshold, dates that cannot be compared.
        study: The study.
        counted: The accuracy, None where its files were up to date.
    """

    report: Path
    qgis: Path
    model: Path
    samples: SampleSet
    card: ModelCard
    estimate: SampleEstimate | None
    unanswered: tuple[str, ...]
    study: Study = field(repr=False)
    counted: StudyAccuracy | None = field(repr=False)

    @cached_property
    def accuracy(self) -> StudyAccuracy:
        """Of the maps against the labels; counted when it is asked for where the files were up to date."""
        from pitmap.accuracy.census.study import assess_study

        return self.counted or assess_study(self.study, self.model)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of all steps."""
        return self.samples.warnings + (self.estimate.warnings if self.estimate else ()) + self.unanswered

    def summary(self) -> str:
        """One line for the screen."""
        return f"Report: {self.report} In QGIS: {self.qgis}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "report": str(self.report),
            "qgis": str(self.qgis),
            "model": str(self.model),
            "samples": self.samples.to_json(),
            "card": self.card.to_json(),
            "accuracy": read_json(self.study.results.accuracy, dict[str, Any]),
            "estimate": self.estimate and self.estimate.to_json(),
            "warnings": list(self.warnings),
        }


def model_path(project: Study, network: str | None = None, seed: int | None = None) -> Path:
    """Where the model of a network and a seed lies."""
    return project.results.model(network or project.training.network, project.project.seed if seed is None else seed)


def sample(project: Study, observer: Observer = SILENT, *, wait: bool = False) -> SampleSet:
    """Cut the images and labels of a study into patches with a split of the ground, and audit it.

    Args:
        project: The study.
        observer: Told of the progress, and warned of what the audit found.
        wait: Whether to wait for another process that works on the same results, instead of raising.

    Raises:
        BusyError: Another process works on the same results.
        PitmapError: See ``samples.build.build``.
    """
    from pitmap.samples.build import build

    with exclusive(project.results.folder, wait=wait, observer=observer):
        samples = build(project, observer)
    for warning in samples.warnings:
        observer.warn(warning)
    return samples


def train(
    project: Study,
    network: str | None = None,
    seed: int | None = None,
    observer: Observer = SILENT,
    samples: SampleSet | None = None,
    steps: int | None = None,
    *,
    seeds: int | None = None,
    wait: bool = False,
    company: Company | None = None,
) -> ModelCard:
    """Train a network on the samples of a study; an interrupted training goes on where it was.

    Args:
        project: The study.
        network: Wins over the project file.
        seed: Likewise.
        observer: Told of choices, the time it will take, and epochs.
        samples: Another sample set than the study's own.
        steps: Another number of steps than the recipe's.
        seeds: Another number of networks than the project's, see ``training.members``.
        wait: Whether to wait for another process that works on the same results, instead of raising.
        company: The processes of torchrun or Slurm that train together and each call this, of
            ``Company.of_environment()``; by default this process does the work, or starts others itself.

    Returns:
        The card of the model at ``model_path(project, network, seed)``.

    Raises:
        BusyError: Another process works on the same results.
        ProjectError: There are no samples, or those of other images, labels or settings.
        PitmapError: See ``training.loop.train``.
    """
    from pitmap.samples.build import fingerprint
    from pitmap.samples.dataset import SampleSet
    from pitmap.training.choices import Training
    from pitmap.training.members import train as train_network

    if samples is None:
        samples = SampleSet(project.samples_folder)
        if samples.record.fingerprint != fingerprint(project):
            raise ProjectError(
                f"The samples in {samples.folder} are not those of {project.path.name} as it stands.",
                "Samples of the very images, labels and settings.",
                "Sample again.",
            )
    training = Training.of(project.training, project.project.seed if seed is None else seed, network)
    if steps is not None:
        training = replace(training, recipe=replace(training.recipe, steps=steps))
    if seeds is not None:
        training = replace(training, seeds=seeds)
    if company is not None and not company.speaks:
        return train_network(samples, training, model_path(project, network, seed), SILENT, company)
    with exclusive(project.results.folder, wait=wait, observer=observer):
        return train_network(samples, training, model_path(project, network, seed), observer, company)


def assess_study(
    project: Study, model: Path, observer: Observer = SILENT, *, with_ground: bool = False
) -> StudyAccuracy:
    """Compare the maps of all scenes with their labels and write ``accuracy.json`` and ``confusion.csv``.

    Args:
        project: The project.
        model: The model that made the maps.
        observer: Told of the progress.
        with_ground: Whether the counts by cells of test ground are written too, for comparison with other maps.
    """
    from pitmap.accuracy.census import study as census

    result = census.assess_study(project, model, observer)
    result.write(project.results, with_ground=with_ground)
    return result


def estimate_reference(project: Study, observer: Observer = SILENT) -> SampleEstimate | None:
    """Estimate accuracy and areas from the labelled points that ``[accuracy] reference`` names.

    Writes ``estimate.json``. Points that cannot be used, because they were drawn from another map or nobody has
    labelled them yet, give no estimate: the reason is said, and an estimate of an earlier map is removed.

    Returns:
        The estimate, None where there is none.
    """
    from pitmap.accuracy.sampling.sample import EstimateOptions, drawn_from, estimate
    from pitmap.errors import LabelError

    if project.accuracy.reference is None:
        return None
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
        return None
    result.write(out)
    observer.say(result.summary())
    return result


def run(
    project: Study,
    network: str | None = None,
    observer: Observer = SILENT,
    *,
    replace: bool = False,
    wait: bool = False,
) -> StudyRun:
    """Sample, train, map all scenes, assess, estimate from points, compare dates, report; what is current is skipped.

    Args:
        project: The study.
        network: Wins over the project file.
        observer: Told of each step and what came of it.
        replace: Whether other maps may take the place of those on which somebody's work rests, see ``map_scenes``.
        wait: Whether to wait for another process that works on the same results, instead of raising.

    Raises:
        BusyError: Another process works on the same results.
        PitmapError: Any of the steps'.
    """
    from pitmap.changes.study import compare_places
    from pitmap.deliver.study_project import write_study_project
    from pitmap.mapping.study import map_scenes
    from pitmap.reporting import write_report

    with exclusive(project.results.folder, wait=wait, observer=observer):
        samples = sample(project, observer)
        observer.say(samples.summary())
        card = train(project, network, None, observer)
        observer.say(card.summary())
        model = model_path(project, network)
        if card.sha256 != read_sha(model):
            raise ModelError(f"{model} changed while it was being used.", remedy="Run the command again.")
        map_scenes(project, model, observer, replace=replace)
        results = project.results
        key = figures_key(project, samples, card)
        accuracy = None
        if is_current(results.accuracy, key):
            observer.say(f"{results.accuracy.name} is up to date.")
        else:
            unmark(results.accuracy)
            accuracy = assess_study(project, model, observer)
            observer.say(accuracy.summary())
            mark(results.accuracy, key, [results.confusion])
        estimate = estimate_reference(project, observer)
        unanswered = _unanswered(project, observer)
        unanswered += compare_places(project, observer)
        key = report_key(project, key)
        if not is_current(results.report, key):
            unmark(results.report)
            write_report(project, model)
            mark(results.report, key)
        qgis = write_study_project(project, observer)
        return StudyRun(results.report, qgis, model, samples, card, estimate, unanswered, project, accuracy)


def report(project: Study, network: str | None = None, seed: int | None = None, observer: Observer = SILENT) -> Report:
    """Write the report of a study from its results: one HTML file that opens offline.

    Args:
        project: The study, of which all steps up to the assessment are done.
        network: Wins over the project file.
        seed: Likewise.
        observer: Warned of what the page cannot say.

    Raises:
        ProjectError: A result is missing, or is not of the study as it stands.
        ModelError: There is no model.
        OutputError: The page cannot be written.
    """
    from pitmap.reporting import write_report

    page = write_report(project, model_path(project, network, seed))
    return Report(page, _unanswered(project, observer))


def _unanswered(project: Study, observer: Observer) -> tuple[str, ...]:
    """What the project file asks the report and nothing answers."""
    from pitmap.reporting.content import threshold_warning

    sentence = threshold_warning(project)
    if sentence is None:
        return ()
    observer.warn(sentence)
    return (sentence,)


def figures_key(project: Study, samples: SampleSet, card: ModelCard) -> str:
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


def report_key(project: Study, figures: str) -> str:
    """The key of the report: of the figures, of the project file that it prints, and of what else it shows."""
    results = project.results
    shown = [results.accuracy, results.estimate, results.audit, *(results.map(s.name).mines for s in project.scenes)]
    shown += [results.change(place) for place in project.series]
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
    from pitmap.networks.model_card import read_card

    return read_card(model).sha256
