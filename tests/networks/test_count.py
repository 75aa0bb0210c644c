import pytest
import torch
from torch import nn

from pitmap.networks.count import cost, depth, multiply_accumulates, parameters, table
from pitmap.networks.registry import build, variants

# Width 64, 4 bands, 7 classes, 512 x 512, no batch normalisation; two implementations and PyTorch's counter agree.
# network, variant, depth, parameters, GMAC, stride, reach, halo
PUBLISHED = [
    ("fcn8s", "score", 22, 14_738_378, 80.39, 32, 149, 128),
    ("fcn8s", "feature", 22, 25_202_311, 100.85, 32, 149, 128),
    ("fcn8s", "fc67", 24, 134_309_322, 111.00, 32, 245, 224),
    ("segnet", "indices", 37, 29_465_095, 169.84, 32, 211, 192),
    ("segnet", "nearest", 37, 29_465_095, 169.84, 32, 211, 192),
    ("unet", "", 27, 31_032_711, 192.92, 16, 107, 96),
    ("resunet", "", 43, 62_372_871, 347.54, 16, 197, 192),
    ("unetplusplus", "upconv", 27, 36_158_919, 476.39, 16, 107, 96),
    ("unetplusplus", "bilinear", 27, 36_616_007, 551.55, 16, 122, 112),
    ("unetplusplus", "slim", 27, 33_613_191, 405.52, 16, 107, 96),
    ("unetplus", "A1", 27, 28_784_711, 167.15, 16, 107, 96),
    ("unetplus", "A2", 27, 31_570_951, 175.74, 16, 107, 96),
    ("unetplus", "A3", 27, 28_186_695, 156.55, 16, 107, 96),
    ("unetplus", "A4", 27, 29_170_695, 157.55, 16, 115, 112),
    ("unetplus", "A5", 27, 27_899_271, 154.27, 16, 107, 96),
    ("unetplus", "A6", 27, 27_899_271, 154.27, 16, 115, 112),
    ("unetplus", "B1", 27, 31_918_151, 205.81, 16, 107, 96),
    ("unetplus", "B2", 27, 31_320_135, 195.20, 16, 107, 96),
    ("unetplus", "B3", 27, 34_704_391, 214.40, 16, 107, 96),
    ("unetplus", "C1", 27, 28_587_847, 160.71, 16, 107, 96),
    ("unetplus", "C2", 27, 31_721_287, 199.36, 16, 107, 96),
    ("unetplus", "D1", 27, 28_587_847, 160.71, 16, 107, 96),
    ("unetplus", "D2", 27, 28_071_751, 155.88, 16, 107, 96),
    ("unetplus", "D3", 27, 31_721_287, 199.36, 16, 107, 96),
]
BATCH_NORM = {
    "fcn8s": 8_448, "segnet": 16_000, "unet": 11_776, "resunet": 23_296, "unetplusplus": 14_592, "unetplus": 11_776
}  # fmt: skip


def on_meta(name, bands=4, classes=7, width=64, **options):
    with torch.device("meta"):
        return build(name, bands, classes, width, **options)


def test_table_is_the_published_one():
    rows = [
        (r.network, r.variant, r.depth, r.parameters, round(r.gmac, 2), r.stride, r.reach, r.halo) for r in table()
    ]  # fmt: skip
    assert rows == PUBLISHED


@pytest.mark.parametrize(("name", "extra"), BATCH_NORM.items())
def test_batch_normalisation_follows_every_3x3(name, extra):
    assert parameters(on_meta(name)) - parameters(on_meta(name, batch_norm=False)) == extra


def test_unetplusplus_has_the_size_that_its_authors_print():
    assert parameters(on_meta("unetplusplus", 4, 7, 32, batch_norm=False)) == 9_042_663
    assert parameters(on_meta("unetplusplus", 3, 1, 32, batch_norm=False)) == 9_042_177


@pytest.mark.parametrize(
    ("name", "variant"),
    [row[:2] for row in PUBLISHED if row[0] != "unetplus"] + [("unetplus", v) for v in ("A1", "A4", "A6", "B3", "D2")],
)
def test_depth_is_the_longest_path(name, variant):
    # In A4 the projection of E_5 makes a side branch one layer longer than the main path.
    expected = {row[:2]: row[2] for row in PUBLISHED} | {("unetplus", "A4"): 28}
    options = {"variant": variant} if variant else {}
    assert depth(on_meta(name, 2, 2, 1, **options), bands=2) == expected[name, variant]


def test_every_variant_is_in_the_table():
    for name in BATCH_NORM:
        assert [row[1] for row in PUBLISHED if row[0] == name] == (list(variants(name)) or [""])


def test_transposed_convolution_counts_its_true_cost():
    up = nn.ConvTranspose2d(8, 4, 2, stride=2)
    assert multiply_accumulates(up, 8, 10, 20) == 8 * 4 * 2 * 2 * 10 * 20


def test_network_from_outside_is_counted_and_measured():
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 1), nn.Upsample(scale_factor=2)
    )
    row = cost(network, 3, "mine", side=64)
    assert (row.network, row.depth, row.parameters) == ("mine", 4, 3 * 6 * 9 + 6 + 6 * 5 + 5)
    assert row.multiply_accumulates == 64 * 64 * 3 * 6 * 9 + 32 * 32 * 6 * 5
    assert (row.stride, row.reach, row.halo) == (2, 2, 2)
    assert next(network.parameters()).device.type == "cpu"
