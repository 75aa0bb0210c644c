"""Building a sample set: labels, split, patches, statistics and audit of a project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.currency import content_key, is_current, mark, unmark
from pitmap.errors import LabelError, ProjectError
from pitmap.files import make_folder, replacing, write_json
from pitmap.grid import Window, blocks
from pitmap.legend import LandCoverClass, Legend
from pitmap.observer import SILENT, Observer
from pitmap.raster.codes import codes_layout
from pitmap.raster.reading import open_raster
from pitmap.raster.writing import write_cog
from pitmap.samples.corrections import Corrections, SceneCorrections, scene_corrections
from pitmap.samples.dataset import FORMAT, SampleSet
from pitmap.samples.labels import scene_labels
from pitmap.samples.leakage import shared_pixels
from pitmap.samples.patches import Patch, cover, default_patch, ground_patches, random_patches
from pitmap.samples.split import (
    USED,
    BlockGrid,
    Split,
    block_split,
    check_buffer,
    common_crs,
    default_block_m,
    overlapping_components,
    stratify,
)
from pitmap.study.inputs import site_inputs
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

SPLIT_LEGEND = Legend(
    [
        LandCoverClass(1, "TRA", "training", "#4c78a8"),
        LandCoverClass(2, "VAL", "validation", "#f2cf5b"),
        LandCoverClass(3, "TES", "test", "#e45756"),
    ]
)
"""Colours of split rasters."""


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

    Args:
        project: The project.
        observer: Told of the progress.

    Raises:
        LabelError: No labelled pixel, or labels that do not fit.
        ImageError: An image cannot be read.
        ProjectError: The split cannot be made.
        OutputError: The results folder cannot be written to.
    """
    folder = project.samples_folder
    key = fingerprint(project)
    if is_current(folder / "samples.json", key):
        return SampleSet(folder)
    make_folder(folder)
    unmark(folder / "samples.json")
    (folder / "samples.json").unlink(missing_ok=True)
    scenes = project.scenes
    codes: list[NDArray[np.uint8]] = []
    reviewed: list[SceneCorrections | None] = []
    for i, scene in enumerate(scenes):
        observer.progress(f"labels and pixels of {scene.name}", i / (2 * len(scenes)))
        codes.append(scene_labels(project, scene))
        reviewed.append(scene_corrections(project, scene))
        own = reviewed[-1]
        _save_pixels(folder, scene, [codes[-1]] if own is None else [codes[-1], own.codes])
    _require_labels(scenes, codes)
    _keep_given_labels(folder, project.legend, scenes, codes, reviewed)

    observer.progress("split", 0.5)
    settings = project.samples_settings
    patch = settings.patch or default_patch([s.info.grid.shape for s in scenes])
    patch = -(-patch // 32) * 32
    stride = settings.stride or patch // 2
    if settings.split == "random":
        shares = (1 - settings.validation - settings.test, settings.validation, settings.test)
        patches = random_patches(codes, patch, stride, shares, project.project.seed)
        splits = _random_rasters(scenes, patches, patch)
        split_facts: dict[str, Any] = {}
        corrections = _correct(codes, splits, reviewed)
    else:
        splits, split_facts = _ground_splits(project, codes, reviewed)
        corrections = _correct(codes, splits, reviewed)
        patches = [p for i in range(len(scenes)) for p in ground_patches(i, codes[i], splits[i], patch, stride)]
    for split in USED:
        if not any(p.split == split for p in patches):
            raise ProjectError(
                f"The split {settings.split!r} leaves no labelled pixel for {split.label}.",
                "Training, validation and test each have some.",
                _remedy_for_empty_split(settings.split),
            )

    for i, (scene, labels, raster) in enumerate(zip(scenes, codes, splits, strict=True)):
        observer.progress(f"writing {scene.name}", 0.5 + 0.4 * i / len(scenes))
        write_cog(folder / "labels" / f"{scene.name}.tif", labels, scene.info.grid, codes_layout(project.legend))
        write_cog(folder / "splits" / f"{scene.name}.tif", raster, scene.info.grid, codes_layout(SPLIT_LEGEND))
    mean, std = _statistics(folder, scenes, splits)
    observer.progress("audit", 0.9)
    _write_patches(folder, project, scenes, patches, codes, splits, patch, settings.split == "random")
    write_json(
        folder / "samples.json",
        {
            "format": FORMAT,
            "fingerprint": key,
            "project": project.project.name,
            "seed": project.project.seed,
            "legend": project.legend.to_json(),
            "bands": scenes[0].band_names,
            "unit": "reflectance" if scenes[0].calibrated else "DN",
            "mean": mean.tolist(),
            "std": std.tolist(),
            "patch": patch,
            "stride": stride,
            "split": {"kind": settings.split, **split_facts},
            "scenes": [_scene_entry(project, s) for s in scenes],
            "patches": [[p.scene, p.row, p.col, int(p.split)] for p in patches],
            "corrections": None if corrections is None else corrections.to_json(),
            "audit": _audit(project, scenes, codes, splits, patches, patch),
        },
    )
    samples = SampleSet(folder)
    mark(folder / "samples.json", key, samples.files)
    observer.progress("done", 1.0)
    return samples


def _scene_entry(project: Study, scene: Scene) -> dict[str, Any]:
    return {
        "name": scene.name,
        "site": scene.site.name,
        "image": project.relative(scene.image),
        "shape": list(scene.info.grid.shape),
        "scales": list(scene.scales),
        "offsets": list(scene.offsets),
        "nodata": None if scene.fill is None else list(scene.fill),
        "pixel_size_m": scene.info.grid.pixel_size_m,
        "group": scene.group,
    }


def _save_pixels(folder: Path, scene: Scene, layers: list[NDArray[np.uint8]]) -> None:
    """Copy the selected bands to an uncompressed array, and set layers to 0 where a pixel has no data."""
    make_folder(folder / "pixels")
    with (
        replacing(folder / "pixels" / f"{scene.name}.npy") as temporary,
        open_raster(scene.image, scene.band_indices, scene.site.nodata) as reader,
    ):
        shape = (len(scene.band_indices), *scene.info.grid.shape)
        target = np.lib.format.open_memmap(temporary, "w+", np.dtype(reader.dtype), shape)
        _allocate(temporary)
        for window in blocks(scene.info.grid.shape, 2048):
            pixels, valid = reader.filled(window)
            target[:, window.slices[0], window.slices[1]] = pixels
            for layer in layers:
                layer[window.slices][~valid] = 0
        target.flush()
        del target


def _allocate(path: Path) -> None:
    """Claim the room of a sparse file now: a full disk met while writing through memory would end the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _keep_given_labels(
    folder: Path, legend: Legend, scenes: list[Scene], codes: list[NDArray[np.uint8]],
    reviewed: list[SceneCorrections | None],
) -> None:  # fmt: skip
    """Write the labels before corrections: figures of the labelled area come from these."""
    for scene, labels, own in zip(scenes, codes, reviewed, strict=True):
        path = folder / "given" / f"{scene.name}.tif"
        path.unlink(missing_ok=True)
        if own is not None:
            write_cog(path, labels, scene.info.grid, codes_layout(legend))


def _correct(
    codes: list[NDArray[np.uint8]], splits: list[NDArray[np.uint8]], reviewed: list[SceneCorrections | None]
) -> Corrections | None:
    """Put an analyst's corrections into the labels of the training ground; None where no scene has any."""
    done = [own.apply(c, s) for c, s, own in zip(codes, splits, reviewed, strict=True) if own is not None]
    return sum(done, Corrections()) if done else None


def _require_labels(scenes: list[Scene], codes: list[NDArray[np.uint8]]) -> None:
    if not any(c.any() for c in codes):
        layers = sorted({str(s.labels) for s in scenes if s.labels}) or ["(no labels given)"]
        raise LabelError(
            f"No pixel of any image has a label (labels: {', '.join(layers)}).",
            "Labelled ground with valid pixels, inside the extent and outside the excluded layers.",
            "Check label_values, extent and exclude, and that image and labels are of the same place.",
        )


def _remedy_for_empty_split(kind: str) -> str:
    return {
        "blocks": "Set [samples] block_m lower, so that the labelled ground has more blocks.",
        "sites": "Add sites, or use split = \"blocks\".",
        "groups": "Add groups, or give the images finer groups.",
        "random": "Use smaller patches or a smaller stride.",
    }[kind]  # fmt: skip


def _class_counts(codes: NDArray[np.uint8], legend: Legend) -> NDArray[np.float64]:
    return np.bincount(codes.ravel(), minlength=len(legend) + 1)[1:].astype(np.float64)


def _ground_splits(
    project: Study, codes: list[NDArray[np.uint8]], reviewed: list[SceneCorrections | None]
) -> tuple[list[NDArray[np.uint8]], dict[str, Any]]:
    """Split rasters of all scenes for ``blocks``, ``sites`` and ``groups``, and the facts worth keeping.

    The ground is divided by its labels alone, so that corrections leave validation and test ground as they were; ground
    that has only corrections becomes training ground.
    """
    scenes, settings = project.scenes, project.samples_settings
    shares = (1 - settings.validation - settings.test, settings.validation, settings.test)
    if settings.split == "blocks":
        return _block_rasters(project, codes, reviewed, range(len(scenes)), shares)
    if settings.split == "groups":
        keys = overlapping_components([s.info.grid for s in scenes], [s.group for s in scenes])
        parts = _stratify_units(project, codes, reviewed, keys, shares)
        splits = [np.full(s.info.grid.shape, parts[k], np.uint8) for s, k in zip(scenes, keys, strict=True)]
        return splits, {"groups": len(set(keys))}
    components = overlapping_components([s.info.grid for s in scenes], [s.site.name for s in scenes])
    if len(set(components)) < 2:
        raise ProjectError(
            "split = \"sites\" needs at least two places, and all images show the same ground.",
            remedy='Add a site elsewhere, or use split = "blocks".',
        )  # fmt: skip
    named = {c for c, s in zip(components, scenes, strict=True) if s.site.name in settings.test_sites}
    test = named or {int(np.random.default_rng(project.project.seed).choice(sorted(set(components))))}
    rest = [i for i, c in enumerate(components) if c not in test]
    if not rest:
        raise ProjectError("[samples] test_sites leaves no site for training.", remedy="Name fewer sites.")
    inner = settings.validation / (1 - settings.test) if settings.test else settings.validation
    facts: dict[str, Any] = {"test_sites": sorted({scenes[i].site.name for i, c in enumerate(components) if c in test})}
    if all(scenes[i].info.grid.crs is not None for i in rest):
        splits, block_facts = _block_rasters(project, codes, reviewed, rest, (1 - inner, inner, 0.0))
        facts |= block_facts
    else:
        keys = [-1 if c in test else i for i, c in enumerate(components)]
        parts = _stratify_units(project, codes, reviewed, keys, (1 - inner, inner, 0.0))
        splits = [np.full(s.info.grid.shape, parts.get(i, 0), np.uint8) for i, s in enumerate(scenes)]
    for i, component in enumerate(components):
        if component in test:
            splits[i] = np.full(scenes[i].info.grid.shape, Split.TEST, np.uint8)
    return splits, facts


def _stratify_units(
    project: Study,
    codes: list[NDArray[np.uint8]],
    reviewed: list[SceneCorrections | None],
    keys: list[int],
    shares: tuple[float, float, float],
) -> dict[int, Split]:
    """Divide whole scenes by key; keys below 0 are left out."""
    units = sorted({k for k in keys if k >= 0})
    counts = np.zeros((len(units), len(project.legend)))
    for key, scene_codes in zip(keys, codes, strict=True):
        if key >= 0:
            counts[units.index(key)] += _class_counts(scene_codes, project.legend)
    parts = stratify(counts, shares, project.project.seed, project.samples_settings.minimum_per_class)
    corrected = {key for key, own in zip(keys, reviewed, strict=True) if own is not None and own.labelled.any()}
    unlabelled = {u: Split.TRAINING if u in corrected else Split.NONE for u in units}
    return {u: USED[p] if p >= 0 else unlabelled[u] for u, p in zip(units, parts.tolist(), strict=True)}


def _block_rasters(
    project: Study,
    codes: list[NDArray[np.uint8]],
    reviewed: list[SceneCorrections | None],
    chosen: range | list[int],
    shares: tuple[float, float, float],
) -> tuple[list[NDArray[np.uint8]], dict[str, Any]]:
    """Split rasters by ground blocks for the chosen scenes, zeros for the others."""
    scenes, settings = project.scenes, project.samples_settings
    grids = [scenes[i].info.grid for i in chosen]
    crs = common_crs(grids)
    pixel_m = max(g.pixel_size_m or 0 for g in grids)
    block_m = settings.block_m or _default_block(
        BlockGrid(crs, 1.0), [codes[i] for i in chosen], project, chosen, pixel_m
    )
    buffer_m = max(settings.buffer_m or 0.0, pixel_m)
    check_buffer(block_m, buffer_m)
    block_grid = BlockGrid(crs, block_m)
    totals: dict[tuple[int, int], NDArray[np.float64]] = {}
    corrected: set[tuple[int, int]] = set()
    for i in chosen:
        area = (scenes[i].info.grid.pixel_size_m or 1.0) ** 2
        for window in blocks(scenes[i].info.grid.shape, 1024):
            window_codes = codes[i][window.slices]
            if window_codes.any():
                _count_blocks(totals, block_grid, scenes[i], window, window_codes, area, len(project.legend))
            own = reviewed[i]
            if own is not None and (new := own.labelled[window.slices]).any():
                corrected |= _blocks_of(block_grid, scenes[i], window, new)
    keys = sorted(totals)
    counts = np.array([totals[k] for k in keys])
    smallest = settings.minimum_per_class * pixel_m**2
    parts = stratify(counts, shares, project.project.seed, smallest)
    assigned = {k: int(USED[p]) for k, p in zip(keys, parts.tolist(), strict=True) if p >= 0}
    added = dict.fromkeys(corrected - totals.keys(), int(Split.TRAINING))
    splits = [np.zeros(s.info.grid.shape, np.uint8) for s in scenes]
    for i in chosen:
        grid = scenes[i].info.grid
        for window in blocks(splits[i].shape, 1024):
            split = block_split(grid, window, block_grid, assigned, buffer_m)
            if added:
                # Only new ground changes, or the buffer round it would eat into the test ground; it keeps both buffers.
                wider = block_split(grid, window, block_grid, assigned | added, 2 * buffer_m)
                split[(split == Split.NONE) & (wider == Split.TRAINING)] = Split.TRAINING
            splits[i][window.slices] = split
    number = {s.label: sum(p == s for p in assigned.values()) for s in USED}
    return splits, {"block_m": block_m, "buffer_m": buffer_m, "crs": crs.to_string(), "blocks": number}


def _default_block(
    metres: BlockGrid, codes: list[NDArray[np.uint8]], project: Study, chosen: range | list[int], pixel_m: float
) -> float:
    """The block size for the labelled ground, from every n-th labelled pixel."""
    labelled, area = [], {}
    for i, scene_codes in zip(chosen, codes, strict=True):
        grid = project.scenes[i].info.grid
        area[(grid.bounds, grid.shape)] = grid.height * grid.width * (grid.pixel_size_m or 1.0) ** 2
        step = max(1, int(np.sqrt(scene_codes.size / 1e6)))
        rows, cols = np.nonzero(scene_codes[::step, ::step])
        if len(rows):
            x, y = grid.pixel_centres(rows * step, cols * step)
            if grid.crs is not None and not grid.crs.equals(metres.crs, ignore_axis_order=True):
                from pyproj import Transformer

                x, y = Transformer.from_crs(grid.crs, metres.crs, always_xy=True).transform(x, y)
            labelled.append((np.asarray(x), np.asarray(y)))
    return default_block_m(labelled, sum(area.values()), pixel_m)


def _blocks_of(block_grid: BlockGrid, scene: Scene, window: Window, mask: NDArray[np.bool_]) -> set[tuple[int, int]]:
    """The blocks of ground in which a mask of a window is set anywhere."""
    col, row = block_grid.blocks(scene.info.grid, window)
    return set(zip(col[mask].tolist(), row[mask].tolist(), strict=True))


def _count_blocks(
    totals: dict[tuple[int, int], NDArray[np.float64]], block_grid: BlockGrid, scene: Scene, window: Window,
    codes: NDArray[np.uint8], area: float, classes: int,
) -> None:  # fmt: skip
    col, row = block_grid.blocks(scene.info.grid, window)
    labelled = codes > 0
    found, index = np.unique(np.stack([col[labelled], row[labelled]]), axis=1, return_inverse=True)
    table = np.zeros((found.shape[1], classes))
    np.add.at(table, (index.ravel(), codes[labelled] - 1), area)
    for (c, r), line in zip(found.T.tolist(), table, strict=True):
        totals[(c, r)] = totals.get((c, r), np.zeros(classes)) + line


def _random_rasters(scenes: list[Scene], patches: list[Patch], patch: int) -> list[NDArray[np.uint8]]:
    """Split rasters of the random split: pixels of training patches, over them those of test and validation patches."""
    splits = []
    for i, scene in enumerate(scenes):
        covered = cover(scene.info.grid.window, patches, patch, i)
        raster = np.zeros(scene.info.grid.shape, np.uint8)
        for split in (Split.TRAINING, Split.VALIDATION, Split.TEST):
            raster[covered[split]] = split
        splits.append(raster)
    return splits


def _statistics(
    folder: Path, scenes: list[Scene], splits: list[NDArray[np.uint8]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each band over the valid pixels of the training ground.

    Two passes, so that nothing cancels.
    """
    from pitmap.raster.reading import validity

    def values(scene: Scene, split: NDArray[np.uint8], pixels: NDArray) -> Any:
        for window in blocks(split.shape, 1024):
            piece = pixels[:, window.slices[0], window.slices[1]]
            used = (split[window.slices] == Split.TRAINING) & validity(piece, scene.fill)
            if used.any():
                scale, offset = np.array(scene.scales)[:, None], np.array(scene.offsets)[:, None]
                yield piece[:, used].astype(np.float64) * scale + offset

    arrays = [np.load(folder / "pixels" / f"{s.name}.npy", mmap_mode="r") for s in scenes]
    count, total = 0, np.zeros(len(scenes[0].band_indices))
    for scene, split, pixels in zip(scenes, splits, arrays, strict=True):
        for v in values(scene, split, pixels):
            count += v.shape[1]
            total += v.sum(axis=1)
    mean = total / max(count, 1)
    squares = np.zeros_like(mean)
    for scene, split, pixels in zip(scenes, splits, arrays, strict=True):
        for v in values(scene, split, pixels):
            squares += ((v - mean[:, None]) ** 2).sum(axis=1)
    std = np.sqrt(squares / max(count - 1, 1))
    if not (std > 0).all():
        flat = [n for n, s in zip(scenes[0].band_names, std.tolist(), strict=True) if not s > 0]
        raise LabelError(
            f"The band(s) {', '.join(flat)} have the same value in all training pixels.",
            "Bands that vary.",
            "Leave them out with bands = [...] at each site.",
        )
    return mean, std


def _audit(
    project: Study, scenes: list[Scene], codes: list[NDArray[np.uint8]], splits: list[NDArray[np.uint8]],
    patches: list[Patch], patch: int,
) -> dict[str, Any]:  # fmt: skip
    """What the splits share and what they hold, counted from the rasters."""
    settings, legend = project.samples_settings, project.legend
    random = settings.split == "random"
    grids = [s.info.grid for s in scenes]
    places = [s.group if settings.split == "groups" else s.name for s in scenes]
    inputs, labelled = [], []
    for i, scene in enumerate(scenes):
        covered = cover(scene.info.grid.window, patches, patch, i)
        inputs.append(covered)
        labelled.append({s: (covered[s] if random else splits[i] == s) & (codes[i] > 0) for s in USED})
    classes = {}
    for split in USED:
        counts = np.zeros(len(legend))
        for i in range(len(scenes)):
            counts += _class_counts(codes[i] * labelled[i][split], legend)
        classes[split.label] = {k: int(n) for k, n in zip(legend.keys, counts, strict=True)}
    below = [
        f"{key} in {split}"
        for split, counts in classes.items()
        for key, n in counts.items()
        if n < settings.minimum_per_class and sum(c[key] for c in classes.values()) > 0
    ]
    shared = shared_pixels(grids, labelled, places)
    same_patches = random and settings.test == 0
    return {
        "shared_labelled_pixels": shared,
        "shared_input_pixels": shared_pixels(grids, inputs, places),
        "labelled_pixels": {split: sum(counts.values()) for split, counts in classes.items()},
        "labelled_pixels_by_class": classes,
        "patches": {s.label: sum(p.split == s for p in patches) for s in USED},
        "classes_below_minimum": below,
        "leaks": any(shared.values()),
        "remark": _audit_remark(random, same_patches, any(shared.values())),
    }


def _audit_remark(random: bool, same_patches: bool, leaks: bool) -> str:
    if not random:
        return (
            "No labelled ground is shared between training, validation and test." if not leaks else "GROUND IS SHARED."
        )
    text = "Random patches put the same ground on both sides: the figures measure interpolation, not generalisation."
    return text + (" Validation and test are the same patches, as in Chen et al. (2022)." if same_patches else "")


def _write_patches(
    folder: Path, project: Study, scenes: list[Scene], patches: list[Patch], codes: list[NDArray[np.uint8]],
    splits: list[NDArray[np.uint8]], patch: int, random: bool,
) -> None:  # fmt: skip
    """``patches.gpkg``: a layer for each coordinate system, named ``patches``, ``patches_2``, ..."""
    from pitmap.samples.footprints import write_footprints

    shares = []
    for p in patches:
        window = slice(p.row, p.row + patch), slice(p.col, p.col + patch)
        counted = codes[p.scene][window]
        if not random:
            counted = counted * (splits[p.scene][window] == p.split)
        shares.append(_class_counts(counted, project.legend))
    write_footprints(folder / "patches.gpkg", project.legend, scenes, patches, shares, patch)
