"""Pansharpening: the panchromatic image laid onto the multispectral one, and both fused.

The RPC of the two images of a scene disagree by a tilt of several panchromatic pixels. It is measured on the ground by
phase correlation of small chips, fitted by an affine in the panchromatic image, and taken out before the fusion, which
is GDAL's weighted Brovey transform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.optimize import nnls

from pitmap.errors import ProductError
from pitmap.files import write_text
from pitmap.grid import Grid, Window, blocks
from pitmap.imagery.ortho import BLOCK, Block, OrthoMap, Source, orthorectify
from pitmap.imagery.rpc import ImageAffine, Rpc
from pitmap.raster import RasterReader, open_raster

Floats = NDArray[np.float64]

CHIPS = (128, 64)
"""Sides of chips in their own pixels, which are half as large as those of the multispectral image: the second where a
grid has no room for four of the first."""
CHIPS_A_SIDE = 12
ROUNDS = 2
"""The second measures what the first left, where chips overlap better."""
LOW_PASS = 0.12
"""Cycles per chip pixel: the multispectral image has little beyond 0.25."""
LEAST_AGREEMENT = 0.4
"""Height of the correlation peak, 1 for equal images, below which a chip says nothing; chance reaches 0.26."""
TARGET_RMSE = 0.5
"""Panchromatic pixels."""


@dataclass(frozen=True)
class Registration:
    """How the panchromatic image was laid onto the multispectral one.

    Attributes:
        correction: Affine of panchromatic image positions.
        misfit: Root mean square distance of the two before the correction, panchromatic pixels.
        rmse: What the affine leaves, at the chips it was fitted to.
        chips: How many these are.
        kind: ``affine``, or ``shift`` where too few chips have texture.
    """

    correction: ImageAffine
    misfit: float
    rmse: float
    chips: int
    kind: str


def register(pan: Source, mss: Source, pan_map: OrthoMap, mss_map: OrthoMap) -> Registration:
    """Measure the misfit of a panchromatic image.

    Args:
        pan: Its pixels.
        mss: Those of the multispectral image.
        pan_map: Its map onto a grid, with an ``Rpc`` as camera model.
        mss_map: That of the multispectral image onto the same grid.

    Raises:
        ProductError: The images have no texture in common.
    """
    model = pan_map.model
    assert isinstance(model, Rpc)
    spacing = 0.5 * _multispectral_step(mss_map)
    correction: ImageAffine = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    first: float | None = None
    for _ in range(ROUNDS):
        corrected = OrthoMap(pan_map.grid, pan_map.image, model.adjusted(correction), pan_map.heights, pan_map.area)
        modelled, measured = _tie_points(pan, mss, corrected, mss_map, spacing)
        if len(modelled) < 4:
            raise ProductError(
                f"The panchromatic and the multispectral image agree at {len(modelled)} places only.",
                "Texture that both show.", "Prepare the multispectral image alone; clouds may hide the ground.",
            )  # fmt: skip
        kind = "affine" if len(modelled) >= 12 else "shift"
        # What is wanted takes positions of the delivered model to the measured ones.
        plain = _undone(modelled, correction)
        fitted, kept = _robust_fit(plain, measured, kind)
        first = first or float(np.sqrt(((measured - plain)[kept] ** 2).sum(1).mean()))
        correction = _as_rows(fitted)
        residuals = (measured - (plain @ fitted[:, :2].T + fitted[:, 2]))[kept]
    return Registration(correction, first or 0.0, float(np.sqrt((residuals**2).sum(1).mean())), int(kept.sum()), kind)


def _multispectral_step(mss_map: OrthoMap) -> float:
    """Pixels of the grid that one multispectral pixel spans at the centre of the grid."""
    row, col = mss_map.grid.height / 2, mss_map.grid.width / 2
    r, c = mss_map.exact(np.array([row, row + 1, row]), np.array([col, col, col + 1]))
    area = abs((r[1] - r[0]) * (c[2] - c[0]) - (r[2] - r[0]) * (c[1] - c[0]))
    return float(1 / np.sqrt(area)) if np.isfinite(area) and area > 0 else 4.0


def _tie_points(
    pan: Source, mss: Source, pan_map: OrthoMap, mss_map: OrthoMap, spacing: float
) -> tuple[Floats, Floats]:
    """Panchromatic positions by the model, and where the multispectral image says they are; ``(n, 2)`` each."""
    modelled, measured = [], []
    grid = mss_map.grid
    pixels = CHIPS[0] if min(grid.shape) >= 4 * CHIPS[0] * spacing else CHIPS[1]
    side = pixels * spacing
    for row in _places(grid.height, side):
        for col in _places(grid.width, side):
            chip = grid.rescaled(row, col, spacing, pixels, pixels)
            images = []
            for source, whole in ((pan, pan_map), (mss, mss_map)):
                small = OrthoMap(chip, whole.image, whole.model, whole.heights, whole.area)
                block = next(orthorectify(source, small, block=pixels))
                if not block.valid.all():
                    break
                images.append(block.values.mean(axis=0))
            if len(images) < 2 or (found := phase_shift(images[0], images[1])) is None:
                continue
            # What PAN shows at a place, MSS shows ``found`` further on: there the model must give this PAN position.
            centre = np.array([row, col]) + side / 2 - 0.5
            there = centre + np.array(found) * spacing
            at, wanted = pan_map.exact(*there), pan_map.exact(*centre)
            modelled.append([float(v) for v in at])
            measured.append([float(v) for v in wanted])
    return np.array(modelled).reshape(-1, 2), np.array(measured).reshape(-1, 2)


def _places(length: int, side: float) -> list[float]:
    """Upper or left edges of chips along one side of a grid; they overlap by half where there are few."""
    if length < side:
        return []
    count = int(np.clip((length - side) // (side / 2) + 1, 1, CHIPS_A_SIDE))
    return np.linspace(0, length - side, count).tolist()


def phase_shift(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[float, float] | None:
    """Rows and columns by which the content of a chip lies further on in a second one of the same size.

    Phase correlation (Kuglin and Hines, 1975) with a Gaussian low pass, which makes the peak a Gaussian, whose top a
    parabola through the logarithms finds.

    Returns:
        ``row, col``, or None where the two have too little in common.
    """
    height, width = first.shape
    if any(chip.std() <= 1e-4 * abs(chip.mean()) for chip in (first, second)):
        return None
    taper = np.hanning(height)[:, None] * np.hanning(width)
    spectra = [scipy.fft.rfft2((chip - chip.mean()) * taper) for chip in (first, second)]
    cross = spectra[1] * np.conj(spectra[0])
    magnitude = np.abs(cross)
    frequency = np.hypot(scipy.fft.fftfreq(height)[:, None], scipy.fft.rfftfreq(width))
    low_pass = np.exp(-0.5 * (frequency / LOW_PASS) ** 2)
    low_pass[0, 0] = 0
    surface = scipy.fft.irfft2(low_pass * cross / np.maximum(magnitude, 1e-6 * magnitude.max()), s=(height, width))
    ideal = scipy.fft.irfft2(low_pass, s=(height, width))[0, 0]
    row, col = np.unravel_index(int(surface.argmax()), surface.shape)
    if surface[row, col] < LEAST_AGREEMENT * ideal:
        return None
    shifts = []
    for index, length, line in ((row, height, surface[:, col]), (col, width, surface[row])):
        before, top, after = np.log(np.maximum(line[[index - 1, index, (index + 1) % length]], 1e-12 * ideal))
        bend = before - 2 * top + after
        part = 0.5 * (before - after) / bend if bend < 0 else 0.0
        shifts.append((int(index) + length // 2) % length - length // 2 + float(np.clip(part, -1, 1)))
    return shifts[0], shifts[1]


def _undone(positions: Floats, correction: ImageAffine) -> Floats:
    (a, b, c), (d, e, f) = correction
    return np.linalg.solve(np.array([[a, b], [d, e]]), (positions - [c, f]).T).T


def _robust_fit(positions: Floats, targets: Floats, kind: str) -> tuple[Floats, NDArray[np.bool_]]:
    """Affine ``(2, 3)`` on (row, col, 1), and the points within three robust standard deviations of it."""
    kept = np.ones(len(positions), np.bool_)
    centre, scale = positions.mean(0), max(float(np.ptp(positions)), 1.0)
    design = np.concatenate([(positions - centre) / scale, np.ones((len(positions), 1))], axis=1)
    change = targets - positions
    solution = np.zeros((3, 2))
    solution[2] = np.median(change, axis=0)
    for _ in range(10):
        distance = np.hypot(*(change - design @ solution).T)
        kept = distance <= max(3 * 1.4826 * float(np.median(distance)), 0.3)
        if kind == "affine":
            solution = np.linalg.lstsq(design[kept], change[kept], rcond=None)[0]
        else:
            solution[2] = change[kept].mean(0)
    linear = np.eye(2) + solution[:2].T / scale
    return np.concatenate([linear, (solution[2] - (solution[:2].T / scale) @ centre)[:, None]], axis=1), kept


def _as_rows(affine: Floats) -> ImageAffine:
    (a, b, c), (d, e, f) = affine.tolist()
    return (a, b, c), (d, e, f)


def spectral_weights(mss: RasterReader, pan: RasterReader, factor: int) -> tuple[float, ...]:
    """Weights of the bands whose sum is nearest to the panchromatic image, from averages over multispectral pixels.

    The two are in the units they have: the weights bring one into the other.

    Args:
        mss: On a grid.
        pan: On the grid that is ``factor`` times finer and has the same upper left corner.
        factor: Panchromatic pixels in a multispectral one.

    Raises:
        ProductError: The images have no ground in common.
    """
    rows, targets = [], []
    side = 64
    windows = [w for w in blocks(mss.grid.shape, side) if (w.height, w.width) == (side, side)]
    windows = windows or [Window(0, 0, min(side, mss.grid.height), min(side, mss.grid.width))]
    for window in windows[:: max(1, len(windows) // 100)]:
        height = min(window.height, (pan.grid.height - window.row * factor) // factor)
        width = min(window.width, (pan.grid.width - window.col * factor) // factor)
        if height < 1 or width < 1:
            continue
        bands, known = mss.read(Window(window.row, window.col, height, width))
        fine = Window(window.row * factor, window.col * factor, height * factor, width * factor)
        values, seen = pan.read(fine)
        means = values[0].reshape(height, factor, width, factor).mean(axis=(1, 3), dtype=np.float64)
        known = known & seen.reshape(height, factor, width, factor).all(axis=(1, 3))
        rows.append(bands[:, known].T.astype(np.float64))
        targets.append(means[known])
    design, target = np.concatenate(rows), np.concatenate(targets)
    if len(target) < len(design.T):
        raise ProductError("The panchromatic and the multispectral image show no ground in common.")
    # The normal equations keep a scene of any size small.
    weights, _ = nnls(design.T @ design, design.T @ target)
    return tuple(weights.tolist())


def fused(mss: Path, pan: Path, weights: tuple[float, ...], grid: Grid, work: Path) -> Iterator[Block]:
    """Blocks of the fusion of two rasters with the same upper left corner, by GDAL's weighted Brovey transform.

    Each band is multiplied by the panchromatic value over the weighted sum of the bands there.

    Args:
        mss: Bands, uint16, 0 where there is no data.
        pan: One band, uint16, 0 where there is no data.
        weights: One a band.
        grid: That of the panchromatic raster.
        work: Folder for a temporary file.

    Yields:
        Float32 values in the units of ``mss``.
    """
    bands = "".join(
        f'<SpectralBand dstBand="{i}"><SourceFilename>{escape(str(mss.resolve()))}</SourceFilename>'
        f"<SourceBand>{i}</SourceBand></SpectralBand>"
        for i in range(1, len(weights) + 1)
    )
    text = (
        '<VRTDataset subClass="VRTPansharpenedDataset"><PansharpeningOptions><Algorithm>WeightedBrovey</Algorithm>'
        f"<AlgorithmOptions><Weights>{','.join(f'{w:.9g}' for w in weights)}</Weights></AlgorithmOptions>"
        "<Resampling>Cubic</Resampling><NumThreads>ALL_CPUS</NumThreads><BitDepth>16</BitDepth><NoData>0</NoData>"
        f"<PanchroBand><SourceFilename>{escape(str(pan.resolve()))}</SourceFilename><SourceBand>1</SourceBand>"
        f"</PanchroBand>{bands}</PansharpeningOptions></VRTDataset>\n"
    )
    vrt = work / "pansharpened.vrt"
    write_text(vrt, text)
    with open_raster(vrt, nodata=0) as reader:
        for window in blocks(grid.shape, BLOCK):
            values, valid = reader.read(window)
            yield Block(window, values.astype(np.float32), valid, None)
