"""A rigorous pushbroom camera, and where its lines of sight meet the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer

from pitmap.grid import Grid, Window
from pitmap.imagery.heights import undulation
from pitmap.imagery.lattice import Axis, evaluate, parabola_terms, spread
from pitmap.imagery.longitudes import WGS84, positions_on

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]

HEIGHT_TOLERANCE_M = 0.01
"""To which a line of sight is followed to the ground: 3 mm across at a view angle of 16 degrees."""
ALTITUDE_M = 631_000.0


class Landscape(Protocol):
    """Ground truth: reflectance ``(4, H, W)`` float32, elevation above the geoid ``(H, W)`` in metres, their grid."""

    @property
    def reflectance(self) -> NDArray[np.float32]:
        """Blue, green, red, near infrared, 0..1."""

    @property
    def elevation(self) -> NDArray[np.float32]:
        """Orthometric heights in metres."""

    @property
    def grid(self) -> Grid:
        """North-up grid in a projected CRS in metres."""


@dataclass(frozen=True)
class Pushbroom:
    """A line camera on a circular orbit, rolled to the side: the rigorous model behind the RPC.

    Attributes:
        lon: Longitude of the ground at the centre of the frame.
        lat: Latitude.
        height: Ellipsoidal height there, metres.
        roll: Degrees; positive looks to the left of the flight, as seen from above.
        heading: Azimuth of the flight on the ground.
        rows: Image size.
        cols: Image size.
        pixel_size_m: Ground sampling at nadir.
    """

    lon: float
    lat: float
    height: float
    roll: float
    heading: float
    rows: int
    cols: int
    pixel_size_m: float

    @cached_property
    def _frame(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Position of the satellite at the middle row, and its axes: along the flight, to its left, and up (ECEF)."""
        ground = np.array(_TO_ECEF.transform(self.lon, self.lat, self.height))
        east, north, up = _local_axes(self.lon, self.lat)
        heading = math.radians(self.heading)
        along = math.sin(heading) * east + math.cos(heading) * north
        left = np.cross(up, along)
        # Sine rule in the triangle of Earth's centre, ground and satellite: the view angle on the ground.
        radius = float(np.linalg.norm(ground))
        incidence = math.asin(math.sin(math.radians(self.roll)) * (radius + ALTITUDE_M) / radius)
        towards = math.cos(incidence) * up - math.sin(incidence) * left
        b = float(ground @ towards)
        distance = -b + math.sqrt(b * b + (radius + ALTITUDE_M) ** 2 - radius**2)
        satellite = ground + distance * towards
        zenith = satellite / np.linalg.norm(satellite)
        along = along - (along @ zenith) * zenith
        along /= np.linalg.norm(along)
        return satellite, along, np.cross(zenith, along), zenith

    def rays(self, row: Floats, col: Floats) -> tuple[Floats, Floats]:
        """Origin and direction of lines of sight, ECEF metres, ``(..., 3)``; (0, 0) is the upper left pixel centre."""
        satellite, along, left, up = self._frame
        ground = np.array(_TO_ECEF.transform(self.lon, self.lat, self.height))
        look = (ground - satellite) / np.linalg.norm(ground - satellite)
        # Angles of the middle line of sight in the orbital frame: roll, and the pitch that meets the ground point.
        roll, pitch = math.atan2(look @ left, -(look @ up)), math.atan2(look @ along, -(look @ up))
        across = roll + (np.asarray(col) - (self.cols - 1) / 2) * self.pixel_size_m / ALTITUDE_M
        turn = (np.asarray(row) - (self.rows - 1) / 2) * self.pixel_size_m / np.linalg.norm(ground)
        turn, across = np.broadcast_arrays(turn, across)
        cos, sin = np.cos(turn)[..., None], np.sin(turn)[..., None]
        # The orbit turns position and axes about its normal, which is the left axis.
        radial, forward = cos * up + sin * along, cos * along - sin * up
        direction = -radial + np.tan(across)[..., None] * left + math.tan(pitch) * forward
        origin = np.linalg.norm(satellite) * radial
        return origin, direction / np.linalg.norm(direction, axis=-1, keepdims=True)

    def locate(self, row: ArrayLike, col: ArrayLike, height: ArrayLike) -> tuple[Floats, Floats]:
        """Longitude and latitude of image positions at ellipsoidal heights, to a millimetre."""
        row, col, height = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (row, col, height)))
        origin, direction = self.rays(row, col)
        vertical = -(direction * origin).sum(-1) / np.linalg.norm(origin, axis=-1)
        distance = (np.linalg.norm(origin, axis=-1) - np.linalg.norm(self._ground_point)) / vertical
        for _ in range(8):
            point = origin + distance[..., None] * direction
            lon, lat, found = _TO_GEODETIC.transform(point[..., 0], point[..., 1], point[..., 2])
            distance = distance + (found - height) / vertical
        return np.asarray(lon), np.asarray(lat)

    @property
    def _ground_point(self) -> Floats:
        return np.array(_TO_ECEF.transform(self.lon, self.lat, self.height))


_TO_ECEF = Transformer.from_crs(CRS.from_epsg(4979), CRS.from_epsg(4978), always_xy=True)
_TO_GEODETIC = Transformer.from_crs(CRS.from_epsg(4978), CRS.from_epsg(4979), always_xy=True)


def _local_axes(lon: float, lat: float) -> tuple[Floats, Floats, Floats]:
    """East, north and up in ECEF."""
    a, b = math.radians(lon), math.radians(lat)
    east = np.array([-math.sin(a), math.cos(a), 0.0])
    up = np.array([math.cos(b) * math.cos(a), math.cos(b) * math.sin(a), math.sin(b)])
    return east, np.cross(up, east), up


@dataclass(frozen=True)
class Ground:
    """A landscape that goes on beyond its edges as its mirror image, with its geoid.

    Attributes:
        elevation: Orthometric heights, ``(1, H, W)``.
        grid: Its pixels.
        level: Mean ellipsoidal height, metres.
    """

    elevation: torch.Tensor
    grid: Grid
    level: float = field(default=0.0)

    @classmethod
    def of(cls, landscape: Landscape) -> Ground:
        """The ground of a landscape."""
        elevation = np.ascontiguousarray(landscape.elevation, np.float32)[None]
        grid = landscape.grid
        ground = cls(torch.from_numpy(elevation), grid)
        lon, lat = ground.geographic(np.array(grid.height / 2), np.array(grid.width / 2))
        return cls(ground.elevation, grid, float(elevation.mean() + undulation(lon, lat)))

    def geographic(self, row: Floats, col: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude of positions on the grid, (0, 0) at the centre of the upper left pixel."""
        return Transformer.from_crs(self.grid.crs, WGS84, always_xy=True).transform(*self.grid.pixel_centres(row, col))

    def positions(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """The reverse of ``geographic``."""
        return positions_on(self.grid, lon, lat)

    def sample(self, image: torch.Tensor, row: Float32s, col: Float32s) -> Float32s:
        """Bilinear values of an image on the grid, mirrored at its outer edges, ``(band, height, width)``."""
        # Normalised as grid_sample wants them: -1 and 1 are the outer edges.
        x = torch.from_numpy(col) * (2 / self.grid.width) + (1 / self.grid.width - 1)
        y = torch.from_numpy(row) * (2 / self.grid.height) + (1 / self.grid.height - 1)
        values = torch.nn.functional.grid_sample(
            image[None], torch.stack([x, y], dim=-1)[None], padding_mode="reflection", align_corners=False
        )
        return values[0].numpy()


def ground_of_pixels(camera: Pushbroom, ground: Ground, window: Window) -> tuple[Float32s, Float32s]:
    """Where the lines of sight of a window of pixels meet the relief: rows and columns of the landscape's grid.

    Lines of sight are exact at the nodes of a lattice at three heights, and interpolated between; the height at which
    they meet the ground is enclosed between the lowest and the highest.
    """
    down, across = Axis(window.height, 128), Axis(window.width, 128)
    rows, cols = window.row + down.nodes[:, None], window.col + across.nodes[None, :]
    lowest, highest = float(ground.elevation.min()), float(ground.elevation.max())
    half = max((highest - lowest) / 2, 1.0) + 1.0
    geoid = undulation(*camera.locate(rows, cols, ground.level))
    middle = (lowest + highest) / 2 + float(geoid.mean())
    at_levels = [ground.positions(*camera.locate(rows, cols, middle + t * half)) for t in (-1.0, 0.0, 1.0)]
    row_levels, col_levels = (np.stack([level[axis] for level in at_levels]) for axis in (0, 1))
    above = spread(geoid - middle, down, across)
    row_terms, col_terms = parabola_terms(row_levels, down, across), parabola_terms(col_levels, down, across)

    def ground_above(t: Float32s) -> Float32s:
        height = ground.sample(ground.elevation, evaluate(row_terms, t), evaluate(col_terms, t))[0] + above
        return np.asarray(height / np.float32(half) - t)

    # The lowest level lies below the ground and the highest above it; between them by regula falsi (Illinois), which
    # steep faces, on which stepping to the ground's height oscillates, do not upset.
    low: Any = np.full((window.height, window.width), -1.0, np.float32)
    high: Any = -low
    at_low, at_high = ground_above(low), ground_above(high)
    t = low
    for _ in range(40):
        t = (low * at_high - high * at_low) / (at_high - at_low)
        found = ground_above(t)
        if np.abs(found).max() * half < HEIGHT_TOLERANCE_M:
            break
        below = found > 0
        low, high = np.where(below, t, low), np.where(below, high, t)
        at_low = np.where(below, found, at_low * np.float32(0.5))
        at_high = np.where(below, at_high * np.float32(0.5), found)
    return evaluate(row_terms, t), evaluate(col_terms, t)
