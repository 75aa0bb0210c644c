"""The points of a sample for other tools, as blind as in QGIS: numbers and places, in random order.

- ``.csv``: columns ``LON,LAT,PLOTID`` (WGS 84), as Collect Earth Online takes plot centres.
- ``.geojson``, ``.gpkg``: points with the field ``id``, WGS 84 in GeoJSON and else the CRS of the map, as AcATaMa
  takes a sampling file and QGIS any layer.

What was labelled there comes back with ``EstimateOptions.labels``, by the numbers of the points.
"""

from __future__ import annotations

from pathlib import Path

from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.errors import OutputError
from pitmap.files import replacing, write_text

DRIVERS = {".geojson": "GeoJSON", ".gpkg": "GPKG"}


def export_points(sample_path: Path, out: Path) -> None:
    """Write the points of a sample.

    Args:
        sample_path: The sample.
        out: The file; its ending says the format.

    Raises:
        LabelError: The file is no sample.
        OutputError: The ending is none of those above, the file exists or cannot be written, or points without a CRS
            are to have longitude and latitude.
    """
    out = Path(out)
    kind = out.suffix.lower()
    if kind != ".csv" and kind not in DRIVERS:
        raise OutputError(f"{out} names no format.", f"An ending of .csv, {', '.join(DRIVERS)}.")
    if out.exists():
        raise OutputError(f"{out} exists.", "A new name: labels may be in it.")
    points = read_sample(Path(sample_path)).points[["point_id", "geometry"]]
    if kind in (".csv", ".geojson"):
        if points.crs is None:
            raise OutputError(
                f"The points of {sample_path} have no coordinate reference system, so no longitude and latitude.",
                remedy="Assign the map's CRS before the sample is drawn, or export to .gpkg.",
            )
        points = points.to_crs(4326)
    if kind == ".csv":
        rows = zip(points.geometry.x, points.geometry.y, points["point_id"], strict=True)
        lines = [f"{x:.8f},{y:.8f},{number}" for x, y, number in rows]
        write_text(out, "\n".join(["LON,LAT,PLOTID", *lines]) + "\n")
        return
    with replacing(out) as temporary:
        points.rename(columns={"point_id": "id"}).to_file(temporary, driver=DRIVERS[kind], layer=out.stem)
