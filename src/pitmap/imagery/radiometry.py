"""From digital numbers to radiance and top-of-atmosphere reflectance.

    L   = gain x DN + bias                          W m-2 sr-1 um-1
    rho = pi L d^2 / (ESUN cos(solar zenith))

Coefficients are those that CRESDA publishes once a year and camera (``calibration.yaml``). They hold for every gain
mode; no source ties them to the ``GainMode`` of the metadata.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, NamedTuple

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from pitmap.errors import ProductError
from pitmap.imagery.options import Coefficients as Choice

SATURATED_DN = 1023
"""Ceiling of the 10-bit numbers of GF-2 PMS."""
REFLECTANCE_SCALE = 1e-4
"""Reflectance is stored as uint16 x 10000."""

Part = Literal["mss", "pan"]


@dataclass(frozen=True)
class Coefficients:
    """Absolute calibration of the bands of one camera.

    Attributes:
        gain: W m-2 sr-1 um-1 for each DN, one a band.
        bias: W m-2 sr-1 um-1, one a band.
        irradiance: Solar irradiance outside the atmosphere (ESUN), W m-2 um-1, one a band; None where not published.
        source: Where they come from, as one phrase.
        warnings: What the user should know of them.
    """

    gain: tuple[float, ...]
    bias: tuple[float, ...]
    irradiance: tuple[float, ...] | None
    source: str
    warnings: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def calibration_table() -> dict[str, Any]:
    """The shipped ``calibration.yaml``."""
    text = (resources.files("pitmap.imagery") / "calibration.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def coefficients(
    satellite: str,
    camera: str,
    year: int,
    *,
    part: Part = "mss",
    absolute_gains: tuple[float, ...] | None = None,
    choice: Choice = "by_year",
) -> Coefficients:
    """The coefficients of a scene.

    ``by_year`` prefers the gains inside the product's own XML, then the table of the scene's year, then that of the
    nearest year, with a warning. ``envi_2014`` gives what ENVI applies to scenes of any year, to repeat published work.

    Args:
        satellite: ``GF1``, ``GF2``, ``GF6`` or ``GF7``.
        camera: ``PMS1``, ``PMS2``, ``PMS`` (GF-6) or ``BWD`` (GF-7).
        year: Year of the acquisition in UTC.
        part: Multispectral or panchromatic bands.
        absolute_gains: ``AbsCeof`` of the XML, one gain a band.
        choice: ``by_year`` or ``envi_2014``.

    Raises:
        ProductError: Nothing is published for that camera.
    """
    table = calibration_table()
    irradiance = _as_tuple(table["irradiance"].get(satellite, {}).get(camera, {}).get(part))
    years = table["coefficients"].get(satellite, {}).get(camera, {})
    if choice == "envi_2014":
        return _envi_2014(satellite, camera, part, irradiance)
    if absolute_gains is not None:
        if irradiance is not None and len(absolute_gains) != len(irradiance):
            raise ProductError(
                f"The XML holds {len(absolute_gains)} gains in AbsCeof.", f"{len(irradiance)}, one a band.",
                "The metadata belong to another image or are damaged.",
            )  # fmt: skip
        zero = (0.0,) * len(absolute_gains)
        return Coefficients(absolute_gains, zero, irradiance, "AbsCeof of the product's XML")
    published = {y: row[part] for y, row in years.items() if _as_tuple(row[part]["gain"]) is not None}
    if not published:
        known = ", ".join(f"{s} {c}" for s, cameras in table["coefficients"].items() for c in cameras)
        raise ProductError(
            f"No calibration coefficients are known for {satellite} {camera} {part.upper()}.",
            f"A product with AbsCeof in its XML, or one of {known}.",
            "Keep the digital numbers, or prepare its TIFF as an image with your own scale and offset.",
            ["keep_dn", "scale", "offset"],
        )
    nearest = min(published, key=lambda y: (abs(y - year), y))
    row = published[nearest]
    flag = years[nearest].get("flag") or (years[nearest].get("pan_flag") if part == "pan" else None)
    notes = []
    if nearest != year:
        notes.append(
            f"No coefficients of {year} are published for {satellite} {camera} {part.upper()}; those of {nearest} are "
            f"used. They have changed by up to a quarter from one year to the next."
        )
    if flag:
        notes.append(f"Coefficients of {satellite} {camera}, {nearest}: {flag}.")
    gain, bias = _as_tuple(row["gain"]), _as_tuple(row["bias"])
    assert gain is not None
    assert bias is not None
    return Coefficients(gain, bias, irradiance, f"CRESDA {nearest}, {satellite} {camera}", tuple(notes))


def _envi_2014(satellite: str, camera: str, part: Part, irradiance: tuple[float, ...] | None) -> Coefficients:
    if satellite != "GF2":
        raise ProductError(
            f"The coefficients envi_2014 are those of GF-2, and this is {satellite}.", remedy="Use by_year."
        )
    note = "ENVI applies the coefficients of 2014 to scenes of every year; up to 31 % off (PMS1, 2017, blue)."
    known = calibration_table()["envi_2014"]["GF2"].get(camera, {})
    if part in known:
        gain, bias = tuple(known[part]["gain"]), tuple(known[part]["bias"])
        return Coefficients(gain, bias, tuple(known["irradiance"]), "ENVI's set of 2014", (note,))
    by_year = coefficients(satellite, camera, 2014, part=part)
    seen = f"ENVI's own entry for {camera} {part.upper()} was not seen; CRESDA's of 2014 stand in for it."
    return replace(by_year, irradiance=irradiance, source=f"CRESDA 2014, as ENVI does, {camera}", warnings=(note, seen))


def _as_tuple(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    return tuple(float(v) for v in value) if isinstance(value, list) else (float(value),)


def earth_sun_distance(day: date) -> float:
    """Distance of the Earth from the sun on a UTC day, in astronomical units, within 0.001.

    d = 1 - 0.01672 cos(0.9856 deg (day of year - 4)), as in the Landsat and Sentinel-2 handbooks.
    """
    return 1 - 0.01672 * math.cos(math.radians(0.9856 * (day.timetuple().tm_yday - 4)))


def to_radiance(dn: ArrayLike, coefficients: Coefficients) -> NDArray[np.float64]:
    """At-sensor spectral radiance.

    Args:
        dn: Digital numbers, ``(band, ...)``.
        coefficients: Of as many bands.

    Returns:
        W m-2 sr-1 um-1, float64.
    """
    dn = np.asarray(dn, np.float64)
    return np.asarray(_bandwise(coefficients.gain, dn) * dn + _bandwise(coefficients.bias, dn))


def to_reflectance(
    radiance: ArrayLike, irradiance: tuple[float, ...], solar_zenith: float, day: date
) -> NDArray[np.float64]:
    """Reflectance at the top of the atmosphere: rho = pi L d^2 / (ESUN cos(solar zenith)).

    Args:
        radiance: W m-2 sr-1 um-1, ``(band, ...)``.
        irradiance: ESUN, W m-2 um-1, one a band.
        solar_zenith: Degrees from the vertical, below 90.
        day: UTC date of the acquisition.

    Raises:
        ProductError: The sun is below the horizon.
    """
    radiance = np.asarray(radiance, np.float64)
    if not 0 <= solar_zenith < 90:
        raise ProductError(
            f"The solar zenith angle is {solar_zenith:g} degrees.", "An angle from 0 to 90: an image taken by day.",
            "Check SolarZenith and CenterTime in the product's XML.",
        )  # fmt: skip
    distance = earth_sun_distance(day)
    incoming = _bandwise(irradiance, radiance) * math.cos(math.radians(solar_zenith))
    return np.asarray(math.pi * radiance * distance**2 / incoming)


class Quantised(NamedTuple):
    """Reflectance as it is stored, and what did not fit.

    ``pixels`` are uint16 ``(band, row, col)``: 1..65535 where valid, 0 elsewhere. ``above`` and ``below`` are the valid
    pixels of each band whose values lay beyond 65535 or below 1, and were set to these.
    """

    pixels: NDArray[np.uint16]
    above: NDArray[np.int64]
    below: NDArray[np.int64]


@dataclass(frozen=True)
class Scaling:
    """Reflectance = ``scale`` x DN + ``offset``, one of each a band."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def quantised(self, dn: NDArray[np.float32], valid: NDArray[np.bool_]) -> Quantised:
        """Reflectance x 10000, rounded.

        Args:
            dn: Digital numbers, ``(band, row, col)``, float32.
            valid: ``(row, col)``.
        """
        stored = dn * _bandwise(self.scale, dn, np.float32) * np.float32(1 / REFLECTANCE_SCALE)
        # One half rounds where the conversion to integers truncates.
        stored += _bandwise(self.offset, dn, np.float32) * np.float32(1 / REFLECTANCE_SCALE) + np.float32(0.5)
        above = np.array([np.count_nonzero((band >= 65536) & valid) for band in stored], np.int64)
        below = np.array([np.count_nonzero((band < 1) & valid) for band in stored], np.int64)
        np.clip(stored, 1, 65535, out=stored)
        stored *= valid
        return Quantised(stored.astype(np.uint16), above, below)


def reflectance_scaling(coefficients: Coefficients, solar_zenith: float, day: date) -> Scaling:
    """Calibration, irradiance, distance and sun angle folded into one scale and offset a band.

    Raises:
        ProductError: The irradiance is not published, or the sun is below the horizon.
    """
    if coefficients.irradiance is None:
        raise ProductError(
            "The solar irradiance of these bands is not published, or its sources disagree.",
            remedy="Keep the digital numbers, or prepare its TIFF as an image with your own scale and offset.",
            options=["keep_dn", "scale", "offset"],
        )
    bands = len(coefficients.gain)
    at_zero, at_one = (
        to_reflectance(to_radiance(np.full(bands, dn), coefficients), coefficients.irradiance, solar_zenith, day)
        for dn in (0.0, 1.0)
    )
    return Scaling(tuple((at_one - at_zero).tolist()), tuple(at_zero.tolist()))


def saturated(dn: NDArray[Any], ceiling: int = SATURATED_DN) -> NDArray[np.bool_]:
    """Which digital numbers lie at the ceiling. They stay valid: bright quarries saturate."""
    return np.asarray(dn >= ceiling)


def sun_position(time: datetime, lon: float, lat: float) -> tuple[float, float]:
    """Position of the sun, within 0.02 degrees from 1950 to 2050.

    Low-precision formulas of the Astronomical Almanac (Michalsky, 1988, Solar Energy 40, 227-235), without refraction.

    Args:
        time: Aware, or naive UTC.
        lon: Degrees east.
        lat: Degrees north.

    Returns:
        Zenith angle, and azimuth clockwise from north, in degrees.
    """
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    days = (time - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400
    anomaly = math.radians(357.528 + 0.9856003 * days)
    ecliptic = math.radians(280.460 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439 - 4e-7 * days)
    ascension = math.atan2(math.cos(obliquity) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(obliquity) * math.sin(ecliptic))
    sidereal = math.radians((280.46062 + 360.98564737 * days + lon) % 360)
    hour_angle, latitude = sidereal - ascension, math.radians(lat)
    east = -math.cos(declination) * math.sin(hour_angle)
    north = math.sin(declination) * math.cos(latitude)
    north -= math.cos(declination) * math.cos(hour_angle) * math.sin(latitude)
    up = math.sin(declination) * math.sin(latitude)
    up += math.cos(declination) * math.cos(hour_angle) * math.cos(latitude)
    return math.degrees(math.atan2(math.hypot(east, north), up)), math.degrees(math.atan2(east, north)) % 360


def _bandwise(values: tuple[float, ...], like: NDArray[Any], dtype: Any = np.float64) -> NDArray[Any]:
    return np.asarray(values, dtype).reshape((-1,) + (1,) * (like.ndim - 1))
