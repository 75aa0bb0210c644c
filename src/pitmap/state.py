"""Which results of a study are up to date, by the very keys that a run goes by; nothing is made or changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitmap.currency import is_current
from pitmap.errors import ModelError, PitmapError
from pitmap.study.study import Study

if TYPE_CHECKING:
    from pitmap.networks.model_card import ModelCard


@dataclass(frozen=True)
class Step:
    """A step of a study.

    Attributes:
        name: Of what it makes.
        current: Whether that is up to date.
        text: That, or why not.
    """

    name: str
    current: bool
    text: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def study_state(study: Study) -> list[Step]:
    """The steps of ``workflow.run`` in their order.

    A step whose input is not up to date is not either: what it will be made from is not there yet.

    Raises:
        PitmapError: An image or labels cannot be read.
    """
    from pitmap.changes.study import is_compared
    from pitmap.deliver.study_project import is_shown
    from pitmap.mapping.study import is_mapped
    from pitmap.samples.build import fingerprint
    from pitmap.samples.dataset import SampleFiles, SampleSet
    from pitmap.study.problems import require_labels
    from pitmap.training.choices import Training
    from pitmap.workflow import figures_key, model_path, report_key

    results = study.results
    try:
        require_labels(study)
    except PitmapError as error:
        return [Step("samples", False, str(error))]
    record = SampleFiles(study.samples_folder).record
    samples = SampleSet(study.samples_folder) if is_current(record, fingerprint(study)) else None
    steps = [_step("samples", samples is not None, record.exists(), "its images, labels or settings")]

    path = model_path(study)
    card = None if samples is None else _card(path, Training.of(study.training, study.project.seed).key(samples))
    steps.append(_step(f"model {path.stem}", card is not None, path.exists(), "its samples or [training]"))

    mapped = []
    for scene in study.scenes:
        files = results.map(scene.name)
        mapped.append(card is not None and is_mapped(study, path, scene))
        steps.append(_step(f"map of {scene.name}", mapped[-1], files.map.exists(), "its image, the model or [mapping]"))

    compared = []
    for place in study.series:
        compared.append(all(mapped) and is_compared(study, place))
        there = results.change(place).exists()
        steps.append(_step(f"change of {place}", compared[-1], there, "the maps, their images or [change]"))

    assessed = reported = False
    if samples is not None and card is not None and all(mapped):
        key = figures_key(study, samples, card)
        assessed = is_current(results.accuracy, key)
        reported = assessed and all(compared) and is_current(results.report, report_key(study, key))
    steps.append(_step("accuracy", assessed, results.accuracy.exists(), "the maps or labels"))
    steps.append(_step("report", reported, results.report.exists(), "the figures or the project file"))
    shown = all(mapped) and all(compared) and is_shown(study)
    project = results.qgis_project(study.project.name)
    steps.append(_step(f"QGIS project {project.name}", shown, project.exists(), "its layers"))
    return steps


def _step(name: str, current: bool, exists: bool, inputs: str) -> Step:
    if current:
        return Step(name, True, "up to date")
    return Step(name, False, f"to be made again: {inputs} changed" if exists else "to be made")


def _card(path: Path, key: str) -> ModelCard | None:
    """The card of a model of this key, None where there is none."""
    from pitmap.networks.model_card import read_card

    try:
        card = read_card(path)
    except ModelError:
        return None
    return card if card.training is not None and card.training.key == key else None
