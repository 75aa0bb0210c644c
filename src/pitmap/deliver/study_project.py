"""The QGIS project of a study: images, maps, confidence, mines, points and review of each site, styled and in order."""

from __future__ import annotations

import contextlib
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import ParseError

from pyproj import CRS, Transformer

from pitmap import __version__, review_queue
from pitmap.currency import content_key, digest
from pitmap.errors import PitmapError
from pitmap.files import replacing
from pitmap.geopackage import default_style
from pitmap.grid import Grid, place_of
from pitmap.observer import SILENT, Observer
from pitmap.qgis.elements import read_style
from pitmap.qgis.project import Group, Layer, Project, place
from pitmap.raster.codes import read_legend
from pitmap.raster.looks import codes_look, image_look
from pitmap.samples.dataset import SampleFiles
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

FORMAT = 1
"""Changes with what a project of the same files holds."""

MAP_OPACITY = 0.6
"""Of maps, so that the image shows under them."""

_SIGNATURE = "pitmap "
"""Begins the comment of an archive as pitmap left it; QGIS drops it when somebody saves the project."""


@dataclass(frozen=True)
class _Entry:
    """A layer, whose style is made only where the project is written."""

    layer: Layer
    style: Callable[[], str]


@dataclass(frozen=True)
class _Folder:
    name: str
    members: tuple[_Folder | _Entry, ...]

    def entries(self) -> Iterator[_Entry]:
        for member in self.members:
            if isinstance(member, _Entry):
                yield member
            else:
                yield from member.entries()

    def group(self) -> Group:
        return Group(
            self.name,
            tuple(m.group() if isinstance(m, _Folder) else replace(m.layer, style=m.style()) for m in self.members),
        )


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
    key = _key(root, path.parent)
    if (comment := _comment(path)) is not None:
        if not comment.startswith(_SIGNATURE):
            observer.say(f"{path.name} was saved in QGIS and is left as it is; once removed it is written anew.")
            return path
        if comment == _SIGNATURE + key:
            return path
    crs, extent = _view(study)
    project = Project(study.project.name, crs, extent, root.group().members)
    with replacing(path) as temporary:
        temporary.write_bytes(project.archive(path.parent, _SIGNATURE + key))
    return path


def is_shown(study: Study) -> bool:
    """Whether the QGIS project is up to date; one that somebody has saved is theirs."""
    path = study.results.qgis_project(study.project.name)
    comment = _comment(path)
    if comment is None or not comment.startswith(_SIGNATURE):
        return comment is not None
    return comment == _SIGNATURE + _key(_contents(study, SILENT), path.parent)


def _key(root: _Folder, folder: Path) -> str:
    layers = [
        [place(e.layer, folder), e.layer.name, e.layer.visible, e.layer.opacity, digest(e.layer.source)]
        for e in root.entries()
    ]
    return content_key({"step": "qgis project", "format": FORMAT, "version": __version__, "layers": layers})


def _comment(path: Path) -> str | None:
    """The comment of an archive; None where there is none that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.decode(errors="replace")
    except (OSError, zipfile.BadZipFile):
        return None


def _contents(study: Study, observer: Observer) -> _Folder:
    sites = dict.fromkeys(scene.site.name for scene in study.scenes)
    queues = _queues(study)
    members: list[_Folder | _Entry] = []
    for site in sites:
        scenes = [s for s in study.scenes if s.site.name == site]
        of_scenes = [_scene_layers(study, scene, queues.get(scene.name, []), observer) for scene in scenes]
        if len(scenes) == 1:
            members.append(_Folder(site, of_scenes[0]))
        else:
            inner = [_Folder(scene.name, layers) for scene, layers in zip(scenes, of_scenes, strict=True)]
            members.append(_Folder(site, tuple(inner)))
    audit = study.results.audit.with_suffix(".gpkg")
    if audited := tuple(_vectors(audit, ("reference", "mapped"), "{}", visible=False)):
        members.insert(0, _Folder("audit of mines", audited))
    patches = SampleFiles(study.samples_folder).footprints
    if patches.exists():
        members.append(_Folder("training", tuple(_vectors(patches, None, "{}", visible=False))))
    return _Folder("", tuple(members))


def _scene_layers(study: Study, scene: Scene, queues: list[Path], observer: Observer) -> tuple[_Entry, ...]:
    """The layers of a scene from the top down."""
    files, samples = study.results.map(scene.name), SampleFiles(study.samples_folder)
    layers: list[_Entry] = []
    for queue in queues:
        layers += _vectors(queue, (review_queue.LAYER,), "review")
    layers += _points(study, scene, observer)
    if study.mine_classes and files.mines.exists():
        layers += _vectors(files.mines, ("mines",), "mines")
    rasters = [
        ("confidence", files.confidence, False), ("probabilities", files.probabilities, False),
        ("land cover", files.map, True), ("labels", samples.label_file(scene.name), False),
        ("split", samples.split_file(scene.name), False),
    ]  # fmt: skip
    for name, path, visible in rasters:
        if path.exists():
            opacity = MAP_OPACITY if path == files.map else 1.0
            layers.append(_raster(name, path, scene.info.grid, visible, opacity, None))
    layers.append(_raster(scene.image.stem, scene.image, scene.info.grid, True, 1.0, scene))
    return tuple(layers)


def _raster(name: str, path: Path, grid: Grid, visible: bool, opacity: float, image: Scene | None) -> _Entry:
    def style() -> str:
        with contextlib.suppress(OSError, UnicodeDecodeError, ParseError):
            text = path.with_suffix(".qml").read_text(encoding="utf-8")
            read_style(text)
            return text
        legend = read_legend(path) if image is None else None
        return image_look(path, None if image is None else image.band_indices) if legend is None else codes_look(legend)

    return _Entry(Layer(name, path, "raster", "", grid.crs, visible=visible, opacity=opacity), style)


def _vectors(path: Path, tables: tuple[str, ...] | None, name: str, *, visible: bool = True) -> Iterator[_Entry]:
    """Layers of a GeoPackage with the styles that it holds.

    Args:
        path: The file; where there is none there are no layers.
        tables: Which; None for all.
        name: Of the layers, ``{}`` for that of the table.
        visible: Whether they are drawn.
    """
    import pyogrio

    if not path.exists():
        return
    there = [str(table) for table, kind in pyogrio.list_layers(path) if kind is not None]
    for table in there if tables is None else [t for t in tables if t in there]:
        written = pyogrio.read_info(path, layer=table)["crs"]
        crs = place_of(CRS.from_user_input(written).to_wkt()) if written else None
        layer = Layer(name.format(table), path, "vector", "", crs, table, visible)
        if (style := default_style(path, table)) is not None:
            yield _Entry(layer, lambda style=style: style)  # type: ignore[misc]


def _points(study: Study, scene: Scene, observer: Observer) -> Iterator[_Entry]:
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
    for entry in _vectors(path, ("points",), "points"):
        yield _Entry(entry.layer, lambda: labelled_style(study.legend))


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


def _view(study: Study) -> tuple[CRS | None, tuple[float, float, float, float]]:
    """The CRS of the first site, and the extent of its images in it."""
    first = study.scenes[0]
    crs = first.info.grid.crs
    corners = []
    for scene in study.scenes:
        grid = scene.info.grid
        if scene.site.name != first.site.name or (grid.crs is None) != (crs is None):
            continue
        if crs is None or grid.crs is None:
            # QGIS shows rows of an image without a place downwards from 0.
            corners.append((0.0, -float(grid.height), float(grid.width), 0.0))
        else:
            bounds = Transformer.from_crs(grid.crs, crs, always_xy=True).transform_bounds(*grid.bounds)
            corners.append(bounds)
    x_min, y_min, x_max, y_max = zip(*corners, strict=True)
    return crs, (min(x_min), min(y_min), max(x_max), max(y_max))
