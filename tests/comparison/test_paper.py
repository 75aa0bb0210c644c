import numpy as np
import pytest

from pitmap.comparison.identities import deviations, iou_of
from pitmap.comparison.paper import paper, read
from pitmap.comparison.tables import top_two
from pitmap.networks.count import depth
from pitmap.networks.registry import build


def test_iou_follows_from_pa_and_ua_in_all_42_cells():
    ious = [deviations(scores)[0] for scores in paper().scores.values()]
    assert len(ious) == 6
    assert max(ious) < 0.011 / 100  # printed with two decimals


def test_mean_iou_follows_from_the_ious_and_u_net_plus_is_below_u_net():
    for scores in paper().scores.values():
        assert deviations(scores)[1] < 0.006 / 100
    printed = read()["mean_iou_printed"]
    for network, value in printed.items():
        assert paper().scores[network]["mean_iou"] == pytest.approx(value / 100, abs=1e-4)
    assert paper().scores["U-Net+"]["mean_iou"] - paper().scores["U-Net"]["mean_iou"] == pytest.approx(
        -0.0087, abs=1e-4
    )


def test_table_three_follows_from_table_two():
    found = top_two(paper().scores)
    assert {n: len(figures) for n, figures in found.items()} == paper().top_two
    assert found["SegNet"] == ["users_accuracy ROA"]
    assert "users_accuracy ROA" not in found["U-Net"]
    assert len(next(iter(paper().scores.values()))) == 24


def class_shares(content) -> np.ndarray:
    """Shares of the reference map that all networks share: sum r PA / UA = 1 for each network, sum r = 1."""
    rows = []
    for network in content["networks"]:
        pa, ua = (np.array(content[f][network]) for f in ("producers_accuracy", "users_accuracy"))
        rows.append(np.divide(pa, ua, out=np.zeros_like(pa), where=ua > 0))
    return np.linalg.solve(np.array([*rows, np.ones(7)]), np.ones(7))


def test_overall_accuracy_and_kappa_follow_from_table_two():
    content = read()
    shares = class_shares(content)
    np.testing.assert_allclose(100 * shares, content["class_shares_recovered"], atol=0.006)
    for network in content["networks"]:
        pa, ua = (np.array(content[f][network]) / 100 for f in ("producers_accuracy", "users_accuracy"))
        agreed = shares * pa
        mapped = np.divide(agreed, ua, out=np.zeros_like(agreed), where=ua > 0)
        oa = agreed.sum()
        kappa = (oa - (mapped * shares).sum()) / (1 - (mapped * shares).sum())
        assert oa == pytest.approx(paper().scores[network]["overall_accuracy"], abs=6e-4)
        assert kappa == pytest.approx(paper().scores[network]["kappa"], abs=6e-4)
    # What the text prints fits only once two values are exchanged.
    printed, recovered = content["kappa_printed"], content["kappa_recovered"]
    assert abs(printed["U-Net"] - recovered["U-Net"]) > 12
    assert printed["ResU-Net"] == pytest.approx(recovered["U-Net"], abs=0.1)
    assert printed["U-Net"] == pytest.approx(recovered["ResU-Net"], abs=0.1)


def test_depths_are_those_of_our_networks():
    for entry, name in paper().entries.items():
        network = build(entry, 4, 7, 2)
        stated = getattr(network, "depth", None)
        assert (stated if isinstance(stated, int) else depth(network, 4)) == paper().depth[name]


@pytest.mark.parametrize(
    ("pa", "ua", "iou"), [(0.5, 0.5, 1 / 3), (1.0, 0.25, 0.25), (0.0, None, 0.0), (None, 0.0, 0.0), (None, None, None)]
)
def test_iou_of_pa_and_ua(pa, ua, iou):
    assert iou_of(pa, ua) == (None if iou is None else pytest.approx(iou))
