"""The steps of a project in their order, each skipped where its result is up to date.

Results lie in the project's results folder: ``samples/``, ``models/<network>-seed<S>.safetensors``,
``maps/<scene>.tif`` and ``.gpkg``, ``accuracy.json``, ``confusion.csv``, ``report.html``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pitmap.errors import ModelError
from pitmap.files import write_json
from pitmap.grid import blocks
from pitmap.project import Project, Scene

if TYPE_CHECKING:
    from pitmap.accuracy.assess import Assessment
    from pitmap.mapping.prediction import MapReport
    from pitmap.networks.model_file import ModelCard
    from pitmap.samples.dataset import SampleSet

Announce = Callable[[str], None]
Progress = Callable[[str, float], None]

TEST_GROUND = "test ground: neither trained on nor used to choose the epoch"
LEAKING_GROUND = "test patches of the random split, which share ground with the training patches"
LABELLED_GROUND = "the whole labelled area, training ground included"


def silent(*_: object) -> None:
    """Say nothing."""


def model_path(project: Project, network: str | None = None, seed: int | None = None) -> Path:
    """Where the model of a network and a seed lies."""
    name = (network or project.training.network).replace(":", "-").replace(".", "-")
    return project.results / "models" / f"{name}-seed{project.project.seed if seed is None else seed}.safetensors"


def sample(project: Project, progress: Progress = silent) -> SampleSet:
    """Build the sample set."""
    from pitmap.samples.build import build

    return build(project, progress)


def train_model(
    project: Project,
    network: str | None = None,
    seed: int | None = None,
    announce: Announce = silent,
    callbacks: list[Any] | None = None,
) -> ModelCard:
    """Train a network on the project's sample set."""
    from pitmap.samples.dataset import SampleSet
    from pitmap.training.fit import Training, train

    samples = SampleSet(project.results / "samples")
    training = Training.of(project.training, project.project.seed if seed is None else seed, network)
    return train(samples, training, model_path(project, network, seed), announce=announce, callbacks=callbacks)


def map_scene(project: Project, model: Path, scene: Scene, progress: Callable[[float], None] = silent) -> MapReport:
    """Map a scene of the project and extract its mines."""
    from pitmap.mapping.mines import extract_mines
    from pitmap.mapping.prediction import map_image

    out = project.results / "maps" / f"{scene.name}.tif"
    options = map_options(project, scene, out)
    report = map_image(model, scene.image, out, options, progress)
    if project.mine_classes:
        extract_mines(
            out,
            out.with_suffix(".gpkg"),
            classes=project.mine_classes,
            minimum_mapping_unit_m2=project.mapping.minimum_mapping_unit_m2,
            probabilities=options.probabilities,
        )
    return report


def map_options(project: Project, scene: Scene, out: Path) -> Any:
    """How a scene of the project is mapped: its bands and scaling, and ``[mapping]``."""
    from pitmap.mapping.prediction import MapOptions

    settings = project.mapping
    return MapOptions(
        bands=scene.band_indices,
        scale=scene.scales if scene.calibrated else None,
        offset=scene.offsets if scene.calibrated else None,
        nodata=scene.nodata,
        masks=tuple(project.folder / p for p in scene.site.exclude),
        extent=None if scene.site.extent is None else project.folder / scene.site.extent,
        tile=settings.tile,
        halo=settings.halo,
        test_time_augmentation=settings.test_time_augmentation,
        precision=settings.precision,
        device=project.training.device,
        probabilities=out.with_name(f"{out.stem}-probabilities.tif") if settings.probabilities else None,
        project=project.project.name,
    )


def assess_project(project: Project, model: Path) -> dict[str, Any]:
    """Compare the maps of all scenes with their labels, on the test ground and on the whole labelled area.

    Writes ``accuracy.json`` and ``confusion.csv`` (test ground).

    Returns:
        The content of ``accuracy.json``.
    """
    from pitmap.accuracy.assess import assess_arrays
    from pitmap.networks.model_file import read_card
    from pitmap.raster import open_raster
    from pitmap.samples.dataset import SampleSet
    from pitmap.samples.patches import cover
    from pitmap.samples.split import Split

    samples, card = SampleSet(project.results / "samples"), read_card(model)
    totals: dict[str, Assessment] = {}
    by_scene: dict[str, dict[str, Any]] = {}
    for i, scene in enumerate(project.scenes):
        codes = samples.codes[i]
        if samples.random_split:
            test = cover(codes.shape, [p for p in samples.patches if p.scene == i], samples.patch)[Split.TEST]
        else:
            test = samples.splits[i] == Split.TEST
        regions = {"test": test & (codes > 0), "labelled_area": codes > 0}
        names = {
            "test": LEAKING_GROUND if samples.random_split else TEST_GROUND,
            "labelled_area": LABELLED_GROUND,
        }
        scene_totals: dict[str, Assessment] = {}
        with open_raster(project.results / "maps" / f"{scene.name}.tif", [1]) as reader:
            for window in blocks(codes.shape, 2048):
                mapped = reader.read(window)[0][0]
                areas = None if reader.grid.crs is None else reader.grid.pixel_areas_m2(window)
                for ground, region in regions.items():
                    part = assess_arrays(
                        mapped, codes[window.slices], samples.legend, region[window.slices], areas, names[ground],
                        {"map": f"maps/{scene.name}.tif", "reference": f"samples/labels/{scene.name}.tif"},
                    )  # fmt: skip
                    scene_totals[ground] = scene_totals[ground] + part if ground in scene_totals else part
        by_scene[scene.name] = {}
        for ground, total in scene_totals.items():
            empty = not total.matrix.counts.any()
            by_scene[scene.name][ground] = None if empty else total.to_json()
            totals[ground] = totals[ground] + total if ground in totals else total
    content = {
        "project": project.project.name,
        "model": {"file": model.name, "network": card.network, "seed": card.seed, "sha256": card.sha256},
        "maps": {s.name: _checksum(project.results / "maps" / f"{s.name}.tif") for s in project.scenes},
        "test": totals["test"].to_json(),
        "labelled_area": totals["labelled_area"].to_json(),
        "scenes": by_scene,
    }
    totals["test"].matrix.write_csv(project.results / "confusion.csv")
    write_json(project.results / "accuracy.json", content)
    return content


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def map_is_current(project: Project, model: Path, scene: Scene) -> bool:
    """Whether a scene's map (and mines) are of this model and of these settings."""
    out = project.results / "maps" / f"{scene.name}.tif"
    try:
        key = json.loads(_key_file(out).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    files = [out, *([out.with_suffix(".gpkg")] if project.mine_classes else [])]
    return bool(key == _map_key(project, model, scene)) and all(f.exists() for f in files)


def _key_file(out: Path) -> Path:
    return out.with_name(f".{out.stem}.key.json")


def _map_key(project: Project, model: Path, scene: Scene) -> dict[str, Any]:
    from pitmap.networks.model_file import read_card

    stat = scene.image.stat()
    return {
        "model": read_card(model).sha256,
        "image": [str(scene.image), stat.st_size, stat.st_mtime_ns],
        "site": scene.site.model_dump(mode="json"),
        "mapping": project.mapping.model_dump(mode="json"),
        "mines": project.mine_classes,
    }


def run(
    project: Project,
    network: str | None = None,
    announce: Announce = silent,
    progress: Progress = silent,
    callbacks: list[Any] | None = None,
) -> Path:
    """Sample, train, map all scenes, assess and report; what is up to date is skipped.

    Returns:
        The path of the report.

    Raises:
        PitmapError: Any of the steps'.
    """
    from pitmap.report import write_report

    samples = sample(project, progress)
    announce(describe_samples(samples))
    card = train_model(project, network, None, announce, callbacks)
    announce(describe_model(card))
    model = model_path(project, network)
    if card.sha256 != read_sha(model):
        raise ModelError(f"{model} changed while it was being used.", remedy="Run the command again.")
    scenes = project.scenes
    for i, scene in enumerate(scenes):
        if map_is_current(project, model, scene):
            continue

        def part(done: float, i: int = i, name: str = scene.name) -> None:
            progress(f"mapping {name}", (i + done) / len(scenes))

        map_scene(project, model, scene, part)
        write_json(_key_file(project.results / "maps" / f"{scene.name}.tif"), _map_key(project, model, scene))
    content = assess_project(project, model)
    announce(describe_accuracy(content))
    return write_report(project, model)


def read_sha(model: Path) -> str:
    """The checksum that a model file carries."""
    from pitmap.networks.model_file import read_card

    return read_card(model).sha256


def describe_samples(samples: SampleSet) -> str:
    """One line on a sample set."""
    audit = samples.content["audit"]
    labelled = ", ".join(f"{n} {split}" for split, n in audit["labelled_pixels"].items())
    shared = max(audit["shared_labelled_pixels"].values())
    return (
        f"{len(samples.patches)} patches of {samples.patch} pixels in {len(samples.scenes)} image(s); labelled pixels: "
        f"{labelled}; shared between splits: {shared}."
    )


def describe_model(card: ModelCard) -> str:
    """One line on a model."""
    t = card.training
    return (
        f"{card.network} (width {card.options['width']}, seed {card.seed}): epoch {t['best_epoch']} of {t['epochs']} "
        f"kept, validation mIoU {t['validation_miou']:.3f}."
    )


def describe_accuracy(content: dict[str, Any]) -> str:
    """One line on the accuracy over the test ground."""
    figures = content["test"]["figures"]
    oa, miou = figures["overall_accuracy"], figures["mean_iou"]
    if oa is None or miou is None or not np.isfinite(oa):
        return "No test ground could be compared."
    return (
        f"On {content['test']['ground']}: OA {oa:.1%}, mIoU {miou:.1%} "
        f"(a map of {figures['majority_class']} alone: OA {figures['majority_accuracy']:.1%}, "
        f"mIoU {figures['majority_mean_iou']:.1%})."
    )
