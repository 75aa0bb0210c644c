"""Relief: drained hills and plains, and how the sun falls on them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from pitmap.simulate.noise import Field, coarse_shape, fractal, ranks, refined, smoothstep

NODE = 2**5
"""Cells from one node of the coarse lattice, on which water and roads find their way, to the next."""

CREST_SLOPE = 0.8
"""Rise over run at the crests of the hills."""

CONCAVITY = 0.42
"""Exponent of Flint's law: slope falls with the drained area to this power (0.4 to 0.6 in nature)."""

BALANCING_ROUNDS = 25
"""Rounds of re-routing after which divides have settled."""

EIGHT = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
"""Steps to the neighbours of a node, rows and columns."""


def neighbour_edges(
    shape: tuple[int, int], steps: list[tuple[int, int]] = EIGHT
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """The edges between nodes of a lattice that lie one of ``steps`` apart.

    Returns:
        From and to (flat indices, each pair in both directions), and length in node distances.
    """
    index = np.arange(shape[0] * shape[1]).reshape(shape)
    starts, ends, lengths = [], [], []
    for rows, cols in steps:
        here = index[max(0, -rows) : shape[0] - max(0, rows), max(0, -cols) : shape[1] - max(0, cols)].ravel()
        starts.append(here)
        ends.append(here + rows * shape[1] + cols)
        lengths.append(np.full(len(here), np.hypot(rows, cols)))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(lengths)


def hilliness(shape: tuple[int, int], plain_share: float, rng: np.random.Generator) -> Field:
    """Where the hills are: 0 in plains, 1 in hills, on the node lattice of a fine grid.

    Args:
        shape: Rows and columns of the fine grid.
        plain_share: Share of the ground that is plain, 0..1.
        rng: Source of randomness.
    """
    nodes = coarse_shape(shape, NODE.bit_length() - 1)
    place = ranks(fractal(nodes, rng, min(48, max(nodes)), 4, roughness=0.4))
    return smoothstep(plain_share - 0.1, plain_share + 0.3, place)


def relief(shape: tuple[int, int], hills: Field, cell_m: float, rng: np.random.Generator) -> Field:
    """Terrain heights above the outlet, metres, on the fine grid.

    Args:
        shape: Rows and columns of the fine grid.
        hills: ``hilliness`` on the node lattice.
        cell_m: Side of a fine cell.
        rng: Source of randomness.
    """
    steepness = (0.015 + CREST_SLOPE * hills) * np.exp(0.3 * fractal(hills.shape, rng, 1))
    nodes = gaussian_filter(drained_relief(steepness, NODE * cell_m, rng), 0.6)
    # Slopes that follow the eight directions of the lattice are bent out of them.
    times = NODE.bit_length() - 3
    rows, cols = coarse_shape(shape, times)
    smooth = refined(nodes, 2, (rows, cols))
    bend = [2.0 * fractal((rows, cols), rng, 16, 2) for _ in range(2)]
    at = np.stack([np.arange(rows, dtype=np.float32)[:, None] + bend[0], np.arange(cols, dtype=np.float32) + bend[1]])
    height = refined(map_coordinates(smooth, at, order=1, mode="nearest"), times, shape)
    rough = refined(0.04 + hills, NODE.bit_length() - 1, shape)
    ravines = np.abs(fractal(shape, rng, 96, 4, roughness=0.5))
    fine = np.float32(0.6) * fractal(shape, rng, 32, 2, roughness=0.6)
    return np.asarray(height + rough * (14 * ravines + fine))


def drained_relief(steepness: Field, spacing_m: float, rng: np.random.Generator) -> Field:
    """Heights in metres of a landscape that drains everywhere, without sinks.

    The relief is the steady state of river incision: along the way down the slope is ``steepness * area ** -CONCAVITY``
    (Flint's law), with the drained area in nodes. The drainage starts as the cheapest ways through random resistance to
    the eastern and southern edge and then follows the steepest descent until divides settle.

    Args:
        steepness: Slope of the crests (rise over run) at every node, ``(rows, cols)``.
        spacing_m: Distance of nodes.
        rng: Source of randomness.

    Returns:
        Height above the outlets, float32 ``(rows, cols)``.
    """
    shape = steepness.shape
    start, end, length = neighbour_edges(shape)
    resistance = (np.exp(fractal(shape, rng, 8, roughness=0.8)) * (0.1 + steepness / steepness.max())).ravel()
    outlet = np.zeros(shape, bool)
    outlet[:, -1] = outlet[-1, :] = True
    outlets = np.flatnonzero(outlet)
    weights = length * (resistance[start] + resistance[end])
    graph = coo_array((weights, (start, end)), shape=(outlet.size, outlet.size)).tocsr()
    _, receiver, _ = dijkstra(graph, indices=outlets, min_only=True, return_predecessors=True)
    receiver = receiver.astype(np.intp)
    receiver[outlets] = outlets
    slope = steepness.ravel().astype(np.float64)
    height = np.zeros(outlet.size)
    for _ in range(BALANCING_ROUNDS):
        height = _steady_heights(receiver, slope, spacing_m, shape)
        receiver = _steepest_descent(height, start, end, length, outlets)
    return height.reshape(shape).astype(np.float32)


def _steady_heights(
    receiver: NDArray[np.intp], slope: NDArray[np.float64], spacing_m: float, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Heights of nodes whose water flows to ``receiver``; outlets receive themselves and lie at 0."""
    steps = (receiver != np.arange(receiver.size)).astype(np.intp)
    pointer = receiver.copy()
    while (pointer[pointer] != pointer).any() or (steps[pointer] > 0).any():
        steps += steps[pointer]
        pointer = pointer[pointer]
    order = np.argsort(steps, kind="stable")
    bounds = np.searchsorted(steps[order], np.arange(1, steps.max() + 2))
    levels = [order[a:b] for a, b in pairwise(bounds)]
    area = np.ones(receiver.size)
    for nodes in reversed(levels):
        np.add.at(area, receiver[nodes], area[nodes])
    cols = shape[1]
    here = np.arange(receiver.size)
    run = spacing_m * np.hypot(here // cols - receiver // cols, here % cols - receiver % cols)
    rise = run * slope * area**-CONCAVITY
    height = np.zeros(receiver.size)
    for nodes in levels:
        height[nodes] = height[receiver[nodes]] + rise[nodes]
    return height


def _steepest_descent(
    height: NDArray[np.float64],
    start: NDArray[np.intp],
    end: NDArray[np.intp],
    length: NDArray[np.float64],
    outlets: NDArray[np.intp],
) -> NDArray[np.intp]:
    gradient = (height[start] - height[end]) / length
    order = np.lexsort((end, gradient, start))
    last = np.append(np.flatnonzero(np.diff(start[order])), order.size - 1)
    receiver = np.empty(height.size, np.intp)
    receiver[start[order[last]]] = end[order[last]]
    receiver[outlets] = outlets
    return receiver


def sun_direction(zenith_deg: float, azimuth_deg: float) -> tuple[float, float, float]:
    """Unit vector towards the sun as (rows down the image, columns, up); azimuth clockwise from north."""
    zenith, azimuth = np.radians(zenith_deg), np.radians(azimuth_deg)
    return (
        float(-np.sin(zenith) * np.cos(azimuth)),
        float(np.sin(zenith) * np.sin(azimuth)),
        float(np.cos(zenith)),
    )


def illumination(height: Field, cell_m: float, zenith_deg: float, azimuth_deg: float) -> Field:
    """Cosine of the angle between the sun and the surface normal, 0 where the surface turns away.

    Args:
        height: Metres, ``(rows, cols)``, rows from north to south.
        cell_m: Side of a cell.
        zenith_deg: Sun zenith angle.
        azimuth_deg: Sun azimuth, clockwise from north.
    """
    down, right, up = sun_direction(zenith_deg, azimuth_deg)
    by_row, by_col = np.gradient(height, cell_m)
    cosine = (up - down * by_row - right * by_col) / np.sqrt(1 + by_row**2 + by_col**2)
    return np.asarray(np.maximum(cosine, 0), np.float32)


def cast_shadow(surface: Field, cell_m: float, zenith_deg: float, azimuth_deg: float, reach_m: float) -> Field:
    """How deep every cell lies below the shadow's edge, as a share 0..1 of one metre.

    Args:
        surface: Heights including trees and buildings, metres, ``(rows, cols)``.
        cell_m: Side of a cell.
        zenith_deg: Sun zenith angle.
        azimuth_deg: Sun azimuth, clockwise from north.
        reach_m: How far away an obstacle is looked for.

    Returns:
        0 in the sun, 1 in full shadow.
    """
    down, right, up = sun_direction(zenith_deg, azimuth_deg)
    run = np.hypot(down, right)
    depth = np.zeros_like(surface)
    if run < 1e-6:  # the sun stands overhead
        return depth
    steps = max(1, round(reach_m / cell_m))
    for step in np.unique(np.round(np.geomspace(1, steps, 8))):
        rows, cols = round(step * down / run), round(step * right / run)
        rise = np.float32(np.hypot(rows, cols) * cell_m * up / run)
        here = tuple(slice(max(0, -by), n - max(0, by)) for by, n in zip((rows, cols), surface.shape, strict=True))
        sunward = tuple(slice(max(0, by), n + min(0, by)) for by, n in zip((rows, cols), surface.shape, strict=True))
        depth[here] = np.maximum(depth[here], surface[sunward] - surface[here] - rise)
    return np.minimum(depth, 1, out=depth)
