"""The QGIS project of a study: images, maps, confidence, mines, points and review of each site, styled and in order."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from pitmap import review_queue
from pitmap.changes.record import read_change
from pitmap.deliver.layers import MAP_OPACITY, Entry, Folder, raster, vectors, view
from pitmap.errors import PitmapError
from pitmap.observer import SILENT, Observer
from pitmap.qgis.project import Project
from pitmap.qgis.saving import is_saved, save
from pitmap.raster.reading import describe
from pitmap.samples.dataset import SampleFiles
from pitmap.study.scenes import Scene
from pitmap.study.study import Study


def write_study_project(study: Study, observer: Observer = SILENT) -> Path:
    """Write the QGIS project of a study's results; one that is up to date is left as it is.

    A project that somebody has saved in QGIS is theirs: it is left as it is, too. Points of a sample are shown when all
    of them are labelled: beside the map an interpreter would see its class. Files are named relative to the project, so
    that it opens after the folder of the study is moved.

    Args:
        study: The study, with its maps.
        observer: Told of what is left out.

    Returns:
        The project.

    Raises:
        OutputError: It cannot be written.
        PitmapError: A file cannot be read.
    """
    path = study.results.qgis_project(study.project.name)
    root = _contents(study, observer)

    def project() -> Project:
        first = study.scenes[0].site.name
        crs, extent = view(scene.info.grid for scene in study.scenes if scene.site.name == first)
        return Project(study.project.name, crs, extent, root.group().members)

    save(path, root.key(path.parent), project, observer)
    return path


def is_shown(study: Study) -> bool:
    """Whether the QGIS project is up to date; one that somebody has saved is theirs."""
    path = study.results.qgis_project(study.project.name)
    return is_saved(path, lambda: _contents(study, SILENT).key(path.parent))


def _contents(study: Study, observer: Observer) -> Folder:
    sites = dict.fromkeys(scene.site.name for scene in study.scenes)
    queues = _queues(study)
    members: list[Folder | Entry] = []
    for site in sites:
        scenes = [s for s in study.scenes if s.site.name == site]
        of_scenes = [_scene_layers(study, scene, queues.get(scene.name, []), observer) for scene in scenes]
        if len(scenes) == 1:
            members.append(Folder(site, of_scenes[0]))
        else:
            inner = [Folder(scene.name, layers) for scene, layers in zip(scenes, of_scenes, strict=True)]
            members.append(Folder(site, tuple(inner)))
    for name in reversed(study.series):
        if changed := _changes(study, name):
            members.insert(0, Folder(f"change of {name}", changed))
    audit = study.results.audit.with_suffix(".gpkg")
    if audited := tuple(vectors(audit, ("reference", "mapped"), "{}", visible=False)):
        members.insert(0, Folder("audit of mines", audited))
    patches = SampleFiles(study.samples_folder).footprints
    if patches.exists():
        members.append(Folder("training", tuple(vectors(patches, None, "{}", visible=False))))
    return Folder("", tuple(members))


def _scene_layers(study: Study, scene: Scene, queues: list[Path], observer: Observer) -> tuple[Entry, ...]:
    """The layers of a scene from the top down."""
    files, samples = study.results.map(scene.name), SampleFiles(study.samples_folder)
    layers: list[Entry] = []
    for queue in queues:
        layers += vectors(queue, (review_queue.LAYER,), "review")
    layers += _points(study, scene, observer)
    if study.mine_classes and files.mines.exists():
        layers += vectors(files.mines, ("mines",), "mines")
    rasters = [
        ("confidence", files.confidence, False), ("probabilities", files.probabilities, False),
        ("land cover", files.map, True), ("labels", samples.label_file(scene.name), False),
        ("split", samples.split_file(scene.name), False),
    ]  # fmt: skip
    for name, path, visible in rasters:
        if path.exists():
            opacity = MAP_OPACITY if path == files.map else 1.0
            layers.append(raster(name, path, scene.info.grid, visible=visible, opacity=opacity))
    layers.append(raster(scene.image.stem, scene.image, scene.info.grid, scene.band_indices))
    return tuple(layers)


def _changes(study: Study, name: str) -> tuple[Folder | Entry, ...]:
    """What changed between the dates of a place, the latest step first; only mines of that are visible."""
    described = study.results.change(name)
    content = read_change(described)
    if content is None:
        return ()
    made: list[Folder] = []
    for k, step in enumerate(reversed(content["steps"])):
        files = {key: described.parent / file for key, file in step["files"].items()}
        layers = [
            *vectors(files["layers"], ("mines_change",), "mines, what became of them", visible=k == 0),
            *vectors(files["layers"], ("transitions",), "ground that changed", visible=False),
        ]
        for title, kind in (("kind of change", "kinds"), ("from class to class", "transitions")):
            if files[kind].exists():
                layers.append(raster(title, files[kind], describe(files[kind]).grid, visible=False))
        made.append(Folder(f"{step['before']} to {step['after']}", tuple(layers)))
    return made[0].members if len(made) == 1 else tuple(made)


def _points(study: Study, scene: Scene, observer: Observer) -> Iterator[Entry]:
    """The labelled sample that was drawn from the map of a scene."""
    from pitmap.accuracy.sampling.labelling import labelled_style
    from pitmap.accuracy.sampling.sample_file import read_sample

    if study.accuracy.reference is None:
        return
    path = study.place(study.accuracy.reference)
    try:
        sample = read_sample(path)
    except PitmapError:
        return  # the estimate says what is wrong with it
    if sample.about.get("map") != study.results.map(scene.name).map.name:
        return
    if sample.points["reference"].isna().any():
        observer.say(
            f"{path.name} is left out of the QGIS project, which shows the map, until all points are labelled."
        )
        return
    for entry in vectors(path, ("points",), "points"):
        yield Entry(entry.layer, lambda: labelled_style(study.legend))


def _queues(study: Study) -> dict[str, list[Path]]:
    """Queues of `pitmap review`, by the scene whose map they were made from."""
    files = [s.corrections for s in study.scenes if s.corrections is not None]
    for folder in (study.folder, study.results.folder):
        files += [p for pattern in ("*.gpkg", "*/*.gpkg") for p in sorted(folder.glob(pattern))]
    maps = {study.results.map(scene.name).map.name: scene.name for scene in study.scenes}
    found: dict[str, list[Path]] = {}
    for file in dict.fromkeys(f.resolve() for f in files):
        with contextlib.suppress(sqlite3.Error):
            if (name := maps.get(review_queue.map_of(file) or "")) is not None:
                found.setdefault(name, []).append(file)
    return found
