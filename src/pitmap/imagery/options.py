"""What can be asked of ``prepare``. Imports nothing heavy, so that a command line can show it at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Voids = Literal["fill", "refuse", "leave"]
Kernel = Literal["bilinear", "cubic"]
Coefficients = Literal["by_year", "envi_2014"]
Correction = Literal["auto", "shift", "affine"]


@dataclass(frozen=True)
class PrepareOptions:
    """How a product or an image is prepared.

    Attributes:
        sensor: Whose delivery it is: a name of ``pitmap.imagery.sensors.SENSORS``, or ``package.module:name`` of a
            function with the same signature. None takes the first of the table that recognises it, and an image file
            where none does.
        dem: Elevation model, metres or feet.
        dem_datum: What its heights count from: ``egm96``, ``ellipsoid``, or the path of a raster of geoid heights.
            None takes what its CRS declares, and refuses a model that declares nothing.
        voids: What becomes of voids of the model: ``fill`` from their surroundings up to 100 pixels deep, ``refuse``,
            or ``leave``: those too deep to fill become nodata of the image.
        height: Instead of a model: one height for the whole scene, metres above the ellipsoid.
        crs: Of the result; by default the UTM zone of the scene's centre.
        resolution: Pixel size in units of the CRS; by default 4 for GF-2 (1 with ``pan``), else the nominal pixel.
        extent: ``(x_min, y_min, x_max, y_max)`` in the CRS; by default the whole scene.
        like: A raster whose grid is taken, instead of ``crs``, ``resolution`` and ``extent``.
        kernel: ``bilinear`` or ``cubic``.
        coefficients: ``by_year``, or ``envi_2014`` to repeat work done with ENVI.
        pan: Whether the result is sharpened with the panchromatic image.
        gcps: Control points, CSV or QGIS ``.points``.
        gcp_model: ``shift``, ``affine``, or ``auto`` by their number.
        scale: Of an image that is no product of a known sensor: reflectance = DN x scale + offset. By default from its
            tags.
        offset: See ``scale``.
        nodata: Overrides the nodata value of an image.
        keep_dn: Write digital numbers as they are, uncalibrated.
    """

    sensor: str | None = None
    dem: Path | None = None
    dem_datum: str | None = None
    voids: Voids = "fill"
    height: float | None = None
    crs: str | None = None
    resolution: float | None = None
    extent: tuple[float, float, float, float] | None = None
    like: Path | None = None
    kernel: Kernel = "bilinear"
    coefficients: Coefficients = "by_year"
    pan: bool = False
    gcps: Path | None = None
    gcp_model: Correction = "auto"
    scale: float | None = None
    offset: float = 0.0
    nodata: float | None = None
    keep_dn: bool = False
