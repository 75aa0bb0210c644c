"""The places of a study compared between their dates; what is up to date is left as it is."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pitmap import __version__
from pitmap.changes.change import change
from pitmap.changes.files import StepFiles
from pitmap.changes.result import ChangeOptions
from pitmap.currency import content_key, digest, is_current, mark, unmark
from pitmap.errors import ImageError, LabelError
from pitmap.observer import SILENT, Observer, Part
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

FORMAT = 1
"""Changes with the meaning of what is written."""


def compare_places(study: Study, observer: Observer = SILENT) -> tuple[str, ...]:
    """Compare the maps of each place that ``[change] series`` names.

    A place whose images are not in register, or have no common ground, is not compared: the reason is said, and an
    earlier comparison is removed. Folders of places that the project file names no more are removed, too.

    Args:
        study: The study, with its maps.
        observer: Told of the work, and warned of places that cannot be compared.

    Returns:
        What was warned of.

    Raises:
        PitmapError: A file cannot be read or written.
    """
    series, results, refused = study.series, study.results, []
    _remove_others(results.changes, series)
    for i, (place, scenes) in enumerate(series.items()):
        out = results.change(place)
        key = _key(study, scenes)
        if is_current(out, key):
            observer.say(f"The comparison of dates of {place} is up to date.")
            continue
        unmark(out)
        _remove(out.parent)
        part = Part(observer, i / len(series), (i + 1) / len(series), f"comparing dates of {place}")
        maps, options = [results.map(s.name).map for s in scenes], _options(study, scenes, place)
        try:
            made = change(maps, out.parent, options, part)
            if study.change.points is not None:
                try:
                    made = change(maps, out.parent, replace(options, points=study.place(study.change.points)), part)
                except LabelError as error:
                    refused.append(f"No areas of change from points: {error}")
                    observer.warn(refused[-1])
        except (ImageError, LabelError) as error:
            _remove(out.parent)
            refused.append(f"The dates of {place} are not compared: {error}")
            observer.warn(refused[-1])
            continue
        for sentence in made.sentences():
            observer.say(sentence)
        files = [f for step in made.steps for f in _rasters(step.files)]
        mark(out, key, [made.page, out.parent / "timeline.csv", *files])
    return tuple(refused)


def is_compared(study: Study, place: str) -> bool:
    """Whether the comparison of a place is up to date; its maps must be there."""
    return is_current(study.results.change(place), _key(study, study.series[place]))


def _key(study: Study, scenes: Sequence[Scene]) -> str:
    return content_key(
        {
            "step": "change",
            "format": FORMAT,
            "version": __version__,
            "settings": study.change.model_dump(exclude={"series", "points"}),
            "legend": study.legend.to_json(),
            "mines": study.mine_classes,
            "minimum_m2": study.mapping.minimum_mapping_unit_m2,
            "title": study.project.name,
            "points": None if study.change.points is None else digest(study.place(study.change.points)),
            "scenes": [[s.name, digest(study.results.map(s.name).map), digest(s.image)] for s in scenes],
        }
    )


def _options(study: Study, scenes: Sequence[Scene], place: str) -> ChangeOptions:
    settings = study.change
    return ChangeOptions(
        images=tuple(s.image for s in scenes),
        classes=tuple(study.mine_classes),
        waste=None if settings.waste is None else tuple(settings.waste),
        vegetation=None if settings.vegetation is None else tuple(settings.vegetation),
        legend=study.legend,
        minimum_mapping_unit_m2=study.mapping.minimum_mapping_unit_m2,
        tolerance_pixels=settings.tolerance,
        shift=settings.shift,
        title=f"{study.project.name}: {place}",
    )


def _rasters(files: StepFiles) -> list[Path]:
    return [files.kinds, files.transitions, files.layers, files.matrix]


def _remove_others(folder: Path, series: dict[str, list[Scene]]) -> None:
    for path in sorted(folder.glob("*/change.json")):
        if path.parent.name not in series:
            _remove(path.parent)


def _remove(folder: Path) -> None:
    """A folder of a comparison; samples of points that somebody drew from it stay."""
    for file in sorted(folder.glob("*")) if folder.is_dir() else []:
        if file.name.startswith(("change", "timeline.csv", ".change")):
            file.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder)
