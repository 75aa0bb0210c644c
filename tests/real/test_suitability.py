"""Whether dates of one place are taken for what they are: the same kind of numbers."""

import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.suitability import unlike
from pitmap.networks.model_card import ModelCard
from pitmap.raster.reading import open_raster
from pitmap.raster.statistics import Spread, spread_of
from pitmap.study.study import load_study

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT))

from benchmarks.strzegom import write_project  # noqa: E402

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the real data lie beside the checkout only where they are allowed"
)


def model_of(spread: Spread) -> ModelCard:
    return ModelCard(
        network="unet", options={"width": 2}, legend=DEFAULT_LEGEND, bands=("B02", "B03", "B04", "B08"),
        unit="reflectance", dtype="uint16", mean=tuple(spread.mean), std=tuple(spread.std),
    )  # fmt: skip


def test_dates_are_alike_and_wrong_scalings_of_any_date_are_not(tmp_path):
    found = []
    for scene in load_study(write_project(tmp_path, seed=0)).scenes:
        with open_raster(scene.image, scene.band_indices, scene.site.nodata) as reader:
            spread = spread_of(reader, scene.reading, lambda w: np.ones((w.height, w.width), np.bool_))
        assert spread is not None
        found.append(spread)
    for one, (mean, std) in permutations(found, 2):
        model = model_of(one)
        assert unlike(model, Spread(mean, std)) is None
        for wrong in (
            Spread(mean + 0.1, std), Spread(mean - 0.1, std), Spread(10 * mean, 10 * std), Spread(mean / 10, std / 10),
            Spread(mean[::-1], std[::-1]),
        ):  # fmt: skip
            assert unlike(model, wrong) is not None
