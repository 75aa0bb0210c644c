"""What is worked out for the report and does not stand in a file."""

import numpy as np
import pytest

from pitmap.accuracy.sampling.estimation import estimate_confusion
from pitmap.legend import LandCoverClass, Legend
from pitmap.reporting.content import acquisition_date, few_points
from pitmap.reporting.page import heat

COUNTS = np.array([[50, 2, 3], [4, 20, 1], [6, 5, 9]])
LEGEND = Legend(LandCoverClass(i + 1, key, key, "#808080") for i, key in enumerate("ABC"))


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("strzegom_20230530.tif", {}, "2023-05-30"),
        ("a.tif", {"ACQUISITION_TIME": "2019-07-01T03:04:05Z"}, "2019-07-01"),
        ("a_20200101.tif", {"TIFFTAG_DATETIME": "2024:01:01 00:00:00"}, "2020-01-01"),
        ("tile_20231399_x.tif", {}, None),
        ("scene_120230530.tif", {}, None),
    ],
)
def test_dates(tmp_path, name: str, tags: dict[str, str], expected: str | None):
    assert acquisition_date(tmp_path / name, tags) == expected


def test_heat_grows_with_the_share():
    def colour(share: float, right: bool) -> str:
        return heat({"count": 5, "share": share, "right": right})

    assert colour(0.9, True) != colour(0.9, False)
    assert colour(0.9, True) != colour(0.2, True)
    assert "background" not in heat({"count": 0, "share": 0.0, "right": True})


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("share", np.linspace(0, 1, 21))
def test_numbers_stand_out_from_the_heat(share, right):
    style = heat({"count": 5, "share": float(share), "right": right})
    ground = [int(style[len("background:#") :][i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in ground]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    ratio = 1.05 / (light + 0.05) if style.endswith("#fff") else (light + 0.05) / 0.05
    assert ratio >= 4.5  # WCAG 2.2, 1.4.3


def test_figures_on_few_points_are_one_list_and_other_warnings_another():
    counts = np.eye(3) * 50
    counts[2, 2] = 4
    made = estimate_confusion(counts, [10.0, 20.0, 3.0], LEGEND).to_json()
    made["sample_warnings"] = ["3 points have no reference class."]
    assert len(made["warnings"]) == 2
    told = few_points(made)
    assert told["figures"] == [
        {"name": "User's accuracy", "key": "C", "points": 4},
        {"name": "Producer's accuracy", "key": "C", "points": 4},
    ]
    assert told["others"] == ["3 points have no reference class."]
    # Another reason is no lack of points.
    single = [[50, 0, 0], [0, 50, 0], [0, 0, 1]]
    told = few_points(estimate_confusion(single, [10.0, 20.0, 3.0], LEGEND, method="wald").to_json())
    assert "Overall accuracy" not in [f["name"] for f in told["figures"]]
    assert "Stratum C has a single point: it has no variance." in told["others"]
