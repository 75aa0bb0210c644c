"""The scenes of a study mapped, each with its mines; what is up to date is left as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pitmap.currency import is_current
from pitmap.mapping.order import MapOrder, MineOptions, fulfil, is_fulfilled
from pitmap.mapping.prediction import MapOptions, map_key, weights_key
from pitmap.mapping.resting import geopackages, refuse_to_replace_under
from pitmap.observer import SILENT, Observer, Part
from pitmap.study.results import MapFiles
from pitmap.study.scenes import Scene
from pitmap.study.schema import SiteSection
from pitmap.study.study import Study


def map_scenes(project: Study, model: Path, observer: Observer = SILENT, *, replace: bool = False) -> None:
    """Map all scenes of a study and extract their mines.

    Args:
        project: The study.
        model: The model.
        observer: Told of the scenes that are mapped.
        replace: Whether other maps may take the place of those on which somebody's work rests. It is looked for in the
            folder of the study and in ``[accuracy] reference``; a queue that is among the corrections does not count,
            because its labels live on in the next model.

    Raises:
        OutputError: A map would be replaced under somebody's work; then none is.
        PitmapError: See ``map_image`` and ``extract_mines``.
    """
    scenes = project.scenes
    if not replace:
        work = _places_of_work(project)
        for scene in scenes:
            files = project.results.map(scene.name)
            if not is_current(files.map, _map_key(project, model, scene)):
                refuse_to_replace_under(files.map, work)
    for i, scene in enumerate(scenes):
        map_scene(
            project, model, scene, Part(observer, i / len(scenes), (i + 1) / len(scenes), f"mapping {scene.name}")
        )


def map_scene(project: Study, model: Path, scene: Scene, observer: Observer = SILENT) -> None:
    """Map a scene of a study and extract its mines, whatever rests on an earlier map.

    Raises:
        PitmapError: See ``map_image`` and ``extract_mines``.
    """
    fulfil(model, scene_order(project, scene), observer, replace=True)


def is_mapped(project: Study, model: Path, scene: Scene) -> bool:
    """Whether map and mines of a scene are up to date.

    Raises:
        ModelError: The model cannot be read.
    """
    return is_fulfilled(model, scene_order(project, scene))


def scene_order(project: Study, scene: Scene) -> MapOrder:
    """What is to be made of a scene of a study: its map and its mines."""
    mines = MineOptions(
        tuple(project.mine_classes), project.mapping.minimum_mapping_unit_m2, project.mapping.simplify_m
    )
    out, options = project.results.map(scene.name).map, _scene_options(project, scene)
    return MapOrder(scene.image, out, options, mines if project.mine_classes else None)


def map_options(project: Study, site: SiteSection, out: Path) -> MapOptions:
    """How an image of a site is mapped, one of the study or another: what the site asks for, and ``[mapping]``."""
    settings = project.mapping
    return MapOptions(
        bands=site.bands,
        scale=site.scale,
        offset=site.offset,
        nodata=site.nodata,
        masks=tuple(project.place(p) for p in site.exclude),
        extent=None if site.extent is None else project.place(site.extent),
        tile=settings.tile,
        halo=settings.halo,
        test_time_augmentation=settings.test_time_augmentation,
        precision=settings.precision,
        engine=settings.engine,
        device=project.training.device,
        confidence=MapFiles(out).confidence,
        probabilities=MapFiles(out).probabilities if settings.probabilities else None,
        project=project.project.name,
        trusted=(project.training.network,),
    )


def _map_key(project: Study, model: Path, scene: Scene) -> str:
    options = _scene_options(project, scene)
    return map_key(weights_key(model, options), scene.image, options)


def _scene_options(project: Study, scene: Scene) -> MapOptions:
    options = map_options(project, scene.site, project.results.map(scene.name).map)
    # A scene with labels is training ground itself.
    return replace(options, compare_numbers=scene.labels is None)


def _places_of_work(project: Study) -> list[Path]:
    used = {scene.corrections.resolve() for scene in project.scenes if scene.corrections is not None}
    found = [*geopackages(project.folder, but=project.results.folder), *geopackages(project.results.maps)]
    if project.accuracy.reference is not None:
        found.append(project.folder / project.accuracy.reference)
    return [file for file in found if file.resolve() not in used]


def split_file(project: Study, map_file: Path) -> Path | None:
    """The raster of training, validation and test ground under a map of the project, None where there is none."""
    maps = {(project.results.map(s.name).map).resolve(): s.name for s in project.scenes}
    path = project.samples_folder / "splits" / f"{maps.get(map_file.resolve())}.tif"
    return path if path.exists() else None
