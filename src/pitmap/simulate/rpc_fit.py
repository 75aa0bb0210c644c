"""The RPC that a ground segment delivers with an image: fitted to its camera."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pitmap.imagery.longitudes import near
from pitmap.imagery.rpc import Rpc, polynomial_terms
from pitmap.simulate.camera import Pushbroom

Floats = NDArray[np.float64]
Distortion = Callable[[Floats, Floats], tuple[Floats, Floats]]


def fit_rpc(camera: Pushbroom, heights: tuple[float, float], distortion: Distortion | None = None) -> Rpc:
    """The RPC nearest to a camera, by iterated least squares over a lattice of its image and of heights.

    Tao and Hu (2001), A comprehensive study of the rational function model, Photogrammetric Engineering and Remote
    Sensing 67: unknown are 20 numerator and 19 denominator coefficients a coordinate; a small ridge keeps the
    denominators, which a smooth camera does not need, from wandering.

    Args:
        camera: The rigorous model.
        heights: Lowest and highest ellipsoidal height for which it must hold, metres.
        distortion: Wrong on purpose: what becomes of the row and column that the RPC is to give.
    """
    rows, cols = np.linspace(-0.5, camera.rows - 0.5, 15), np.linspace(-0.5, camera.cols - 0.5, 15)
    row, col, height = (v.ravel() for v in np.meshgrid(rows, cols, np.linspace(*heights, 7), indexing="ij"))
    lon, lat = camera.locate(row, col, height)
    lon = near(lon, camera.lon)
    if distortion is not None:
        row, col = distortion(row, col)

    def normal(values: Floats) -> tuple[float, float, Floats]:
        # Rounded to what an RPB file holds, so that the file is as good as the fit.
        low, high = float(values.min()), float(values.max())
        offset, scale = round((low + high) / 2, 12), round(max((high - low) / 2, 1e-6), 12)
        return offset, scale, (values - offset) / scale

    (lon_offset, lon_scale, x), (lat_offset, lat_scale, y), (h_offset, h_scale, z) = map(normal, (lon, lat, height))
    terms = polynomial_terms(x, y, z)
    (line_offset, line_scale, line), (sample_offset, sample_scale, sample) = map(normal, (row, col))
    line_top, line_bottom = _fit_ratio(terms, line)
    sample_top, sample_bottom = _fit_ratio(terms, sample)
    return Rpc(
        line_offset, sample_offset, lat_offset, lon_offset, h_offset,
        line_scale, sample_scale, lat_scale, lon_scale, h_scale,
        line_top, line_bottom, sample_top, sample_bottom,
    )  # fmt: skip


def _fit_ratio(terms: Floats, target: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    weight = np.ones_like(target)
    ridge = 1e-7 * np.eye(39)
    for _ in range(4):
        # numerator - target x denominator = 0, divided by the denominator of the round before.
        design = np.concatenate([terms, -target * terms[1:]]).T * weight[:, None]
        solution = np.linalg.lstsq(
            np.concatenate([design, ridge]), np.concatenate([target * weight, np.zeros(39)]), rcond=None
        )[0]
        bottom = np.concatenate([[1.0], solution[20:]])
        weight = 1 / (bottom @ terms)
    return tuple(solution[:20].tolist()), tuple(bottom.tolist())
