"""What of an image is not the ground: the season of what grows, wet soil, the air, the sun, and the sensor's gain.

The ground and its truth stay the same under all conditions, so that a map of one season can be judged by the truth of
another.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pitmap.simulate.landscape import LandscapeParameters

DRY_CANOPY = (0.07, 0.10, 0.14, 0.22)
"""Reflectance of leaves that are dry, and of the stems and litter of leafless canopies, by band."""

WET_SOIL = 0.45
"""Share of its reflectance that saturated soil loses."""


@dataclass(frozen=True)
class Conditions:
    """Under what an image is taken.

    Attributes:
        green: Share of the leaves of canopies that is green, 0..1; the rest is dry or gone.
        moisture: Of bare ground, 0 dry to 1 saturated.
        haze: Factor on what the air adds, 1 for a moderately hazy day.
        gain: Factor of the sensor's calibration by band.
    """

    green: float = 1.0
    moisture: float = 0.0
    haze: float = 1.0
    gain: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def canopy(self, closed: NDArray[Any]) -> NDArray[Any]:
        """Reflectance of the closed canopies ``(4, material)`` in this season."""
        dry = np.array(DRY_CANOPY, np.float32)[:, None]
        return closed if self.green == 1 else np.float32(self.green) * closed + np.float32(1 - self.green) * dry

    def ground(self, dry: NDArray[Any]) -> NDArray[Any]:
        """Reflectance of the ground ``(4, material)`` as wet as it is."""
        return dry * np.float32(1 - WET_SOIL * self.moisture) if self.moisture else dry


USUAL = Conditions()
"""A spring day."""

SEASONS: dict[str, tuple[tuple[int, int], float, float, Conditions]] = {
    "spring": ((4, 16), 29.4, 142.2, USUAL),
    "summer": ((7, 20), 18.0, 115.0, Conditions(green=0.9, haze=1.35, gain=(1.03, 1.02, 1.0, 0.98))),
    "autumn": ((10, 30), 50.9, 162.6, Conditions(green=0.6, moisture=0.2, haze=0.8, gain=(0.98, 0.98, 0.99, 1.0))),
    "winter": ((1, 18), 61.0, 163.0, Conditions(green=0.25, moisture=0.45, haze=1.2, gain=(0.95, 0.97, 0.98, 1.02))),
}
"""By name: month and day, the sun's zenith angle and azimuth at 35 degrees north, and conditions."""


def in_season(parameters: LandscapeParameters, season: str) -> LandscapeParameters:
    """The same ground in a season of ``SEASONS``, of the year of the parameters.

    What fields hold follows the date, all else is as it was.
    """
    (month, day), zenith, azimuth, conditions = SEASONS[season]
    date = datetime.date(parameters.date.year, month, day)
    return replace(parameters, date=date, sun_zenith_deg=zenith, sun_azimuth_deg=azimuth, conditions=conditions)
