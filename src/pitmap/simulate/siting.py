"""What a site is made of, and where its pits, dumps, ponds, villages and roads go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.simulate import dumps, pits, ponds, roads, settlements
from pitmap.simulate.canvas import Canvas
from pitmap.simulate.materials import Material
from pitmap.simulate.noise import Field, fractal, node_positions
from pitmap.simulate.terrain import NODE


@dataclass(frozen=True)
class Composition:
    """What a site is made of.

    Attributes:
        area_m2: Ground that the numbers refer to; on less ground they fall with the power ``COUNT_EXPONENT`` of it.
        pits: Number of pits.
        largest_pit: Share of the largest in the area of all pits.
        smallest_pit_m2: Area of the smallest.
        villages: Number of villages.
        ponds: Number of ponds.
        plain: Share of plain, 0..1.
        base_m: Height of the lowest ground above the geoid.
        shares: Share of the ground by class key; vegetation takes the rest.
    """

    area_m2: float
    pits: int
    largest_pit: float
    smallest_pit_m2: float
    villages: int
    ponds: int
    plain: float
    base_m: float
    shares: dict[str, float]


COUNT_EXPONENT = 0.6
"""Numbers of pits, villages and ponds fall slower than the area: a small piece still holds several."""

COMPOSITIONS = {
    "mountain": Composition(
        2.9e6, 16, 0.645, 1514.0, 6, 0, 0.15, 320.0,
        {"OPM": 0.3207, "BUI": 0.03, "BAS": 0.015, "ROA": 0.014, "WDA": 0.05},
    ),
    "plain": Composition(
        150e6, 95, 0.182, 1361.0, 75, 24, 0.5, 110.0,
        {"OPM": 0.0775, "WAT": 0.0022, "BUI": 0.0499, "BAS": 0.0125, "ROA": 0.0106, "WDA": 0.0143},
    ),
}  # fmt: skip
"""Compositions by the kind of terrain, after the sites of Chen et al. (2022).

``mountain`` is Site 1: the paper states its pits; it has no water, and the shares of the other classes are not stated.
``plain`` is Site 2 with the shares that Table II of the paper implies for both sites together.
"""

ROAD_WIDTH_M = 7.0
"""Mean width from which the length of the network follows."""

LOOPS = 1.35
"""Length of the network over that of its tree."""

TREE_CONSTANT = 0.65
"""Length of the shortest tree of n random points on an area A over sqrt(n A)."""

ROUTE_STEP = 16
"""Cells from one node of the routing lattice to the next."""

_CANDIDATES = 200


@dataclass(frozen=True)
class Village:
    """Where a village will stand.

    Attributes:
        row: Cell row of the centre.
        col: Cell column of the centre.
        area_m2: Area planned.
    """

    row: float
    col: float
    area_m2: float


def place_pits(canvas: Canvas, hills: Field, composition: Composition, rng: np.random.Generator) -> list[pits.Pit]:
    """Dig pits on the hills, in clusters, largest first."""
    count = _count(composition.pits, canvas, composition)
    areas = pits.pit_areas(
        count, composition.shares["OPM"] * canvas.area_m2, composition.largest_pit, composition.smallest_pit_m2
    )
    weight = (0.02 + hills) * np.exp(1.5 * fractal(hills.shape, rng, 16, 4))
    places = _spread(canvas, weight, [1.35 * np.sqrt(area / np.pi) for area in areas], [], rng)
    return [
        pits.dig(canvas, row, col, area, number, rng)
        for number, ((row, col), area) in enumerate(zip(places, areas, strict=True), start=1)
    ]


def place_dumps(canvas: Canvas, dug: list[pits.Pit], composition: Composition, rng: np.random.Generator) -> None:
    """Tip dumps beside most pits, in proportion to a power of the pit's area, until the share is reached."""
    wanted = left = composition.shares["WDA"] * canvas.area_m2
    part = np.array([pit.area_m2**0.7 for pit in dug])
    smallest = min(400.0, 0.2 * wanted)
    for attempt in range(8):
        for pit, share in zip(dug, part / part.sum(), strict=True):
            area = min(left, share * wanted * rng.uniform(0.6, 1.4) * 0.9**attempt)
            if area > smallest and rng.random() < 0.8 and dumps.tip(canvas, pit, area, rng):
                left -= area
        if left < 0.02 * wanted:
            break


def place_ponds(canvas: Canvas, hills: Field, composition: Composition, rng: np.random.Generator) -> None:
    """Flood hollows, mostly on the plain."""
    wanted = composition.shares.get("WAT", 0.0) * canvas.area_m2
    if wanted == 0:
        return
    part = np.exp(rng.normal(0, 0.8, _count(composition.ponds, canvas, composition)))
    for area in np.sort(wanted * part / part.sum())[::-1]:
        for row, col in _spread(canvas, 1.2 - hills, [2 * np.sqrt(area / np.pi)] * 40, [], rng):
            if ponds.flood(canvas, row, col, area, rng):
                break


def find_villages(
    canvas: Canvas, hills: Field, dug: list[pits.Pit], composition: Composition, rng: np.random.Generator
) -> list[Village]:
    """Find places for villages on the plain, clear of the pits."""
    part = np.exp(rng.normal(0, 0.7, _count(composition.villages, canvas, composition)))
    areas = np.sort(0.88 * composition.shares["BUI"] * canvas.area_m2 * part / part.sum())[::-1]
    radii = [1.1 * np.sqrt(area / np.pi) + 15 for area in areas]
    taken = [(pit.row, pit.col, 1.3 * np.sqrt(pit.area_m2 / np.pi) / canvas.cell_m) for pit in dug]
    places = _spread(canvas, (1.05 - hills) ** 2, radii, taken, rng)
    return [Village(row, col, float(area)) for (row, col), area in zip(places, areas, strict=True)]


def build_villages(
    canvas: Canvas, dug: list[pits.Pit], villages: list[Village], composition: Composition, rng: np.random.Generator
) -> None:
    """Build the villages, then works at the gates of pits, until the share is reached."""
    wanted = composition.shares["BUI"] * canvas.area_m2
    built = 0.0
    for village in villages:
        built += settlements.build(canvas, village.row, village.col, village.area_m2, settlements.VILLAGE, rng)
    for pit in dug:
        area = min(wanted - built, rng.uniform(0.4, 1.6) * 0.24 * wanted / len(dug))
        if area > 500:
            built += settlements.build(canvas, pit.gate_row, pit.gate_col, area, settlements.WORKS, rng)
    for village in villages:
        area = min(wanted - built, village.area_m2)
        if area > 500:
            built += settlements.build(canvas, village.row, village.col, area, settlements.VILLAGE, rng)


def lay_roads(
    canvas: Canvas,
    hills: Field,
    dug: list[pits.Pit],
    villages: list[Village],
    composition: Composition,
    rng: np.random.Generator,
) -> None:
    """Join villages, pits, hamlets and the scene's edges by roads that follow the valleys and avoid pits and water."""
    height = canvas.elevation[ROUTE_STEP // 2 :: ROUTE_STEP, ROUTE_STEP // 2 :: ROUTE_STEP]
    slope = np.hypot(*np.gradient(height, ROUTE_STEP * canvas.cell_m))
    in_the_way = np.isin(canvas.material, (*range(Material.PIT_TREAD, Material.WATER + 1), *_DUMPS))
    blocked = _block_means(in_the_way, ROUTE_STEP, height.shape) > 0
    cost = (1 + 25 * slope**1.3) * np.exp(0.5 * fractal(height.shape, rng, 16)) + 60 * blocked
    inner = np.zeros(height.shape, bool)
    inner[2:-2, 2:-2] = True
    cost = np.where(inner, cost, 3 * cost)  # roads cross the edge of the scene instead of running along it

    area_m2 = composition.shares["ROA"] * canvas.area_m2
    length = area_m2 / ROAD_WIDTH_M / canvas.cell_m
    stops = [(village.row, village.col) for village in villages] + [(pit.gate_row, pit.gate_col) for pit in dug]
    stops += _exits(canvas, rng)
    hamlets = round((length / LOOPS / TREE_CONSTANT) ** 2 / canvas.material.size) - len(stops)
    stops += _spread(canvas, 1.1 - hills, [60.0] * max(0, hamlets), [], rng)
    nodes = np.round(np.array(stops) / ROUTE_STEP - 0.5).clip(0, np.array(height.shape) - 1).astype(np.intp)
    net = roads.network(cost.astype(np.float32), nodes, length / ROUTE_STEP, rng)
    net = [roads.Road((road.points + 0.5) * ROUTE_STEP, road.traffic) for road in net]
    roads.pave(canvas, net, area_m2, (Material.OPEN, *_DUMPS), rng)


_DUMPS = (Material.DUMP, Material.DUMP_OVERGROWN)


def _exits(canvas: Canvas, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Cells (row, col) on the edge where roads leave the scene, on opposite sides in turn."""
    rows, cols = canvas.shape
    count = max(2, round(2 * (rows + cols) * canvas.cell_m / 6000))
    along = rng.uniform(0.1, 0.9, count)
    return [
        [(0.0, a * cols), (float(rows), a * cols), (a * rows, 0.0), (a * rows, float(cols))][side % 4]
        for side, a in enumerate(along, start=int(rng.integers(2)) * 2)
    ]


def _block_means(cells: NDArray[Any], size: int, blocks: tuple[int, int]) -> NDArray[np.float64]:
    """Means over squares of cells, the last ones cut by the edge filled with 0."""
    rows, cols = blocks[0] * size, blocks[1] * size
    cells = cells[:rows, :cols]
    padded = np.pad(cells, ((0, rows - cells.shape[0]), (0, cols - cells.shape[1])))
    return np.asarray(padded.reshape(blocks[0], size, blocks[1], size).mean(axis=(1, 3)))


def _count(reference: int, canvas: Canvas, composition: Composition) -> int:
    return max(1, round(float(reference * (canvas.area_m2 / composition.area_m2) ** COUNT_EXPONENT)))


def _spread(
    canvas: Canvas,
    weight: Field,
    radii_m: list[float],
    taken: list[tuple[float, float, float]],
    rng: np.random.Generator,
) -> list[tuple[float, float]]:
    """Places (cell row, col) for circles on heavy ground and clear of each other where possible.

    Args:
        canvas: The ground.
        weight: Weight of every lattice node, not negative.
        radii_m: Radii of the circles, in the order in which they are placed.
        taken: Circles (cell row, col, radius in cells) that lie already.
        rng: Source of randomness.
    """
    at_rows = node_positions(weight.shape[0], NODE.bit_length() - 1)
    at_cols = node_positions(weight.shape[1], NODE.bit_length() - 1)
    chance = weight.ravel().astype(np.float64) + 1e-9
    chance /= chance.sum()
    circles, places = np.array(taken).reshape(-1, 3), []
    for radius in np.array(radii_m) / canvas.cell_m:
        node_row, node_col = np.divmod(rng.choice(chance.size, _CANDIDATES, p=chance), weight.shape[1])
        margin = np.minimum(radius + 4, np.array(canvas.shape) / 2 - 1)
        rows = at_rows[node_row] + rng.uniform(-NODE / 2, NODE / 2, _CANDIDATES)
        cols = at_cols[node_col] + rng.uniform(-NODE / 2, NODE / 2, _CANDIDATES)
        rows = rows.clip(margin[0], canvas.shape[0] - 1 - margin[0])
        cols = cols.clip(margin[1], canvas.shape[1] - 1 - margin[1])
        distance = np.hypot(rows[:, None] - circles[:, 0], cols[:, None] - circles[:, 1]) - circles[:, 2] - radius
        clearance = distance.min(axis=1, initial=np.inf)
        best = int(np.argmax(np.where(clearance > 0, np.inf, clearance)))
        places.append((float(rows[best]), float(cols[best])))
        circles = np.vstack([circles, (*places[-1], radius)])
    return places
