"""The comparison as one self-contained HTML page, in the style of the report."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from pitmap import __version__
from pitmap.accuracy.census.resampling import Interval
from pitmap.comparison.figures import rendered
from pitmap.comparison.identities import deviations
from pitmap.comparison.paper import paper
from pitmap.comparison.plan import Plan
from pitmap.comparison.runs import Result
from pitmap.comparison.tables import NAMES, Rows, Summary, figure_table, top_two
from pitmap.comparison.verdicts import FIGURES, LEAST_BLOCKS, LEVEL, SAME, Difference, Optimism, describe, turned
from pitmap.reporting.page import render


@dataclass(frozen=True)
class Comparison:
    """All that a comparison found.

    Attributes:
        plan: The plan.
        results: Of all runs.
        costs: Table I.
        summaries: By split, then by network.
        intervals: By split, network and figure; empty with too few blocks of ground.
        differences: All pairs, splits of the ground only.
        optimism: Random against ground.
        sites: Accuracy by site.
        figures: By file name: maps and bars.
    """

    plan: Plan
    results: list[Result]
    costs: Rows
    summaries: dict[str, dict[str, Summary]]
    intervals: dict[str, dict[str, dict[str, Interval]]]
    differences: list[Difference]
    optimism: list[Optimism]
    sites: Rows
    figures: dict[str, Figure]


def comparison_page(found: Comparison) -> str:
    """The page."""
    plan, project = found.plan, found.plan.project
    published = paper()
    facts = [r.facts for r in found.results]
    return render(
        {
            "version": __version__,
            "title": project.project.name,
            "plan": plan,
            "costs": found.costs,
            "names": NAMES,
            "splits": [_split(found, split) for split in plan.splits],
            "claims": claims(found),
            "verdicts": [
                (figure, [d for d in found.differences if d.figure == figure])
                for figure in FIGURES
                if any(d.figure == figure for d in found.differences)
            ],
            "same": SAME,
            "level": LEVEL,
            "least_blocks": LEAST_BLOCKS,
            "optimism": found.optimism,
            "equal": project.compare.equal_training,
            "sites": _by_site(found.sites),
            "pictures": [(_caption(name), _uri(rendered(figure, "png"))) for name, figure in found.figures.items()],
            "paper": published,
            "paper_table": figure_table(published.scores, {n: {} for n in published.scores}, list(published.classes)),
            "paper_top": top_two(published.scores),
            "runs": [{"name": r.run.name, **r.facts} for r in found.results],
            "recipe": facts[0]["recipe"],
            "devices": sorted({f["device"] for f in facts}),
            "precisions": sorted({f["precision"] for f in facts}),
        },
        "comparison.html",
        "pitmap.comparison",
    )


def claims(found: Comparison) -> list[str]:
    """Sentences on U-Net+ against U-Net, the paper's question, for every variant that was compared."""
    networks = {entry.label: entry.network for entry in found.plan.entries}
    sentences = []
    for difference in found.differences:
        pair = networks[difference.first], networks[difference.second]
        if set(pair) == {"unet", "unetplus"} and difference.figure in FIGURES[:2]:
            seen = difference if pair[0] == "unetplus" else turned(difference)
            sentences.append(f"Split {seen.split}: {describe(seen)}")
    return sentences


def _split(found: Comparison, split: str) -> dict[str, Any]:
    summaries = found.summaries[split]
    own = [r for r in found.results if r.run.split == split]
    means = {n: s.mean for n, s in summaries.items()}
    checks = [deviations(r.scores) for r in own]
    first = {r.run.seed: r for r in own}
    return {
        "name": split,
        "leaks": split == "random",
        "table": figure_table(means, {n: s.by_seed for n, s in summaries.items()}, found.plan.project.legend.keys),
        "top": top_two(means),
        "figures": len(next(iter(means.values()))),
        "iou_deviation": max(c[0] for c in checks),
        "miou_deviation": max(c[1] for c in checks),
        "majority": {seed: r.figures["majority_accuracy"] for seed, r in first.items()},
        "majority_class": next(iter(first.values())).figures["majority_class"],
        "pixels": {seed: (r.facts["training_pixels"], r.facts["test_pixels"]) for seed, r in first.items()},
        "intervals": found.intervals.get(split, {}),
    }


def _by_site(rows: Rows) -> list[dict[str, Any]]:
    """Mean over the seeds for each split, site and network."""
    groups: dict[tuple[str, str, str], Rows] = {}
    for row in rows:
        groups.setdefault((row["split"], row["site"], row["network"]), []).append(row)
    made = []
    for (split, site, network), own in groups.items():
        means: dict[str, float | None] = {}
        for name in ("overall_accuracy", "kappa", "mean_iou", "mine_iou"):
            values = [r[name] for r in own if r[name] is not None]
            means[name] = sum(values) / len(values) if values else None
        made.append({"split": split, "site": site, "network": network, "seeds": len(own), **means})
    return made


def _caption(name: str) -> str:
    """What a picture shows, from the name of its file: ``fig11-<split>``, ``maps-<scene>``."""
    kind, _, subject = name.partition("-")
    return f"As Fig. 11 of the paper: split {subject}" if kind == "fig11" else f"As Fig. 9 and 10: {subject}"


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
