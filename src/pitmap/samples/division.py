"""How a split divides the ground of a study: the kinds of split, and all that makes split rasters.

A kind is a function from ``Ground`` to ``Division``; ``SPLITS`` holds those that have a name, and
``package.module:name`` in the project file names one's own. The ground is divided by its labels alone, so that an
analyst's corrections leave validation and test ground as they were; ground that has only corrections becomes training
ground.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from pitmap.errors import ProjectError
from pitmap.extension import find
from pitmap.grid import Grid, Window, blocks
from pitmap.labels import Cover
from pitmap.samples.dates import held_out
from pitmap.samples.labels import CodesReader
from pitmap.samples.patches import Patch, cover, random_patches
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
from pitmap.study.schema import SamplesSection

BLOCK = 1024
"""Side of the blocks in which scenes are read, in pixels."""

SAMPLED_LABELS = 250_000
"""Labelled pixels of a scene that the default block size is chosen from, at most."""

Unseen = Literal["nothing", "ground", "image", "date"]
"""What test pixels do not share with training: nothing for certain; their ground; nor their image; nor its date."""

SplitReader = Callable[[int, Window], NDArray[np.uint8]]
"""``Split`` values of a window of a scene (by its index): uint8 ``(height, width)``."""


@dataclass(frozen=True)
class GroundScene:
    """A scene as a split sees it.

    Attributes:
        name: Unique.
        site: Its site.
        group: Its group.
        grid: Its pixels.
        labels: Codes of a window of it, 0 where unlabelled or without data.
        corrected: Where of a window an analyst gave a class; None where nobody did.
        date: When it was taken; None where nothing says it.
    """

    name: str
    site: str
    group: str
    grid: Grid
    labels: CodesReader
    corrected: Cover | None = None
    date: date | None = None

    def class_counts(self, classes: int) -> NDArray[np.float64]:
        """Labelled pixels of each class, ``(class,)``."""
        counts = np.zeros(classes + 1)
        for window in blocks(self.grid.shape, BLOCK):
            counts += np.bincount(self.labels(window).ravel(), minlength=classes + 1)
        return counts[1:]

    def has_corrections(self) -> bool:
        """Whether an analyst gave any pixel a class."""
        return self.corrected is not None and any(
            self.corrected(window).any() for window in blocks(self.grid.shape, BLOCK)
        )


@dataclass(frozen=True)
class Ground:
    """What is divided.

    Attributes:
        scenes: In the order of the study.
        classes: Number of classes.
        settings: ``[samples]`` of the project file.
        seed: Every random choice comes from it.
        patch: Side of the patches in pixels.
        stride: Distance of neighbouring training patches in pixels.
    """

    scenes: Sequence[GroundScene]
    classes: int
    settings: SamplesSection
    seed: int
    patch: int
    stride: int

    @property
    def shares(self) -> tuple[float, float, float]:
        """Wanted shares of training, validation and test."""
        return 1 - self.settings.validation - self.settings.test, self.settings.validation, self.settings.test


@dataclass(frozen=True)
class SplitFacts:
    """What is worth knowing of a division; None where it does not apply.

    Attributes:
        kind: Name of the split in the project file.
        by_patches: Whether patches are divided and not ground: they may share ground, and figures come from patches.
        block_m: Side of the ground blocks in metres.
        buffer_m: Distance kept between splits in metres.
        crs: Coordinate system of the blocks.
        blocks: Number of blocks by split.
        groups: Number of groups.
        test_sites: Sites kept for the test.
        test_dates: Days (ISO 8601) whose images only the test sees.
        validation_dates: Days whose images only validation sees.
        note: A sentence for the report, of a kind of one's own.
        subsampled_to: Labelled training pixels that were left where some were taken away.
    """

    kind: str = ""
    by_patches: bool = False
    block_m: float | None = None
    buffer_m: float | None = None
    crs: str | None = None
    blocks: Mapping[str, int] | None = None
    groups: int | None = None
    test_sites: tuple[str, ...] | None = None
    test_dates: tuple[str, ...] | None = None
    validation_dates: tuple[str, ...] | None = None
    note: str | None = None
    subsampled_to: int | None = None

    @property
    def unseen(self) -> Unseen:
        """What of the test the network never saw, by the kind of the split; one's own may share anything."""
        if self.test_dates and self.kind in SPLITS:
            return "date"
        kinds: dict[str, Unseen] = {"blocks": "ground", "sites": "image", "groups": "image"}
        return kinds.get(self.kind, "nothing")


@dataclass(frozen=True)
class Division:
    """A ground that is divided.

    Attributes:
        split: ``Split`` values of a window of a scene.
        facts: What is worth knowing of it.
        patches: Where patches are divided and not ground: all patches with their splits. By default patches are cut
            afterwards, wherever a split has labels.
        remedy: What to do where a split is left without labels.
    """

    split: SplitReader
    facts: SplitFacts = SplitFacts()
    patches: tuple[Patch, ...] | None = None
    remedy: str = "Divide the ground in another way."


SplitRule = Callable[[Ground], Division]
"""A kind of split."""


def divide(ground: Ground) -> Division:
    """Divide the ground as ``[samples] split`` says.

    Raises:
        ProjectError: There is no such split, or it cannot divide this ground.
    """
    kind = ground.settings.split
    division = with_dates_held_out(ground, find("split", kind, SPLITS)(ground))
    facts = replace(division.facts, kind=kind, by_patches=division.patches is not None)
    return replace(division, facts=facts)


def with_dates_held_out(ground: Ground, division: Division) -> Division:
    """A division of which an image has the ground of those splits alone that may see its date, see ``dates``.

    Raises:
        ProjectError: A date cannot be held out, or patches are divided and not ground.
    """
    days = [scene.date for scene in ground.scenes]
    dates = held_out(ground.settings, days, ground.seed)
    if not dates:
        return division
    if division.patches is not None:
        raise ProjectError(
            f"[samples] split = {ground.settings.split!r} divides patches, and dates are to be held out.",
            "A split of the ground, each part of which has dates of its own.",
            'Use split = "blocks".',
        )
    splits = [dates.splits_of(day) for day in days]

    def split(scene: int, window: Window) -> NDArray[np.uint8]:
        raster = division.split(scene, window)
        return np.where(np.isin(raster, splits[scene]), raster, Split.NONE).astype(np.uint8)

    test, validation = (tuple(sorted(map(str, days))) or None for days in (dates.test, dates.validation))
    facts = replace(division.facts, test_dates=test, validation_dates=validation)
    return replace(division, split=split, facts=facts, remedy="Hold out dates that have labels on all ground.")


def by_blocks(ground: Ground) -> Division:
    """Squares of ground on one map grid common to all sites and dates."""
    return _blocks(ground, range(len(ground.scenes)), ground.shares)


def by_groups(ground: Ground) -> Division:
    """Groups of images that are never divided."""
    keys = overlapping_components([s.grid for s in ground.scenes], [s.group for s in ground.scenes])
    parts = _stratify_units(ground, keys, ground.shares)
    return Division(
        lambda scene, window: _filled(window, parts[keys[scene]]),
        SplitFacts(groups=len(set(keys))),
        remedy="Add groups, or give the images finer groups.",
    )


def by_sites(ground: Ground) -> Division:
    """Whole sites for the test; the others are divided in blocks, or whole where they have no CRS."""
    scenes, settings = ground.scenes, ground.settings
    components = overlapping_components([s.grid for s in scenes], [s.site for s in scenes])
    if len(set(components)) < 2:
        raise ProjectError(
            "split = \"sites\" needs at least two places, and all images show the same ground.",
            remedy='Add a site elsewhere, or use split = "blocks".',
        )  # fmt: skip
    named = {c for c, s in zip(components, scenes, strict=True) if s.site in settings.test_sites}
    test = named or {int(np.random.default_rng(ground.seed).choice(sorted(set(components))))}
    rest = [i for i, c in enumerate(components) if c not in test]
    if not rest:
        raise ProjectError("[samples] test_sites leaves no site for training.", remedy="Name fewer sites.")
    inner = settings.validation / (1 - settings.test) if settings.test else settings.validation
    shares = (1 - inner, inner, 0.0)
    if all(scenes[i].grid.crs is not None for i in rest):
        inside = _blocks(ground, rest, shares)
    else:
        keys = [-1 if c in test else i for i, c in enumerate(components)]
        parts = _stratify_units(ground, keys, shares)
        inside = Division(lambda scene, window: _filled(window, parts[scene]))

    def split(scene: int, window: Window) -> NDArray[np.uint8]:
        return _filled(window, Split.TEST) if components[scene] in test else inside.split(scene, window)

    test_sites = tuple(sorted({scenes[i].site for i, c in enumerate(components) if c in test}))
    return Division(split, replace(inside.facts, test_sites=test_sites), remedy='Add sites, or use split = "blocks".')


def by_random_patches(ground: Ground) -> Division:
    """The protocol of Chen et al. (2022): patches at random, which share ground.

    In the raster stand the pixels of training patches, over them those of validation and of test patches.
    """
    patches = random_patches(
        [s.labels for s in ground.scenes], [s.grid.shape for s in ground.scenes], ground.patch, ground.stride,
        ground.shares, ground.seed,
    )  # fmt: skip

    def split(scene: int, window: Window) -> NDArray[np.uint8]:
        covered, raster = cover(window, patches, ground.patch, scene), _filled(window, Split.NONE)
        for part in USED:
            raster[covered[part]] = part
        return raster

    return Division(split, SplitFacts(), tuple(patches), "Use smaller patches or a smaller stride.")


SPLITS: Mapping[str, SplitRule] = {
    "blocks": by_blocks, "sites": by_sites, "groups": by_groups, "random": by_random_patches,
}  # fmt: skip
"""The kinds of split by the names that the project file has for them."""


def _filled(window: Window, split: Split) -> NDArray[np.uint8]:
    return np.full((window.height, window.width), split, np.uint8)


def _stratify_units(ground: Ground, keys: Sequence[int], shares: tuple[float, float, float]) -> dict[int, Split]:
    """Divide whole scenes by key; keys below 0 are left out."""
    units = sorted({k for k in keys if k >= 0})
    counts = np.zeros((len(units), ground.classes))
    for key, scene in zip(keys, ground.scenes, strict=True):
        if key >= 0:
            counts[units.index(key)] += scene.class_counts(ground.classes)
    parts = stratify(counts, shares, ground.seed, ground.settings.minimum_per_class)
    corrected = {key for key, scene in zip(keys, ground.scenes, strict=True) if scene.has_corrections()}
    unlabelled = {u: Split.TRAINING if u in corrected else Split.NONE for u in units}
    return {u: USED[p] if p >= 0 else unlabelled[u] for u, p in zip(units, parts.tolist(), strict=True)}


def _blocks(ground: Ground, chosen: Sequence[int], shares: tuple[float, float, float]) -> Division:
    """Ground blocks for the chosen scenes; the others belong to no split."""
    scenes, settings = [ground.scenes[i] for i in chosen], ground.settings
    crs = common_crs([s.grid for s in scenes])
    pixel_m = max(s.grid.pixel_size_m or 0 for s in scenes)
    block_m = settings.block_m or _default_block(BlockGrid(crs, 1.0), scenes, pixel_m)
    buffer_m = max(settings.buffer_m or 0.0, pixel_m)
    check_buffer(block_m, buffer_m)
    block_grid = BlockGrid(crs, block_m)
    totals: dict[tuple[int, int], NDArray[np.float64]] = {}
    corrected: set[tuple[int, int]] = set()
    for scene in scenes:
        for window in blocks(scene.grid.shape, BLOCK):
            codes = scene.labels(window)
            if codes.any():
                _count_blocks(totals, block_grid, scene.grid, window, codes, ground.classes)
            if scene.corrected is not None and (new := scene.corrected(window)).any():
                col, row = block_grid.blocks(scene.grid, window)
                corrected |= set(zip(col[new].tolist(), row[new].tolist(), strict=True))
    keys = sorted(totals)
    counts = np.array([totals[k] for k in keys])
    parts = stratify(counts, shares, ground.seed, settings.minimum_per_class * pixel_m**2)
    assigned = {k: int(USED[p]) for k, p in zip(keys, parts.tolist(), strict=True) if p >= 0}
    added = dict.fromkeys(corrected - totals.keys(), int(Split.TRAINING))
    among = set(chosen)

    def split(scene: int, window: Window) -> NDArray[np.uint8]:
        if scene not in among:
            return _filled(window, Split.NONE)
        grid = ground.scenes[scene].grid
        raster = block_split(grid, window, block_grid, assigned, buffer_m)
        if added:
            # Only new ground changes, or the buffer round it would eat into the test ground; it keeps both buffers.
            wider = block_split(grid, window, block_grid, assigned | added, 2 * buffer_m)
            raster[(raster == Split.NONE) & (wider == Split.TRAINING)] = Split.TRAINING
        return raster

    number = {s.label: sum(p == s for p in assigned.values()) for s in USED}
    return Division(
        split,
        SplitFacts(block_m=block_m, buffer_m=buffer_m, crs=crs.to_string(), blocks=number),
        remedy="Set [samples] block_m lower, so that the labelled ground has more blocks.",
    )


def _default_block(metres: BlockGrid, scenes: Sequence[GroundScene], pixel_m: float) -> float:
    """The block size for the labelled ground, from every n-th labelled pixel."""
    labelled, area = [], {}
    for scene in scenes:
        grid = scene.grid
        area[(grid.bounds, grid.shape)] = grid.height * grid.width * (grid.pixel_size_m or 1.0) ** 2
        step = max(1, int(np.sqrt(grid.height * grid.width / SAMPLED_LABELS)))
        found = []
        for window in blocks(grid.shape, BLOCK):
            first_row, first_col = -window.row % step, -window.col % step
            rows, cols = np.nonzero(scene.labels(window)[first_row::step, first_col::step])
            found.append((rows * step + first_row + window.row, cols * step + first_col + window.col))
        rows, cols = (np.concatenate(axis) for axis in zip(*found, strict=True))
        if len(rows):
            x, y = grid.pixel_centres(rows, cols)
            if grid.crs is not None and not grid.crs.equals(metres.crs, ignore_axis_order=True):
                x, y = Transformer.from_crs(grid.crs, metres.crs, always_xy=True).transform(x, y)
            labelled.append((np.asarray(x), np.asarray(y)))
    return default_block_m(labelled, sum(area.values()), pixel_m)


def _count_blocks(
    totals: dict[tuple[int, int], NDArray[np.float64]], block_grid: BlockGrid, grid: Grid, window: Window,
    codes: NDArray[np.uint8], classes: int,
) -> None:  # fmt: skip
    """Add the labelled area of each class in each block of a window."""
    col, row = block_grid.blocks(grid, window)
    labelled = codes > 0
    col, row = col[labelled], row[labelled]
    first_col, first_row = int(col.min()), int(row.min())
    cols, rows = int(col.max()) - first_col + 1, int(row.max()) - first_row + 1
    index = ((row - first_row) * cols + col - first_col) * classes + codes[labelled] - 1
    pixels = np.bincount(index, minlength=rows * cols * classes).reshape(rows, cols, classes)
    for r, c in zip(*np.nonzero(pixels.any(axis=2)), strict=True):
        block = int(c) + first_col, int(r) + first_row
        area = pixels[r, c] * (grid.pixel_size_m or 1.0) ** 2
        totals[block] = totals.get(block, np.zeros(classes)) + area
