"""Maps for papers: scale, north and legend against answers that are known."""

import math
import re

import numpy as np
import pytest
from affine import Affine
from matplotlib.figure import Figure
from pyproj import CRS, Geod

from pitmap.comparison.cartography import Ground, legend_entries, painted
from pitmap.comparison.figures import KINDS, Panels, draw_maps, rendered
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from studies import grid


def panels(where: Grid) -> Panels:
    codes = np.zeros(where.shape, np.uint8)
    codes[:, ::2], codes[0, 0] = 6, 1
    picture = painted(codes, codes, DEFAULT_LEGEND, [1])
    return Panels({"image": picture, "unet": picture}, Ground(where), (1, 6))


def drawn(where: Grid) -> Figure:
    return draw_maps(panels(where), DEFAULT_LEGEND, [1], "north")


def test_width_is_that_of_the_ellipsoid_in_degrees_too():
    in_metres = Ground(grid(100, 200))  # on the central meridian of UTM: 0.9996
    assert in_metres.width_m == pytest.approx(800 / 0.9996, rel=1e-4)
    step = 1e-4
    in_degrees = Ground(Grid(CRS.from_epsg(4326), Affine(step, 0, 113, 0, -step, 60.005), 100, 200))
    _, _, expected = Geod(ellps="WGS84").inv(113, 60, 113 + 200 * step, 60)
    assert in_degrees.width_m == pytest.approx(expected, rel=1e-3)
    assert Ground(Grid(None, Affine.identity(), 3, 3)).width_m is None


def test_north_is_up_on_the_central_meridian_and_leans_with_the_convergence_beside_it():
    assert Ground(grid(100, 100)).north == pytest.approx((0, 1), abs=1e-3)
    east = Ground(grid(100, 100, x=700_000.0, y=6_600_000.0))
    lon, lat = 114.55, 59.5  # about: zone 49 has its central meridian at 111
    convergence = math.atan(math.tan(math.radians(lon - 111)) * math.sin(math.radians(lat)))
    assert math.atan2(-east.north[0], east.north[1]) == pytest.approx(convergence, abs=math.radians(0.1))
    assert Ground(Grid(None, Affine.identity(), 3, 3)).north is None


@pytest.mark.parametrize("degrees", [30, 90, 180])
def test_north_follows_a_turned_image(degrees):
    t = math.radians(degrees)
    cos, sin = math.cos(t), math.sin(t)
    # Up in the image is ``degrees`` east of north, so that north lies as far to its left.
    transform = Affine(4 * cos, -4 * sin, 500_000, -4 * sin, -4 * cos, 3_800_000)
    right, up = Ground(Grid(grid(1, 1).crs, transform, 64, 64)).north
    assert (right, up) == pytest.approx((-sin, cos), abs=2e-3)


def test_north_is_found_at_the_pole():
    arctic = CRS.from_epsg(3413)  # its meridian down the page is 45 west
    at_pole = Grid(arctic, Affine(10, 0, -320, 0, -10, 320 - 1000), 64, 64)
    assert Ground(at_pole).north == pytest.approx((0, 1), abs=1e-2)


def test_legend_names_what_occurs_and_the_outline_where_there_are_mines():
    assert [p.get_label() for p in legend_entries([6, 1], DEFAULT_LEGEND, [1])] == [
        "OPM open-pit mine", "VEG vegetation", "verified mine",
    ]  # fmt: skip
    assert [p.get_label() for p in legend_entries([6, 9], DEFAULT_LEGEND, [1])] == ["VEG vegetation"]


def test_a_map_says_its_scale_its_north_and_its_classes_as_text_of_the_drawing():
    svg = rendered(drawn(grid(100, 200)), "svg").decode()
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"200 m", "image", "unet", "OPM open-pit mine", "VEG vegetation", "verified mine"} <= set(texts)
    assert 'id="north-arrow"' in svg
    nowhere = rendered(drawn(Grid(None, Affine.identity(), 100, 200)), "svg").decode()
    assert "200 m" not in nowhere
    assert "north-arrow" not in nowhere


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_figure_gives_the_same_bytes(kind):
    where = grid(40, 60)
    first, second = (rendered(drawn(where), kind) for _ in range(2))
    assert first == second
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind])
    assert b"CreationDate" not in first
    assert b"dc:date" not in first
