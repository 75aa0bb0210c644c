"""The sample set on disk.

A sample set is a folder:

    samples.json            scenes, patches, band statistics, legend, audit
    patches.gpkg            footprints of the patches, for QGIS
    labels/<scene>.tif      land-cover codes that the network learns from
    given/<scene>.tif       the same before an analyst's corrections, where there are some
    splits/<scene>.tif      1 training, 2 validation, 3 test
    pixels/<scene>.npy      the selected bands, (band, row, col), in the image's own numbers
    valid/<scene>.npy       which pixels hold data
    labels/, splits/        hold the same as the rasters as <scene>.npy

What is read again and again lies uncompressed, so that reading a patch is a copy out of memory-mapped files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import Window, blocks
from pitmap.legend import UNLABELLED, Legend
from pitmap.samples.arrays import DiskArray
from pitmap.samples.patches import Patch, cover
from pitmap.samples.record import SampleRecord, SampleScene, read_record
from pitmap.samples.split import Split

__all__ = ["SampleFiles", "SampleScene", "SampleSet"]

BLOCK = 1024
"""Side of the blocks in which whole scenes are read, in pixels."""


@dataclass(frozen=True)
class SampleFiles:
    """The files of a sample set; those of a scene by the scene's name.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def record(self) -> Path:
        """``SampleRecord`` as JSON; it is written last."""
        return self.folder / "samples.json"

    @property
    def footprints(self) -> Path:
        """The patches as polygons."""
        return self.folder / "patches.gpkg"

    def label_file(self, scene: str) -> Path:
        """Raster of codes."""
        return self.folder / "labels" / f"{scene}.tif"

    def given_file(self, scene: str) -> Path:
        """Raster of codes before corrections; there is none where there are no corrections."""
        return self.folder / "given" / f"{scene}.tif"

    def split_file(self, scene: str) -> Path:
        """Raster of ``Split``."""
        return self.folder / "splits" / f"{scene}.tif"

    def pixels(self, scene: str) -> DiskArray:
        """Bands, ``(band, height, width)``."""
        return DiskArray(self.folder / "pixels" / f"{scene}.npy")

    def valid(self, scene: str) -> DiskArray:
        """Which pixels hold data, bool ``(height, width)``."""
        return DiskArray(self.folder / "valid" / f"{scene}.npy")

    def labels(self, scene: str) -> DiskArray:
        """Codes, uint8 ``(height, width)``."""
        return DiskArray(self.folder / "labels" / f"{scene}.npy")

    def splits(self, scene: str) -> DiskArray:
        """``Split`` values, uint8 ``(height, width)``."""
        return DiskArray(self.folder / "splits" / f"{scene}.npy")


class SampleSet:
    """A sample set on disk: patches, split and audit.

    All arrays are memory-mapped.

    Args:
        folder: The folder with ``samples.json``.

    Attributes:
        record: What ``samples.json`` says.

    Raises:
        ProjectError: There is no complete sample set of this version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.paths = folder, SampleFiles(folder)
        self.record: SampleRecord = read_record(self.paths.record)
        self.legend = Legend(self.record.legend)
        self.bands = list(self.record.bands)
        self.mean, self.std = np.array(self.record.mean), np.array(self.record.std)

    def __getstate__(self) -> dict[str, Any]:
        """For another process: without the maps of files, which it makes itself."""
        return {k: v for k, v in self.__dict__.items() if k not in ("pixels", "valid", "splits")}

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return self.record.patch

    @property
    def scenes(self) -> tuple[SampleScene, ...]:
        """The images."""
        return self.record.scenes

    @property
    def patches(self) -> tuple[Patch, ...]:
        """All patches."""
        return self.record.patches

    @property
    def random_split(self) -> bool:
        """Whether patches are divided and not ground, so that they may share ground."""
        return self.record.split.by_patches

    def summary(self) -> str:
        """One line: patches, labelled pixels, shared ground, corrections."""
        audit, corrections = self.record.audit, self.record.corrections
        labelled = ", ".join(f"{n} {split}" for split, n in audit.labelled_pixels.items())
        return (
            f"{len(self.patches)} patches of {self.patch} pixels in {len(self.scenes)} image(s); labelled pixels: "
            f"{labelled}; shared between splits: {max(audit.shared_labelled_pixels.values())}."
            + ("" if corrections is None else f" {corrections.summary()}")
        )

    @property
    def files(self) -> list[Path]:
        """All files that the set consists of, beside ``samples.json``."""
        found = [self.paths.footprints]
        for number, name in enumerate(s.name for s in self.scenes):
            found += [self.given_file(number), self.label_file(name), self.split_file(name)]
            arrays = self.paths.pixels(name), self.paths.valid(name), self.paths.labels(name), self.paths.splits(name)
            found += [array.path for array in arrays]
        return found

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the audit found that the user should look at."""
        audit = self.record.audit
        few = tuple(f"Few labelled pixels of {missing}." for missing in audit.classes_below_minimum)
        return ((audit.remark,) if audit.leaks else ()) + few

    def to_json(self) -> dict[str, Any]:
        """What ``samples.json`` says but for the list of patches, of which it gives the number."""
        plain = {name: value for name, value in self.record.to_json().items() if name != "patches"}
        return {"folder": str(self.folder), "patches": len(self.patches), **plain}

    @cached_property
    def pixels(self) -> list[NDArray[Any]]:
        """The scenes' bands, ``(band, height, width)`` each."""
        return [self.paths.pixels(s.name).mapped() for s in self.scenes]

    @cached_property
    def codes(self) -> list[NDArray[np.uint8]]:
        """The scenes' land-cover codes, ``(height, width)`` each; 0 where unlabelled or without data.

        What is written to them changes this object alone.
        """
        return [self.paths.labels(s.name).mapped("c") for s in self.scenes]

    @cached_property
    def valid(self) -> list[NDArray[np.bool_]]:
        """Which pixels of the scenes hold data, ``(height, width)`` each."""
        return [self.paths.valid(s.name).mapped() for s in self.scenes]

    @cached_property
    def splits(self) -> list[NDArray[np.uint8]]:
        """The scenes' ``Split`` rasters, ``(height, width)`` each."""
        return [self.paths.splits(s.name).mapped() for s in self.scenes]

    def label_file(self, scene: str) -> Path:
        """The raster of the codes of a scene, by its name."""
        return self.paths.label_file(scene)

    def split_file(self, scene: str) -> Path:
        """The raster of a scene's ``Split``, by its name."""
        return self.paths.split_file(scene)

    def given_file(self, scene: int) -> Path:
        """The raster of a scene's codes as the land-use map gives them, without corrections."""
        name = self.scenes[scene].name
        path = self.paths.given_file(name)
        return path if path.exists() else self.label_file(name)

    def patch_count(self, split: Split) -> int:
        """Number of patches of a split."""
        return sum(p.split == split for p in self.patches)

    def ground(self, scene: int, split: Split, window: Window | None = None) -> NDArray[np.bool_]:
        """The labelled pixels of a scene, or of a window of it, that a split's figures come from, ``(height, width)``.

        Under the random split those of its patches, which other splits may share.
        """
        window = window or Window(0, 0, *self.scenes[scene].shape)
        seen = cover(window, self.patches, self.patch, scene)[split] & (self._codes(scene, window) > 0)
        return seen if self.random_split else seen & (self.paths.splits(self.scenes[scene].name).read(window) == split)

    def targets(self, scene: int, split: Split, window: Window | None = None) -> NDArray[np.uint8]:
        """Codes of a scene, or of a window of it, on the ground of one split, 0 elsewhere."""
        window = window or Window(0, 0, *self.scenes[scene].shape)
        return np.where(self.ground(scene, split, window), self._codes(scene, window), UNLABELLED).astype(np.uint8)

    def _codes(self, scene: int, window: Window) -> NDArray[np.uint8]:
        """Codes of a window, without mapping the whole scene where nothing was changed."""
        if "codes" in self.__dict__:
            return np.array(self.codes[scene][window.slices])
        return self.paths.labels(self.scenes[scene].name).read(window)

    def class_pixels(self, split: Split) -> NDArray[np.int64]:
        """Labelled pixels of each class on the ground of a split, ``(class,)``."""
        counts = np.zeros(len(self.legend) + 1, np.int64)
        for scene, of in enumerate(self.scenes):
            for window in blocks(of.shape, BLOCK):
                counts += np.bincount(self.targets(scene, split, window).ravel(), minlength=len(counts))
        return counts[1:]
