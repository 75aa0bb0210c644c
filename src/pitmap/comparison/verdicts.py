"""Is one network better than another on this ground? Paired differences with intervals, and a verdict that may be "no".

The figures of a pair are those of the counts of all seeds together. Their difference is uncertain for two reasons:

- ground: blocks of test ground are drawn with replacement, all dates and all seeds of a block together, the same draws
  for both networks (``accuracy.resampling``);
- training: the differences of the single seeds spread by more than their ground explains. That part of the variance is
  estimated by moments, tau^2 = max(0, variance of the seeds' differences - mean of their ground variances), as between
  studies in a meta-analysis (DerSimonian and Laird 1986, Control. Clin. Trials 7(3)), and counts as tau^2 / seeds.

The degrees of freedom of the sum are those of Satterthwaite (1946, Biometrics Bull. 2(6)). With one seed the spread of
training is unknown, and the interval is of the ground alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import stats

from pitmap.accuracy.census.agreement import AgreementByPlace
from pitmap.accuracy.census.confusion import as_one_class, iou_as_one
from pitmap.accuracy.census.resampling import DRAWS, GroundBlocks, Interval, holm, intervals, paired_differences
from pitmap.comparison.runs import Result
from pitmap.legend import LandCoverClass, Legend

LEAST_BLOCKS = 30
"""With fewer blocks of test ground there is neither interval nor verdict."""

LEVEL = 0.95

FIGURES = ("mine_iou", "mean_iou", "overall_accuracy", "kappa")
"""Compared, in this order; the verdicts are those on the first two."""

BETTER, WORSE, SAME, FEW = "better", "worse", "not distinguishable on this ground", "too few blocks"

MINE_LEGEND = Legend([LandCoverClass(1, "MINE", "mine", "#d7191c"), LandCoverClass(2, "REST", "rest", "#dddddd")])


@dataclass(frozen=True)
class Difference:
    """Two networks in one figure.

    Attributes:
        split: How the ground was divided.
        figure: One of ``FIGURES``.
        first: Label of a network.
        second: Label of the other.
        value: First minus second, over the counts of all seeds together; None where undefined.
        by_seed: The same of each seed.
        ground_error: Standard error from blocks of ground.
        training_error: That from the seeds, beyond what their ground explains; None with one seed.
        lower: Lower end of the interval, None with too few blocks.
        upper: Upper end.
        p_value: Two-sided test that there is no difference.
        adjusted_p_value: After Holm's correction over the pairs.
        blocks: Blocks of test ground.
        verdict: On the first network: one of ``BETTER``, ``WORSE``, ``SAME``, ``FEW``.
    """

    split: str
    figure: str
    first: str
    second: str
    value: float | None
    by_seed: dict[int, float | None]
    ground_error: float | None
    training_error: float | None
    lower: float | None
    upper: float | None
    p_value: float | None
    adjusted_p_value: float | None
    blocks: int
    verdict: str


@dataclass(frozen=True)
class Ground:
    """The test ground of one network cut into blocks that are the same for all networks.

    Attributes:
        pooled: Counts of all seeds together.
        by_seed: Counts of each seed.
    """

    pooled: GroundBlocks
    by_seed: dict[int, GroundBlocks]

    @property
    def number(self) -> int:
        """Blocks with test ground."""
        return len(np.unique(self.pooled.groups))


def cut(results: Sequence[Result]) -> dict[str, Ground]:
    """The ground of each network of a split, in blocks as large as the errors of the worst of them ask for.

    Args:
        results: The runs of one split.
    """
    lengths: dict[int, int] = {}
    for result in results:
        for place, length in result.agreement.correlation_lengths.items():
            lengths[place] = max(length, lengths.get(place, 1))
    grounds: dict[str, Ground] = {}
    for label in dict.fromkeys(r.run.entry.label for r in results):
        own = {r.run.seed: r.agreement for r in results if r.run.entry.label == label}
        first, *rest = own.values()
        pooled = _blocks(sum(rest, first), lengths)
        if pooled is not None:
            parts = {seed: _blocks(agreement, lengths) for seed, agreement in own.items()}
            grounds[label] = Ground(pooled, {seed: part for seed, part in parts.items() if part is not None})
    return grounds


def _blocks(agreement: AgreementByPlace, lengths: Mapping[int, int]) -> GroundBlocks | None:
    return agreement.blocks({place: lengths.get(place, 1) for place in {**agreement.correlation_lengths, **lengths}})


def differences(
    grounds: Mapping[str, Ground], legend: Legend, mines: Sequence[str], split: str, draws: int = DRAWS
) -> list[Difference]:
    """All pairs of networks in all figures, p-values corrected after Holm over the pairs of each figure.

    Args:
        grounds: From ``cut``.
        legend: The classes.
        mines: Keys of the mine classes, taken as one; without any there is no mine IoU.
        split: For the result.
        draws: Number of draws.

    Raises:
        ValueError: Two networks were not tested on the same ground.
    """
    raw = [
        difference
        for first, second in combinations(grounds, 2)
        for difference in _pair(first, second, grounds[first], grounds[second], legend, mines, split, draws)
    ]
    made = []
    for figure in FIGURES:
        own = [d for d in raw if d.figure == figure]
        for difference, adjusted in zip(own, holm([d.p_value for d in own]), strict=True):
            made.append(
                replace(difference, adjusted_p_value=adjusted, verdict=_verdict(difference.value, adjusted))
                if adjusted is not None
                else difference
            )
    return made


def _pair(
    first: str, second: str, a: Ground, b: Ground, legend: Legend, mines: Sequence[str], split: str, draws: int
) -> list[Difference]:
    codes = [legend[key].code - 1 for key in mines]
    pooled = _compared(a.pooled, b.pooled, legend, codes, draws)
    seeds = {
        s: _compared(a.by_seed[s], b.by_seed[s], legend, codes, draws) for s in a.by_seed if s in b.by_seed
    }  # fmt: skip
    made = []
    for figure in FIGURES:
        if figure not in pooled:
            continue
        whole, parts = pooled[figure], {s: own[figure] for s, own in seeds.items()}
        tau = _training_error(list(parts.values()))
        values = {s: i.value for s, i in parts.items()}
        lower = upper = p_value = None
        enough = a.number >= LEAST_BLOCKS and whole.standard_error is not None and whole.value is not None
        if enough and whole.value is not None and whole.standard_error is not None:
            error, freedom = _combined(whole.standard_error, a.number - 1, tau, len(parts) - 1)
            half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
            lower, upper = whole.value - half, whole.value + half
            p_value = _p_value(whole.value, error, freedom)
        made.append(
            Difference(
                split, figure, first, second, whole.value, values, whole.standard_error if enough else None,
                tau if enough else None, lower, upper, p_value, None, a.number, FEW,
            )
        )  # fmt: skip
    return made


def _compared(
    a: GroundBlocks, b: GroundBlocks, legend: Legend, mines: Sequence[int], draws: int
) -> dict[str, Interval]:
    """Differences with the error that comes from the ground, by figure."""
    if not np.array_equal(a.matrices.sum(axis=1), b.matrices.sum(axis=1)):
        raise ValueError("the two networks were not tested on the same ground")
    found = {d.name: d.interval for d in paired_differences(a.matrices, b.matrices, legend, a.groups, draws, LEVEL)}
    made = {figure: found[figure] for figure in FIGURES if figure in found}
    if mines:
        first, second = (as_one_class(x.matrices, mines) for x in (a, b))
        merged = {d.name: d.interval for d in paired_differences(first, second, MINE_LEGEND, a.groups, draws, LEVEL)}
        made["mine_iou"] = merged["iou MINE"]
    return made


def _training_error(seeds: Sequence[Interval]) -> float | None:
    """Standard error of the mean over the seeds that training adds to the ground; None with fewer than two seeds."""
    values = [i.value for i in seeds if i.value is not None]
    if len(values) < 2:
        return None
    ground = [i.standard_error**2 for i in seeds if i.standard_error is not None]
    between = float(np.var(values, ddof=1)) - (float(np.mean(ground)) if ground else 0.0)
    return float(np.sqrt(max(between, 0.0) / len(values)))


def _combined(ground: float, ground_freedom: int, training: float | None, training_freedom: int) -> tuple[float, float]:
    """Standard error of the sum of two sources, and its degrees of freedom after Satterthwaite."""
    parts = [(ground**2, ground_freedom), *([(training**2, training_freedom)] if training else [])]
    variance = sum(v for v, _ in parts)
    if variance == 0:
        return 0.0, float(ground_freedom)
    return float(np.sqrt(variance)), variance**2 / sum(v**2 / freedom for v, freedom in parts)


def _p_value(value: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stats.t.sf(abs(value) / error, freedom))


def _verdict(value: float | None, adjusted: float) -> str:
    if value is None or adjusted >= 1 - LEVEL:
        return SAME
    return BETTER if value > 0 else WORSE


def single_intervals(ground: Ground, legend: Legend, mines: Sequence[str], draws: int = DRAWS) -> dict[str, Interval]:
    """Intervals of a network's own figures, from blocks of ground over all seeds; empty with too few blocks."""
    if ground.number < LEAST_BLOCKS:
        return {}
    made = dict(intervals(ground.pooled.matrices, legend, ground.pooled.groups, draws, LEVEL).figures)
    if mines:
        binary = as_one_class(ground.pooled.matrices, [legend[key].code - 1 for key in mines])
        made["mine_iou"] = intervals(binary, MINE_LEGEND, ground.pooled.groups, draws, LEVEL).classes["MINE"]["iou"]
    return {name: made[name] for name in FIGURES if name in made}


def turned(difference: Difference) -> Difference:
    """The same pair seen from the other network."""
    d = difference

    def negated(value: float | None) -> float | None:
        return None if value is None else -value

    return replace(
        d, first=d.second, second=d.first, value=negated(d.value), lower=negated(d.upper), upper=negated(d.lower),
        by_seed={seed: negated(v) for seed, v in d.by_seed.items()},
        verdict={BETTER: WORSE, WORSE: BETTER}.get(d.verdict, d.verdict),
    )  # fmt: skip


def describe(difference: Difference) -> str:
    """One sentence on a pair."""
    d = difference
    name = {"mine_iou": "mine IoU", "mean_iou": "mean IoU", "overall_accuracy": "overall accuracy", "kappa": "Kappa"}
    if d.value is None:
        return f"{d.first} and {d.second} cannot be compared in {name[d.figure]}: it is undefined."
    points = f"{100 * d.value:+.2f} points"
    if d.lower is None or d.upper is None or d.adjusted_p_value is None:
        return (
            f"{d.first} against {d.second} in {name[d.figure]}: {points}; no verdict: the test ground has {d.blocks} "
            f"blocks in which errors are independent (at least {LEAST_BLOCKS} are needed), or the class lies in "
            "too few of them."
        )
    verdict = d.verdict if d.verdict == SAME else f"{d.verdict} than"
    pair = f"{d.first} and {d.second} are {verdict}" if d.verdict == SAME else f"{d.first} is {verdict} {d.second}"
    return (
        f"{pair} in {name[d.figure]}: {points} (95 % interval {100 * d.lower:+.2f} to {100 * d.upper:+.2f}; p = "
        f"{d.adjusted_p_value:.3f} after correction for the pairs; {d.blocks} blocks, {len(d.by_seed)} "
        f"seed{'s' if len(d.by_seed) != 1 else ''})."
    )


@dataclass(frozen=True)
class Optimism:
    """How much better a network looks under the random split than on ground that it was not trained on.

    Attributes:
        network: Label.
        split: The split of the ground.
        figure: One of ``FIGURES``.
        random: Mean over the seeds under the random split.
        ground: Mean over the seeds under the split of the ground.
        by_seed: Random minus ground of each seed.
        mean: Mean of these.
        random_pixels: Labelled training pixels of each seed.
        ground_pixels: Likewise.
    """

    network: str
    split: str
    figure: str
    random: float | None
    ground: float | None
    by_seed: dict[int, float | None]
    mean: float | None
    random_pixels: dict[int, int]
    ground_pixels: dict[int, int]


def optimism(results: Sequence[Result], legend: Legend, mines: Sequence[str]) -> list[Optimism]:
    """Random minus ground split of each network; empty without a random split and one of the ground.

    Args:
        results: Of all splits.
        legend: The classes.
        mines: Keys of the mine classes.
    """
    codes = [legend[key].code - 1 for key in mines]
    values = {(r.run.split, r.run.entry.label, r.run.seed): _figures(r, codes) for r in results}
    pixels = {(r.run.split, r.run.entry.label, r.run.seed): int(r.facts["training_pixels"]) for r in results}
    made = []
    for split in dict.fromkeys(s for s, _, _ in values if s != "random"):
        for label in dict.fromkeys(n for _, n, _ in values):
            seeds = [s for s in dict.fromkeys(s for _, _, s in values) if ("random", label, s) in values]
            seeds = [s for s in seeds if (split, label, s) in values]
            for figure in FIGURES if seeds else ():
                pairs = {s: (values["random", label, s][figure], values[split, label, s][figure]) for s in seeds}
                by_seed = {s: None if a is None or b is None else a - b for s, (a, b) in pairs.items()}
                random, ground = ([pair[k] for pair in pairs.values()] for k in (0, 1))
                counted = [{s: pixels[name, label, s] for s in seeds} for name in ("random", split)]
                mean = _mean(list(by_seed.values()))
                made.append(Optimism(label, split, figure, _mean(random), _mean(ground), by_seed, mean, *counted))
    return [o for o in made if o.mean is not None or o.figure != "mine_iou"]


def _figures(result: Result, mines: Sequence[int]) -> dict[str, float | None]:
    made: dict[str, float | None] = {name: result.figures[name] for name in FIGURES if name != "mine_iou"}
    return made | {"mine_iou": iou_as_one(result.matrix, mines)}


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return sum(defined) / len(defined) if defined else None
