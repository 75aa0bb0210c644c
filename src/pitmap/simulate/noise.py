"""Random fields on grids: smooth refinement and fractal noise.

A grid is refined by doubling: every sample splits into two at the quarter points between its neighbours (corner
cutting, whose limit is a quadratic B-spline). The cost is that of the finest grid, whatever the number of octaves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def coarse_length(length: int, times: int) -> int:
    """Samples that a grid must have to be refined ``times`` times to at least ``length`` samples."""
    for _ in range(times):
        length = -(-length // 2) + 1
    return length


def coarse_shape(shape: tuple[int, int], times: int) -> tuple[int, int]:
    """``coarse_length`` of rows and columns."""
    return coarse_length(shape[0], times), coarse_length(shape[1], times)


def node_positions(count: int, times: int) -> NDArray[np.float64]:
    """Where the samples of a coarse grid lie after refinement, in fine samples (the first fine sample is 0)."""
    return np.asarray(np.arange(count, dtype=np.float64) * 2**times - (2**times - 1) / 2)


def doubled(coarse: Field) -> Field:
    """A grid refined once, ``(2 rows - 2, 2 cols - 2)``."""
    for axis in (0, 1):
        upper, lower = np.delete(coarse, -1, axis), np.delete(coarse, 0, axis)
        both = np.stack([0.75 * upper + 0.25 * lower, 0.25 * upper + 0.75 * lower], axis + 1)
        shape = list(coarse.shape)
        shape[axis] = 2 * shape[axis] - 2
        coarse = both.reshape(shape)
    return coarse


def refined(coarse: Field, times: int, shape: tuple[int, int]) -> Field:
    """A grid of ``coarse_shape(shape, times)`` refined to ``shape``."""
    for step in range(times - 1, -1, -1):
        rows, cols = coarse_shape(shape, step)
        coarse = doubled(coarse)[:rows, :cols]
    return np.ascontiguousarray(coarse, np.float32)


def fractal(
    shape: tuple[int, int], rng: np.random.Generator, coarsest: float, finest: float = 1.0, roughness: float = 0.5
) -> Field:
    """Noise with octaves from ``coarsest`` down to ``finest`` samples, mean 0 and standard deviation 1.

    Args:
        shape: Rows and columns.
        rng: Source of randomness.
        coarsest: Wavelength of the strongest octave, in samples.
        finest: Wavelength of the weakest octave.
        roughness: Amplitude of an octave over that of the next coarser one, 0..1.
    """
    times = max(0, round(np.log2(coarsest)))
    last = max(0, round(np.log2(finest)))
    field = rng.standard_normal(coarse_shape(shape, times), np.float32)
    amplitude = 1.0
    for step in range(times - 1, -1, -1):
        rows, cols = coarse_shape(shape, step)
        field = doubled(field)[:rows, :cols]
        amplitude *= roughness
        if step >= last:
            field += np.float32(amplitude) * rng.standard_normal(field.shape, np.float32)
    field -= field.mean()
    return np.ascontiguousarray(field / max(float(field.std()), 1e-6), np.float32)


def ranks(field: Field) -> Field:
    """The field with every value replaced by the share of values below it, 0..1."""
    order = np.argsort(field, axis=None, kind="stable")
    result = np.empty(field.size, np.float32)
    result[order] = np.linspace(0, 1, field.size, dtype=np.float32)
    return result.reshape(field.shape)


def smoothstep(low: float, high: float, value: Field) -> Field:
    """0 below ``low``, 1 above ``high``, a cubic between them."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
