"""The int8 form of a model: made on samples, checked, written beside it, and mapped with."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pitmap.errors import ModelError
from pitmap.mapping.engines.int8_file import int8_path, read_int8
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.networks.model_card import ModelCard
from pitmap.networks.model_file import load_model, save_model
from pitmap.networks.registry import build
from pitmap.raster.codes import read_codes
from pitmap.raster.reading import describe
from pitmap.samples.build import build as build_samples
from pitmap.samples.dataset import SampleSet
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site

pytest.importorskip("nncf")
pytest.importorskip("openvino")

pytestmark = pytest.mark.verify  # importing NNCF takes seconds


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    folder = tmp_path_factory.mktemp("study")
    write_site(folder, "a", quilt(160, 128, 3), grid(160, 128))
    return build_samples(load_study(write_project(folder, ["a"])))


@pytest.fixture
def model(tmp_path: Path, samples: SampleSet) -> Path:
    torch.manual_seed(3)
    network = build("unet", len(samples.bands), len(samples.legend), 4)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    card = ModelCard(
        network="unet", options={"width": 4}, legend=samples.legend, bands=tuple(samples.bands),
        unit=samples.record.unit, dtype="uint16", mean=tuple(samples.mean), std=tuple(samples.std),
    )  # fmt: skip
    save_model(tmp_path / "m.safetensors", network, card)
    return tmp_path / "m.safetensors"


def test_a_form_that_gives_another_map_is_refused(
    model: Path, samples: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pitmap.deliver import int8

    monkeypatch.setattr(int8, "LEAST_AGREEMENT", 1.0)  # random weights: many logits lie close together
    with pytest.raises(ModelError, match="nothing is written"):
        int8.export_int8(model, samples)
    assert not int8_path(model).exists()
    with pytest.raises(ModelError, match="no int8 form"):
        read_int8(int8_path(model), "")


def test_mapping_in_int8_is_the_same_in_tiles_and_says_its_share(
    model: Path, samples: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pitmap.deliver import int8

    monkeypatch.setattr(int8, "LEAST_AGREEMENT", 0.8)
    made = int8.export_int8(model, samples)
    first = made.path.read_bytes()
    assert int8.export_int8(model, samples).path.read_bytes() == first
    assert made.record.model_sha256 == load_model(model)[1].sha256
    assert made.record.validation_pixels > 0
    assert 0.8 <= made.record.agreement < 1
    write_site(tmp_path, "b", quilt(240, 230, 5), grid(240, 230))
    image = next(tmp_path.glob("**/b*.tif"))
    options = {"scale": 1e-4, "device": "cpu", "compare_numbers": False, "precision": "int8"}
    tiled = map_image(model, image, tmp_path / "tiled.tif", MapOptions(tile=224, **options))
    whole = map_image(model, image, tmp_path / "whole.tif", MapOptions(tile=512, **options))
    assert (tiled.tiles, whole.tiles, tiled.engine, tiled.precision) == (4, 1, "openvino", "int8")
    assert (read_codes(tiled.path) == read_codes(whole.path)).mean() >= 0.9999
    assert describe(tiled.path).tags["PITMAP_INT8_AGREEMENT"] == f"{made.record.agreement:.5f}"
    full = map_image(model, image, tmp_path / "full.tif", MapOptions(**options | {"precision": "float32"}))
    same = read_codes(tiled.path) == read_codes(full.path)
    assert 0.6 < same.mean() < 1  # other numbers than those it was calibrated on
    damaged = bytearray(first)
    damaged[-1] ^= 1
    made.path.write_bytes(damaged)
    with pytest.raises(ModelError, match="damaged"):
        read_int8(made.path, made.record.model_sha256)
    made.path.write_bytes(first)
    with pytest.raises(ModelError, match="another model"):
        read_int8(made.path, "0" * 64)
