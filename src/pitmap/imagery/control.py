"""Ground control points: what corrects a camera model by a shift or an affine of its image positions.

The RPC of a satellite without control are off by metres to tens of metres, nearly the same over a scene. A shift or an
affine in the image, after the RPC, takes that out (Fraser and Hanley, 2003, Bias compensation in rational functions,
Photogrammetric Engineering and Remote Sensing 69).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ProductError
from pitmap.files import csv_text, write_text
from pitmap.grid import Grid
from pitmap.imagery.control_points import ControlPoint
from pitmap.imagery.heights import Heights
from pitmap.imagery.options import Correction
from pitmap.imagery.rpc import ImageAffine, Rpc

Floats = NDArray[np.float64]
AFFINE_POINTS = 6
"""Control points from which ``auto`` fits an affine: twice what it needs."""
MAX_CHANGE = 0.1
"""How much a correction may change distances in the image; those of camera models are off by less than 0.001."""
NOISE = 5.0
"""Pixels by which points may miss each other before their geometry is looked at: clicks on what is hard to find."""
SHIFT_M = (100.0, 1000.0)
"""Shift that is believed, metres: a tenth of the image's diagonal, but within these bounds."""


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


def fit_control(
    model: Rpc, image: Grid, heights: Heights, points: Sequence[ControlPoint], kind: Correction = "auto"
) -> Control:
    """The correction of a camera model that fits control points best.

    Args:
        model: The camera model as delivered.
        image: The pixels of its image.
        heights: Where points have no height of their own.
        points: At least one for a shift, three that are not in line for an affine.
        kind: ``auto`` fits an affine from six points on, and a shift below.

    Raises:
        ProductError: Too few points, points in line, or points outside the elevation model; or a correction that is far
            from identity, as from points with rows and columns exchanged, mirrored, turned, or of another image.
    """
    if kind == "auto":
        kind = "affine" if len(points) >= AFFINE_POINTS else "shift"
    needed = 3 if kind == "affine" else 1
    if len(points) < needed:
        raise ProductError(
            f"There are {len(points)} control points.", f"At least {needed} for a correction by {kind}.",
            "Measure more, or choose a shift.", ["gcp_model"],
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
    _check_near_identity(model, image, modelled, measured)
    if kind == "affine" and _in_line(modelled):
        raise ProductError(
            "The control points lie in one line.", "Points spread over the scene.", "Measure more, or choose a shift."
        )
    fitted = _fit(modelled, measured, kind)
    if (change := float(np.abs(fitted[:, :2] - np.eye(2)).max())) > MAX_CHANGE:
        raise ProductError(
            f"The affine through the control points changes distances in the image by {change:.0%}.",
            f"At most {MAX_CHANGE:.0%}.", "The points lie too near to each other: spread them, or choose a shift.",
            ["gcp_model"],
        )  # fmt: skip
    residuals = measured - _apply(fitted, modelled)
    checks = np.full_like(residuals, np.nan)
    for i in range(len(points)):
        others = np.arange(len(points)) != i
        if others.sum() >= needed and not (kind == "affine" and _in_line(modelled[others])):
            left_out = _fit(modelled[others], measured[others], kind)
            checks[i] = measured[i] - _apply(left_out, modelled[i : i + 1])[0]
    return Control(kind, _rows(fitted), tuple(points), residuals, checks, _odd_points(points, checks))


def _check_near_identity(model: Rpc, image: Grid, modelled: Floats, measured: Floats) -> None:
    """Whether the points lie where the camera model puts them, up to a shift and a small change of shape."""
    shift = (measured - modelled).mean(0)
    misses = np.hypot(*(measured - modelled - shift).T)
    miss = float(np.sqrt((misses**2).mean()))
    apart = float(np.sqrt(((modelled - modelled.mean(0)) ** 2).sum(1).mean()))
    if miss > max(MAX_CHANGE * apart, NOISE):
        raise ProductError(
            f"The control points do not lie in the image as on the ground: after a shift they miss by {miss:.0f} "
            f"pixels, {miss / max(apart, 1):.0%} of their distance from each other{_likeness(modelled, measured)}.",
            f"Points that agree with the camera model up to a shift and {MAX_CHANGE:.0%} of their distance.",
            "Check rows, columns, longitudes and latitudes, their CRS, and that they were measured in this image.",
        )
    along, across = model.ground_sampling((image.height - 1) / 2, (image.width - 1) / 2)
    diagonal = math.hypot(image.height * along, image.width * across)
    limit = min(max(diagonal / 10, SHIFT_M[0]), SHIFT_M[1])
    metres = math.hypot(shift[0] * along, shift[1] * across)
    if metres > limit:
        raise ProductError(
            f"The control points shift the image by {shift[0]:.0f} rows and {shift[1]:.0f} columns, {metres:.0f} m.",
            f"A shift of at most {limit:.0f} m: camera models of satellites are off by metres to tens of metres.",
            "Check rows, columns, longitudes and latitudes, their CRS, and that they were measured in this image.",
        )


def _likeness(modelled: Floats, measured: Floats) -> str:
    """What the affine between two sets of positions looks like, as the end of a sentence."""
    if len(modelled) < 3 or _in_line(modelled):
        return ""
    linear = _fit(modelled, measured, "affine")[:, :2]
    known = {
        "rows and columns look exchanged": [[0, 1], [1, 0]], "rows look counted from the bottom": [[-1, 0], [0, 1]],
        "columns look counted from the right": [[1, 0], [0, -1]],
        "the image looks turned by 90 degrees": [[0, 1], [-1, 0]],
        "the image looks turned by 180 degrees": [[-1, 0], [0, -1]],
        "the image looks turned by 270 degrees": [[0, -1], [1, 0]],
    }  # fmt: skip
    for words, matrix in known.items():
        if np.abs(linear - matrix).max() < 0.2:
            return f": {words}"
    scale = math.sqrt(abs(float(np.linalg.det(linear))))
    if np.abs(linear - scale * np.eye(2)).max() < 0.1 * scale:
        return f": they look measured in an image whose pixels are {1 / scale:.3g} times as wide"
    turn = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    return f": they look scaled by {scale:.2g} and turned by {turn:.0f} degrees"


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


def write_residuals(path: Path, control: Control) -> None:
    """Write a CSV of the points with their residuals and their misses when left out, in pixels.

    Raises:
        OutputError: It cannot be written.
    """
    rows = [["name", "row", "col", "lon", "lat", "residual_row", "residual_col", "left_out_row", "left_out_col"]]
    for p, residual, check in zip(control.points, control.residuals, control.checks, strict=True):
        misses = [f"{v:.3f}" if math.isfinite(v) else "" for v in (*residual, *check)]
        rows.append([p.name, f"{p.row:.2f}", f"{p.col:.2f}", f"{p.lon:.8f}", f"{p.lat:.8f}", *misses])
    write_text(path, csv_text(rows))
