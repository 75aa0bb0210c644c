"""The accuracy of a study, counted block by block, against whole arrays."""

import json

import numpy as np
import pytest

from pitmap.accuracy.census import study as module
from pitmap.accuracy.census.assess import assess_arrays
from pitmap.accuracy.census.confidence import Reliability
from pitmap.accuracy.census.study import LEAKING_GROUND, TEST_GROUND, assess_study
from pitmap.legend import DEFAULT_LEGEND
from pitmap.networks.model_card import ModelCard
from pitmap.networks.model_file import save_model
from pitmap.networks.registry import build as build_network
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog
from pitmap.samples.build import build
from pitmap.samples.split import Split
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site

SHAPE = (120, 90)


def made(folder, split):
    """A study with maps that are wrong in a tenth of the pixels and have no data in a corner."""
    rng = np.random.default_rng(3)
    maps, confidences = [], []
    for k, name in enumerate(("a", "b")):
        write_site(folder, name, quilt(*SHAPE, 4, 10, seed=k), grid(*SHAPE, x=500_000 + 1000 * k))
    study = load_study(write_project(folder, ["a", "b"], samples=f'split = "{split}"\nblock_m = 80.0'))
    samples = build(study)
    for k, scene in enumerate(study.scenes):
        wrong = rng.random(SHAPE) < 0.1
        codes = np.where(wrong, samples.codes[k] % 4 + 1, samples.codes[k]).astype(np.uint8)
        confidence = rng.integers(120, 256, SHAPE).astype(np.uint8)
        codes[:9, :9] = confidence[:9, :9] = 0
        files = study.results.map(scene.name)
        write_cog(files.map, codes, scene.info.grid, codes_layout(DEFAULT_LEGEND))
        write_cog(files.confidence, confidence, scene.info.grid, Layout(1, "uint8", 0, scale=1 / 255))
        maps.append(codes)
        confidences.append(confidence)
    network = build_network("unet", 4, 7, 4)
    card = ModelCard(
        network="unet", options={"width": 4}, legend=DEFAULT_LEGEND, bands=("1", "2", "3", "4"), unit="reflectance",
        dtype="uint16", mean=(0.2,) * 4, std=(0.1,) * 4, pixel_size_m=4.0,
    )  # fmt: skip
    save_model(folder / "model.safetensors", network, card)
    return study, samples, maps, confidences


@pytest.mark.parametrize("split", ["blocks", "random"])
def test_blocks_add_up_to_the_whole(tmp_path, monkeypatch, split):
    study, samples, maps, confidences = made(tmp_path, split)
    monkeypatch.setattr(module, "BLOCK", 32)
    found = assess_study(study, tmp_path / "model.safetensors")
    sure, right = [], []
    for k, scene in enumerate(study.scenes):
        region, areas = samples.ground(k, Split.TEST), scene.info.grid.pixel_areas_m2()
        whole = assess_arrays(maps[k], samples.codes[k], DEFAULT_LEGEND, region, areas)
        own = found.scenes[scene.name].test
        assert own.matrix == whole.matrix
        assert own.mapped.tolist() == whole.mapped.tolist()
        assert own.pixels == int(region.sum())
        np.testing.assert_allclose(own.areas_m2, whole.areas_m2, rtol=1e-6)
        told = region & (confidences[k] > 0)
        sure.append(confidences[k][told] / 255)
        right.append((maps[k] == samples.codes[k])[told])
        everything = assess_arrays(maps[k], samples.codes[k], DEFAULT_LEGEND, samples.codes[k] > 0)
        assert found.scenes[scene.name].labelled_area.matrix == everything.matrix
    pooled = found.pooled.test
    assert pooled.matrix == found.scenes["a"].test.matrix + found.scenes["b"].test.matrix
    assert pooled.blocks.matrices.sum(axis=0).tolist() == pooled.matrix.counts.tolist()
    believed = Reliability.of(np.concatenate(sure), np.concatenate(right))
    assert found.reliability.right.tolist() == believed.right.tolist()
    assert found.reliability.pixels.tolist() == believed.pixels.tolist()
    assert pooled.ground == (LEAKING_GROUND if split == "random" else TEST_GROUND)


def test_what_is_written(tmp_path):
    study, *_ = made(tmp_path, "blocks")
    found = assess_study(study, tmp_path / "model.safetensors")
    found.write(study.results)
    assert not study.results.ground.exists()
    found.write(study.results, with_ground=True)
    assert study.results.ground.exists()
    content = json.loads(study.results.accuracy.read_text())
    assert content["model"]["network"] == "unet"
    assert set(content["maps"]) == set(content["scenes"]) == {"a", "b"}
    assert content["test"]["sources"]["reference"] == "samples/labels/a.tif; samples/labels/b.tif"
    assert f"{content['test']['figures']['overall_accuracy']:.1%}" in found.summary()
    assert study.results.confusion.exists()
