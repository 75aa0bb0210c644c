"""What a delivery of any sensor is to ``prepare``, and the signature of a sensor.

A sensor is a function ``(path) -> Delivery | None``: None where the path is not one of its deliveries, which it tells
without reading pixels. The table of sensors is ``pitmap.imagery.sensors.SENSORS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.ortho import MapModel
from pitmap.imagery.radiometry import REFLECTANCE_SCALE, Scaling
from pitmap.imagery.rpc import Rpc

PAN_FACTOR = 4
"""Multispectral pixels are four panchromatic ones wide."""


@dataclass(frozen=True)
class Source:
    """What an image was made from. What is not known is None and is not written.

    Attributes:
        product: Name of the product or file.
        sensor: Satellite, camera and image, as one phrase.
        time_utc: Centre of the acquisition, ISO 8601.
        solar_zenith: Degrees from the vertical.
        solar_azimuth: Degrees clockwise from north.
        view_incidence: Angle of view on the ground from the vertical, degrees.
        view_azimuth: Direction from the ground to the satellite, degrees clockwise from north.
    """

    product: str
    sensor: str | None = None
    time_utc: str | None = None
    solar_zenith: float | None = None
    solar_azimuth: float | None = None
    view_incidence: float | None = None
    view_azimuth: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values of what is known."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True)
class Radiometry:
    """How digital numbers become reflectance: ``scale`` x DN + ``offset``, one of each a band.

    Attributes:
        coefficients: Where they come from, as one phrase.
        scale: Of reflectance; empty where digital numbers are kept. So is ``offset``.
        offset: See ``scale``.
        gain: W m-2 sr-1 um-1 for each DN, where it is known.
        bias: W m-2 sr-1 um-1.
        irradiance: Solar irradiance outside the atmosphere, W m-2 um-1.
    """

    coefficients: str
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    gain: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    irradiance: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values of what is known."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v != ()}

    def scaling(self, bands: int) -> Scaling:
        """As ``Scaling``; without a scale the one that stores digital numbers as they are."""
        return Scaling(self.scale, self.offset) if self.scale else as_they_are(bands)


def as_they_are(bands: int) -> Scaling:
    """The scaling after which ``Scaling.quantised`` stores the digital numbers themselves."""
    return Scaling((REFLECTANCE_SCALE,) * bands, (0.0,) * bands)


@dataclass(frozen=True)
class PanImage:
    """The panchromatic image of a scene: its raster file and its camera model."""

    path: Path
    model: Rpc


@dataclass(frozen=True)
class Scene:
    """An image with what is needed to calibrate and orthorectify it.

    Attributes:
        path: Its raster file.
        model: Its camera model, or ``MapModel`` of an image that lies on a map.
        names: Of its bands, in the order of the file.
        pixel_size_m: Pixel of the result where nothing else is asked for, metres.
        source: What it is.
        radiometry: How its numbers become reflectance.
        ceiling: Digital number at which the sensor saturates; None where it is not known.
        pan: The panchromatic image, where it was asked for.
        warnings: What the user should know.
    """

    path: Path
    model: Rpc | MapModel
    names: tuple[str, ...]
    pixel_size_m: float
    source: Source
    radiometry: Radiometry
    ceiling: int | None = None
    pan: PanImage | None = None
    warnings: tuple[str, ...] = ()


class Delivery(Protocol):
    """A delivery that a sensor has recognised."""

    def to_json(self) -> dict[str, Any]:
        """What it is and what would be done with it, as plain values; writes nothing.

        Raises:
            ProductError: It is incomplete, damaged, inconsistent or hostile.
        """

    def scene(self, folder: Path, options: PrepareOptions) -> Scene:
        """Read it.

        Args:
            folder: Where archives may be unpacked; it is removed afterwards.
            options: What is wanted: ``pan``, ``coefficients`` and ``keep_dn`` are the sensor's.

        Raises:
            ProductError: It is incomplete, damaged, inconsistent or hostile, or lacks what is wanted.
        """


Sensor = Callable[[Path], Delivery | None]
