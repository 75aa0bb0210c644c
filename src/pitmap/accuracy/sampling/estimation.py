"""Area-adjusted accuracy and area from a stratified random sample.

Every figure is a ratio of two totals over the ground, ``R = Y / X``: overall accuracy (agreement / everything), user's
accuracy (agreement in class i / mapped as i), producer's accuracy (agreement in i / truly i), F1, IoU, and the area
share of a class. Totals are estimated stratum by stratum, and the variance is that of the linearised ratio:

    Y = sum_h A_h ybar_h,   X = sum_h A_h xbar_h,
    V(R) = 1 / X^2  sum_h A_h^2 s_h^2 / n_h,   s_h^2 the sample variance of  z = y - R x  in stratum h

(Stehman 2014, Int. J. Remote Sens. 35(13), 4923-4939, eq. 25 to 28; with his factor 1 - n_h / N_h where the numbers of
pixels are known, without it where not: a sample is small beside a map). Where the strata are the classes of the map
this is, term by term, and but for that factor, what Olofsson et al. (2014),
Remote Sens. Environ. 148, 42-57, eq. 2 to 11, give.

The interval of an area and of the overall accuracy, which are sums of shares, comes from ``intervals.total_limits``,
that of a ratio from ``intervals.ratio_limits`` (MOVER); or both are those of MOVER, or of the literature, the estimate
plus or minus 1.96 standard errors (Wald), which is too narrow where few points decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import erf, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from pitmap.accuracy.census.confusion import ABSENT_CLASSES, ORIENTATION, figures
from pitmap.accuracy.sampling.intervals import Z_95, ratio_limits, total_exceedance, total_limits
from pitmap.errors import LabelError
from pitmap.legend import Legend

FEW_POINTS = 30
"""Points in its denominator below which no interval of a figure is to be relied on."""

Method = Literal["posterior", "mover", "wald"]

METHODS: dict[Method, str] = {
    "posterior": "areas and overall accuracy: sum of the posteriors of the shares in each stratum from a neutral prior "
    "(Kerman 2011), shortest interval; other figures: MOVER (method of variance estimates recovery) from Jeffreys "
    "limits of the shares (Zou and Donner 2008, Donner and Zou 2012)",
    "mover": "MOVER (method of variance estimates recovery) from Jeffreys limits of the shares in each stratum: Zou "
    "and Donner (2008), for ratios Donner and Zou (2012)",
    "wald": "Wald: the estimate plus or minus z standard errors (Olofsson et al. 2014); too narrow where few points "
    "decide",
}
"""How an interval is made."""


@dataclass(frozen=True)
class Estimate:
    """An estimated figure.

    Attributes:
        value: The estimate, None where it is 0/0.
        standard_error: Of the linearised ratio; None where a stratum that matters has fewer than two points.
        lower: Lower end of the interval, not below the least possible value.
        upper: Upper end of the interval, not above the greatest possible value.
        points: Sample points in the figure's denominator.
        warning: Why the interval should not be relied on, empty where nothing is wrong.
        method: How the interval was made, a key of ``METHODS``.
    """

    value: float | None
    standard_error: float | None
    lower: float | None
    upper: float | None
    points: int
    warning: str = ""
    method: Method = "posterior"


@dataclass(frozen=True)
class Exceedance:
    """How sure it is that an area is larger than a threshold.

    Attributes:
        threshold: In the unit of the strata.
        probability: That the area exceeds it, from the intervals of all confidences: a one-sided interval of this
            confidence ends at the threshold (a confidence distribution, Xie and Singh 2013, International Statistical
            Review 81, 3-39). It holds as the intervals do.
    """

    threshold: float
    probability: float


@dataclass(frozen=True)
class ClassEstimates:
    """The estimates of one class.

    Attributes:
        code: Class code.
        key: Class key.
        name: Class name.
        users_accuracy: Share of what is mapped as the class that is the class.
        producers_accuracy: Share of the class that is mapped as it.
        f1: ``2 p_ii / (p_i+ + p_+i)``.
        iou: ``p_ii / (p_i+ + p_+i - p_ii)``.
        area_share: Share of the class on the ground.
        area: Area of the class on the ground, in the unit of the strata.
        mapped_area: Area mapped as the class, known where the strata are classes of the map, else estimated.
        exceeds: Whether the area is larger than a threshold that was asked about, None where none was.
    """

    code: int
    key: str
    name: str
    users_accuracy: Estimate
    producers_accuracy: Estimate
    f1: Estimate
    iou: Estimate
    area_share: Estimate
    area: Estimate
    mapped_area: float
    exceeds: Exceedance | None = None


@dataclass(frozen=True)
class StratumCounts:
    """One stratum: its name, its area, and how many points it has."""

    name: str
    area: float
    points: int


@dataclass(frozen=True)
class AreaEstimates:
    """Area-adjusted accuracy and areas.

    Attributes:
        overall_accuracy: Share of the ground that is right.
        classes: In the order of the codes.
        shares: Estimated confusion matrix as shares of the ground, ``(K, K)``, rows = map, columns = reference.
        strata: The strata with points.
        unsampled: Strata without points: the estimates say nothing about their ground.
        total_area: Area that the estimates stand for.
        unit: Unit of the areas.
        z: Quantile of the normal distribution that the intervals are made for: 1.96 is 95 %.
        method: How the intervals were made.
        warnings: What a reader must know.
        finite: Whether the strata are known to be finite, see ``estimate_counts``.
    """

    overall_accuracy: Estimate
    classes: tuple[ClassEstimates, ...]
    shares: NDArray[np.float64]
    strata: tuple[StratumCounts, ...]
    unsampled: tuple[StratumCounts, ...]
    total_area: float
    unit: str
    z: float
    legend: Legend
    warnings: tuple[str, ...]
    finite: bool = False
    method: Method = "posterior"

    def summary(self) -> str:
        """One line: overall accuracy and the first class's area with their intervals, and what was asked of areas."""
        c = self.classes[0]
        chances = "".join(
            f" {k.key} exceeds {k.exceeds.threshold:g} {self.unit} with probability {_chance(k.exceeds.probability)}."
            for k in self.classes
            if k.exceeds is not None
        )
        return f"OA {_with_interval(self.overall_accuracy)}; {c.key} {_with_interval(c.area)} {self.unit}.{chances}"

    def to_json(self) -> dict[str, Any]:
        """Everything, with the conventions, as plain Python values."""
        derived = figures(self.shares, self.legend)
        return {
            "kind": "Design-based estimates from a stratified random sample; area-weighted.",
            "conventions": {
                "orientation": ORIENTATION,
                "absent_classes": ABSENT_CLASSES,
                "estimators": "Olofsson et al. (2014); Stehman (2014) where strata differ from the classes of the map; "
                + ("the variance of a stratum times 1 - n/N" if self.finite else "no finite population correction")
                + ".",
                "interval": f"{METHODS[self.method]}; confidence {_confidence(self.z):.0%}, z = {self.z:g}.",
                "few_points": f"No interval is to be relied on with fewer than {FEW_POINTS} points in the denominator.",
            },
            "unit": self.unit,
            "total_area": self.total_area,
            "overall_accuracy": asdict(self.overall_accuracy),
            "classes": [asdict(c) for c in self.classes],
            "confusion_shares": self.shares.tolist(),
            "derived_without_interval": {
                name: getattr(derived, name)
                for name in ("kappa", "mean_iou", "quantity", "allocation", "exchange", "shift")
            },
            "strata": [asdict(s) for s in self.strata],
            "strata_without_points": [asdict(s) for s in self.unsampled],
            "warnings": list(self.warnings),
        }


def estimate_counts(
    counts: ArrayLike,
    areas: ArrayLike,
    legend: Legend,
    names: Sequence[str] | None = None,
    map_classes: Sequence[int | Sequence[int]] | None = None,
    unit: str = "ha",
    z: float = Z_95,
    pixels: ArrayLike | None = None,
    method: Method = "posterior",
    thresholds: Mapping[str, float] | None = None,
) -> AreaEstimates:
    """Estimates from the counts of a stratified random sample.

    Args:
        counts: Sample points ``(H, K, K)``: stratum, class of the map, class of the reference.
        areas: Area of each stratum ``(H,)``.
        legend: The K classes.
        names: Names of the strata, by default 1 to H.
        map_classes: For each stratum the map class in it, or all that may be in it, 0 for any; by default what the
            counts show if there are as many strata as classes and each holds its own class, else 0. It decides which
            figures a stratum has a part in: what cannot be in it adds nothing to an interval.
        unit: Unit of ``areas``.
        z: Quantile of the normal distribution that the intervals are made for.
        pixels: Number of pixels of each stratum ``(H,)``: its variance then has the factor ``1 - n_h / N_h`` (Stehman
            2014), so that a small stratum all of whose pixels are in the sample is known, not estimated. By default the
            strata are taken to be infinite, as in Olofsson et al. (2014).
        method: How intervals are made; ``wald`` for comparison with publications.
        thresholds: Areas that those of classes are compared with, by class key.

    Raises:
        LabelError: No stratum with an area has a point.
        ValueError: Shapes that do not fit, negative counts or areas, points in a stratum without area.
    """
    n_hij, areas_h = np.asarray(counts, np.float64), np.asarray(areas, np.float64)
    size = len(legend)
    if n_hij.shape != (len(areas_h), size, size):
        raise ValueError(f"counts of shape {n_hij.shape} for {len(areas_h)} strata and {size} classes")
    if (n_hij < 0).any() or not np.isfinite(areas_h).all() or (areas_h < 0).any():
        raise ValueError("counts and areas are not negative")
    n_h = n_hij.sum(axis=(1, 2))
    if ((n_h > 0) & (areas_h == 0)).any():
        raise ValueError("a stratum without area has points")
    unseen = np.ones(len(areas_h))
    if pixels is not None:
        of_each = np.asarray(pixels, np.float64)
        if of_each.shape != n_h.shape or (of_each < n_h).any():
            raise ValueError("a stratum has more points than pixels")
        unseen = 1 - np.divide(n_h, of_each, out=np.zeros_like(n_h), where=of_each > 0)
    names = [str(h + 1) for h in range(len(areas_h))] if names is None else list(names)
    rows = _map_classes(n_hij) if map_classes is None else _possible(map_classes, size)
    sampled = n_h > 0
    if not sampled.any():
        raise LabelError(
            "No sample point with a reference class lies in a stratum.",
            "A reference class for the points of the sample.",
            "Label the points: the field 'reference' takes a class of the legend.",
        )
    strata = [StratumCounts(s, float(a), int(n)) for s, a, n in zip(names, areas_h, n_h, strict=True)]
    unsampled = tuple(s for s in strata if s.points == 0 and s.area > 0)
    warnings = [
        f"Stratum {s.name} ({s.area:.6g} {unit}) has no point: the estimates leave its ground out." for s in unsampled
    ]
    warnings += [
        f"Stratum {s.name} has a single point: it has no variance."
        for s, part in zip(strata, unseen, strict=True)
        if s.points == 1 and part > 0
    ]
    sample = _Sample(n_hij[sampled], areas_h[sampled], rows[sampled], z, unseen[sampled], method)

    total = float(areas_h[sampled].sum())
    ones, eye = np.ones((size, size)), np.eye(size)
    overall, asked = sample.ratio(eye, ones), thresholds or {}
    classes = []
    for k, c in enumerate(legend):
        both, mapped, reference = np.zeros((3, size, size))
        both[k, k], mapped[k, :], reference[:, k] = 1, 1, 1
        share = sample.ratio(reference, ones)
        classes.append(
            ClassEstimates(
                c.code, c.key, c.name, sample.ratio(both, mapped), sample.ratio(both, reference),
                sample.ratio(2 * both, mapped + reference), sample.ratio(both, np.maximum(mapped, reference)),
                share, _scaled(share, total), sample.total(mapped),
                sample.exceedance(reference, asked[c.key], total) if c.key in asked else None,
            )
        )  # fmt: skip
    labelled = [("Overall accuracy", overall)]
    for c in classes:
        labelled += [
            (f"User's accuracy of {c.key}", c.users_accuracy),
            (f"Producer's accuracy of {c.key}", c.producers_accuracy),
        ]
    warnings += [f"{name}: {e.warning}" for name, e in labelled if e.warning]
    return AreaEstimates(
        overall, tuple(classes), sample.shares(), tuple(s for s in strata if s.points), unsampled, total, unit, z,
        legend, tuple(warnings), finite=pixels is not None, method=method,
    )  # fmt: skip


def estimate_confusion(
    counts: ArrayLike,
    mapped_areas: ArrayLike,
    legend: Legend,
    unit: str = "ha",
    z: float = Z_95,
    method: Method = "posterior",
) -> AreaEstimates:
    """Estimates where the strata are the classes of the map (Olofsson et al. 2014).

    Args:
        counts: Sample points ``(K, K)``, rows = map, columns = reference.
        mapped_areas: Mapped area of each class ``(K,)``.
        legend: The K classes.
        unit: Unit of the areas.
        z: Quantile of the normal distribution that the intervals are made for.
        method: How intervals are made.

    Raises:
        LabelError, ValueError: See ``estimate_counts``.
    """
    n_ij = np.asarray(counts)
    strata = np.zeros((len(n_ij), *n_ij.shape))
    strata[np.arange(len(n_ij)), np.arange(len(n_ij))] = n_ij
    return estimate_counts(strata, mapped_areas, legend, legend.keys, range(1, len(n_ij) + 1), unit, z, method=method)


@dataclass(frozen=True)
class _Sample:
    """Counts ``(H, K, K)`` of strata that have points, their areas, possible map classes, z, unseen shares, method."""

    counts: NDArray[np.float64]
    areas: NDArray[np.float64]
    map_classes: NDArray[np.bool_]
    z: float
    unseen: NDArray[np.float64]
    method: Method

    def _means(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((self.counts * x).sum(axis=(1, 2)) / self.counts.sum(axis=(1, 2)))

    def total(self, x: NDArray[np.float64]) -> float:
        """Estimated area where the indicator ``x`` (of map and reference class) is 1."""
        return float((self.areas * self._means(x)).sum())

    def shares(self) -> NDArray[np.float64]:
        """Estimated confusion matrix as shares of the area."""
        weights = self.areas / self.areas.sum() / self.counts.sum(axis=(1, 2))
        return np.asarray(np.einsum("h,hij->ij", weights, self.counts))

    def ratio(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> Estimate:
        """The ratio of the totals of two functions of map and reference class, each ``(K, K)``."""
        points = int(self.counts[:, x > 0].sum())
        x_total = self.total(x)
        if x_total == 0:
            return Estimate(None, None, None, None, points, method=self.method)
        ratio = self.total(y) / x_total
        error = self._standard_error(y - ratio * x, x_total)
        fixed = self.unseen <= 0
        if error == 0 and all(fixed[h] or np.ptp((y - ratio * x)[self._cells(h)]) == 0 for h in range(len(fixed))):
            return Estimate(ratio, 0.0, ratio, ratio, points, method=self.method)  # known from the map, not estimated
        lower: float | None
        upper: float | None
        if self.method == "wald":
            lower = None if error is None else max(ratio - self.z * error, 0.0)
            upper = None if error is None else min(ratio + self.z * error, 1.0)
        else:
            lower, upper = self._limits(y, x)
        warning = f"Only {points} points fall into its denominator." if points < FEW_POINTS else ""
        if error is None and self.method == "wald":
            warning = "A stratum that it depends on has a single point."
        return Estimate(ratio, error, lower, upper, points, warning, self.method)

    def _standard_error(self, residual: NDArray[np.float64], x_total: float) -> float | None:
        """Of a ratio, from the residuals ``y - R x``; None where a stratum that can vary has a single point."""
        n_h = self.counts.sum(axis=(1, 2))
        constant = np.array([np.ptp(residual[self._cells(h)]) == 0 for h in range(len(n_h))])
        fixed = constant | (self.unseen <= 0)
        if (n_h[~fixed] < 2).any():
            return None
        # Spread about the mean, not the difference of two squares, which cancels.
        spread = residual - self._means(residual)[:, None, None]
        variance_h = np.where(fixed, 0.0, (self.counts * spread**2).sum(axis=(1, 2)) / np.maximum(n_h - 1, 1))
        return float(np.sqrt(((self.areas / x_total) ** 2 * self.unseen * variance_h / n_h).sum()))

    def exceedance(self, reference: NDArray[np.float64], threshold: float, total: float) -> Exceedance:
        """Probability that the area of a class is larger than a threshold: by the interval that ends there."""
        ones = np.ones_like(reference)
        share, aim = self.total(reference) / total, threshold / total
        if not 0 < aim < 1:
            return Exceedance(threshold, float(aim <= 0))
        if self.method == "posterior":
            return Exceedance(threshold, float(total_exceedance(*self._of_total(reference), threshold)))

        def beyond(confidence: float) -> float:
            lower, upper = self._limits(reference, ones, confidence)
            return lower - aim if share > aim else aim - upper

        widest = 1 - 1e-9
        if beyond(0.0) <= 0:  # between the estimate and the middle of its distribution
            return Exceedance(threshold, 0.5)
        confidence = widest if beyond(widest) >= 0 else brentq(beyond, 0.0, widest, xtol=1e-6)
        return Exceedance(threshold, (1 + confidence) / 2 if share > aim else (1 - confidence) / 2)

    def _of_total(
        self, y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Successes, trials, areas and unseen shares of the strata for the area where ``y`` is 1."""
        fixed = np.array([np.ptp(y[self._cells(h)]) == 0 for h in range(len(self.areas))])
        unseen = np.where(fixed, 0.0, self.unseen)
        return self.counts[:, y > 0].sum(axis=1), self.counts.sum(axis=(1, 2)), self.areas, unseen

    def _limits(
        self, y: NDArray[np.float64], x: NDArray[np.float64], confidence: float | None = None
    ) -> tuple[float, float]:
        level = _confidence(self.z) if confidence is None else confidence
        if self.method == "posterior" and x.min() == 1 and set(np.unique(y)) <= {0, 1}:
            total = total_limits(*self._of_total(y), confidence=level)
            return float(total.lower / self.areas.sum()), float(total.upper / self.areas.sum())
        both, only = y > 0, (x > 0) & (y == 0)

        def possible(where: NDArray[np.bool_]) -> list[bool]:
            return [bool(where[self._cells(h)].any()) for h in range(len(self.areas))]

        limits = ratio_limits(
            self.counts[:, both].sum(axis=1), self.counts[:, only].sum(axis=1), self.counts.sum(axis=(1, 2)),
            self.areas, numerator=y.max(), weight_both=x[both].max(), weight_only=x[only].max(initial=1.0),
            may_both=possible(both), may_only=possible(only), may_neither=possible(x == 0), unseen=self.unseen,
            confidence=level,
        )  # fmt: skip
        return float(limits.lower), float(limits.upper)

    def _cells(self, h: int) -> NDArray[np.bool_]:
        """The rows (map classes) that a point of a stratum can fall into."""
        return np.asarray(self.map_classes[h])


def _map_classes(counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Map classes that may be in each stratum, ``(H, K)``: its own if strata and classes go one by one, else any."""
    strata, size, _ = counts.shape
    own = np.eye(size, dtype=np.bool_)
    one_by_one = strata == size and (counts.sum(axis=2)[~own] == 0).all()
    return own if one_by_one else np.ones((strata, size), np.bool_)


def _possible(map_classes: Sequence[int | Sequence[int]], size: int) -> NDArray[np.bool_]:
    possible = np.zeros((len(map_classes), size), np.bool_)
    for row, codes in zip(possible, map_classes, strict=True):
        for code in np.atleast_1d(codes):
            row[slice(None) if code == 0 else int(code) - 1] = True
    return possible


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    def times(value: float | None) -> float | None:
        return None if value is None else value * factor

    return replace(
        estimate, value=times(estimate.value), standard_error=times(estimate.standard_error),
        lower=times(estimate.lower), upper=times(estimate.upper),
    )  # fmt: skip


def _confidence(z: float) -> float:
    return erf(z / sqrt(2))


def _chance(probability: float) -> str:
    """Never rounded to certainty."""
    return "over 99.9%" if probability > 0.999 else "under 0.1%" if probability < 0.001 else f"{probability:.1%}"


def _with_interval(estimate: Estimate) -> str:
    def text(value: float) -> str:
        return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"

    if estimate.value is None:
        return "undefined"
    if estimate.lower is None or estimate.upper is None:
        return f"{text(estimate.value)} (no interval)"
    return f"{text(estimate.value)} ({text(estimate.lower)} to {text(estimate.upper)})"
