"""Rational polynomial camera model (RPC00B): ground to image, image to ground, viewing angles.

Image positions are ``row, col`` with (0, 0) at the **centre** of the upper left pixel, which is GDAL's and RPC00B's
convention. Ground positions are longitude and latitude in degrees, heights metres above the WGS 84 **ellipsoid**.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Geod

from pitmap.errors import ProductError

Floats = NDArray[np.float64]
ImageAffine = tuple[tuple[float, float, float], tuple[float, float, float]]
"""``((a, b, c), (d, e, f))``: row' = a row + b col + c, col' = d row + e col + f."""

IDENTITY: ImageAffine = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
WGS84 = Geod(ellps="WGS84")
TERMS = 20


@dataclass(frozen=True)
class Rpc:
    """An RPC with an optional correction in image space.

    Attributes:
        line_offset: Pixels; so is ``sample_offset``.
        latitude_offset: Degrees; so is ``longitude_offset``.
        height_offset: Metres above the ellipsoid.
        line_scale: The scales have the unit of their offset.
        line_numerator: 20 coefficients in the order of RPC00B; so have the other three polynomials.
        adjustment: Applied to what the polynomials give, from control points or a co-registration.
    """

    line_offset: float
    sample_offset: float
    latitude_offset: float
    longitude_offset: float
    height_offset: float
    line_scale: float
    sample_scale: float
    latitude_scale: float
    longitude_scale: float
    height_scale: float
    line_numerator: tuple[float, ...]
    line_denominator: tuple[float, ...]
    sample_numerator: tuple[float, ...]
    sample_denominator: tuple[float, ...]
    adjustment: ImageAffine = IDENTITY

    def __post_init__(self) -> None:
        for name in _POLYNOMIALS.values():
            if len(getattr(self, name)) != TERMS:
                raise _broken(f"{name} has {len(getattr(self, name))} coefficients", "20 coefficients.")
        numbers = [getattr(self, name) for name in _NUMBERS.values()]
        for name in _POLYNOMIALS.values():
            numbers.extend(getattr(self, name))
        if not all(map(math.isfinite, numbers)):
            raise _broken("it holds a value that is not a finite number", "Finite offsets, scales and coefficients.")
        if any(getattr(self, name) == 0 for name in _NUMBERS.values() if name.endswith("scale")):
            raise _broken("a scale is 0", "Scales other than 0.")
        if not any(self.line_denominator) or not any(self.sample_denominator):
            raise _broken("a denominator is 0 everywhere", "A first denominator coefficient of 1.")

    def project(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> tuple[Floats, Floats]:
        """Image position of ground positions.

        Args:
            lon: Longitude in degrees.
            lat: Latitude in degrees.
            height: Metres above the ellipsoid. The three are broadcast.

        Returns:
            ``row, col``, float64; not finite where a position cannot be seen.
        """
        # A scene at the antimeridian has longitudes of both signs.
        difference = np.remainder(np.asarray(lon, np.float64) - self.longitude_offset + 180.0, 360.0) - 180.0
        x, y, z = np.broadcast_arrays(
            difference / self.longitude_scale,
            (np.asarray(lat, np.float64) - self.latitude_offset) / self.latitude_scale,
            (np.asarray(height, np.float64) - self.height_offset) / self.height_scale,
        )
        terms = polynomial_terms(x.ravel(), y.ravel(), z.ravel())
        coefficients = np.array([getattr(self, name) for name in _POLYNOMIALS.values()])
        line_top, line_bottom, sample_top, sample_bottom = coefficients @ terms
        with np.errstate(divide="ignore", invalid="ignore"):
            row = line_top / line_bottom * self.line_scale + self.line_offset
            col = sample_top / sample_bottom * self.sample_scale + self.sample_offset
        row, col = apply_affine(self.adjustment, row, col)
        return row.reshape(x.shape), col.reshape(x.shape)

    def locate(self, row: ArrayLike, col: ArrayLike, height: ArrayLike) -> tuple[Floats, Floats]:
        """Ground position of image positions at given heights, by Newton's method to 1e-6 pixel.

        Args:
            row: Rows, (0, 0) being the centre of the upper left pixel.
            col: Columns.
            height: Metres above the ellipsoid. The three are broadcast.

        Returns:
            ``lon, lat`` in degrees, float64.

        Raises:
            ProductError: The RPC cannot be inverted there.
        """
        row, col, height = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (row, col, height)))
        lon, lat = np.full(row.shape, self.longitude_offset), np.full(row.shape, self.latitude_offset)
        step_lon, step_lat = abs(self.longitude_scale) * 1e-4, abs(self.latitude_scale) * 1e-4
        for _ in range(30):
            r, c = self.project(lon, lat, height)
            r_lon, c_lon = self.project(lon + step_lon, lat, height)
            r_lat, c_lat = self.project(lon, lat + step_lat, height)
            a, b = (r_lon - r) / step_lon, (r_lat - r) / step_lat
            d, e = (c_lon - c) / step_lon, (c_lat - c) / step_lat
            with np.errstate(divide="ignore", invalid="ignore"):
                determinant = a * e - b * d
                change_lon = (e * (row - r) - b * (col - c)) / determinant
                change_lat = (a * (col - c) - d * (row - r)) / determinant
            if not np.all(np.isfinite(change_lon) & np.isfinite(change_lat)):
                break
            # A full step from the centre to beyond the frame can overshoot where the denominators bend.
            lon = lon + np.clip(change_lon, -2 * abs(self.longitude_scale), 2 * abs(self.longitude_scale))
            lat = lat + np.clip(change_lat, -2 * abs(self.latitude_scale), 2 * abs(self.latitude_scale))
            if max(np.abs(row - r).max(initial=0), np.abs(col - c).max(initial=0)) < 1e-6:
                return (lon + 180.0) % 360.0 - 180.0, lat
        raise _broken("it cannot be inverted inside the image", "A model that maps the ground to the image one to one.")

    def crop(self, row: float, col: float) -> Rpc:
        """The model of the image whose upper left pixel is ``row, col`` of this one."""
        (a, b, c), (d, e, f) = self.adjustment
        return replace(self, adjustment=((a, b, c - row), (d, e, f - col)))

    def adjusted(self, correction: ImageAffine) -> Rpc:
        """This model followed by a correction in image space."""
        outer, inner = _matrix(correction), _matrix(self.adjustment)
        product = outer @ inner
        rows = [tuple(float(v) for v in product[i]) for i in range(2)]
        return replace(self, adjustment=(rows[0], rows[1]))  # type: ignore[arg-type]

    def viewing_angles(self, row: float, col: float, height: float | None = None) -> tuple[float, float]:
        """Direction from the ground to the satellite.

        Found by projecting the pixel to two heights 200 m apart: the higher point is displaced towards the satellite.

        Args:
            row: Row of the pixel.
            col: Column of the pixel.
            height: Ground height, by default the RPC's own offset.

        Returns:
            Incidence angle from the vertical, and azimuth clockwise from north, in degrees.
        """
        height = self.height_offset if height is None else height
        lon, lat = self.locate(row, col, np.array([height - 100.0, height + 100.0]))
        azimuth, _, distance = WGS84.inv(lon[0], lat[0], lon[1], lat[1])
        # Distances on the ellipsoid grow with the height at which they are walked.
        distance *= 1 + height / WGS84.a
        return math.degrees(math.atan2(distance, 200.0)), azimuth % 360.0

    def ground_sampling(self, row: float, col: float, height: float | None = None) -> tuple[float, float]:
        """Ground distance in metres of one row and of one column at a pixel."""
        height = self.height_offset if height is None else height
        lon, lat = self.locate(np.array([row, row + 1, row]), np.array([col, col, col + 1]), height)
        _, _, along = WGS84.inv(lon[0], lat[0], lon[1], lat[1])
        _, _, across = WGS84.inv(lon[0], lat[0], lon[2], lat[2])
        return along, across

    @property
    def height_range(self) -> tuple[float, float]:
        """Heights between which the RPC was fitted; beyond, it extrapolates."""
        return self.height_offset - abs(self.height_scale), self.height_offset + abs(self.height_scale)


def polynomial_terms(x: Floats, y: Floats, z: Floats) -> Floats:
    """The 20 terms of RPC00B (NIMA STDI-0002, appendix E), shape ``(20, n)``.

    Args:
        x: Normalised longitude (L), shape ``(n,)``.
        y: Normalised latitude (P).
        z: Normalised height (H).
    """
    one = np.ones_like(x)
    return np.stack(
        [
            one, x, y, z, x * y, x * z, y * z, x * x, y * y, z * z,
            x * y * z, x**3, x * y * y, x * z * z, x * x * y, y**3, y * z * z, x * x * z, y * y * z, z**3,
        ]
    )  # fmt: skip


def apply_affine(affine: ImageAffine, row: Floats, col: Floats) -> tuple[Floats, Floats]:
    """Row and column after an affine in image space."""
    if affine == IDENTITY:
        return row, col
    (a, b, c), (d, e, f) = affine
    return a * row + b * col + c, d * row + e * col + f


def _matrix(affine: ImageAffine) -> Floats:
    return np.array([*affine, (0.0, 0.0, 1.0)])


_NUMBERS = {
    "lineOffset": "line_offset",
    "sampOffset": "sample_offset",
    "latOffset": "latitude_offset",
    "longOffset": "longitude_offset",
    "heightOffset": "height_offset",
    "lineScale": "line_scale",
    "sampScale": "sample_scale",
    "latScale": "latitude_scale",
    "longScale": "longitude_scale",
    "heightScale": "height_scale",
}
_POLYNOMIALS = {
    "lineNumCoef": "line_numerator",
    "lineDenCoef": "line_denominator",
    "sampNumCoef": "sample_numerator",
    "sampDenCoef": "sample_denominator",
}


def parse_rpb(text: str, name: str) -> Rpc:
    """Read DigitalGlobe's RPB layout, which Gaofen products use.

    More forgiving than GDAL, which drops a file without a final ``END`` in silence: identifiers are not looked at,
    semicolons, ``errBias``, ``errRand`` and ``END`` may be missing, keys may be in any case.

    Args:
        text: Content of the file.
        name: Name of the file, for the message.

    Raises:
        ProductError: It is empty, an element is missing, or a number is broken.
    """
    if not text.strip():
        raise ProductError(f"{name} is empty.", "An RPC in RPB layout.", "Get the product again.")
    values: dict[str, Any] = {}
    for key, field in _NUMBERS.items():
        if not (match := re.search(rf"\b{key}\s*=\s*([^\s;]+)", text, re.IGNORECASE)):
            raise _incomplete(name, key)
        values[field] = _number(match[1], key, name)
    for key, field in _POLYNOMIALS.items():
        if not (match := re.search(rf"\b{key}\s*=\s*\(([^()=]*)\)", text, re.IGNORECASE)):
            raise _incomplete(name, key)
        values[field] = tuple(_number(part.strip(), key, name) for part in match[1].split(","))
    try:
        return Rpc(**values)
    except ProductError as error:
        raise ProductError(f"{name}: {error.found}", error.expected, error.remedy) from None


def format_rpb(rpc: Rpc) -> str:
    """The text of an RPB file in the layout of a Gaofen delivery.

    Raises:
        ValueError: The model carries an adjustment, which the format cannot hold.
    """
    if rpc.adjustment != IDENTITY:
        raise ValueError("an RPB file holds no adjustment")
    lines = ['satId = "XXX";', 'bandId = "XXX";', 'SpecId = "XXX";', "BEGIN_GROUP = IMAGE"]
    lines += ["\terrBias =   1.0;", "\terrRand =    0.0;"]
    lines += [f"\t{key} = {getattr(rpc, field):.15f};" for key, field in _NUMBERS.items()]
    for key, field in _POLYNOMIALS.items():
        coefficients = ",\n".join(f"\t\t\t{value:+.15E}" for value in getattr(rpc, field))
        lines.append(f"\t{key} = (\n{coefficients});")
    return "\n".join([*lines, "END_GROUP = IMAGE", "END;", ""])


def from_gdal(rpcs: Any) -> Rpc:
    """The model that GDAL read from a file (``rasterio.rpc.RPC``).

    Raises:
        ProductError: A value is broken.
    """
    return Rpc(
        rpcs.line_off, rpcs.samp_off, rpcs.lat_off, rpcs.long_off, rpcs.height_off,
        rpcs.line_scale, rpcs.samp_scale, rpcs.lat_scale, rpcs.long_scale, rpcs.height_scale,
        tuple(rpcs.line_num_coeff), tuple(rpcs.line_den_coeff), tuple(rpcs.samp_num_coeff), tuple(rpcs.samp_den_coeff),
    )  # fmt: skip


def _number(text: str, key: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProductError(
            f"{name} holds {text[:40]!r} in {key}.", "A finite number.", "The file is damaged: get the product again."
        )
    return value


def _incomplete(name: str, key: str) -> ProductError:
    return ProductError(
        f"{name} has no complete {key}.", "An RPC in RPB layout.", "The file is cut short: get the product again."
    )


def _broken(what: str, expected: str) -> ProductError:
    return ProductError(f"The RPC is not usable: {what}.", expected, "Get the product again.")
