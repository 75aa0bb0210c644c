"""Pansharpening: the panchromatic image laid onto the multispectral one, and both fused.

The RPC of the two images of a scene disagree by several panchromatic pixels: a tilt, and in real products a bend along
the track that leaves 0.8 to 2.7 pixels to an affine. The misfit is measured on the ground by
phase correlation of small chips, fitted by a polynomial of panchromatic image positions, and taken out before the
fusion, which is GDAL's weighted Brovey transform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from pitmap.errors import ProductError
from pitmap.files import write_text
from pitmap.grid import Grid, Window, blocks
from pitmap.imagery.ortho import BLOCK, Block, CameraModel, OrthoMap, Source, orthorectify
from pitmap.raster.reading import RasterReader, open_raster

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
LEAST_PLACES = 4
TARGET_RMSE = 0.5
"""Panchromatic pixels."""


@dataclass(frozen=True)
class ImageCorrection:
    """A polynomial of image positions.

    Attributes:
        degree: Total degree; 0 is a shift.
        centre: Row and column at which the polynomial is 0.
        scale: Pixels that count as 1.
        coefficients: Change of row and of column for each power, ``(n, 2)``.
    """

    degree: int
    centre: tuple[float, float]
    scale: float
    coefficients: Floats

    def __call__(self, row: Floats, col: Floats) -> tuple[Floats, Floats]:
        """Corrected row and column of any shape."""
        row, col = np.asarray(row, np.float64), np.asarray(col, np.float64)
        powers = _powers(
            (row.ravel() - self.centre[0]) / self.scale, (col.ravel() - self.centre[1]) / self.scale, self.degree
        )
        change = powers @ self.coefficients
        return row + change[:, 0].reshape(row.shape), col + change[:, 1].reshape(col.shape)


def _powers(row: Floats, col: Floats, degree: int) -> Floats:
    """Products of powers up to a total degree, ``(place, power)``."""
    pairs = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack([row**i * col**j for i, j in pairs], axis=1)


@dataclass(frozen=True)
class CorrectedModel:
    """A camera model followed by a correction in image space."""

    model: CameraModel
    correction: ImageCorrection

    def project(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> tuple[Floats, Floats]:
        """Row and column of ground positions."""
        return self.correction(*self.model.project(lon, lat, height))


@dataclass(frozen=True)
class Registration:
    """How the panchromatic image was laid onto the multispectral one.

    Attributes:
        model: The corrected camera model of the panchromatic image.
        misfit: Root mean square distance of the two before the correction, panchromatic pixels.
        rmse: What the correction leaves, at the chips it was fitted to.
        chips: How many these are.
        degree: Of the polynomial: 0 a shift, 1 an affine; real products need up to 4.
    """

    model: CorrectedModel
    misfit: float
    rmse: float
    chips: int
    degree: int


def register(pan: Source, mss: Source, pan_map: OrthoMap, mss_map: OrthoMap) -> Registration:
    """Measure the misfit of a panchromatic image.

    Args:
        pan: Its pixels.
        mss: Those of the multispectral image.
        pan_map: Its map onto a grid.
        mss_map: That of the multispectral image onto the same grid.

    Raises:
        ProductError: The images have no texture in common.
    """
    spacing = 0.5 * _multispectral_step(mss_map)
    used = pan_map
    for _ in range(ROUNDS):
        ground = _tie_points(pan, mss, used, mss_map, spacing)
        if len(ground) < LEAST_PLACES:
            raise ProductError(
                f"The panchromatic and the multispectral image agree at {len(ground)} places only.",
                "Texture that both show.", "Prepare the multispectral image alone; clouds may hide the ground.",
            )  # fmt: skip
        # What the model as delivered says of the place where MSS shows a thing, and where PAN shows that thing.
        modelled = np.stack(pan_map.exact(ground[:, 0], ground[:, 1]), axis=1)
        measured = np.stack(used.exact(ground[:, 2], ground[:, 3]), axis=1)
        correction, kept = fit_correction(modelled, measured)
        model = CorrectedModel(pan_map.model, correction)
        used = OrthoMap(pan_map.grid, pan_map.image, model, pan_map.heights, pan_map.area)
    left = np.stack(correction(*modelled.T), axis=1) - measured
    return Registration(model, _rms((modelled - measured)[kept]), _rms(left[kept]), int(kept.sum()), correction.degree)


def _rms(distances: Floats) -> float:
    return float(np.sqrt((distances**2).sum(axis=1).mean()))


def _multispectral_step(mss_map: OrthoMap) -> float:
    """Pixels of the grid that one multispectral pixel spans at the centre of the grid."""
    row, col = mss_map.grid.height / 2, mss_map.grid.width / 2
    r, c = mss_map.exact(np.array([row, row + 1, row]), np.array([col, col, col + 1]))
    area = abs((r[1] - r[0]) * (c[2] - c[0]) - (r[2] - r[0]) * (c[1] - c[0]))
    return float(1 / np.sqrt(area)) if np.isfinite(area) and area > 0 else 4.0


def _tie_points(pan: Source, mss: Source, pan_map: OrthoMap, mss_map: OrthoMap, spacing: float) -> Floats:
    """Places of the grid at which both images show the same thing.

    Returns:
        Row and column where the multispectral image has it, then where the panchromatic one has it, ``(n, 4)``.
    """
    grid = mss_map.grid
    pixels = CHIPS[0] if min(grid.shape) >= 4 * CHIPS[0] * spacing else CHIPS[1]
    side = pixels * spacing
    ties = []
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
            centre = np.array([row, col]) + side / 2 - 0.5
            ties.append([*(centre + np.array(found) * spacing), *centre])
    return np.array(ties).reshape(-1, 4)


def _places(length: int, side: float) -> list[float]:
    """Upper or left edges of chips along one side of a grid; they overlap by half where there are few."""
    if length < side:
        return []
    count = int(np.clip((length - side) // (side / 2) + 1, 1, CHIPS_A_SIDE))
    return [float(v) for v in np.linspace(0, length - side, count)]


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


def fit_correction(
    positions: Floats, targets: Floats, degrees: tuple[int, ...] = (1, 2, 3, 4)
) -> tuple[ImageCorrection, NDArray[np.bool_]]:
    """The polynomial that takes image positions to others, robust against wrong ones.

    The degree is the lowest whose error at places left out of the fit is within a tenth of the best; it needs four
    places for every power. With fewer than twelve places only a shift is fitted.

    Args:
        positions: ``row, col``, ``(n, 2)``.
        targets: Likewise.
        degrees: Which to try.

    Returns:
        The correction, and the places that agree with it.
    """
    centre = positions.mean(axis=0)
    scale = max(float(np.abs(positions - centre).max()), 1.0)
    change = targets - positions

    def powers(degree: int) -> Floats:
        row, col = ((positions - centre) / scale).T
        return _powers(row, col, degree)

    possible = [d for d in degrees if (d + 1) * (d + 2) // 2 * 4 <= len(positions)] or [0]
    errors = [_left_out_error(powers(d), change) for d in possible]
    degree = next(d for d, e in zip(possible, errors, strict=True) if e <= 1.1 * min(errors))
    coefficients, kept = _robust(powers(degree), change)
    return ImageCorrection(degree, (float(centre[0]), float(centre[1])), scale, coefficients), kept


def _left_out_error(design: Floats, change: Floats, folds: int = 5) -> float:
    """Median distance at places that had no part in the fit."""
    distances = np.empty(len(change))
    fold = np.arange(len(change)) % folds
    for left_out in (fold == k for k in range(folds)):
        coefficients, _ = _robust(design[~left_out], change[~left_out])
        distances[left_out] = np.hypot(*(change[left_out] - design[left_out] @ coefficients).T)
    return float(np.median(distances))


def _robust(design: Floats, change: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Least squares without the places beyond three robust standard deviations."""
    kept: NDArray[np.bool_] = np.ones(len(change), np.bool_)
    coefficients: Floats = np.zeros((design.shape[1], 2))
    for _ in range(10):
        coefficients = np.asarray(np.linalg.lstsq(design[kept], change[kept], rcond=None)[0], np.float64)
        distance = np.hypot(*(change - design @ coefficients).T)
        kept = distance <= max(3 * 1.4826 * float(np.median(distance)), 0.3)
    return coefficients, kept


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
