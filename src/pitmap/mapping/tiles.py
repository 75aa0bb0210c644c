"""The tiles of a scene: pure index arithmetic.

A network with total stride S maps a scene tile by tile exactly as it maps the whole scene at once where

- every tile starts at a multiple of S, so that pooling joins the same pixels as in the whole scene;
- what is kept of a tile lies a halo away from its inner edges, and starts and ends at multiples of S;
- a tile ends where the scene ends, without a halo and without invented pixels;
- height and width are brought to multiples of S once, for the scene, at its bottom and right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from pitmap.errors import ModelError
from pitmap.grid import Window


class Tile(NamedTuple):
    """One pass of the network.

    Attributes:
        read: What the network sees. Starts and ends at multiples of the stride, so at the bottom and right it may reach
            beyond the scene by less than one stride.
        keep: What is kept of the result, within ``read`` and within the scene.
    """

    read: Window
    keep: Window

    @property
    def kept(self) -> tuple[slice, slice]:
        """Row and column slices of the kept pixels in an array of the shape of ``read``."""
        return self.keep.relative_to(self.read).slices


@dataclass(frozen=True)
class TilePlan:
    """How a scene is cut into tiles. All tiles have one shape; their kept parts hold every pixel once.

    Attributes:
        shape: Rows and columns of the scene.
        stride: Total stride of the network.
        halo: Pixels thrown away at inner edges, rounded up to a multiple of the stride.
        tile: Longest side of a tile. Tiles are made equal, so they may be smaller.

    Raises:
        ModelError: The tile is too small to hold anything but halo.
    """

    shape: tuple[int, int]
    stride: int
    halo: int
    tile: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "halo", round_up(self.halo, self.stride))
        least = 2 * self.halo + self.stride
        if self.tile < least and max(self.shape) > self.tile // self.stride * self.stride:
            raise ModelError(
                f"Tiles of {self.tile} pixels are too small for a halo of {self.halo} pixels on each side.",
                f"At least {least} pixels for this network.",
                f"Give a tile of {least} or more; 1024 is a good size.",
            )

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the scene brought to multiples of the stride."""
        return round_up(self.shape[0], self.stride), round_up(self.shape[1], self.stride)

    def tiles(self) -> list[Tile]:
        """All tiles, row by row."""
        rows, cols = (self._pieces(length) for length in self.shape)
        return [
            Tile(
                Window(r.start, c.start, r.length, c.length), Window(r.first, c.first, r.end - r.first, c.end - c.first)
            )
            for r in rows
            for c in cols
        ]

    def _pieces(self, length: int) -> list[_Piece]:
        """The tiles along one axis of ``length`` pixels."""
        padded = round_up(length, self.stride)
        if padded <= self.tile:
            return [_Piece(0, padded, 0, length)]
        between = padded - 2 * self.halo  # what the inner parts of the tiles have to cover
        most = self.tile // self.stride * self.stride - 2 * self.halo
        inner = round_up(-(-between // -(-between // most)), self.stride)
        count = -(-between // inner)
        side = inner + 2 * self.halo
        # The last tile shifts inwards to keep the common shape: its margin only grows.
        starts = [min(i * inner, padded - side) for i in range(count)]
        ends = [i * inner + inner + self.halo for i in range(count - 1)] + [length]
        return [
            _Piece(start, side, first, end) for start, first, end in zip(starts, [0, *ends[:-1]], ends, strict=True)
        ]


class _Piece(NamedTuple):
    start: int
    length: int
    first: int
    end: int


def batches_of(tiles: Sequence[Tile], size: int) -> list[list[Tile]]:
    """Tiles in their order, at most ``size`` together, all of a batch with the same kept rows and columns."""
    runs = (list(run) for _, run in groupby(tiles, key=lambda tile: tile.kept))
    return [run[i : i + size] for run in runs for i in range(0, len(run), size)]


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of ``multiple`` that is not below ``value``."""
    return -(-value // multiple) * multiple
