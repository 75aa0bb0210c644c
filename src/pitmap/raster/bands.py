"""Which bands of an image are shown, and how bright: in the report, in QGIS, and wherever else it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PERCENTILES = (2.0, 98.0)
"""Each band is stretched between these percentiles of its valid pixels."""

RED_NAMES = ("b04", "b4", "red")
GREEN_NAMES = ("b03", "b3", "green")
BLUE_NAMES = ("b02", "b2", "blue")
NEAR_INFRARED_NAMES = ("b08", "b8", "nir", "near infrared", "near-infrared", "nearinfrared")

FALSE_COLOUR, NATURAL_COLOURS, IN_GREY = "false colour: {bands}", "natural colours", "{bands} in grey"
CAPTIONS = (FALSE_COLOUR, NATURAL_COLOURS, IN_GREY)
"""What an image shows."""


@dataclass(frozen=True)
class Composite:
    """Which bands are shown as red, green and blue.

    Attributes:
        bands: Three indices, counted from 0.
        caption: One of ``CAPTIONS``; the names of the bands stand for ``{bands}``.
        names: Of the bands, as text.
    """

    bands: tuple[int, int, int]
    caption: str
    names: str = ""


def composite(names: Sequence[str]) -> Composite:
    """The bands to show: near infrared, red, green (Chen et al. 2022, Fig. 1) from four bands on, else natural colours.

    Bands are found by name (Sentinel-2 numbers or colours). Four and more bands without such names are taken to begin
    with blue, green, red, near infrared; three to be red, green, blue; of one or two the first is shown in grey.

    Args:
        names: Names of the bands in their order.
    """

    def find(wanted: Sequence[str]) -> int | None:
        lowered = [name.strip().lower() for name in names]
        return next((lowered.index(w) for w in wanted if w in lowered), None)

    red, green, blue, near = (find(n) for n in (RED_NAMES, GREEN_NAMES, BLUE_NAMES, NEAR_INFRARED_NAMES))
    if near is not None and red is not None and green is not None and len(names) >= 4:
        return Composite((near, red, green), FALSE_COLOUR, f"{names[near]}, {names[red]}, {names[green]}")
    if len(names) >= 4:
        return Composite((3, 2, 1), FALSE_COLOUR, f"{names[3]}, {names[2]}, {names[1]}")
    if len(names) == 3:
        chosen = (red, green, blue) if None not in (red, green, blue) else (0, 1, 2)
        first, second, third = (int(c or 0) for c in chosen)
        return Composite((first, second, third), NATURAL_COLOURS)
    return Composite((0, 0, 0), IN_GREY, names[0])
