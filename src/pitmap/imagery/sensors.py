"""The sensors whose deliveries are read: a table of functions with the signature of ``pitmap.imagery.scene``.

A sensor of one's own is named ``package.module:name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pitmap.errors import ProductError
from pitmap.extension import find
from pitmap.imagery import gaofen
from pitmap.imagery.scene import Delivery, Sensor
from pitmap.paths import is_gdal

SENSORS: Mapping[str, Sensor] = {"gaofen": gaofen.recognise}


def recognise(path: Path, sensor: str | None = None) -> Delivery | None:
    """The delivery that a path holds; None where it is a plain file.

    Args:
        path: A folder, an archive or a file.
        sensor: A name of ``SENSORS`` or ``package.module:name``; None asks those of the table one after another.

    Raises:
        ProductError: There is no such path, a folder holds no delivery, or the named sensor does not recognise it.
        ProjectError: There is no such sensor.
    """
    if sensor is None and is_gdal(path):  # an image in an archive or at an address
        return None
    if not path.exists():
        raise ProductError(f"There is no file or folder {path}.", remedy="Check the path.")
    asked = list(SENSORS.values()) if sensor is None else [find("sensor", sensor, SENSORS)]
    found = next((delivery for ask in asked if (delivery := ask(path)) is not None), None)
    if found is None and (sensor is not None or path.is_dir()):
        whose = "a known sensor" if sensor is None else f"the sensor {sensor}"
        raise ProductError(
            f"{path} holds no product of {whose}.",
            "A delivery such as a folder with <scene>-MSS1.tiff, .xml and .rpb, or an image file.",
            "Give the image file itself.",
        )
    return found
