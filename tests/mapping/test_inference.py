"""Tiles equal the whole scene: on arrays, for logits, codes and probabilities."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pitmap.errors import ModelError
from pitmap.mapping.inference import (
    NO_PROBABILITY,
    Predictor,
    choose_device,
    choose_precision,
    choose_tile,
)
from pitmap.mapping.tiles import TilePlan
from pitmap.networks.model_file import load_model
from pitmap.networks.normalise import gain_and_bias
from pitmap.networks.registry import BUILT_IN
from pitmap.raster.reading import validity

CPU = torch.device("cpu")


def predictor_of(path: Path, **options) -> Predictor:
    network, card = load_model(path)
    folded = gain_and_bias(1e-4, 0.0, card.mean, card.std)
    return Predictor(network, *folded, device=CPU, temperature=card.temperature, **options)


def padded(pixels: NDArray, plan: TilePlan) -> tuple[NDArray, NDArray[np.bool_]]:
    rows, cols = (p - s for p, s in zip(plan.padded, plan.shape, strict=True))
    return np.pad(pixels, ((0, 0), (0, rows), (0, cols))), np.pad(validity(pixels, 0), ((0, rows), (0, cols)))


def tiled_logits(predictor: Predictor, pixels: NDArray, plan: TilePlan, classes: int) -> NDArray:
    whole, valid = padded(pixels, plan)
    result = np.full((classes, *plan.shape), np.nan, np.float32)
    for tile in plan.tiles():
        rows, cols = tile.read.slices
        logits = predictor.logits(whole[None, :, rows, cols], valid[None, rows, cols])[0]
        result[:, *tile.keep.slices] = logits[:, *tile.kept].numpy()
    return result


def check_exact(predictor: Predictor, pixels: NDArray, plan: TilePlan, classes: int = 7) -> None:
    """Logits within 1e-5 of their range; codes equal wherever the two best logits differ by more."""
    whole, valid = padded(pixels, plan)
    expected = predictor.logits(whole[None], valid[None])[0, :, : plan.shape[0], : plan.shape[1]].numpy()
    found = tiled_logits(predictor, pixels, plan, classes)
    tolerance = 1e-5 * np.ptp(expected)
    assert np.abs(found - expected).max() <= tolerance
    best = np.sort(expected, axis=0)
    clear = best[-1] - best[-2] > 2 * tolerance
    assert clear.mean() > 0.2  # random weights: many logits lie close together
    assert (found.argmax(0) == expected.argmax(0))[clear].all()


@pytest.mark.parametrize("name", ["unet", "unetplus"])
@pytest.mark.parametrize(("shape", "tiles"), [((200, 30), 1), ((224, 48), 1), ((225, 225), 4), ((30, 401), 7)])
def test_tiles_equal_the_whole_scene(
    name: str, shape: tuple[int, int], tiles: int, model_file: Callable, noise: Callable
):
    predictor = predictor_of(model_file(name))
    plan = TilePlan(shape, predictor.network.stride, predictor.network.halo, 224)
    assert len(plan.tiles()) == tiles
    check_exact(predictor, noise(*shape), plan)


@pytest.mark.verify
@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"unet", "unetplus"}))
@pytest.mark.parametrize("extra", [-40, 0, 1, 100])
def test_tiles_equal_the_whole_scene_for_the_other_networks(
    name: str, extra: int, model_file: Callable, noise: Callable
):
    predictor = predictor_of(model_file(name))
    stride, halo = predictor.network.stride, predictor.network.halo
    side = 2 * halo + 2 * stride
    check_exact(predictor, noise(side + extra, side + extra), TilePlan((side + extra,) * 2, stride, halo, side))


@pytest.mark.parametrize("name", ["unet", "unetplus"])
def test_a_halo_one_stride_smaller_is_not_exact(name: str, model_file: Callable, noise: Callable):
    predictor = predictor_of(model_file(name))
    halo = predictor.network.halo - predictor.network.stride
    plan = TilePlan((320, 32), 16, halo, 208)
    with pytest.raises(AssertionError):
        check_exact(predictor, noise(320, 32), plan)


def test_augmentation_is_the_mean_over_the_scene_turned_eight_ways(model_file: Callable, noise: Callable):
    # Against an independent reference: the whole padded scene turned by numpy, one pass each, turned back.
    path = model_file("unet")
    augmented, plain = predictor_of(path, test_time_augmentation=True), predictor_of(path)
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
            pixels[None, :, rows, cols], valid[None, rows, cols], confidence=True, probabilities=True
        )
        expected = mean[:, *tile.keep.slices]
        kept, known = stored[0][:, *tile.kept], valid[tile.keep.slices]
        assert np.abs(kept[:, known] * 1e-4 - expected[:, known]).max() < 6e-5
        assert np.abs(sure[0][tile.kept] / 255 - expected.max(0))[known].max() < 0.51 / 255
        best = np.sort(expected, axis=0)
        clear = known & (best[-1] - best[-2] > 1e-5)
        assert (codes[0][tile.kept][clear] == expected.argmax(0)[clear] + 1).all()


def test_probabilities_sum_to_one_and_nodata_is_marked(model_file: Callable, noise: Callable):
    predictor = predictor_of(model_file())
    pixels = noise(64, 96)
    valid = validity(pixels, 0)
    codes, sure, stored = predictor.predict(pixels[None], valid[None], confidence=True, probabilities=True)
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
    logits = predictor.logits(pixels[None], valid[None])[0]
    assert np.allclose((logits / 1.5).softmax(0).numpy()[:, valid], stored[0][:, valid] * 1e-4, atol=6e-5)


def test_the_predictor_is_the_network_on_normalised_pixels(model_file: Callable, noise: Callable):
    path = model_file("unetplus")
    network, _ = load_model(path)
    pixels = noise(32, 48)
    valid = validity(pixels, 0)
    x = torch.from_numpy(((pixels * 1e-4 - 0.2) / 0.1 * valid).astype(np.float32))
    with torch.inference_mode():
        expected = network(x[None])
    found = predictor_of(path).logits(pixels[None], valid[None])
    assert torch.allclose(found, expected, atol=1e-5 * expected.abs().max().item())


def test_bf16_gives_nearly_the_same_codes(model_file: Callable, noise: Callable):
    path = model_file()
    pixels = noise(96, 96)
    valid = validity(pixels, 0)[None]
    full = predictor_of(path).predict(pixels[None], valid).codes
    logits = predictor_of(path, precision="bf16").logits(pixels[None], valid)
    assert logits.dtype == torch.float32
    half = predictor_of(path, precision="bf16").predict(pixels[None], valid).codes
    assert 0.9 < (half == full).mean() < 1  # random weights: the logits lie close together


class Clock(Predictor):
    """A predictor whose trial is decided by the test."""

    device = CPU

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    def seconds_a_tile(self, bands, side, precisions=()):
        return self.seconds


@pytest.mark.parametrize(
    ("wanted", "agreement", "seconds", "chosen"),
    [
        ("auto", 0.9995, 0.5, "bf16"),
        ("auto", 0.9995, 0.95, "float32"),
        ("auto", 0.998, 0.5, "float32"),
        ("auto", None, 0.5, "float32"),
        ("float32", 1.0, 0.1, "float32"),
        ("bf16", None, 2.0, "bf16"),
    ],
)
def test_precision(wanted: str, agreement: float | None, seconds: float, chosen: str):
    assert choose_precision(wanted, agreement, Clock({"float32": 1.0, "bf16": seconds}), 3) == chosen


def test_bf16_that_is_known_to_differ_is_refused():
    with pytest.raises(ModelError, match=r"99\.00%"):
        choose_precision("bf16", 0.99, Clock({}), 3)


def test_a_trial_times_both_precisions(model_file: Callable):
    predictor = predictor_of(model_file())
    assert predictor.seconds_a_tile(3, 32).keys() == {"float32", "bf16"}
    assert predictor.seconds_a_tile(3, 32, ("bf16",))["bf16"] > 0
    assert predictor.precision == "float32"


def test_tiles_fit_the_free_memory(model_file: Callable, monkeypatch: pytest.MonkeyPatch):
    network, _ = load_model(model_file())
    sides = []
    for free in (2**50, 2**28, 2**20):
        monkeypatch.setattr("pitmap.mapping.inference._free_bytes", lambda _, free=free: free)
        sides.append(choose_tile(network, 3, 16, 96, CPU))
    assert sides[0] == 1024
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] == 512  # below four halos a tile is mostly halo


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda")
    with pytest.raises(ModelError, match="toaster"):
        choose_device("toaster")
