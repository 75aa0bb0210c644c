"""Intervals for census figures and for the difference of two maps, by resampling blocks of ground.

Errors of a map cluster: neighbouring pixels are wrong together, so a formula for independent pixels gives intervals
that are many times too narrow. Blocks that are large beside the correlation length of the errors are nearly
independent, and drawing them with replacement shows how far a figure would move on other ground of the same kind
(Lahiri 2003, Resampling Methods for Dependent Data, ch. 12). The block size comes from the correlogram of the errors.
What is left of the correlation across the edges of blocks makes the variance of blocks of side b too small by a part
that goes with 1 / b; comparing it with that of half blocks takes the part out: ``V = 2 V(b) - V(b / 2)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, stats

from pitmap.accuracy.census.confusion import CLASS_FIGURES, GLOBAL_FIGURES, figure_table
from pitmap.accuracy.sampling.intervals import jeffreys
from pitmap.legend import Legend

DRAWS = 2000

FEW_BLOCKS = 20

FEW_CLASS_BLOCKS = 5
"""A class that occurs in fewer blocks gets no interval: drawing the same few blocks again shows nothing new."""

CORRELATED = 0.1
"""Errors count as correlated up to the lag where their correlation falls below this."""

CORRELATION_LENGTHS = 4
"""Side of a block in correlation lengths of the errors."""

CELLS = 64
"""Most cells along a side of the ground."""

LONGEST_LAG = 256
CORRELOGRAM_SIDE = 1024
CORRELOGRAM_WINDOWS = 16
"""The correlogram looks at lags up to 256 pixels, in the upper left 1024 x 1024 pixels of at most 16 windows."""

METHOD = (
    "Blocks of ground drawn with replacement; variance corrected by that of half blocks; interval: figure plus or "
    "minus Student's t (blocks - 1 degrees of freedom) times the standard error over the draws, cut at the possible "
    "values."
)


@dataclass(frozen=True)
class Interval:
    """A figure and its interval; None where undefined.

    Attributes:
        value: The figure over all blocks.
        standard_error: Over the draws.
        lower: Lower end.
        upper: Upper end.
    """

    value: float | None
    standard_error: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class FigureIntervals:
    """Intervals of the figures of a confusion matrix.

    Attributes:
        figures: By name, those of ``GLOBAL_FIGURES``.
        classes: By class key: ``producers_accuracy``, ``users_accuracy``, ``iou``, ``f1``.
        blocks: Number of blocks.
        draws: Number of draws.
        level: Of the interval.
        warnings: What a reader must know.
    """

    figures: dict[str, Interval]
    classes: dict[str, dict[str, Interval]]
    blocks: int
    draws: int
    level: float
    warnings: tuple[str, ...]

    def bounds(self) -> dict[str, Any]:
        """Lower and upper ends only: figure to ``[lower, upper]``, or to a dictionary of these by class key."""

        def ends(interval: Interval) -> list[float] | None:
            return None if interval.lower is None or interval.upper is None else [interval.lower, interval.upper]

        made: dict[str, Any] = {name: ends(i) for name, i in self.figures.items() if ends(i)}
        for name in CLASS_FIGURES:
            made[name] = {key: ends(row[name]) for key, row in self.classes.items() if ends(row[name])}
        return made

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists."""
        return {"method": METHOD, **asdict(self)}


@dataclass(frozen=True)
class Difference:
    """The difference of two maps in one figure, first minus second.

    Attributes:
        name: The figure, such as ``mean_iou`` or ``iou OPM``.
        interval: The difference and its interval.
        p_value: Two-sided test that there is none.
        adjusted_p_value: After Holm's correction over all figures compared.
        differs: Whether the adjusted value is below 1 - level; otherwise the comparison shows no difference.
    """

    name: str
    interval: Interval
    p_value: float | None
    adjusted_p_value: float | None
    differs: bool


@dataclass(frozen=True)
class GroundBlocks:
    """Confusion matrices of blocks of ground, each in up to four half blocks.

    Attributes:
        matrices: Of half blocks, int64 ``(n, K, K)``, rows = map, columns = reference.
        groups: The block of each half block, ``(n,)``.
        block_pixels: Side of a block in pixels.
        correlation_length: Distance in pixels up to which errors are correlated.
    """

    matrices: NDArray[np.int64]
    groups: NDArray[np.int64]
    block_pixels: int
    correlation_length: int

    def __add__(self, other: GroundBlocks) -> GroundBlocks:
        """The blocks of two sites, or of other ground."""
        offset = int(self.groups.max(initial=-1)) + 1
        return GroundBlocks(
            np.concatenate([self.matrices, other.matrices]), np.concatenate([self.groups, other.groups + offset]),
            max(self.block_pixels, other.block_pixels), max(self.correlation_length, other.correlation_length),
        )  # fmt: skip


def intervals(
    matrices: ArrayLike,
    legend: Legend,
    groups: ArrayLike | None = None,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> FigureIntervals:
    """Intervals of the figures of the sum of block matrices.

    Args:
        matrices: One matrix a block, or a half block, ``(blocks, K, K)``, rows = map, columns = reference.
        legend: The K classes.
        groups: Where the matrices are those of half blocks: the block of each, ``(blocks,)``.
        draws: Number of draws.
        level: Of the intervals.
        seed: Of the draws.
    """
    x = np.asarray(matrices, np.float64)
    errors, blocks = _ground_errors([x], groups, draws, seed)
    values = figure_table(x.sum(axis=0))
    rare = [key for key, few in zip(legend.keys, _in_few_blocks([x], groups), strict=True) if few]
    made = [_interval(v, e, blocks, level, (0.0, 1.0)) for v, e in zip(values, errors, strict=True)]
    made[1] = _interval(values[1], errors[1], blocks, level, (-1.0, 1.0))  # kappa alone may be negative
    names = len(GLOBAL_FIGURES)
    classes = {
        key: dict(zip(CLASS_FIGURES, made[names + 4 * k : names + 4 * k + 4], strict=True))
        for k, key in enumerate(legend.keys)
    }
    figures = dict(zip(GLOBAL_FIGURES, made[:names], strict=True))
    warnings = _warnings(blocks)
    if rare and blocks >= 2:
        warnings += (f"No interval for classes in fewer than {FEW_CLASS_BLOCKS} blocks: {', '.join(rare)}.",)
    same = [name for name, i in figures.items() if _unmoved(i)]
    same += [f"{name} of {key}" for key, row in classes.items() for name, i in row.items() if _unmoved(i)]
    if same:
        alike = ", ".join(name.replace("_", " ") for name in same)
        warnings += (f"No interval for what is the same in every block, which says nothing of other ground: {alike}.",)
    return FigureIntervals(figures, classes, blocks, draws, level, warnings)


def paired_differences(
    first: ArrayLike,
    second: ArrayLike,
    legend: Legend,
    groups: ArrayLike | None = None,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> list[Difference]:
    """Differences of two maps over the same blocks: both get the same draws, so that common ground cancels.

    Args:
        first: Matrices of the first map ``(blocks, K, K)``.
        second: Of the second map, the same blocks in the same order.
        legend: The K classes.
        groups: Where the matrices are those of half blocks: the block of each.
        draws: Number of draws.
        level: Of the intervals, and 1 - level of the tests.
        seed: Of the draws.

    Returns:
        One entry for each global figure and for the IoU of each class, p-values corrected after Holm over all of them.

    Raises:
        ValueError: The blocks are not the same.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"block matrices of shapes {a.shape} and {b.shape} are not paired")
    names = [*GLOBAL_FIGURES, *(f"iou {key}" for key in legend.keys)]
    columns = [*range(len(GLOBAL_FIGURES)), *(len(GLOBAL_FIGURES) + 4 * k + 2 for k in range(len(legend)))]
    value = (figure_table(a.sum(axis=0)) - figure_table(b.sum(axis=0)))[columns]
    errors, blocks = _ground_errors([a, b], groups, draws, seed)
    error = errors[columns]
    p_values = [_p_value(v, e, blocks) for v, e in zip(value, error, strict=True)]
    adjusted = holm(p_values)
    return [
        Difference(name, _interval(v, e, blocks, level, (-2.0, 2.0)), p, q, q is not None and q < 1 - level)
        for name, v, e, p, q in zip(names, value, error, p_values, adjusted, strict=True)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of p-values (Holm 1979, Scand. J. Statist. 6(2)); None stays None."""
    defined = [i for i, p in enumerate(p_values) if p is not None]
    order = sorted(defined, key=lambda i: p_values[i] or 0.0)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * (p_values[i] or 0.0)))
        adjusted[i] = running
    return adjusted


def ratio_intervals(
    numerators: ArrayLike, denominators: ArrayLike, draws: int = DRAWS, level: float = 0.95, seed: int = 0
) -> list[Interval]:
    """Intervals of ratios of sums over independent units, such as mines.

    Args:
        numerators: ``(units, ratios)``.
        denominators: ``(units, ratios)``.
        draws: Number of draws.
        level: Of the intervals.
        seed: Of the draws.

    Returns:
        One interval a ratio, None where the denominator's sum is 0. Where all units agree on 0 or 1 it is the exact
        one of a binomial share over the units.
    """
    y, x = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    ratios = range(x.shape[1])
    parts = [
        (np.stack([w @ y[:, k] for k in ratios], axis=1), np.stack([w @ x[:, k] for k in ratios], axis=1))
        for w in (_weights(len(x), draws, seed) if len(x) >= 2 else ())
    ]
    drawn_y, drawn_x = (np.concatenate([p[i] for p in parts]) if parts else np.zeros((0, len(ratios))) for i in (0, 1))
    made = []
    for k in range(x.shape[1]):
        with np.errstate(invalid="ignore", divide="ignore"):
            value = y[:, k].sum() / x[:, k].sum() if x[:, k].sum() > 0 else np.nan
            drawn = drawn_y[:, k] / drawn_x[:, k]
        informative = int(((x[:, k] != 0) | (y[:, k] != 0)).sum())
        error = _standard_errors(drawn[:, None], informative)[0] if informative >= 2 else np.nan
        interval = _interval(value, error, informative, level, (0.0, 1.0))
        if _unmoved(interval) and interval.value in (0.0, 1.0):
            # All units agree: the exact bound of a binomial share (Clopper and Pearson 1934, Biometrika 26(4)).
            beyond = 1 - ((1 - level) / 2) ** (1 / informative)
            ends = (1 - beyond, 1.0) if interval.value == 1.0 else (0.0, beyond)
            interval = replace(interval, lower=ends[0], upper=ends[1])
        made.append(interval)
    return made


def share_intervals(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> list[Interval]:
    """Intervals of shares of things that lie in independent units, such as mines found, by places or by tiles.

    Jeffreys limits. Where a unit holds several things, which are found or missed together, their number is divided by
    the design effect and by the squared ratio of Student's t to that of as many independent things, so that the
    interval is that of fewer, independent ones (Korn and Graubard 1998, Survey Methodology 24, 193-201; with Jeffreys
    limits Franco et al. 2019, Journal of Survey Statistics and Methodology 7, 334-364).

    Args:
        successes: ``(units, shares)``.
        trials: ``(units, shares)``.
        level: Of the intervals.

    Returns:
        One interval a share, None where there is nothing to count.
    """
    made = []
    for y, x in zip(np.asarray(successes, np.float64).T, np.asarray(trials, np.float64).T, strict=True):
        y, x = y[x > 0], x[x > 0]
        units, number = len(x), x.sum()
        if units == 0:
            made.append(Interval(None, None, None, None))
            continue
        share = y.sum() / number
        error = np.sqrt(units / max(units - 1, 1) * ((y - share * x) ** 2).sum()) / number
        effective = number
        if x.max() > 1:
            if units == 1:
                made.append(Interval(float(share), None, None, None))
                continue
            plain = share * (1 - share) / number
            # Where all agree nothing shows how much a unit's own things do: they count as one.
            effect = max(error**2 / plain, 1.0) if plain > 0 else (x**2).sum() / number
            tail = (1 + level) / 2
            effective = number / effect * (stats.t.ppf(tail, number - 1) / stats.t.ppf(tail, units - 1)) ** 2
        limits = jeffreys(share * effective, effective, level)
        made.append(Interval(float(share), float(error), float(limits.lower), float(limits.upper)))
    return made


class GroundCells:
    """Confusion matrices of small square cells of ground, filled window by window, and the correlation of errors.

    Memory does not grow with the ground: there are at most ``CELLS`` x ``CELLS`` cells.

    Args:
        shape: Rows and columns of the whole raster.
        classes: Number of classes K.
    """

    def __init__(self, shape: tuple[int, int], classes: int) -> None:
        self.classes = classes
        self.cell = max(4, -(-max(shape) // CELLS))
        rows, cols = -(-shape[0] // self.cell), -(-shape[1] // self.cell)
        self.counts = np.zeros((rows, cols, classes, classes), np.int64)
        self._lag_sums = np.zeros((2, LONGEST_LAG + 1))
        self._windows = 0

    def add(self, map_codes: NDArray[Any], reference_codes: NDArray[Any], row: int = 0, col: int = 0) -> None:
        """Count a window whose upper left pixel is ``row, col``; pixels with code 0 on either side do not count.

        Several dates of one place are added to the same cells: what lies on the same ground is not independent.
        """
        compared = (map_codes > 0) & (reference_codes > 0)
        at_row, at_col = np.nonzero(compared)
        pair = (map_codes[compared].astype(np.int64) - 1) * self.classes + reference_codes[compared] - 1
        rows, cols, size = *self.counts.shape[:2], self.classes**2
        first, last = row // self.cell, min((row + map_codes.shape[0] - 1) // self.cell, rows - 1)
        index = (((at_row + row) // self.cell - first) * cols + (at_col + col) // self.cell) * size + pair
        counted = np.bincount(index, minlength=(last - first + 1) * cols * size)
        self.counts[first : last + 1] += counted.reshape(last - first + 1, cols, self.classes, self.classes)
        part = slice(0, CORRELOGRAM_SIDE), slice(0, CORRELOGRAM_SIDE)
        if self._windows < CORRELOGRAM_WINDOWS and compared[part].any():
            longest = min(LONGEST_LAG, max(1, min(map_codes.shape) // 4))
            sums = lag_sums((map_codes != reference_codes)[part], compared[part], longest)
            self._lag_sums[:, : longest + 1] += sums
            self._windows += 1

    def blocks(self, length: int | None = None) -> GroundBlocks:
        """The ground as blocks at least ``CORRELATION_LENGTHS`` times as wide as the correlation length of the errors.

        Args:
            length: Correlation length in pixels, by default from the correlogram of what was added.
        """
        length = correlation_length(correlogram_of(self._lag_sums)) if length is None else length
        half = max(1, ceil(CORRELATION_LENGTHS * length / 2 / self.cell))  # in cells
        rows, cols = self.counts.shape[:2]
        halves = np.add.reduceat(np.add.reduceat(self.counts, np.arange(0, rows, half), 0), np.arange(0, cols, half), 1)
        block_row, block_col = np.indices(halves.shape[:2]) // 2
        groups = (block_row * (block_col.max() + 1) + block_col).ravel()
        matrices = halves.reshape(-1, self.classes, self.classes)
        used = matrices.any(axis=(1, 2))
        return GroundBlocks(
            matrices[used], np.unique(groups[used], return_inverse=True)[1], 2 * half * self.cell, length
        )


def lag_sums(errors: NDArray[Any], compared: NDArray[np.bool_], longest: int) -> NDArray[np.float64]:
    """Sums of the products of deviations of the errors from their mean, and numbers of pairs, by distance.

    Args:
        errors: 1 where map and reference differ, ``(H, W)``.
        compared: Which pixels were compared.
        longest: Greatest distance in pixels.

    Returns:
        float64 ``(2, longest + 1)``: sums and numbers over the pairs whose distance rounds to 0, 1, 2 ... pixels. The
        results of several windows may be added.
    """
    compared = np.asarray(compared, np.bool_)
    x = np.where(compared, errors.astype(np.float64), 0.0)
    x = np.where(compared, x - x.sum() / max(compared.sum(), 1), 0.0)
    # Zero-padded, so that the ground does not wrap round.
    shape = [fft.next_fast_len(n + longest, real=True) for n in x.shape]
    rows, cols = (np.minimum(np.arange(n), n - np.arange(n)) for n in shape)
    near = np.ix_(np.flatnonzero(rows <= longest), np.flatnonzero(cols <= longest))
    lag = np.rint(np.hypot(rows[near[0]], cols[near[1]])).astype(int)
    inside = lag <= longest
    return np.stack(
        [
            np.bincount(lag[inside], _autocorrelation(field, shape)[near][inside], longest + 1)
            for field in (x, compared.astype(np.float64))
        ]
    )


def correlogram_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of errors by distance in pixels, from ``lag_sums``; NaN for distances without pairs or errors."""
    total, number = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = np.where(number > 0.5, total / number, np.nan)
        return covariance / (covariance[0] if covariance[0] > 0 else np.nan)


def correlation_length(correlation: NDArray[np.float64]) -> int:
    """Distance in pixels at which a correlogram first falls below ``CORRELATED``; its length where it never does.

    Without errors, or with nothing but errors, there is no correlogram, and the length is 1.
    """
    if not np.isfinite(correlation[0]):
        return 1
    below = np.flatnonzero(~(correlation >= CORRELATED))
    return int(below[0]) if len(below) else len(correlation)


def _autocorrelation(x: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    spectrum = fft.rfft2(x, shape)
    return np.asarray(fft.irfft2(np.abs(spectrum) ** 2, shape))


def _ground_errors(
    maps: Sequence[NDArray[np.float64]], groups: ArrayLike | None, draws: int, seed: int
) -> tuple[NDArray[np.float64], int]:
    """Standard errors of all figures of one map, or of the differences of two, and the number of blocks."""

    def errors(blocks: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], int]:
        used = np.sum(blocks, axis=(0, 2, 3)) > 0
        number = int(used.sum())
        if number < 2:
            return np.full(figure_table(blocks[0].sum(axis=0)).shape, np.nan), number
        kept = [x[used] for x in blocks]
        parts = [[_draw_figures(weights, x) for x in kept] for weights in _weights(number, draws, seed)]
        drawn = [np.concatenate(of_map) for of_map in zip(*parts, strict=True)]
        return _standard_errors(drawn[0] if len(drawn) == 1 else drawn[0] - drawn[1], number), number

    fine, number = errors(maps)
    rare = np.repeat(_in_few_blocks(maps, groups), len(CLASS_FIGURES))
    if groups is None:
        fine[len(GLOBAL_FIGURES) :][rare] = np.nan
        return fine, number
    coarse, number = errors(_whole_blocks(maps, groups))
    made = np.sqrt(np.fmax(coarse**2, 2 * coarse**2 - fine**2))
    made[len(GLOBAL_FIGURES) :][rare] = np.nan
    return made, number


def _whole_blocks(maps: Sequence[NDArray[np.float64]], groups: ArrayLike | None) -> list[NDArray[np.float64]]:
    """Sums of the half blocks of each block."""
    if groups is None:
        return list(maps)
    index = np.asarray(groups)
    whole = []
    for x in maps:
        sums = np.zeros((int(index.max(initial=-1)) + 1, *x.shape[1:]))
        np.add.at(sums, index, x)
        whole.append(sums)
    return whole


def _in_few_blocks(maps: Sequence[NDArray[np.float64]], groups: ArrayLike | None) -> NDArray[np.bool_]:
    """Classes that are mapped or true in fewer than ``FEW_CLASS_BLOCKS`` blocks."""
    present = [(x.sum(axis=1) + x.sum(axis=2) > 0).sum(axis=0) for x in _whole_blocks(maps, groups)]
    return np.asarray(np.min(present, axis=0) < FEW_CLASS_BLOCKS)


def _warnings(blocks: int) -> tuple[str, ...]:
    if blocks < 2:
        return ("Less than two blocks of ground: no interval.",)
    if blocks < FEW_BLOCKS:
        return (f"Only {blocks} blocks of ground: the intervals are rough and tend to be too narrow.",)
    return ()


DRAWN_AT_ONCE = 2**21
"""Weights held at once: those of 100,000 units by 2,000 draws would be gigabytes."""


def _weights(units: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each unit is drawn, in parts of ``(draws, units)``."""
    generator = np.random.default_rng(seed)
    at_once = max(1, DRAWN_AT_ONCE // max(units, 1))
    for start in range(0, draws, at_once):
        drawn = generator.multinomial(units, np.full(units, 1 / units), min(at_once, draws - start))
        yield drawn.astype(np.float64)


def _draw_figures(weights: NDArray[Any], matrices: NDArray[Any]) -> NDArray[np.float64]:
    blocks, size, _ = matrices.shape
    return figure_table((weights @ matrices.reshape(blocks, -1)).reshape(-1, size, size))


def _standard_errors(drawn: NDArray[np.float64], blocks: int) -> NDArray[np.float64]:
    """Of each column; draws in which a figure is undefined are left out."""
    errors = np.full(drawn.shape[1], np.nan)
    for k, column in enumerate(drawn.T):
        defined = column[np.isfinite(column)]
        if len(defined) > 1 and blocks > 1:
            # Drawing n of n with replacement understates the variance by (n - 1) / n.
            errors[k] = defined.std(ddof=1) * np.sqrt(blocks / (blocks - 1))
    return errors


def _unmoved(interval: Interval) -> bool:
    """Whether all draws gave one value: an interval without width would be a claim of certainty."""
    return interval.standard_error == 0


def _interval(value: float, error: float, blocks: int, level: float, bounds: tuple[float, float]) -> Interval:
    if not np.isfinite(value):
        return Interval(None, None, None, None)
    if not np.isfinite(error):
        return Interval(float(value), None, None, None)
    if error == 0:
        return Interval(float(value), 0.0, None, None)
    half = float(stats.t.ppf((1 + level) / 2, blocks - 1)) * error
    lower, upper = max(value - half, bounds[0]), min(value + half, bounds[1])
    return Interval(float(value), float(error), float(lower), float(upper))


def _p_value(value: float, error: float, blocks: int) -> float | None:
    if not (np.isfinite(value) and np.isfinite(error)):
        return None
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stats.t.sf(abs(value) / error, blocks - 1))
