"""The maps of a study against its labels: on the test ground, and on the whole labelled area."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pitmap.accuracy.census.agreement import AgreementByPlace
from pitmap.accuracy.census.assess import Assessment, assess_arrays
from pitmap.accuracy.census.confidence import Reliability
from pitmap.files import together, write_json
from pitmap.grid import blocks
from pitmap.networks.model_card import read_card
from pitmap.observer import SILENT, Observer
from pitmap.raster.reading import open_raster
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.study.results import Results
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

TEST_GROUND = "test ground: neither trained on nor used to choose the epoch"
LEAKING_GROUND = "test patches of the random split, which share ground with the training patches"
LABELLED_GROUND = "the whole labelled area, training ground included"

BLOCK = 1024
"""Side of the blocks in which maps and labels are read, in pixels."""


@dataclass(frozen=True)
class MappedBy:
    """The model whose maps are assessed.

    Attributes:
        file: Its file name.
        network: Its network.
        seed: Of its training.
        sha256: Checksum that the file carries.
    """

    file: str
    network: str
    seed: int
    sha256: str


@dataclass(frozen=True)
class GroundAccuracy:
    """Assessments by ground.

    Attributes:
        test: On the test ground.
        labelled_area: On the whole labelled area.
    """

    test: Assessment
    labelled_area: Assessment

    def __add__(self, other: GroundAccuracy) -> GroundAccuracy:
        return GroundAccuracy(self.test + other.test, self.labelled_area + other.labelled_area)


@dataclass(frozen=True)
class StudyAccuracy:
    """The accuracy of the maps of a study.

    Attributes:
        project: Name of the study.
        model: What made the maps.
        maps: SHA-256 of each scene's map.
        pooled: Over all scenes, with intervals from blocks of ground.
        reliability: Of the confidence, on the test ground.
        scenes: Of each scene.
        ground: Counts by cells of test ground, for comparison with other maps.
    """

    project: str
    model: MappedBy
    maps: Mapping[str, str]
    pooled: GroundAccuracy
    reliability: Reliability
    scenes: Mapping[str, GroundAccuracy]
    ground: AgreementByPlace

    def summary(self) -> str:
        """One line on the accuracy over the test ground."""
        figures = self.pooled.test.matrix.figures()
        if figures.overall_accuracy is None or figures.mean_iou is None:
            return "No test ground could be compared."
        return (
            f"On {self.pooled.test.ground}: OA {figures.overall_accuracy:.1%}, mIoU {figures.mean_iou:.1%} "
            f"(a map of {figures.majority_class} alone: OA {figures.majority_accuracy:.1%}, "
            f"mIoU {figures.majority_mean_iou:.1%})."
        )

    def to_json(self) -> dict[str, Any]:
        """The content of ``accuracy.json``; a scene without compared pixels on some ground has null there."""

        def counted(result: Assessment) -> dict[str, Any] | None:
            return result.to_json() if result.matrix.counts.any() else None

        return {
            "project": self.project,
            "model": asdict(self.model),
            "maps": dict(self.maps),
            "test": self.pooled.test.to_json(),
            "labelled_area": self.pooled.labelled_area.to_json(),
            "reliability": self.reliability.to_json(),
            "scenes": {
                name: {"test": counted(scene.test), "labelled_area": counted(scene.labelled_area)}
                for name, scene in self.scenes.items()
            },
        }

    def write(self, results: Results, *, with_ground: bool = False) -> None:
        """Write ``accuracy.json`` and ``confusion.csv`` (test ground).

        Args:
            results: Where.
            with_ground: Whether to write the counts by cells of test ground too.

        Raises:
            OutputError: A file cannot be written.
        """
        with together():
            write_json(results.accuracy, self.to_json())
            self.pooled.test.matrix.write_csv(results.confusion)
            if with_ground:
                self.ground.write(results.ground)


def assess_study(study: Study, model: Path, observer: Observer = SILENT) -> StudyAccuracy:
    """Compare the maps of all scenes with their labels, block by block, in memory that does not grow with the scenes.

    Intervals of the pooled figures come from resampling blocks of ground: dates of one place on one grid count as one
    ground, images without CRS as a block a group. Labels are those of the land-use map, without corrections.

    Args:
        study: The study, with its sample set and its maps.
        model: The model that made the maps.
        observer: Told of the share done.

    Raises:
        ImageError: A map cannot be read.
        ProjectError: There is no sample set.
    """
    samples, card, scenes = SampleSet(study.samples_folder), read_card(model), study.scenes
    grids, groups = [s.info.grid for s in scenes], [s.group for s in scenes]
    believed = Reliability.of([], [])
    by_scene: dict[str, GroundAccuracy] = {}
    test, labelled = (AgreementByPlace(grids, groups, len(samples.legend)) for _ in range(2))
    for i, scene in enumerate(scenes):
        observer.progress("comparing maps and labels", i / len(scenes))
        result, reliability = _assess_scene(study, samples, i, scene, test, labelled)
        by_scene[scene.name] = result
        believed += reliability
    pooled = _sum(list(by_scene.values()))
    return StudyAccuracy(
        study.project.name,
        MappedBy(model.name, card.network, card.seed, card.sha256),
        {s.name: _checksum(study.results.map(s.name).map) for s in scenes},
        GroundAccuracy(
            replace(pooled.test, blocks=test.blocks()), replace(pooled.labelled_area, blocks=labelled.blocks())
        ),
        believed,
        by_scene,
        test,
    )


def _assess_scene(
    study: Study, samples: SampleSet, number: int, scene: Scene, test: AgreementByPlace, labelled: AgreementByPlace
) -> tuple[GroundAccuracy, Reliability]:
    """A scene by blocks; its cells are counted into the places."""
    files, grid, legend = study.results.map(scene.name), scene.info.grid, samples.legend
    names = LEAKING_GROUND if samples.random_split else TEST_GROUND, LABELLED_GROUND
    given = samples.given_file(number)
    sources = {"map": f"maps/{scene.name}.tif", "reference": f"samples/{given.parent.name}/{scene.name}.tif"}
    results: GroundAccuracy | None = None
    believed = Reliability.of([], [])
    with (
        open_raster(files.map, [1]) as maps,
        open_raster(files.confidence, [1]) as confidences,
        open_raster(given, [1]) as labels,
    ):
        steps = round(1 / confidences.info.scales[0])
        for window in blocks(grid.shape, BLOCK):
            codes, mapped = labels.read(window)[0][0], maps.read(window)[0][0]
            areas = None if grid.crs is None else grid.pixel_areas_m2(window)
            regions = samples.ground(number, Split.TEST, window), codes > 0
            for place, region in zip((test, labelled), regions, strict=True):
                place.add(number, mapped, np.where(region, codes, 0), window.row, window.col)
            part = GroundAccuracy(
                *(
                    assess_arrays(mapped, codes, legend, region, areas, name, sources)
                    for region, name in zip(regions, names, strict=True)
                )
            )
            results = part if results is None else results + part
            confidence = confidences.read(window)[0][0]
            told = regions[0] & (confidence > 0)
            believed += Reliability.of(confidence[told] / steps, mapped[told] == codes[told])
    assert results is not None
    return results, believed


def _sum(parts: Sequence[GroundAccuracy]) -> GroundAccuracy:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
