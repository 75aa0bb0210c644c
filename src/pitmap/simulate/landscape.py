"""A simulated mining landscape whose land cover, terrain and mines are known exactly.

The two default sites follow those of Chen et al. (2022): a small one of mountains and hills without water, and a large
one between hills and plain, with the class shares of the paper.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from pitmap.grid import Grid
from pitmap.simulate import fields, pits, roads, settlements
from pitmap.simulate.noise import Field, node_positions
from pitmap.simulate.spectra import Canvas, Material, majority_codes, render
from pitmap.simulate.terrain import NODE, hilliness, relief


@dataclass(frozen=True)
class Composition:
    """What a site is made of.

    Attributes:
        pits: Number of pits on ``area_m2`` of ground; fewer on less, by the power ``COUNT_EXPONENT`` of the area.
        largest_pit: Share of the largest in the area of all pits.
        area_m2: Ground that the number of pits refers to.
        plain: Share of plain, 0..1.
        base_m: Height of the lowest ground above the geoid.
        shares: Share of the ground by class key; vegetation takes the rest.
    """

    pits: int
    largest_pit: float
    area_m2: float
    plain: float
    base_m: float
    shares: dict[str, float]


COUNT_EXPONENT = 0.6
"""Numbers of pits, villages and ponds grow with the area to this power: a small piece still holds several."""

COMPOSITIONS = {
    "mountain": Composition(
        16, 0.65, 2.9e6, 0.15, 320.0, {"OPM": 0.3207, "BUI": 0.03, "BAS": 0.015, "ROA": 0.014, "WDA": 0.05}
    ),
    "plain": Composition(
        95, 0.18, 150e6, 0.5, 110.0,
        {"OPM": 0.077, "WAT": 0.0022, "BUI": 0.05, "BAS": 0.0125, "ROA": 0.0106, "WDA": 0.0143},
    ),
}  # fmt: skip
"""Compositions by the name of the terrain: Site 1 (mountains and hills, without water) and Site 2."""


@dataclass(frozen=True)
class LandscapeParameters:
    """What to simulate.

    Attributes:
        height: Rows of pixels.
        width: Columns of pixels.
        seed: Everything random follows from it.
        terrain: ``mountain`` (Site 1 of the paper) or ``plain`` (Site 2).
        pixel_size_m: Side of a pixel.
        date: Day of the image; decides how the fields stand.
        sun_zenith_deg: Sun zenith angle.
        sun_azimuth_deg: Sun azimuth, clockwise from north.
        epsg: Coordinate reference system, a metric one.
        west: Easting of the left edge.
        north: Northing of the upper edge.
    """

    height: int
    width: int
    seed: int = 0
    terrain: str = "plain"
    pixel_size_m: float = 4.0
    date: datetime.date = datetime.date(2018, 4, 16)
    sun_zenith_deg: float = 29.4
    sun_azimuth_deg: float = 142.2
    epsg: int = 32649
    west: float = 720_016.0
    north: float = 3_803_232.0

    @property
    def grid(self) -> Grid:
        """The pixels as a grid."""
        size = self.pixel_size_m
        transform = Affine(size, 0, self.west, 0, -size, self.north)
        return Grid(CRS.from_epsg(self.epsg), transform, self.height, self.width)


@dataclass(frozen=True)
class Landscape:
    """A simulated site.

    Attributes:
        parameters: What it was made from.
        grid: Its pixels.
        reflectance: Top-of-atmosphere reflectance, blue, green, red and NIR, float32 ``(4, height, width)``.
        codes: True land cover by ``DEFAULT_LEGEND``, uint8 ``(height, width)``; no pixel is unlabelled.
        elevation: Metres above the geoid with pits cut and dumps tipped, float32 ``(height, width)``.
        pit_ids: Number of the pit from 1 where ``codes`` is OPM, 0 elsewhere, uint16 ``(height, width)``.
    """

    parameters: LandscapeParameters
    grid: Grid
    reflectance: Field
    codes: NDArray[np.uint8]
    elevation: Field
    pit_ids: NDArray[np.uint16]


def sites(scale: float = 1.0, seed: int = 0) -> dict[str, LandscapeParameters]:
    """The two sites of the paper, ``site1`` (2.9 km2) and ``site2`` (150 km2).

    Args:
        scale: Factor on the areas; 0.25 halves the sides.
        seed: Each seed gives another pair of sites.
    """
    side = scale**0.5
    site2 = LandscapeParameters(round(3000 * side), round(3125 * side), seed=2 * seed + 1)
    site1 = LandscapeParameters(
        round(426 * side), round(426 * side), seed=2 * seed, terrain="mountain", date=datetime.date(2017, 10, 30),
        sun_zenith_deg=50.9, sun_azimuth_deg=162.6, west=707_360.0, north=3_816_160.0,
    )  # fmt: skip
    return {"site1": site1, "site2": site2}


def simulate(parameters: LandscapeParameters) -> Landscape:
    """Make a landscape. The same parameters give the same bytes on the same machine.

    Raises:
        ValueError: A side is shorter than 64 pixels.
    """
    p = parameters
    if min(p.height, p.width) < 64:
        raise ValueError(f"a landscape has at least 64 x 64 pixels, not {p.height} x {p.width}")
    composition = COMPOSITIONS[p.terrain]
    streams = np.random.default_rng(p.seed).spawn(8)
    shape, cell_m = (2 * p.height, 2 * p.width), p.pixel_size_m / 2
    hills = hilliness(shape, composition.plain, streams[0])
    canvas = Canvas.of(relief(shape, hills, cell_m, streams[0]) + np.float32(composition.base_m), cell_m)
    dug = _place_pits(canvas, hills, composition, streams[1])
    _place_dumps(canvas, dug, composition, streams[2])
    _place_ponds(canvas, hills, composition, streams[3])
    villages = _sites_of_villages(canvas, hills, composition, streams[4])
    _lay_roads(canvas, hills, dug, villages, composition, streams[5])
    _build_villages(canvas, dug, villages, composition, streams[4])
    bare = composition.shares["BAS"] * canvas.area_m2
    fields.cover(canvas, hills, bare, fields.season_of(p.date.month), streams[6])
    codes = majority_codes(canvas.material)
    pit = canvas.pit
    pit_ids = np.maximum(np.maximum(pit[0::2, 0::2], pit[0::2, 1::2]), np.maximum(pit[1::2, 0::2], pit[1::2, 1::2]))
    pit_ids[codes != 1] = 0
    reflectance = render(canvas, p.sun_zenith_deg, p.sun_azimuth_deg, streams[7])
    e = canvas.elevation
    elevation = 0.25 * (e[0::2, 0::2] + e[0::2, 1::2] + e[1::2, 0::2] + e[1::2, 1::2])
    return Landscape(p, p.grid, reflectance, codes, elevation, pit_ids)


def _count(reference: float, canvas: Canvas, composition: Composition) -> int:
    return max(1, round(reference * (canvas.area_m2 / composition.area_m2) ** COUNT_EXPONENT))


def _spread(
    canvas: Canvas,
    weight: Field,
    radii_m: list[float],
    taken: list[tuple[float, float, float]],
    rng: np.random.Generator,
) -> list[tuple[float, float]]:
    """Places (cell row, col) for circles, largest first, on heavy ground and clear of each other where possible.

    Args:
        canvas: The ground.
        weight: Weight of every lattice node, not negative.
        radii_m: Radii of the circles.
        taken: Circles (cell row, col, radius in cells) that lie already; new ones are added.
        rng: Source of randomness.
    """
    at_rows = node_positions(weight.shape[0], NODE.bit_length() - 1)
    at_cols = node_positions(weight.shape[1], NODE.bit_length() - 1)
    chance = weight.ravel().astype(np.float64) + 1e-9
    chance /= chance.sum()
    places = []
    for radius in np.array(radii_m) / canvas.cell_m:
        picks = rng.choice(chance.size, 200, p=chance)
        rows = at_rows[picks // weight.shape[1]] + rng.uniform(-NODE / 2, NODE / 2, 200)
        cols = at_cols[picks % weight.shape[1]] + rng.uniform(-NODE / 2, NODE / 2, 200)
        margin = np.minimum(radius + 4, np.array(canvas.shape) / 2 - 1)
        rows = np.clip(rows, margin[0], canvas.shape[0] - 1 - margin[0])
        cols = np.clip(cols, margin[1], canvas.shape[1] - 1 - margin[1])
        clearance = np.full(200, np.inf)
        for row, col, other in taken:
            np.minimum(clearance, np.hypot(rows - row, cols - col) - other - radius, out=clearance)
        clear = np.flatnonzero(clearance > 0)
        best = clear[0] if len(clear) else int(np.argmax(clearance))
        places.append((float(rows[best]), float(cols[best])))
        taken.append((*places[-1], float(radius)))
    return places


def _place_pits(canvas: Canvas, hills: Field, composition: Composition, rng: np.random.Generator) -> list[pits.Pit]:
    count = _count(composition.pits, canvas, composition)
    areas = pits.pit_areas(count, composition.shares["OPM"] * canvas.area_m2, composition.largest_pit)
    weight = (0.02 + hills) * np.exp(1.5 * pits.fractal(hills.shape, rng, 16, 4))
    places = _spread(canvas, weight, [1.35 * np.sqrt(a / np.pi) for a in areas], [], rng)
    return [
        pits.dig(canvas, row, col, area, number, rng)
        for number, ((row, col), area) in enumerate(zip(places, areas, strict=True), start=1)
    ]


def _place_dumps(canvas: Canvas, dug: list[pits.Pit], composition: Composition, rng: np.random.Generator) -> None:
    """Dumps beside the pits, in proportion to a power of the pit's area, until the share is reached."""
    wanted = composition.shares["WDA"] * canvas.area_m2
    part = np.array([pit.area_m2**0.7 for pit in dug])
    left = wanted
    for _attempt in range(6):
        for pit, share in zip(dug, part / part.sum(), strict=True):
            area = min(left, share * wanted * rng.uniform(0.6, 1.4))
            if area > 400 and rng.random() < 0.8 and pits.tip(canvas, pit, area, rng):
                left -= area
        if left < 0.02 * wanted:
            break


def _place_ponds(canvas: Canvas, hills: Field, composition: Composition, rng: np.random.Generator) -> None:
    wanted = composition.shares.get("WAT", 0.0) * canvas.area_m2
    if wanted == 0:
        return
    count = _count(24, canvas, composition)
    part = np.exp(rng.normal(0, 0.8, count))
    areas = np.sort(wanted * part / part.sum())[::-1]
    for area in areas:
        for row, col in _spread(canvas, 1.2 - hills, [2 * np.sqrt(area / np.pi)] * 40, [], rng):
            if pits.flood(canvas, row, col, area, rng):
                break


def _sites_of_villages(
    canvas: Canvas, hills: Field, composition: Composition, rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """Cell row, col and area of every village."""
    count = _count(75 * composition.area_m2 / 150e6 if composition.area_m2 > 1e7 else 6, canvas, composition)
    part = np.exp(rng.normal(0, 0.7, count))
    areas = np.sort(0.88 * composition.shares["BUI"] * canvas.area_m2 * part / part.sum())[::-1]
    open_nodes = _node_means((canvas.material == Material.OPEN), hills.shape)
    weight = (1.05 - hills) ** 2 * open_nodes**4
    places = _spread(canvas, weight, [1.1 * np.sqrt(a / np.pi) + 15 for a in areas], [], rng)
    return [(row, col, float(area)) for (row, col), area in zip(places, areas, strict=True)]


def _node_means(cells: NDArray, nodes: tuple[int, int]) -> Field:
    """Mean of the cells around every lattice node."""
    padded = np.pad(cells[::4, ::4].astype(np.float32), NODE // 4, mode="edge")
    size = NODE // 4
    rows, cols = min(nodes[0], padded.shape[0] // size), min(nodes[1], padded.shape[1] // size)
    means = padded[: rows * size, : cols * size].reshape(rows, size, cols, size).mean(axis=(1, 3))
    return np.pad(means, ((0, nodes[0] - rows), (0, nodes[1] - cols)), mode="edge").astype(np.float32)


ROUTE_STEP = 8
"""Cells from one node of the routing lattice to the next."""


def _lay_roads(
    canvas: Canvas,
    hills: Field,
    dug: list[pits.Pit],
    villages: list[tuple[float, float, float]],
    composition: Composition,
    rng: np.random.Generator,
) -> None:
    step = 16
    height = canvas.elevation[step // 2 :: step, step // 2 :: step]
    by_row, by_col = np.gradient(height, step * canvas.cell_m)
    slope = np.hypot(by_row, by_col)
    built = np.isin(
        canvas.material, (*range(Material.PIT_TREAD, Material.WATER + 1), Material.DUMP, Material.DUMP_OVERGROWN)
    )
    built = built[: height.shape[0] * step, : height.shape[1] * step]
    built = np.pad(built, ((0, height.shape[0] * step - built.shape[0]), (0, height.shape[1] * step - built.shape[1])))
    blocked = built.reshape(height.shape[0], step, height.shape[1], step).mean(axis=(1, 3)) > 0
    cost = (1 + 25 * slope**1.3) * np.exp(0.5 * pits.fractal(height.shape, rng, 16, 1)) + 60 * blocked
    ends = [(row, col) for row, col, _ in villages] + [(pit.gate_row, pit.gate_col) for pit in dug]
    wanted = composition.shares["ROA"] * canvas.area_m2
    length = wanted / 7.0 / canvas.cell_m  # cells
    more = max(4, round((length / 1.35 / 0.65) ** 2 / canvas.material.size) - len(ends))
    ends += list(zip(rng.uniform(0, canvas.shape[0] - 1, more), rng.uniform(0, canvas.shape[1] - 1, more), strict=True))
    ends += [(0, rng.uniform(0, canvas.shape[1])), (canvas.shape[0], rng.uniform(0, canvas.shape[1]))]
    ends += [(rng.uniform(0, canvas.shape[0]), 0), (rng.uniform(0, canvas.shape[0]), canvas.shape[1])]
    at = np.array(ends) / step - 0.5
    at = np.clip(np.round(at), 0, np.array(height.shape) - 1).astype(np.intp)
    net = roads.network(cost.astype(np.float32), at, length / step, rng)
    net = [roads.Road((road.points + 0.5) * step, road.traffic) for road in net]
    roads.pave(canvas, net, wanted, (Material.OPEN, Material.DUMP, Material.DUMP_OVERGROWN), rng)


def _build_villages(
    canvas: Canvas,
    dug: list[pits.Pit],
    villages: list[tuple[float, float, float]],
    composition: Composition,
    rng: np.random.Generator,
) -> None:
    wanted = composition.shares["BUI"] * canvas.area_m2
    built = sum(settlements.build(canvas, row, col, area, settlements.VILLAGE, rng) for row, col, area in villages)
    for pit in dug:
        if built >= wanted:
            break
        area = min(wanted - built, rng.uniform(0.4, 1.6) * 0.12 * wanted / max(1, len(dug) / 2))
        built += settlements.build(canvas, pit.gate_row, pit.gate_col, area, settlements.WORKS, rng)
    for row, col, area in villages:
        if built >= 0.99 * wanted:
            break
        built += settlements.build(canvas, row, col, min(area, wanted - built), settlements.VILLAGE, rng)
