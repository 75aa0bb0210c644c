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
from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate import fields, siting
from pitmap.simulate.canvas import Canvas
from pitmap.simulate.conditions import USUAL, Conditions
from pitmap.simulate.noise import Field
from pitmap.simulate.siting import COMPOSITIONS
from pitmap.simulate.spectra import majority_codes, render
from pitmap.simulate.terrain import hilliness, relief

SMALLEST_SIDE = 64
"""Fewest rows and columns: a smaller piece has no room for a pit, a village and a road."""


@dataclass(frozen=True)
class LandscapeParameters:
    """What to simulate.

    Raises:
        ValueError: A side is shorter than 64 pixels, the terrain is unknown, or the sun stands below 10 degrees.

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
        conditions: Season, air and sensor.
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
    conditions: Conditions = USUAL

    def __post_init__(self) -> None:
        if min(self.height, self.width) < SMALLEST_SIDE:
            raise ValueError(
                f"a landscape has {SMALLEST_SIDE} pixels a side at least, not {self.height} x {self.width}"
            )
        if self.terrain not in COMPOSITIONS:
            raise ValueError(f"the terrain is {' or '.join(COMPOSITIONS)}, not {self.terrain}")
        if not 0 <= self.sun_zenith_deg <= 80:
            raise ValueError(f"the sun's zenith angle is 0 to 80 degrees, not {self.sun_zenith_deg}")

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
    """Make a landscape. The same parameters give the same bytes on the same machine."""
    return look(parameters, build(parameters), _streams(parameters)[7])


def _streams(parameters: LandscapeParameters) -> list[np.random.Generator]:
    """A source of randomness for each step, so that a change in one leaves the others."""
    return np.random.default_rng(parameters.seed).spawn(8)


def build(parameters: LandscapeParameters) -> Canvas:
    """Lay out a landscape: relief, pits, dumps, ponds, roads, villages, and fields over the rest."""
    p, streams = parameters, _streams(parameters)
    composition = COMPOSITIONS[p.terrain]
    shape, cell_m = (2 * p.height, 2 * p.width), p.pixel_size_m / 2
    hills = hilliness(shape, composition.plain, streams[0])
    canvas = Canvas.of(relief(shape, hills, cell_m, streams[0]) + np.float32(composition.base_m), cell_m)
    dug = siting.place_pits(canvas, hills, composition, streams[1])
    siting.place_dumps(canvas, dug, composition, streams[2])
    siting.place_ponds(canvas, hills, composition, streams[3])
    villages = siting.find_villages(canvas, hills, dug, composition, streams[4])
    siting.lay_roads(canvas, hills, dug, villages, composition, streams[5])
    siting.build_villages(canvas, dug, villages, composition, streams[4])
    bare = composition.shares["BAS"] * canvas.area_m2
    fields.cover(canvas, hills, bare, fields.season_of(p.date.month), streams[6])
    return canvas


def look(parameters: LandscapeParameters, canvas: Canvas, rng: np.random.Generator) -> Landscape:
    """A landscape as the sensor sees it, with its truth.

    Args:
        parameters: Pixels and sun.
        canvas: What is there.
        rng: Of the noise.
    """
    p = parameters
    codes = majority_codes(canvas.material)
    pit = canvas.pit
    pit_ids = np.maximum(np.maximum(pit[0::2, 0::2], pit[0::2, 1::2]), np.maximum(pit[1::2, 0::2], pit[1::2, 1::2]))
    pit_ids[codes != DEFAULT_LEGEND["OPM"].code] = 0
    reflectance = render(canvas, p.sun_zenith_deg, p.sun_azimuth_deg, rng, p.conditions)
    e = canvas.elevation
    elevation = 0.25 * (e[0::2, 0::2] + e[0::2, 1::2] + e[1::2, 0::2] + e[1::2, 1::2])
    return Landscape(p, p.grid, reflectance, codes, elevation, pit_ids)
