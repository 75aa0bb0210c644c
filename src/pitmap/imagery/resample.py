"""Values of an image between its pixels: bilinear and cubic, several bands at once.

Positions are ``row, col`` with (0, 0) at the centre of the upper left pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from pitmap.imagery.options import Kernel

Float32s = NDArray[np.float32]

MARGIN = 2
"""Pixels that a kernel reaches beyond the position, in each direction."""


def resample(
    image: Float32s, valid: NDArray[np.bool_], rows: Float32s, cols: Float32s, kernel: Kernel = "bilinear"
) -> tuple[Float32s, NDArray[np.bool_]]:
    """Image values at positions between pixels.

    Invalid pixels have no part in a value: the weights of the others are scaled up to one. A position is valid where it
    lies inside the image and valid pixels hold more than half of its (bilinear) weight.

    Args:
        image: ``(band, row, col)``, finite where valid.
        valid: ``(row, col)``.
        rows: Positions, ``(height, width)``; not finite where there is none.
        cols: Likewise.
        kernel: ``bilinear``, or ``cubic``: Keys (1981) with a = -0.5, exact for polynomials of degree two, which GDAL's
            cubic is too.

    Returns:
        Values ``(band, height, width)`` and where they are valid.
    """
    height, width = valid.shape
    # Half a pixel of the border pixels lies outside the outermost pixel centres.
    inside = (rows >= -0.5) & (rows <= height - 0.5) & (cols >= -0.5) & (cols <= width - 0.5)
    if not inside.any():
        return np.zeros((len(image), *rows.shape), np.float32), inside
    position = torch.from_numpy(np.where(inside, rows, 0)), torch.from_numpy(np.where(inside, cols, 0))
    sample = _KERNELS[kernel]
    if valid.all():
        return sample(torch.from_numpy(image), *position).numpy(), inside
    share = sample_bilinear(torch.from_numpy(valid.astype(np.float32))[None], *position)[0].numpy()
    masked = torch.from_numpy(np.concatenate([np.where(valid, image, np.float32(0)), valid[None].astype(np.float32)]))
    values = sample(masked, *position).numpy()
    kept = inside & (share > 0.5)
    values[:-1] /= np.where(kept, values[-1], 1)
    return values[:-1], kept


def sample_bilinear(image: torch.Tensor, rows: torch.Tensor, cols: torch.Tensor) -> torch.Tensor:
    """Bilinear values, ``(band, height, width)``; positions beyond the border take the border's value."""
    height, width = image.shape[1:]
    # grid_sample wants x, y from -1 at the centre of the first pixel to 1 at that of the last.
    x = cols * (2 / max(width - 1, 1)) - 1
    y = rows * (2 / max(height - 1, 1)) - 1
    grid = torch.stack([x, y], dim=-1)[None]
    return torch.nn.functional.grid_sample(
        image[None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )[0]


def sample_cubic(image: torch.Tensor, rows: torch.Tensor, cols: torch.Tensor) -> torch.Tensor:
    """Cubic convolution with a = -0.5; beyond the border the border's values are repeated."""
    bands, height, width = image.shape
    shape = rows.shape
    rows, cols = rows.clamp(0, height - 1).reshape(-1), cols.clamp(0, width - 1).reshape(-1)
    row, col = rows.floor(), cols.floor()
    weights = _cubic_weights(rows - row)[:, :, None] * _cubic_weights(cols - col)[:, None, :]
    steps = torch.arange(-1, 3, dtype=torch.int32)
    tap_rows = (row.int()[:, None] + steps).clamp_(0, height - 1)
    tap_cols = (col.int()[:, None] + steps).clamp_(0, width - 1)
    taps = tap_rows[:, :, None] * width + tap_cols[:, None, :]
    # A bag of embeddings is a weighted sum of rows of a table: here of the 16 pixels around each position.
    table = image.reshape(bands, -1).T.contiguous()
    values = torch.nn.functional.embedding_bag(
        taps.reshape(-1, 16), table, mode="sum", per_sample_weights=weights.reshape(-1, 16)
    )
    return values.T.reshape(bands, *shape).contiguous()


def _cubic_weights(f: torch.Tensor) -> torch.Tensor:
    """Keys's weights of the four pixels around a fraction ``f`` past the second, shape ``(n, 4)``."""
    f2, f3 = f * f, f * f * f
    return torch.stack(
        [-0.5 * f3 + f2 - 0.5 * f, 1.5 * f3 - 2.5 * f2 + 1, -1.5 * f3 + 2 * f2 + 0.5 * f, 0.5 * f3 - 0.5 * f2], dim=-1
    )


_KERNELS: dict[Kernel, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "bilinear": sample_bilinear,
    "cubic": sample_cubic,
}
