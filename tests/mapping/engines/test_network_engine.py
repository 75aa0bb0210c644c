"""Tiles equal the whole scene: on arrays, for logits, codes and probabilities."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pitmap.mapping.engines import engine_maker
from pitmap.mapping.engines.array_engine import ArrayEngine
from pitmap.mapping.engines.interface import NO_PROBABILITY, EngineOptions
from pitmap.mapping.engines.network_engine import NetworkEngine
from pitmap.mapping.tiles import TilePlan
from pitmap.networks.model_file import load_model
from pitmap.networks.normalise import gain_and_bias
from pitmap.networks.registry import BUILT_IN
from pitmap.processor import has_bf16

HALO = 96  # of U-Net and U-Net+
CPU = "cpu"
PACKAGES = {"openvino": "openvino", "onnxruntime": "onnxruntime"}
WHOLE = (slice(None), slice(None))


def engine_of(path: Path, engine: str = "torch", **options) -> NetworkEngine | ArrayEngine:
    if engine in PACKAGES:
        pytest.importorskip(PACKAGES[engine])
    network, card = load_model(path)
    folded = gain_and_bias(1e-4, 0.0, card.mean, card.std)
    made = engine_maker(engine)(network, *folded, EngineOptions(CPU, temperature=card.temperature, **options))
    assert isinstance(made, NetworkEngine | ArrayEngine)
    return made


def padded(pixels: NDArray, plan: TilePlan) -> tuple[NDArray, NDArray[np.bool_]]:
    rows, cols = (p - s for p, s in zip(plan.padded, plan.shape, strict=True))
    return np.pad(pixels, ((0, 0), (0, rows), (0, cols))), np.pad((pixels != 0).all(axis=0), ((0, rows), (0, cols)))


def tiled_logits(engine: NetworkEngine | ArrayEngine, pixels: NDArray, plan: TilePlan, classes: int) -> NDArray:
    whole, valid = padded(pixels, plan)
    result = np.full((classes, *plan.shape), np.nan, np.float32)
    for tile in plan.tiles():
        rows, cols = tile.read.slices
        logits = engine.logits(whole[None, :, rows, cols], valid[None, rows, cols], tile.kept)[0]
        result[:, *tile.keep.slices] = np.asarray(logits)
    return result


def check_exact(engine: NetworkEngine | ArrayEngine, pixels: NDArray, plan: TilePlan, classes: int = 7) -> None:
    """Logits within 1e-5 of their range; codes equal wherever the two best logits differ by more."""
    whole, valid = padded(pixels, plan)
    expected = np.asarray(engine.logits(whole[None], valid[None])[0, :, : plan.shape[0], : plan.shape[1]])
    found = tiled_logits(engine, pixels, plan, classes)
    tolerance = 1e-5 * np.ptp(expected)
    assert np.abs(found - expected).max() <= tolerance
    best = np.sort(expected, axis=0)
    clear = best[-1] - best[-2] > 2 * tolerance
    assert clear.mean() > 0.2  # random weights: many logits lie close together
    assert (found.argmax(0) == expected.argmax(0))[clear].all()


@pytest.mark.parametrize("engine", ["torch", "openvino", "onnxruntime"])
@pytest.mark.parametrize("name", ["unet", "unetplus"])
@pytest.mark.parametrize(("shape", "tiles"), [((200, 30), 1), ((225, 225), 4), ((30, 401), 7)])
def test_tiles_equal_the_whole_scene(
    engine: str, name: str, shape: tuple[int, int], tiles: int, model_file: Callable, noise: Callable
):
    made = engine_of(model_file(name), engine)
    plan = TilePlan(shape, 16, HALO, 224)
    assert len(plan.tiles()) == tiles
    check_exact(made, noise(*shape), plan)


@pytest.mark.verify
@pytest.mark.parametrize("engine", ["torch", "openvino", "onnxruntime"])
@pytest.mark.parametrize("name", sorted(BUILT_IN))
@pytest.mark.parametrize("extra", [-40, 0, 1, 100])
def test_tiles_equal_the_whole_scene_for_all_networks(
    engine: str, name: str, extra: int, model_file: Callable, noise: Callable
):
    network, _ = load_model(model_file(name))
    stride, halo = network.stride, network.halo
    side = 2 * halo + 2 * stride
    made = engine_of(model_file(name), engine)
    check_exact(made, noise(side + extra, side + extra), TilePlan((side + extra,) * 2, stride, halo, side))


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bf16_in_tiles_is_nearly_bf16_of_the_whole_scene(engine: str, model_file: Callable, noise: Callable):
    if engine == "openvino" and not has_bf16(CPU):
        pytest.skip("this processor does not compute in bf16")
    made = engine_of(model_file("unet", width=8), engine, precision="bf16")
    plan = TilePlan((240, 240), 16, HALO, 224)
    pixels, valid = padded(noise(240, 240), plan)
    whole = made.predict(pixels[None], valid[None], WHOLE).codes[0]
    tiled = np.zeros_like(whole)
    for tile in plan.tiles():
        rows, cols = tile.read.slices
        tiled[tile.keep.slices] = made.predict(pixels[None, :, rows, cols], valid[None, rows, cols], tile.kept).codes[0]
    assert (whole == tiled).mean() >= 0.9999


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", pytest.param("compiled", marks=pytest.mark.verify)])
def test_engines_give_what_the_reference_gives(engine: str, model_file: Callable, noise: Callable):
    path, pixels = model_file("unet"), noise(96, 96)[None]
    valid, kept = (pixels != 0).all(axis=1), (slice(16, 90), slice(32, 96))
    reference, made = engine_of(path), engine_of(path, engine)
    expected = reference.predict(pixels, valid, kept, confidence=True, probabilities=True)
    for found in (
        made.predict(pixels, valid, kept, confidence=True, probabilities=True),
        made.predict(pixels, valid, kept, confidence=True),
        made.predict(pixels, valid, kept),
    ):
        assert (found.codes == expected.codes).mean() > 0.999
        if found.confidence is not None:
            assert np.abs(found.confidence.astype(int) - expected.confidence).max() <= 1
        if found.probabilities is not None:
            assert np.abs(found.probabilities.astype(int) - expected.probabilities).max() <= 1
    again = made.predict(pixels, valid, kept, confidence=True)
    assert (again.codes == found.codes).all()


@pytest.mark.parametrize("name", ["unet", "unetplus"])
def test_a_halo_one_stride_smaller_is_not_exact(name: str, model_file: Callable, noise: Callable):
    engine = engine_of(model_file(name))
    plan = TilePlan((320, 32), 16, HALO - 16, 208)
    with pytest.raises(AssertionError):
        check_exact(engine, noise(320, 32), plan)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_augmentation_is_the_mean_over_the_scene_turned_eight_ways(engine: str, model_file: Callable, noise: Callable):
    # Against an independent reference: the whole padded scene turned by numpy, one pass each, turned back.
    path = model_file("unet")
    augmented, plain = engine_of(path, engine, test_time_augmentation=True), engine_of(path)
    plan = TilePlan((230, 70), 16, 96, 224)
    pixels, valid = padded(noise(230, 70), plan)
    mean = np.zeros((7, *plan.padded))
    for turns in range(4):
        for flip in (False, True):
            seen, known = np.rot90(pixels, turns, (1, 2)), np.rot90(valid, turns)
            if flip:
                seen, known = seen[:, ::-1], known[::-1]
            logits = plain.logits(seen[None].copy(), known[None].copy())[0] / 1.5
            shares = logits.softmax(0).numpy()
            mean += np.rot90(shares[:, ::-1] if flip else shares, -turns, (1, 2)) / 8
    assert len(plan.tiles()) > 1
    for tile in plan.tiles():
        rows, cols = tile.read.slices
        codes, sure, stored = augmented.predict(
            pixels[None, :, rows, cols], valid[None, rows, cols], tile.kept, confidence=True, probabilities=True
        )
        expected = mean[:, *tile.keep.slices]
        known = valid[tile.keep.slices]
        assert np.abs(stored[0][:, known] * 1e-4 - expected[:, known]).max() < 6e-5
        assert np.abs(sure[0] / 255 - expected.max(0))[known].max() < 0.51 / 255
        best = np.sort(expected, axis=0)
        clear = known & (best[-1] - best[-2] > 1e-5)
        assert (codes[0][clear] == expected.argmax(0)[clear] + 1).all()


def test_probabilities_sum_to_one_and_nodata_is_marked(model_file: Callable, noise: Callable):
    engine = engine_of(model_file())
    pixels = noise(64, 96)
    valid = (pixels != 0).all(axis=0)
    codes, sure, stored = engine.predict(pixels[None], valid[None], WHOLE, confidence=True, probabilities=True)
    assert stored.dtype == np.uint16
    assert (stored[0][:, ~valid] == NO_PROBABILITY).all()
    assert (codes[0][~valid] == 0).all()
    assert (codes[0][valid] > 0).all()
    assert np.abs(stored[0][:, valid].sum(0, dtype=int) - 10_000).max() <= 4  # seven roundings of half a step
    assert (sure[0] > 0).tolist() == valid.tolist()
    assert np.abs(sure[0] / 255 - stored[0].max(0) * 1e-4)[valid].max() < 0.5 / 255 + 1e-4
    best = np.sort(stored[0], axis=0)
    clear = valid & (best[-1] > best[-2])
    assert (codes[0] == stored[0].argmax(0) + 1)[clear].all()
    logits = engine.logits(pixels[None], valid[None])[0]
    assert np.allclose((logits / 1.5).softmax(0).numpy()[:, valid], stored[0][:, valid] * 1e-4, atol=6e-5)


def test_the_engine_is_the_network_on_normalised_pixels(model_file: Callable, noise: Callable):
    path = model_file("unetplus")
    network, _ = load_model(path)
    pixels = noise(32, 48)
    valid = (pixels != 0).all(axis=0)
    x = torch.from_numpy(((pixels * 1e-4 - 0.2) / 0.1 * valid).astype(np.float32))
    with torch.inference_mode():
        expected = network(x[None])
    found = engine_of(path).logits(pixels[None], valid[None])
    assert torch.allclose(found, expected, atol=1e-5 * expected.abs().max().item())


def test_bf16_gives_nearly_the_same_codes(model_file: Callable, noise: Callable):
    path = model_file()
    pixels = noise(96, 96)
    valid = (pixels != 0).all(axis=0)[None]
    full = engine_of(path).predict(pixels[None], valid, WHOLE).codes
    logits = engine_of(path, precision="bf16").logits(pixels[None], valid)
    assert logits.dtype == torch.float32
    half = engine_of(path, precision="bf16").predict(pixels[None], valid, WHOLE).codes
    assert 0.9 < (half == full).mean() < 1  # random weights: the logits lie close together
