"""What there is to see in a results folder: its scenes, and the layers of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pitmap.acquisition import acquisition
from pitmap.changes.record import read_change
from pitmap.errors import ProjectError
from pitmap.footprint import bounds, footprint
from pitmap.legend import DEFAULT_LEGEND, Legend
from pitmap.raster.bands import composite
from pitmap.raster.codes import read_legend
from pitmap.raster.reading import RasterInfo, describe
from pitmap.samples.dataset import SampleFiles
from pitmap.study.results import MapFiles, Results
from pitmap.study.scenes import Scene
from pitmap.study.study import Study, load_study

Kind = Literal["image", "codes", "confidence"]

CHANGE = "change.json"
"""Describes a comparison of dates."""


@dataclass(frozen=True)
class ViewedLayer:
    """A raster that can be shown.

    Attributes:
        name: ``image``, ``map``, ``confidence`` or ``reference``.
        title: For people.
        path: The file.
        kind: How it is painted.
        bands: The three bands of an image that become red, green and blue, counted from 1.
        nodata: What stands for no data, None where the file says it.
        legend: Of codes that are not the classes of the maps, None for those.
        listed: Whether it can be chosen; others are seen in the pictures of mines alone.
    """

    name: str
    title: str
    path: Path
    kind: Kind
    bands: tuple[int, ...] = (1,)
    nodata: float | None = None
    legend: Legend | None = None
    listed: bool = True


@dataclass(frozen=True)
class Timeline:
    """Hectares of mines over the dates.

    Attributes:
        labels: The dates.
        hectares: On each date, by number of the mine.
    """

    labels: tuple[str, ...]
    hectares: dict[int, list[float]]


@dataclass(frozen=True)
class ViewedScene:
    """A scene, or what changed from one to another, and its layers.

    Attributes:
        name: Of the scene.
        date: When its image was taken, None where nothing says it.
        bounds: West, south, east, north in degrees.
        layers: By name, in the order of the list.
        mines: GeoPackage of its mines, None where there is none.
        table: Its layer of them.
        number: Its column with their numbers.
        timeline: Of the mines, where they were compared between dates.
    """

    name: str
    date: str | None
    bounds: list[float]
    layers: dict[str, ViewedLayer] = field(default_factory=dict)
    mines: Path | None = None
    table: str = "mines"
    number: str = "id"
    timeline: Timeline | None = None


@dataclass(frozen=True)
class Viewed:
    """What is shown.

    Attributes:
        title: Of the study.
        folder: The results folder: files are served from it alone.
        scenes: By name.
        legend: Classes of the maps.
        report: The page of the report, relative to the folder, None where there is none.
        left_out: Rasters without a place on the Earth, which a map cannot show.
    """

    title: str
    folder: Path
    scenes: dict[str, ViewedScene]
    legend: Legend
    report: str | None
    left_out: tuple[str, ...] = ()


def find_scenes(path: str | Path) -> Viewed:
    """What there is to see.

    Args:
        path: A results folder, or a study: its ``pitmap.toml`` or the folder of it. A results folder whose study lies
            in the folder above shows that study's images too; another shows its maps. Or the folder of a comparison of
            dates: what changed.

    Raises:
        ProjectError: There is no map and no image to show.
        PitmapError: A file cannot be read.
    """
    path = Path(path)
    study = _study_of(path)
    folder = path if study is None else study.results.folder
    if not folder.is_dir():
        raise ProjectError(f"{folder} does not exist.", "A results folder, or a study that was run.")
    results, scenes = Results(folder), list[ViewedScene | str]()
    alone = study is None and (folder / CHANGE).exists()
    if not alone:
        scenes += _of_maps(results) if study is None else [_of_scene(results, scene) for scene in study.scenes]
    images = {s.name: s for s in scenes if isinstance(s, ViewedScene)}
    for described in [folder / CHANGE] if alone else sorted(results.changes.glob(f"*/{CHANGE}")):
        scenes += _of_change(described, "" if alone else f"{described.parent.name}, ", images)
    shown = [scene for scene in scenes if isinstance(scene, ViewedScene)]
    left_out = tuple(name for name in scenes if isinstance(name, str))
    if not shown:
        raise ProjectError(
            f"{folder} holds nothing to show.",
            "Georeferenced images of a study, or maps in the folder `maps`.",
            "Run the study first: pitmap run PROJECT",
        )
    legends = [read_legend(s.layers["map"].path) for s in shown if "map" in s.layers]
    legend = next((found for found in legends if found is not None), DEFAULT_LEGEND if study is None else study.legend)
    title = folder.resolve().name if study is None else study.project.name or study.folder.resolve().name
    page = folder / "change.html" if alone else results.report
    report = page.name if page.exists() else None
    return Viewed(title, folder.resolve(), {s.name: s for s in shown}, legend, report, left_out)


def _study_of(path: Path) -> Study | None:
    if path.suffix == ".toml" or (path / "pitmap.toml").is_file():
        return load_study(path)
    if (above := path.resolve().parent / "pitmap.toml").is_file():
        study = load_study(above)
        if study.results.folder.resolve() == path.resolve():
            return study
    return None


def _of_scene(results: Results, scene: Scene) -> ViewedScene | str:
    names = scene.band_names
    chosen = composite(names).bands
    image = ViewedLayer(
        "image", "Image", scene.image, "image", tuple(scene.band_indices[i] for i in chosen), _nodata(scene)
    )
    reference = SampleFiles(results.samples).label_file(scene.name)
    return _scene(scene.name, scene.info, scene.image, [image], results.map(scene.name), reference)


def _nodata(scene: Scene) -> float | None:
    own = scene.site.nodata if scene.site.nodata is not None else scene.info.nodata
    return 0.0 if own is None else own


def _of_maps(results: Results) -> Iterable[ViewedScene | str]:
    files = sorted(results.maps.glob("*.tif")) or sorted(results.folder.glob("*.tif"))
    for path in files:
        if read_legend(path) is not None:
            yield _scene(path.stem, describe(path), path, [], MapFiles(path), None)


def _of_change(described: Path, place: str, images: dict[str, ViewedScene]) -> Iterable[ViewedScene]:
    """What changed in each step of a comparison, with the images of both dates where they are at hand."""
    content = read_change(described)
    assert content is not None
    kinds, lines = Legend.from_json(content["kinds"]), dict[int, list[float]]()
    for row in content["timeline"]:
        lines.setdefault(int(row["mine"]), []).append(round(float(row["area_ha"]), 2))
    timeline = Timeline(tuple(m["label"] for m in content["maps"]), lines)
    for (before, after), step in zip(pairwise(content["maps"]), content["steps"], strict=True):
        raster, layers = described.parent / step["files"]["kinds"], described.parent / step["files"]["layers"]
        shape = footprint(describe(raster).grid)
        if shape is None:
            continue
        found = {"change": ViewedLayer("change", "What changed", raster, "codes", legend=kinds)}
        for name, m in (("before", before), ("after", after)):
            scene = images.get(Path(m["map"]).stem)
            if scene is not None and "image" in scene.layers:
                found[name] = replace(scene.layers["image"], name=name, title=m["label"], listed=False)
        name = f"{place}{step['before']} to {step['after']}".replace("/", "-")
        mines = layers if layers.exists() else None
        yield ViewedScene(name, None, bounds(shape), found, mines, "mines_change", "mine", timeline)


def _scene(
    name: str, info: RasterInfo, source: Path, layers: list[ViewedLayer], files: MapFiles, reference: Path | None
) -> ViewedScene | str:
    shape = footprint(info.grid)
    if shape is None:
        return name
    if files.map.exists():
        layers.append(ViewedLayer("map", "Land-cover map", files.map, "codes"))
    if files.confidence.exists():
        layers.append(ViewedLayer("confidence", "Confidence", files.confidence, "confidence"))
    if reference is not None and reference.exists():
        layers.append(ViewedLayer("reference", "Reference", reference, "codes"))
    taken = acquisition(source, info.tags)
    date = None if taken is None else taken.date.isoformat()
    mines = files.mines if files.mines.exists() else None
    return ViewedScene(name, date, bounds(shape), {layer.name: layer for layer in layers}, mines)
