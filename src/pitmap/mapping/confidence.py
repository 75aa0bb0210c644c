"""Whether a raster is the confidence of a map."""

from __future__ import annotations

from pathlib import Path

from pitmap.errors import ImageError
from pitmap.raster.codes import LEGEND_TAG, TAG_PREFIX
from pitmap.raster.reading import RasterInfo, describe


def check_confidence(confidence: Path, map_info: RasterInfo) -> None:
    """Refuse a raster that is not the confidence of a map.

    Raises:
        ImageError: It has another grid, several bands or no confidences, or was made in another run than the map.
    """
    info = describe(confidence)
    grid = map_info.grid
    if not info.grid.same_as(grid) or info.bands != 1 or info.dtype != "uint8" or not 0 < 255 * info.scales[0] < 1.01:
        raise ImageError(
            f"{confidence} has {info.grid.height} x {info.grid.width} pixels and {info.bands} band(s) of {info.dtype} "
            f"with scale {info.scales[0]:g}.",
            f"The grid of the map ({grid.height} x {grid.width} pixels), and one band of uint8 with scale 1 / 255.",
            "Give the confidence that was written together with the map.",
        )
    told = {k for k in info.tags.keys() & map_info.tags.keys() if k.startswith(TAG_PREFIX) and k != LEGEND_TAG}
    if different := sorted(k for k in told if info.tags[k] != map_info.tags[k]):
        name = different[0].removeprefix(TAG_PREFIX).lower().replace("_", " ")
        raise ImageError(
            f"{confidence} was made in another run than {map_info.path}: {name} {info.tags[different[0]]} and "
            f"{map_info.tags[different[0]]}.",
            remedy="Make the map again together with its confidence, or give the confidence that was written with it.",
            options=["confidence"],
        )
