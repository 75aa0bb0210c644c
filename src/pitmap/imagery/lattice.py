"""Smooth functions of the pixels of a window: known at the nodes of a lattice, interpolated between."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]


class Axis:
    """Nodes along one side of a window, and the linear interpolation between them."""

    def __init__(self, length: int, spacing: int) -> None:
        count = max(2, math.ceil((length - 1) / spacing) + 1)
        self.nodes = np.linspace(0, max(length - 1, 1), count)
        self.halves = (self.nodes[1:] + self.nodes[:-1]) / 2
        self.weights = self.weights_at(np.arange(length)).astype(np.float32)

    def weights_at(self, places: Floats | NDArray[np.int_]) -> Floats:
        """Matrix ``(place, node)``."""
        return np.stack([np.interp(places, self.nodes, unit) for unit in np.eye(len(self.nodes))], axis=1)


def spread(nodes: Floats, down: Axis, across: Axis) -> Float32s:
    """Node values at every pixel."""
    spread: Float32s = down.weights @ nodes.astype(np.float32) @ across.weights.T
    return spread


def parabola(levels: Floats, t: Float32s, down: Axis, across: Axis) -> Float32s:
    """The parabola through node values at t = -1, 0, 1 (axis 0), at every pixel's own t."""
    return evaluate(parabola_terms(levels, down, across), t)


def parabola_terms(levels: Floats, down: Axis, across: Axis) -> tuple[Float32s, Float32s, Float32s]:
    """The three terms, at every pixel, of the parabola through node values at t = -1, 0, 1 (axis 0)."""
    low, middle, high = levels
    terms = middle, (high - low) / 2, (low + high - 2 * middle) / 2
    constant, linear, quadratic = (spread(term, down, across) for term in terms)
    return constant, linear, quadratic


def evaluate(terms: tuple[Float32s, Float32s, Float32s], t: Float32s) -> Float32s:
    """The value of ``parabola_terms`` at every pixel's own t."""
    result = terms[2] * t
    result += terms[1]
    result *= t
    result += terms[0]
    return result
