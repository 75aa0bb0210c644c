"""The paper's tables for one's own runs, every seed kept; pure functions on figures, and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pitmap.accuracy.census.confusion import figures, iou_as_one
from pitmap.comparison.costs import Trial
from pitmap.comparison.runs import CLASS_FIGURES, GLOBAL_FIGURES, Result, Scores
from pitmap.files import csv_text
from pitmap.legend import Legend
from pitmap.networks.count import Cost

Rows = list[dict[str, Any]]

NAMES = {
    "overall_accuracy": "OA", "kappa": "Kappa", "mean_iou": "mIoU", "mine_iou": "mine IoU",
    "producers_accuracy": "PA", "users_accuracy": "UA", "iou": "IoU",
}  # fmt: skip
"""Of figures, as they are printed."""


@dataclass(frozen=True)
class Summary:
    """A network's figures under one split.

    Attributes:
        network: Label.
        by_seed: Figures of each seed.
        mean: Mean of each figure over the seeds where it is defined.
    """

    network: str
    by_seed: dict[int, Scores]
    mean: Scores


def summarise(results: Sequence[Result]) -> dict[str, Summary]:
    """Figures by network of the runs of one split, in the order in which networks first appear."""
    by_network: dict[str, dict[int, Scores]] = {}
    for result in results:
        by_network.setdefault(result.run.entry.label, {})[result.run.seed] = result.scores
    return {label: Summary(label, seeds, mean_scores(list(seeds.values()))) for label, seeds in by_network.items()}


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Mean of each figure where it is defined."""
    return {name: _mean([s[name] for s in scores]) for name in scores[0]}


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return sum(defined) / len(defined) if defined else None


def best(values: Mapping[str, float | None], among: int = 1) -> set[str]:
    """Names with fewer than ``among`` larger values; none for an undefined value or one that is not above 0."""
    defined = {name: v for name, v in values.items() if v is not None and v > 0}
    return {name for name, v in defined.items() if sum(other > v for other in defined.values()) < among}


def top_two(scores: Mapping[str, Scores]) -> dict[str, list[str]]:
    """Table III: the figures in which each network is among the best two.

    Args:
        scores: By network, all with the same figures; with seven classes these are 24.
    """
    found: dict[str, list[str]] = {network: [] for network in scores}
    for figure in next(iter(scores.values())):
        for network in best({n: s[figure] for n, s in scores.items()}, 2):
            found[network].append(figure)
    return found


def table1(costs: Mapping[str, Cost], trials: Mapping[str, Trial]) -> Rows:
    """Table I: what the networks are and cost."""
    rows: Rows = []
    for label, cost in costs.items():
        trial = trials[label]
        counted = {k: v for k, v in asdict(cost).items() if k not in ("network", "variant")}
        rows.append({"network": label, "width": trial.width, **counted, **_measured(trial)})
    return rows


def _measured(trial: Trial) -> dict[str, Any]:
    return {
        "training_seconds_per_megapixel": float(f"{trial.training_seconds:.4g}"),
        "training_megabytes_per_megapixel": float(f"{trial.training_bytes / 1e6:.4g}"),
        "mapping_seconds_per_megapixel": float(f"{trial.mapping_seconds:.4g}"),
        "mapping_megabytes_per_megapixel": float(f"{trial.mapping_bytes / 1e6:.4g}"),
        "device": trial.device,
    }


def table2(summaries: Mapping[str, Summary], split: str) -> Rows:
    """Table II: a row for each figure, class and network: mean, every seed, and whether the mean is the best."""
    rows: Rows = []
    first = next(iter(summaries.values()))
    for name in first.mean:
        figure, _, key = name.partition(" ")
        leaders = best({n: s.mean[name] for n, s in summaries.items()})
        for network, summary in summaries.items():
            rows.append(
                {
                    "split": split,
                    "figure": figure,
                    "class": key,
                    "network": network,
                    "mean": summary.mean[name],
                    **{f"seed {seed}": scores[name] for seed, scores in summary.by_seed.items()},
                    "best": network in leaders,
                }
            )
    return rows


def figure_table(
    means: dict[str, Scores], seeds: dict[str, dict[int, Scores]], classes: list[str]
) -> list[dict[str, Any]]:
    """Table II as the paper lays it out: PA, UA and IoU, a row a network and a column a class; then the overall ones.

    Args:
        means: Figures by network.
        seeds: The figures of each seed, by network.
        classes: Keys of the classes.
    """
    blocks = [(figure, [f"{figure} {key}" for key in classes], classes) for figure in CLASS_FIGURES]
    blocks.append(("overall", list(GLOBAL_FIGURES), [NAMES[name] for name in GLOBAL_FIGURES]))
    made = []
    for figure, names, columns in blocks:
        leaders = {name: best({n: s[name] for n, s in means.items()}) for name in names}
        rows = [
            {
                "network": network,
                "cells": [
                    {
                        "value": scores[name],
                        "best": network in leaders[name],
                        "seeds": [s[name] for s in seeds[network].values()],
                    }
                    for name in names
                ],
            }
            for network, scores in means.items()
        ]
        made.append({"figure": NAMES.get(figure, "Overall"), "columns": columns, "rows": rows})
    return made


def table3(summaries: Mapping[str, Summary], split: str) -> Rows:
    """Table III: in how many figures, and in which, each network is among the best two by its mean."""
    return [
        {"split": split, "network": network, "count": len(names), "of": len(summaries[network].mean),
         "figures": "; ".join(names)}
        for network, names in top_two({n: s.mean for n, s in summaries.items()}).items()
    ]  # fmt: skip


def site_table(results: Sequence[Result], sites: Mapping[str, str], legend: Legend, mines: Sequence[str]) -> Rows:
    """Accuracy of each site: its scenes' matrices added up, a row for each network and seed.

    Args:
        results: Of any splits.
        sites: Site of each scene.
        legend: The classes.
        mines: Keys of the mine classes, whose IoU is that of all of them together.
    """
    codes = [legend[key].code - 1 for key in mines]
    rows: Rows = []
    for site in dict.fromkeys(sites.values()):
        for result in results:
            matrices = [m for scene, m in result.scenes.items() if sites[scene] == site]
            if not matrices:
                continue
            total = np.sum(matrices, axis=0)
            own = figures(total, legend)
            rows.append(
                {
                    "split": result.run.split,
                    "site": site,
                    "network": result.run.entry.label,
                    "seed": result.run.seed,
                    "pixels": int(total.sum()),
                    "overall_accuracy": own.overall_accuracy,
                    "kappa": own.kappa,
                    "mean_iou": own.mean_iou,
                    "mine_iou": iou_as_one(total, codes),
                    "majority_accuracy": own.majority_accuracy,
                }
            )
    return rows


def to_csv(rows: Rows) -> str:
    """Rows as CSV text; undefined values are empty, numbers as exact as they are."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return csv_text([columns, *([row.get(name, "") for name in columns] for row in rows)]) if rows else ""
