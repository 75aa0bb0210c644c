"""Ground control points: what corrects a camera model by a shift or an affine of its image positions.

The RPC of a satellite without control are off by metres to tens of metres, nearly the same over a scene. A shift or an
affine in the image, after the RPC, takes that out (Fraser and Hanley, 2003, Bias compensation in rational functions,
Photogrammetric Engineering and Remote Sensing 69).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from pitmap.errors import ProductError
from pitmap.files import write_text
from pitmap.imagery.heights import WGS84, Heights
from pitmap.imagery.rpc import ImageAffine, Rpc

Floats = NDArray[np.float64]
Correction = Literal["auto", "shift", "affine"]
AFFINE_POINTS = 6
"""Control points from which ``auto`` fits an affine: twice what it needs."""


class ControlPoint(NamedTuple):
    """A place seen in the image and known on the ground.

    ``row`` and ``col`` count from (0, 0) at the centre of the upper left pixel; ``height`` is ellipsoidal, None where
    it is to be taken from the elevation model.
    """

    name: str
    row: float
    col: float
    lon: float
    lat: float
    height: float | None = None


@dataclass(frozen=True)
class Control:
    """A fitted correction.

    Attributes:
        kind: ``shift`` or ``affine``.
        correction: Takes the positions of the camera model to the measured ones.
        points: The points it was fitted to.
        residuals: Measured minus corrected ``row, col`` of every point, pixels, ``(n, 2)``.
        checks: The same with the point left out of the fit; NaN where too few remain.
        warnings: Points that do not fit.
    """

    kind: str
    correction: ImageAffine
    points: tuple[ControlPoint, ...]
    residuals: Floats
    checks: Floats
    warnings: tuple[str, ...]

    @property
    def rmse(self) -> float:
        """Root mean square length of the residuals in pixels."""
        return float(np.sqrt((self.residuals**2).sum(1).mean()))

    @property
    def check_rmse(self) -> float | None:
        """The same of points left out of the fit, which is what other places can expect; None with too few points."""
        known = self.checks[np.isfinite(self.checks).all(1)]
        return float(np.sqrt((known**2).sum(1).mean())) if len(known) else None


def fit_control(model: Rpc, heights: Heights, points: Sequence[ControlPoint], kind: Correction = "auto") -> Control:
    """The correction of a camera model that fits control points best.

    Args:
        model: The camera model as delivered.
        heights: Where points have no height of their own.
        points: At least one for a shift, three that are not in line for an affine.
        kind: ``auto`` fits an affine from six points on, and a shift below.

    Raises:
        ProductError: Too few points, points in line, or points outside the elevation model.
    """
    if kind == "auto":
        kind = "affine" if len(points) >= AFFINE_POINTS else "shift"
    needed = 3 if kind == "affine" else 1
    if len(points) < needed:
        raise ProductError(
            f"There are {len(points)} control points.", f"At least {needed} for a correction by {kind}.",
            "Measure more, or ask for a shift.",
        )  # fmt: skip
    lon, lat = np.array([p.lon for p in points]), np.array([p.lat for p in points])
    surface = heights.at(lon, lat)
    height = np.array([s if p.height is None else p.height for p, s in zip(points, surface, strict=True)])
    if not np.isfinite(height).all():
        outside = [p.name for p, h in zip(points, height, strict=True) if not math.isfinite(h)]
        raise ProductError(
            f"The control points {', '.join(outside)} have no height and lie outside the elevation model.",
            remedy="Give their ellipsoidal heights, or leave them out.",
        )
    modelled = np.stack(model.project(lon, lat, height), axis=1)
    measured = np.array([(p.row, p.col) for p in points], np.float64)
    if not np.isfinite(modelled).all():
        raise ProductError("A control point lies where the camera model has no value.", "Points inside the scene.")
    if kind == "affine" and _in_line(modelled):
        raise ProductError(
            "The control points lie in one line.", "Points spread over the scene.", "Measure more, or ask for a shift."
        )
    fitted = _fit(modelled, measured, kind)
    residuals = measured - _apply(fitted, modelled)
    checks = np.full_like(residuals, np.nan)
    for i in range(len(points)):
        others = np.arange(len(points)) != i
        if others.sum() >= needed and not (kind == "affine" and _in_line(modelled[others])):
            left_out = _fit(modelled[others], measured[others], kind)
            checks[i] = measured[i] - _apply(left_out, modelled[i : i + 1])[0]
    return Control(kind, _rows(fitted), tuple(points), residuals, checks, _odd_points(points, checks))


def _fit(modelled: Floats, measured: Floats, kind: str) -> Floats:
    """Matrix ``(2, 3)`` on (row, col, 1)."""
    if kind == "shift":
        return np.concatenate([np.eye(2), (measured - modelled).mean(0)[:, None]], axis=1)
    # Centred and scaled, so that an affine over thousands of pixels is solved as well as over one.
    centre, scale = modelled.mean(0), max(float(np.ptp(modelled)), 1.0)
    design = np.concatenate([(modelled - centre) / scale, np.ones((len(modelled), 1))], axis=1)
    solution = np.linalg.lstsq(design, measured, rcond=None)[0].T
    linear = solution[:, :2] / scale
    return np.concatenate([linear, (solution[:, 2] - linear @ centre)[:, None]], axis=1)


def _apply(affine: Floats, positions: Floats) -> Floats:
    return positions @ affine[:, :2].T + affine[:, 2]


def _rows(affine: Floats) -> ImageAffine:
    (a, b, c), (d, e, f) = affine.tolist()
    return (a, b, c), (d, e, f)


def _in_line(positions: Floats) -> bool:
    singular = np.linalg.svd(positions - positions.mean(0), compute_uv=False)
    return bool(singular[1] < 0.01 * singular[0])


def _odd_points(points: Sequence[ControlPoint], checks: Floats) -> tuple[str, ...]:
    lengths = np.hypot(*checks.T)
    if np.isfinite(lengths).sum() < 4:
        return ()
    # 4 times the typical miss, and more than a pixel.
    limit = max(4 * float(np.nanmedian(lengths)), 1.0)
    odd = [f"{p.name} ({v:.1f} pixels)" for p, v in zip(points, lengths, strict=True) if v > limit]
    return (f"Control points that do not fit the others: {', '.join(odd)}.",) if odd else ()


def read_control_points(path: Path) -> list[ControlPoint]:
    """Control points from a file.

    Either CSV with the columns ``row, col, lon, lat`` and, where known, ``height`` (ellipsoidal) and ``name``; or the
    ``.points`` file of QGIS's georeferencer, whose image positions count from the corner of the image.

    Raises:
        ProductError: The file is missing, or not one of these, or holds a broken number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProductError(f"The control points {path} cannot be read ({error}).", remedy="Check the path.") from error
    lines = [line for line in text.splitlines() if line.strip()]
    comments = [line for line in lines if line.startswith("#")]
    rows = list(csv.DictReader(io.StringIO("\n".join(line for line in lines if not line.startswith("#")))))
    columns = {c.strip(): c for c in (rows[0] if rows else {}) if c is not None}
    if {"row", "col", "lon", "lat"} <= columns.keys():
        return [_point(path, i, row, columns) for i, row in enumerate(rows, start=1)]
    if {"mapX", "mapY"} <= columns.keys() and ({"sourceX", "sourceY"} <= columns.keys() or "pixelX" in columns):
        return _qgis_points(path, rows, columns, comments)
    raise ProductError(
        f"{path} has the columns {', '.join(columns) or 'none'}.",
        "CSV with row, col, lon, lat and optionally height and name, or a .points file of QGIS.",
        "Rename the columns; row and col count from 0 at the centre of the upper left pixel.",
    )


def _point(path: Path, number: int, row: dict[str, str], columns: dict[str, str]) -> ControlPoint:
    name = (row.get(columns.get("name", columns.get("id", "")), "") or "").strip() or str(number)
    height = (row.get(columns.get("height", ""), "") or "").strip()
    at_row, at_col, lon, lat = (_value(path, number, row[columns[key]]) for key in ("row", "col", "lon", "lat"))
    if not (-180 <= lon <= 360 and -90 <= lat <= 90):
        raise ProductError(f"{path}, point {name}: {lon:g}, {lat:g} is no longitude and latitude.")
    return ControlPoint(name, at_row, at_col, lon, lat, _value(path, number, height) if height else None)


def _qgis_points(
    path: Path, rows: list[dict[str, str]], columns: dict[str, str], comments: list[str]
) -> list[ControlPoint]:
    declared = next((line.split(":", 1)[1].strip() for line in comments if line.upper().startswith("#CRS:")), "")
    try:
        crs = CRS.from_user_input(declared) if declared else WGS84
    except CRSError as error:
        raise ProductError(f"{path} names a CRS that is not known ({declared[:80]}).") from error
    to_geographic = Transformer.from_crs(crs, WGS84, always_xy=True)
    across, down = ("sourceX", "sourceY") if "sourceX" in columns else ("pixelX", "pixelY")
    points = []
    for number, row in enumerate(rows, start=1):
        if (row.get(columns.get("enable", ""), "1") or "1").strip() == "0":
            continue
        x, y, col, up = (_value(path, number, row[columns[key]]) for key in ("mapX", "mapY", across, down))
        lon, lat = to_geographic.transform(x, y)
        if not (math.isfinite(lon) and abs(lat) <= 90):
            raise ProductError(f"{path}, point {number}: {x:g}, {y:g} lies outside the CRS of the file.")
        points.append(ControlPoint(str(number), -up - 0.5, col - 0.5, lon, lat))
    return points


def _value(path: Path, number: int, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProductError(f"{path}, point {number}, holds {text!r}.", "A finite number.")
    return value


def write_residuals(path: Path, control: Control) -> None:
    """Write a CSV of the points with their residuals and their misses when left out, in pixels.

    Raises:
        OutputError: It cannot be written.
    """
    lines = ["name,row,col,lon,lat,residual_row,residual_col,left_out_row,left_out_col"]
    for p, residual, check in zip(control.points, control.residuals, control.checks, strict=True):
        misses = [f"{v:.3f}" if math.isfinite(v) else "" for v in (*residual, *check)]
        name = '"' + p.name.replace('"', '""') + '"'
        lines.append(",".join([name, f"{p.row:.2f}", f"{p.col:.2f}", f"{p.lon:.8f}", f"{p.lat:.8f}", *misses]))
    write_text(path, "\n".join(lines) + "\n")
