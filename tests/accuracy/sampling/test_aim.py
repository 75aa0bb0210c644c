"""Aimed samples: their strata, what they promise, and what samples drawn by them reach."""

from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from labelled_samples import label
from observers import Heard
from pitmap.accuracy.sampling import strata
from pitmap.accuracy.sampling.aim import AROUND, POSSIBLE_CUTS, UNSURE_FAR, _cuts, replan
from pitmap.accuracy.sampling.design import DesignOptions, design, draw, enlarge, strata_again
from pitmap.accuracy.sampling.draw import draw_points
from pitmap.accuracy.sampling.estimation import estimate_counts
from pitmap.accuracy.sampling.intervals import total_limits
from pitmap.accuracy.sampling.sample import estimate
from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.errors import LabelError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.observer import clock
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_600_000), 200, 240)
HA = 0.01 / 0.9996**2


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A map with its confidence, and a truth drawn from the probabilities, so that the confidence is calibrated."""
    folder = tmp_path_factory.mktemp("ground")
    rows, cols = np.indices(GRID.shape)
    inside = np.hypot(rows - 100, cols - 90) < 45
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    p_mine = 0.98 / (1 + np.exp(-depth / 1.5)) + 0.003
    codes = np.where(p_mine >= 0.5, 1, 6).astype(np.uint8)
    confidence = np.rint(255 * np.where(codes == 1, p_mine, 1 - p_mine)).astype(np.uint8)
    truth = np.where(np.random.default_rng(1).random(GRID.shape) < p_mine, 1, 6).astype(np.uint8)
    write_cog(folder / "map.tif", codes, GRID, codes_layout(DEFAULT_LEGEND))
    layout = Layout(1, "uint8", 0, ["confidence"], scale=1 / 255)
    write_cog(folder / "map-confidence.tif", confidence, GRID, layout)
    return folder / "map.tif", truth, p_mine


def figures(drawn, truth):
    counts = np.zeros((len(drawn.strata), 7, 7))
    np.add.at(counts, (drawn.stratum_of, drawn.codes - 1, truth[drawn.rows, drawn.cols] - 1), 1)
    return estimate_counts(
        counts, [s.area for s in drawn.strata], drawn.legend, [s.name for s in drawn.strata],
        [s.map_classes for s in drawn.strata], pixels=[s.pixels for s in drawn.strata],
    )  # fmt: skip


@pytest.mark.verify
def test_what_is_promised_is_reached_and_holds(ground):
    path, truth, _ = ground
    options = DesignOptions(target="OPM", relative=0.08)
    true = (truth == 1).sum() * HA
    reached, held = [], []
    for seed in range(20):
        drawn = draw(path, DesignOptions(**{**vars(options), "seed": seed}))
        area = figures(drawn, truth).classes[0].area
        reached.append((area.upper - area.lower) / 2)
        held.append(area.lower <= true <= area.upper)
    promised = drawn.aim.plan.half_width
    assert promised < drawn.aim.plan.kept <= 0.08 * drawn.aim.area
    assert np.mean(reached) == pytest.approx(promised, rel=0.1)
    assert np.mean(np.array(reached) <= 0.08 * drawn.aim.area) >= 0.7
    assert sum(held) >= 17


def test_points_and_hours_are_said_before_the_draw(ground):
    heard = Heard()
    drawn = draw(ground[0], DesignOptions(target="OPM", hectares=5.0, seconds_a_point=20), heard)
    n = len(drawn.rows)
    assert f"{n} points, about {clock(n * 20)} at 20 s each: the area of OPM (about " in heard.said[0]
    assert f"± {drawn.aim.plan.half_width:.3g} ha" in heard.said[0]
    assert drawn.aim.plan.half_width <= 5
    assert drawn.aim.plan.points.sum() == n == sum(s.points for s in drawn.strata)


def test_the_strata_are_what_their_cuts_say(ground):
    path, _, p_mine = ground
    drawn = draw(path, DesignOptions(target="OPM", relative=0.04))
    cuts = drawn.aim.cuts
    assert cuts.mapped
    assert sum(s.pixels for s in drawn.strata) == GRID.height * GRID.width
    own = np.where(p_mine >= 0.5, np.rint(255 * p_mine), 255 - np.rint(255 * (1 - p_mine)))
    size = 2 * AROUND + 1
    number = ndimage.uniform_filter(np.ones(GRID.shape), size, mode="constant")
    around = ndimage.uniform_filter(own, size, mode="constant") / number
    levels = np.floor((own + 2 * around) / 3 + 0.5 + 1e-9)[drawn.rows, drawn.cols]
    mapped = drawn.codes == 1
    ends = [0, *cuts.mapped, 256]
    for h, (low, high) in enumerate(pairwise(ends)):
        np.testing.assert_array_equal(drawn.stratum_of == h, mapped & (levels >= low) & (levels < high))
    for stratum in drawn.strata:
        assert stratum.map_classes == ((1,) if stratum.name.startswith("OPM") else (6,))


def test_a_finer_aim_is_cut_finer(ground):
    rough, fine = (draw(ground[0], DesignOptions(target="OPM", relative=r)) for r in (0.2, 0.03))
    assert len(rough.strata) < len(fine.strata)


def test_a_part_of_the_probability_is_not_believed(ground):
    path, _, p_mine = ground
    drawn = draw(path, DesignOptions(target="OPM", relative=0.04))
    rest = drawn.strata[-1].expected
    assert rest > p_mine.min() + UNSURE_FAR * 0.4
    assert all(0 < s.expected < 1 for s in drawn.strata)


def test_a_cut_may_lie_where_the_root_of_the_frequency_is_shared_out():
    # Roots 10 on 160 levels: eighths are reached at every 20th; and after the first level with ground.
    frequency = np.zeros(256)
    frequency[:160] = 100.0
    assert POSSIBLE_CUTS == 7
    assert _cuts(frequency).tolist() == [0, 1, *range(20, 160, 20), 256]
    only = np.zeros(256)
    only[7] = 3.0
    assert _cuts(only).tolist() == [0, 256]


def test_without_confidence_the_edge_is_doubtful(ground, tmp_path):
    path, truth, _ = ground
    bare = tmp_path / "bare.tif"
    bare.write_bytes(path.read_bytes())
    drawn = draw(bare, DesignOptions(target="OPM", relative=0.06))
    assert drawn.rule["levels"] == ""
    area = figures(drawn, truth).classes[0].area
    assert (area.upper - area.lower) / 2 < 1.2 * drawn.aim.plan.half_width


def test_probabilities_are_used_before_the_confidence(ground, tmp_path):
    path, _, p_mine = ground
    shares = np.zeros((7, *GRID.shape), np.uint16)
    shares[0], shares[5] = np.rint(1e4 * p_mine), np.rint(1e4 * (1 - p_mine))
    target = tmp_path / "p.tif"
    write_cog(target, shares, GRID, Layout(7, "uint16", 65535, scale=1e-4))
    drawn = draw(path, DesignOptions(target="OPM", relative=0.06, probabilities=target))
    assert drawn.rule["levels"] == "probabilities"
    assert drawn.aim.area == pytest.approx(min(p_mine.sum(), (p_mine >= 0.5).sum()) * HA, rel=0.01)


def test_what_cannot_be_aimed_at_is_refused(ground):
    path = ground[0]
    with pytest.raises(LabelError, match="Nothing on the map is WAT"):
        draw(path, DesignOptions(target="WAT", relative=0.1))
    with pytest.raises(LabelError, match=r"no class 'OPN'.*Did you mean 'OPM'"):
        draw(path, DesignOptions(target="OPN", relative=0.1))
    with pytest.raises(LabelError, match="either as a share"):
        draw(path, DesignOptions(target="OPM"))
    with pytest.raises(LabelError, match="not of which class"):
        draw(path, DesignOptions(relative=0.1))


def test_a_sample_is_enlarged_to_what_one_draw_would_have_given(ground, tmp_path):
    path, truth, _ = ground
    first, larger = tmp_path / "first.gpkg", tmp_path / "larger.gpkg"
    design(path, first, DesignOptions(target="OPM", relative=0.15, seed=3))
    label(first, truth)
    before, content = read_sample(first), first.read_bytes()
    heard = Heard()
    result = enlarge(path, first, larger, DesignOptions(relative=0.06), heard)
    assert first.read_bytes() == content
    after = read_sample(larger)
    n, m = len(before.drawn), len(after.drawn)
    assert m == result.points == n + sum(result.added.values()) > n
    assert f"{m - n} more points" in heard.said[0]
    # The old points with their labels, then new ones without.
    assert after.points["reference"][:n].tolist() == before.points["reference"].tolist()
    assert after.points["reference"][n:].isna().all()
    assert after.points["point_id"].tolist() == list(range(1, m + 1))
    assert len(set(zip(after.drawn["row"], after.drawn["col"], strict=True))) == m
    assert after.drawn["phase"].tolist() == [1] * n + [2] * (m - n)
    assert after.strata["points"].tolist() == after.drawn["stratum"].value_counts()[after.strata["stratum"]].tolist()
    # Same strata, same seed: the points are those with the least random numbers, as in one draw of that size.
    sizes = dict(zip(after.strata["stratum"], after.strata["points"], strict=True))
    strips, again = strata_again(path, DEFAULT_LEGEND, after.about["rule"])
    at_once = draw_points(strips, again, np.array([sizes.get(name, 0) for name in again.names]), 3)
    assert set(zip(at_once.rows.tolist(), at_once.cols.tolist(), strict=True)) == set(
        zip(after.drawn["row"], after.drawn["col"], strict=True)
    )
    label(larger, truth)
    small, large = (estimate(p, path).estimates.classes[0].area for p in (first, larger))
    assert large.upper - large.lower < 0.75 * (small.upper - small.lower)
    assert large.lower <= (truth == 1).sum() * HA <= large.upper
    with pytest.raises(LabelError, match="are enough"):
        enlarge(path, larger, tmp_path / "none.gpkg", DesignOptions(relative=0.5))
    assert not (tmp_path / "none.gpkg").exists()


def test_a_sample_of_all_classes_is_enlarged_by_a_number_of_points(ground, tmp_path):
    path, truth, _ = ground
    first, larger = tmp_path / "first.gpkg", tmp_path / "larger.gpkg"
    design(path, first, DesignOptions(points=80, floor=20, images=(path,), chip_pixels=8))
    label(first, truth)
    assert enlarge(path, first, larger, DesignOptions(points=40)).points == 120
    pictures = read_sample(larger).points["chip_1"]
    assert len(pictures) == 120
    assert all((tmp_path / name).is_file() and name.startswith("larger_chips/") for name in pictures)
    with pytest.raises(LabelError, match="is not said"):
        enlarge(path, first, tmp_path / "other.gpkg", DesignOptions())
    assert enlarge(path, first, tmp_path / "third.gpkg", DesignOptions(target="OPM", relative=0.1)).points > 80


def test_a_sample_with_distances_and_another_confidence_are_refused(ground, tmp_path):
    path, truth, _ = ground
    spaced = tmp_path / "spaced.gpkg"
    design(path, spaced, DesignOptions(points=40, floor=10, spacing_m=50))
    with pytest.raises(LabelError, match="least distance"):
        enlarge(path, spaced, tmp_path / "n.gpkg", DesignOptions(points=5))
    aimed = tmp_path / "aimed.gpkg"
    design(path, aimed, DesignOptions(target="OPM", relative=0.15))
    label(aimed, truth)
    other = tmp_path / "other.tif"
    write_cog(other, np.full(GRID.shape, 200, np.uint8), GRID, Layout(1, "uint8", 0, scale=1 / 255))
    with pytest.raises(LabelError, match="is not the confidence"):
        enlarge(path, aimed, tmp_path / "n.gpkg", DesignOptions(relative=0.05, confidence=other))


def test_levels_are_averaged_over_mapped_ground_whatever_the_strips(tmp_path, monkeypatch):
    grid = Grid(GRID.crs, GRID.transform, 9, 6)
    codes = np.full(grid.shape, 6, np.uint8)
    codes[4, 2] = 1
    codes[:, 5] = 0
    sure = np.where(codes == 0, 0, 255).astype(np.uint8)
    sure[4, 2] = 145
    write_cog(tmp_path / "map.tif", codes, grid, codes_layout(DEFAULT_LEGEND))
    write_cog(tmp_path / "sure.tif", sure, grid, Layout(1, "uint8", 0, scale=1 / 255))

    def levels(rows):
        monkeypatch.setattr(strata, "STRIP_ROWS", rows)
        strips = strata.Strips(
            tmp_path / "map.tif", DEFAULT_LEGEND, sureness=strata.Sureness(tmp_path / "sure.tif", "confidence", 1, 1)
        )
        return np.concatenate([strip.cells % strata.LEVELS for strip in strips.read()])

    found = levels(128)
    # 145 among nine, a third of it for the pixel itself: (145 + 2 * 145 / 9) / 3 = 59.07; beside it 290 / 27 = 10.7.
    assert found[4, 2] == 59
    assert found[3, 2] == found[5, 3] == 11
    assert found[2, 2] == found[4, 4] == 0
    np.testing.assert_array_equal(levels(2), found)


def test_a_further_sample_is_planned_from_what_the_labels_leave_open():
    # Ten points in a stratum found nothing, which its expectation agreed with: the truth may be 0.1 all the same.
    areas, pixels = np.array([10.0, 90.0]), np.array([100_000, 900_000])
    had, of_class, expected = np.array([30, 10]), np.array([27, 0]), np.array([0.9, 0.02])
    plan = replan(areas, pixels, had, of_class, had, expected, lambda area: 2.0)
    assert (plan.points >= had).all()
    rng, kept = np.random.default_rng(5), []
    for _ in range(300):
        share = rng.beta(of_class + 10 * expected, had - of_class + 10 * (1 - expected))
        found = of_class + rng.binomial(plan.points - had, share)
        limits = total_limits(found, plan.points, areas, 1 - plan.points / pixels)
        kept.append((limits.upper - limits.lower) / 2 <= 2.0)
    assert np.mean(kept) == pytest.approx(0.85, abs=0.06)
