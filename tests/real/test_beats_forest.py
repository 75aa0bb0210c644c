"""The default training against a per-pixel random forest on the same ground: the claim that the recipe rests on."""

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "strzegom_west"
RESULTS = ROOT / "benchmarks" / "results"
sys.path.insert(0, str(ROOT))
pytest.importorskip("sklearn")


@pytest.mark.verify
@pytest.mark.skipif(not DATA.exists(), reason="the real data lie beside the checkout only where they are allowed")
def test_on_real_images_with_few_labels_as_the_mean_of_five_splits():
    from benchmarks.robust_recipe import compare, table

    lines = compare(range(5), ["robust"])
    (RESULTS / f"{date.today():%Y-%m-%d}-robust-recipe-verify.md").write_text(
        "# U-Net+ (width 16, recipe robust) against a per-pixel random forest\n\n`make verify`; five split seeds, test "
        "ground of six dates of strzegom_west.\n\n" + table(lines),
        encoding="utf-8",
    )
    for figure in ("oa", "miou"):
        forest, network = (
            np.mean([line[figure] for line in lines if line["variant"] == name]) for name in ("random forest", "robust")
        )
        assert network > forest


@pytest.mark.verify
def test_on_the_simulated_sites_by_ten_points_of_mean_iou():
    from benchmarks.simulated_sites import compare

    forest, network = compare(scale=0.25, width=16)
    assert 0.35 < forest.mean_iou < 0.65
    assert network.mean_iou - forest.mean_iou >= 0.10
