"""Building a sample set: labels, split, patches, statistics and audit of a project, read and written block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from pitmap.acquisition import acquisition
from pitmap.currency import content_key, is_current, mark, unmark
from pitmap.errors import LabelError, ProjectError
from pitmap.files import make_folder
from pitmap.footprint import bounds, footprint
from pitmap.grid import Grid, Window, blocks
from pitmap.labels import Labels
from pitmap.legend import Legend
from pitmap.observer import SILENT, Observer
from pitmap.raster.codes import codes_layout
from pitmap.raster.reading import open_raster
from pitmap.raster.statistics import OWN_WINDOWS, Spread, spread_of
from pitmap.raster.writing import create_cog
from pitmap.samples.arrays import DiskArray, create_array
from pitmap.samples.corrections import Corrections, SceneCorrections, correct, scene_corrections
from pitmap.samples.dataset import SampleFiles, SampleSet
from pitmap.samples.division import Division, Ground, GroundScene, divide
from pitmap.samples.footprints import write_footprints
from pitmap.samples.labels import absent_labels, scene_labels
from pitmap.samples.leakage import AuditScene, SplitAudit, audit, bit
from pitmap.samples.patches import PATCH_MULTIPLE, Patch, cover, default_patch, ground_patches
from pitmap.samples.record import FORMAT, SampleRecord, SampleScene
from pitmap.samples.split import SPLIT_LEGEND, USED, Split
from pitmap.study.inputs import site_inputs
from pitmap.study.problems import require_labels
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

BLOCK = 1024
"""Side of the blocks in which rasters are read and written, in pixels."""


def fingerprint(project: Study) -> str:
    """The key of everything that a sample set depends on: settings, legend, and the contents of the files."""
    return content_key(
        {
            "step": "samples",
            "format": FORMAT,
            "seed": project.project.seed,
            "samples": project.samples_settings.model_dump(),
            "sites": site_inputs(project),
            "legend": project.legend.to_json(),
        }
    )


def build(project: Study, observer: Observer = SILENT) -> SampleSet:
    """Write the sample set of a project to its folder, or return the one that is up to date.

    Memory does not grow with the images: all rasters are made from files to files, block by block.

    Args:
        project: The project.
        observer: Told of the step and the share done.

    Raises:
        LabelError: No labelled pixel, or labels that do not fit.
        ImageError: An image cannot be read.
        ProjectError: No site has labels, or the split cannot be made.
        OutputError: The results folder cannot be written to.
    """
    require_labels(project)
    folder = project.samples_folder
    key = fingerprint(project)
    if is_current(SampleFiles(folder).record, key):
        return SampleSet(folder)
    files = SampleFiles(make_folder(folder))
    unmark(files.record)
    files.record.unlink(missing_ok=True)
    sources = []
    for i, scene in enumerate(project.scenes):
        observer.progress(f"labels and pixels of {scene.name}", i / (2 * len(project.scenes)))
        sources.append(_read_scene(project, scene, files))
    for sentence in absent_labels([(s.scene, s.given) for s in sources]):
        observer.warn(sentence)
    _require_labels(sources)

    observer.progress("split", 0.5)
    settings = project.samples_settings
    patch = settings.patch or default_patch([s.grid.shape for s in sources])
    patch = -(-patch // PATCH_MULTIPLE) * PATCH_MULTIPLE
    stride = settings.stride or patch // 2
    ground = Ground([s.ground() for s in sources], len(project.legend), settings, project.project.seed, patch, stride)
    division = divide(ground)
    corrections: list[Corrections] = []
    for i, source in enumerate(sources):
        observer.progress(f"writing {source.scene.name}", 0.5 + 0.4 * i / len(sources))
        corrections += _write_rasters(files, project.legend, source, partial(division.split, i))
    patches = _patches(sources, division, patch, stride)
    for split in USED:
        if not any(p.split == split for p in patches):
            raise ProjectError(
                f"The split {settings.split!r} leaves no labelled pixel for {split.label}.",
                "Training, validation and test each have some.",
                division.remedy,
            )
    mean, std = _statistics(sources)
    observer.progress("audit", 0.9)
    by_patches = division.facts.by_patches
    counted = [_class_counts(sources[p.scene], p, patch, len(project.legend), by_patches) for p in patches]
    write_footprints(files.footprints, project.legend, project.scenes, patches, counted, patch)
    SampleRecord(
        format=FORMAT,
        fingerprint=key,
        project=project.project.name,
        seed=project.project.seed,
        legend=project.legend.classes,
        bands=tuple(project.scenes[0].band_names),
        unit="reflectance" if project.scenes[0].calibrated else "DN",
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        patch=patch,
        stride=stride,
        split=division.facts,
        scenes=tuple(_scene_record(project, s) for s in sources),
        patches=tuple(patches),
        corrections=sum(corrections, Corrections()) if any(s.corrections for s in sources) else None,
        audit=_audit(project, sources, division, patches, patch),
    ).write(files.record)
    samples = SampleSet(folder)
    mark(files.record, key, samples.files, sealed=[files.footprints])
    observer.progress("done", 1.0)
    return samples


@dataclass(frozen=True)
class _Source:
    """A scene whose pixels lie on disk.

    Attributes:
        scene: The scene.
        pixels: Its bands.
        valid: Which pixels hold data.
        labels: Codes on valid pixels.
        splits: ``Split`` values, once they are written.
        corrections: Of an analyst.
        given: The labels as they were read.
        spread: What the numbers of the image are like.
    """

    scene: Scene
    pixels: DiskArray
    valid: DiskArray
    labels: DiskArray
    splits: DiskArray
    corrections: SceneCorrections | None
    given: Labels
    spread: Spread | None

    @property
    def grid(self) -> Grid:
        return self.scene.info.grid

    def ground(self) -> GroundScene:
        """As a split sees it."""
        scene = self.scene
        corrected = None if self.corrections is None else self._corrected
        taken = acquisition(scene.image, scene.info.tags)
        return GroundScene(
            scene.name,
            scene.site.name,
            scene.group,
            self.grid,
            self.labels.read,
            corrected,
            None if taken is None else taken.date,
        )

    def _corrected(self, window: Window) -> NDArray[np.bool_]:
        assert self.corrections is not None
        return np.asarray(self.corrections.labelled(window) & self.valid.read(window))

    def labelled_splits(self, window: Window) -> set[Split]:
        """The splits that have labels in a window."""
        found = np.bincount(self.splits.read(window)[self.labels.read(window) > 0], minlength=len(Split))
        return {s for s in USED if found[s]}


def _read_scene(project: Study, scene: Scene, files: SampleFiles) -> _Source:
    """Copy the selected bands to an uncompressed array, and note where they hold data and what the labels say there."""
    shape, name = scene.info.grid.shape, scene.name
    labels = scene_labels(project, scene)
    with (
        open_raster(scene.image, scene.band_indices, scene.site.nodata) as reader,
        create_array(files.pixels(name).path, (len(scene.band_indices), *shape), reader.dtype) as pixel_array,
        create_array(files.valid(name).path, shape, np.bool_) as valid_array,
        create_array(files.labels(name).path, shape, np.uint8) as label_array,
    ):
        for window in blocks(shape, BLOCK):
            pixels, valid = reader.read(window)
            pixel_array.write(window, pixels)
            valid_array.write(window, valid)
            label_array.write(window, np.where(valid, labels.read(window), 0))
        spread = spread_of(reader, scene.reading, windows=OWN_WINDOWS)
    return _Source(
        scene, files.pixels(name), files.valid(name), files.labels(name), files.splits(name),
        scene_corrections(project, scene), labels, spread,
    )  # fmt: skip


def _require_labels(sources: Sequence[_Source]) -> None:
    if not any(s.labels.read(window).any() for s in sources for window in blocks(s.grid.shape, BLOCK)):
        layers = sorted({str(s.scene.labels) for s in sources if s.scene.labels}) or ["(no labels given)"]
        raise LabelError(
            f"No pixel of any image has a label (labels: {', '.join(layers)}).",
            "Labelled ground with valid pixels, inside the extent and outside the excluded layers.",
            "Check label_values, extent and exclude, and that image and labels are of the same place.",
        )


def _write_rasters(
    files: SampleFiles, legend: Legend, source: _Source, split: Callable[[Window], NDArray[np.uint8]]
) -> list[Corrections]:
    """Write the split of a scene, put an analyst's corrections into the labels of the training ground, write these.

    The labels before corrections are kept: figures of the labelled area come from them.
    """
    name, grid = source.scene.name, source.grid
    with create_array(source.splits.path, grid.shape, np.uint8) as array:
        for window in blocks(grid.shape, BLOCK):
            raster = np.asarray(split(window))
            if raster.shape != (window.height, window.width) or not np.isin(raster, list(Split)).all():
                raise ProjectError(
                    f"The split gave an array of shape {raster.shape} for {window.height} x {window.width} pixels of "
                    f"{name}, or values that are no split.",
                    f"One of {', '.join(f'{s.value} ({s.label})' for s in Split)} for each pixel.",
                )
            array.write(window, raster)
    _write_codes(files.split_file(name), source.splits, grid, SPLIT_LEGEND)
    done = []
    own = source.corrections
    files.given_file(name).unlink(missing_ok=True)
    if own is not None:
        _write_codes(files.given_file(name), source.labels, grid, legend)
        done.append(Corrections(own.polygons, own.open))
        for window in blocks(grid.shape, BLOCK):
            codes = np.where(source.valid.read(window), own.codes(window), 0)
            labels, count = correct(source.labels.read(window), codes, source.splits.read(window))
            source.labels.write(window, labels)
            done.append(count)
    _write_codes(files.label_file(name), source.labels, grid, legend)
    return done


def _write_codes(path: Path, array: DiskArray, grid: Grid, legend: Legend) -> None:
    with create_cog(path, grid, codes_layout(legend)) as writer:
        for window in blocks(grid.shape, BLOCK):
            writer.write(array.read(window), window)


def _patches(sources: Sequence[_Source], division: Division, patch: int, stride: int) -> list[Patch]:
    if division.patches is not None:
        return list(division.patches)
    return [p for i, s in enumerate(sources) for p in ground_patches(i, s.grid.shape, s.labelled_splits, patch, stride)]


def _class_counts(source: _Source, p: Patch, patch: int, classes: int, by_patches: bool) -> NDArray[np.int64]:
    """Labelled pixels of each class that a patch has for its split, ``(class,)``."""
    height, width = source.grid.shape
    window = Window(p.row, p.col, min(patch, height - p.row), min(patch, width - p.col))
    codes = source.labels.read(window)
    if not by_patches:
        codes = codes[source.splits.read(window) == p.split]
    return np.bincount(codes.ravel(), minlength=classes + 1)[1:]


def _statistics(sources: Sequence[_Source]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each band over the valid pixels of the training ground.

    Deviations are taken from the mean of each block and the blocks put together (Chan, Golub and LeVeque 1983, Am.
    Stat. 37(3)), so that nothing cancels and the pixels are read once.
    """
    first = sources[0].scene
    bands = range(len(first.band_indices))
    count, mean, squares = 0, np.zeros(len(bands)), np.zeros(len(bands))
    for source in sources:
        for window in blocks(source.grid.shape, BLOCK):
            used = (source.splits.read(window) == Split.TRAINING) & source.valid.read(window)
            number = int(used.sum())
            if not number:
                continue
            pixels, total = source.pixels.read(window), count + number
            for band in bands:
                values = pixels[band][used].astype(np.float64) * source.scene.scales[band] + source.scene.offsets[band]
                own = float(values.mean(dtype=np.float64))
                apart = own - mean[band]
                squares[band] += float(((values - own) ** 2).sum(dtype=np.float64)) + apart**2 * count * number / total
                mean[band] += apart * number / total
            count = total
    std = np.sqrt(squares / max(count - 1, 1))
    if not (std > 0).all():
        flat = [n for n, s in zip(first.band_names, std.tolist(), strict=True) if not s > 0]
        raise LabelError(
            f"The band(s) {', '.join(flat)} have the same value in all training pixels.",
            "Bands that vary.",
            "Leave them out with bands = [...] at each site.",
        )
    return mean, std


def _scene_record(project: Study, source: _Source) -> SampleScene:
    scene, spread = source.scene, source.spread
    taken, outline = acquisition(scene.image, scene.info.tags), footprint(scene.info.grid)
    return SampleScene(
        name=scene.name,
        site=scene.site.name,
        image=project.relative(scene.image),
        shape=scene.info.grid.shape,
        scales=tuple(scene.scales),
        offsets=tuple(scene.offsets),
        pixel_size_m=scene.info.grid.pixel_size_m,
        group=scene.group,
        acquired=None if taken is None else str(taken),
        bounds=None if outline is None else _edges(outline),
        mean=None if spread is None else tuple(spread.mean.tolist()),
        std=None if spread is None else tuple(spread.std.tolist()),
    )


def _edges(outline: Polygon | MultiPolygon) -> tuple[float, float, float, float]:
    west, south, east, north = bounds(outline)
    return west, south, east, north


def _audit(
    project: Study, sources: Sequence[_Source], division: Division, patches: Sequence[Patch], patch: int
) -> SplitAudit:
    by_patches, settings = division.facts.by_patches, project.samples_settings

    def inputs(scene: int, window: Window) -> NDArray[np.uint8]:
        covered = cover(window, patches, patch, scene)
        bits = np.zeros((window.height, window.width), np.uint8)
        for split in USED:
            bits |= covered[split] * np.uint8(bit(split))
        return bits

    def labelled(scene: int, window: Window) -> NDArray[np.uint8]:
        source = sources[scene]
        bits = inputs(scene, window) if by_patches else _BITS[source.splits.read(window)]
        return np.where(source.labels.read(window) > 0, bits, 0).astype(np.uint8)

    scenes = [
        AuditScene(
            s.grid, s.scene.group if settings.split == "groups" else s.scene.name, s.labels.read, partial(inputs, i),
            partial(labelled, i),
        )
        for i, s in enumerate(sources)
    ]  # fmt: skip
    numbers = {split: sum(p.split == split for p in patches) for split in USED}
    places = {split: {p[:3] for p in patches if p.split == split} for split in USED}
    tested = places[Split.TEST] != places[Split.VALIDATION]
    return audit(scenes, project.legend, numbers, settings.minimum_per_class, by_patches=by_patches, tested=tested)


_BITS = np.array([0, *(bit(split) for split in USED)], np.uint8)
"""The bit of each value of a split raster."""
