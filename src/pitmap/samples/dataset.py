"""The sample set on disk, and reading patches of it for training.

A sample set is a folder:

    samples.json            scenes, patches, band statistics, legend, audit
    patches.gpkg            footprints of the patches, for QGIS
    labels/<scene>.tif      land-cover codes that the network learns from
    given/<scene>.tif       the same before an analyst's corrections, where there are some
    splits/<scene>.tif      1 training, 2 validation, 3 test
    pixels/<scene>.npy      the selected bands, (band, row, col), in the image's own numbers

The pixels lie uncompressed, so that reading a patch is a copy out of a memory-mapped file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from pitmap.errors import ProjectError
from pitmap.grid import Window, blocks
from pitmap.legend import UNLABELLED, Legend
from pitmap.raster.codes import read_codes
from pitmap.raster.reading import validity
from pitmap.samples.patches import Patch, cover
from pitmap.samples.split import Split

FORMAT = 2


@dataclass(frozen=True)
class SampleScene:
    """A scene of a sample set.

    Attributes:
        name: Unique; names the files.
        site: Its site.
        image: Path of the image, relative to the project folder where it lies below it.
        shape: Rows and columns.
        scales: One a band; the quantity is ``DN x scale + offset``.
        offsets: One a band.
        nodata: The value that marks invalid pixels of each band, or None (see ``raster.reading.validity``).
        pixel_size_m: Ground size of a pixel, None without CRS.
        group: For ``split = "groups"``.
    """

    name: str
    site: str
    image: str
    shape: tuple[int, int]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: Sequence[float | None] | None
    pixel_size_m: float | None
    group: str


class SampleSet:
    """A sample set that ``build`` wrote.

    Args:
        folder: The folder with ``samples.json``.

    Raises:
        ProjectError: There is no complete sample set of this version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.content: dict[str, Any] = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
            complete = self.content["format"] == FORMAT
        except (OSError, ValueError, KeyError, TypeError):
            complete = False
        if not complete:
            raise ProjectError(
                f"There is no sample set of this version of pitmap in {folder}.",
                remedy="Run `pitmap sample` on the project first.",
            )
        self.legend = Legend.from_json(self.content["legend"])
        self.bands: list[str] = self.content["bands"]
        self.patch: int = self.content["patch"]
        self.mean = np.array(self.content["mean"])
        self.std = np.array(self.content["std"])
        self.random_split: bool = self.content["split"]["kind"] == "random"
        self.scenes = [
            SampleScene(
                **{**s, "shape": tuple(s["shape"]), "scales": tuple(s["scales"]), "offsets": tuple(s["offsets"])}
            )
            for s in self.content["scenes"]
        ]
        self.patches = [Patch(scene, row, col, Split(split)) for scene, row, col, split in self.content["patches"]]

    @property
    def files(self) -> list[Path]:
        """All files that the set consists of, beside ``samples.json``."""
        names = [s.name for s in self.scenes]
        found = [self.given_file(i) for i in range(len(names))]
        for name in names:
            found += [self.label_file(name), self.split_file(name), self.folder / "pixels" / f"{name}.npy"]
        return [*found, self.folder / "patches.gpkg"]

    @cached_property
    def pixels(self) -> list[NDArray]:
        """The scenes' bands, ``(band, height, width)`` each, memory-mapped."""
        return [np.load(self.folder / "pixels" / f"{s.name}.npy", mmap_mode="r") for s in self.scenes]

    @cached_property
    def codes(self) -> list[NDArray[np.uint8]]:
        """The scenes' land-cover codes, ``(height, width)`` each; 0 where unlabelled or without data."""
        return [read_codes(self.label_file(s.name)) for s in self.scenes]

    def label_file(self, scene: str) -> Path:
        """The raster of the codes of a scene, by its name."""
        return self.folder / "labels" / f"{scene}.tif"

    def split_file(self, scene: str) -> Path:
        """The raster of a scene's ``Split``, by its name."""
        return self.folder / "splits" / f"{scene}.tif"

    def given_file(self, scene: int) -> Path:
        """The raster of a scene's codes as the land-use map gives them, without corrections."""
        name = self.scenes[scene].name
        path = self.folder / "given" / f"{name}.tif"
        return path if path.exists() else self.label_file(name)

    def given_codes(self, scene: int) -> NDArray[np.uint8]:
        """The codes of ``given_file``, ``(height, width)``."""
        path = self.given_file(scene)
        return self.codes[scene] if path.parent.name == "labels" else read_codes(path)

    @cached_property
    def valid(self) -> list[NDArray[np.bool_]]:
        """Which pixels of the scenes hold data, ``(height, width)`` each."""
        masks = []
        for scene, pixels in zip(self.scenes, self.pixels, strict=True):
            mask = np.empty(scene.shape, np.bool_)
            for window in blocks(scene.shape, 1024):
                mask[window.slices] = validity(pixels[:, window.slices[0], window.slices[1]], scene.nodata)
            masks.append(mask)
        return masks

    @cached_property
    def splits(self) -> list[NDArray[np.uint8]]:
        """The scenes' ``Split`` rasters, ``(height, width)`` each."""
        return [read_codes(self.split_file(s.name)) for s in self.scenes]

    def patch_count(self, split: Split) -> int:
        """Number of patches of a split."""
        return sum(p.split == split for p in self.patches)

    def ground(self, scene: int, split: Split, window: Window | None = None) -> NDArray[np.bool_]:
        """The labelled pixels of a scene, or of a window of it, that a split's figures come from, ``(height, width)``.

        Under the random split those of its patches, which other splits may share.
        """
        window = window or Window(0, 0, *self.scenes[scene].shape)
        seen = cover(window, self.patches, self.patch, scene)[split] & (self.codes[scene][window.slices] > 0)
        return seen if self.random_split else seen & (self.splits[scene][window.slices] == split)

    def targets(self, scene: int, split: Split) -> NDArray[np.uint8]:
        """Codes of a scene on the ground of one split, 0 elsewhere."""
        return np.where(self.ground(scene, split), self.codes[scene], UNLABELLED).astype(np.uint8)

    def class_pixels(self, split: Split) -> NDArray[np.int64]:
        """Labelled pixels of each class on the ground of a split, ``(class,)``."""
        counts = np.zeros(len(self.legend) + 1, np.int64)
        for scene in range(len(self.scenes)):
            counts += np.bincount(self.targets(scene, split).ravel(), minlength=len(counts))
        return counts[1:]


@dataclass(frozen=True)
class Batch:
    """Patches as they are read, before normalisation.

    Attributes:
        pixels: ``(N, band, patch, patch)`` in the images' own numbers.
        valid: ``(N, patch, patch)`` bool.
        target: ``(N, patch, patch)`` int64 channel numbers; -1 is ignored.
        scale: ``(N, band)`` float64.
        offset: ``(N, band)`` float64.
    """

    pixels: torch.Tensor
    valid: torch.Tensor
    target: torch.Tensor
    scale: torch.Tensor
    offset: torch.Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device; float64 stays on the processor where the device lacks it."""
        return Batch(
            self.pixels.to(device, non_blocking=True),
            self.valid.to(device, non_blocking=True),
            self.target.to(device, non_blocking=True),
            self.scale,
            self.offset,
        )

    def pin_memory(self) -> Batch:
        """The same in page-locked memory, for copies to a GPU."""
        return Batch(*(getattr(self, n).pin_memory() for n in ("pixels", "valid", "target", "scale", "offset")))


class PatchDataset(Dataset[tuple[NDArray, NDArray[np.bool_], NDArray[np.uint8], int]]):
    """The patches of one split.

    Under splits of the ground only the labels on the split's own ground count; under the random split all labels of a
    patch do.

    Args:
        samples: The sample set.
        split: Which patches.
    """

    def __init__(self, samples: SampleSet, split: Split) -> None:
        self.samples, self.split = samples, split
        self.patches = [p for p in samples.patches if p.split == split]
        self._dtype = np.result_type(*(a.dtype for a in samples.pixels))
        # Whole masks now, so that reading a patch is three copies and no arithmetic.
        self._codes = (
            samples.codes
            if samples.random_split
            else [codes * (raster == split) for codes, raster in zip(samples.codes, samples.splits, strict=True)]
        )

    def __len__(self) -> int:
        return len(self.patches)

    def class_frequencies(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Labelled pixels of each class, and those of the patches in which each class occurs: ``(K,)`` each."""
        size, side = len(self.samples.legend) + 1, self.samples.patch
        pixels, company = np.zeros(size, np.int64), np.zeros(size, np.int64)
        for p in self.patches:
            codes = self._codes[p.scene][p.row : p.row + side, p.col : p.col + side]
            counts = np.bincount(codes.ravel(), minlength=size)
            pixels += counts
            company += np.where(counts > 0, counts[1:].sum(), 0)
        return pixels[1:], company[1:]

    def __getitem__(self, index: int) -> tuple[NDArray, NDArray[np.bool_], NDArray[np.uint8], int]:
        """Pixels ``(band, patch, patch)``, validity ``(patch, patch)``, codes ``(patch, patch)`` and the scene."""
        p, side = self.patches[index], self.samples.patch
        window = slice(p.row, p.row + side), slice(p.col, p.col + side)
        source = self.samples.pixels[p.scene][:, window[0], window[1]]
        valid, codes = self.samples.valid[p.scene][window], self._codes[p.scene][window]
        height, width = valid.shape
        if (height, width) == (side, side):
            return np.array(source, self._dtype), valid.copy(), codes.copy(), p.scene
        pixels = np.zeros((len(source), side, side), self._dtype)
        padded_valid, padded_codes = np.zeros((side, side), np.bool_), np.zeros((side, side), np.uint8)
        pixels[:, :height, :width] = source
        padded_valid[:height, :width] = valid
        padded_codes[:height, :width] = codes
        return pixels, padded_valid, padded_codes, p.scene

    def collate(self, items: list[tuple[NDArray, NDArray[np.bool_], NDArray[np.uint8], int]]) -> Batch:
        """Stack patches into a batch."""
        pixels, valid, codes, scenes = zip(*items, strict=True)
        target = torch.from_numpy(np.stack(codes)).to(torch.int64) - 1
        target[~torch.from_numpy(np.stack(valid))] = -1
        return Batch(
            torch.from_numpy(np.stack(pixels)),
            torch.from_numpy(np.stack(valid)),
            target,
            torch.tensor([self.samples.scenes[s].scales for s in scenes], dtype=torch.float64),
            torch.tensor([self.samples.scenes[s].offsets for s in scenes], dtype=torch.float64),
        )
