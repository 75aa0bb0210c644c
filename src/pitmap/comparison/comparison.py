"""``compare``: the plan, its runs, and the tables, figures and page made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pitmap.accuracy.census.resampling import Interval
from pitmap.cluster import Cluster
from pitmap.comparison.costs import Trial, counted, describe_plan, run_seconds, trial_of
from pitmap.comparison.figures import draw_bars, draw_maps, scene_maps, write_figure
from pitmap.comparison.latex import latex_tables
from pitmap.comparison.page import Comparison, comparison_page
from pitmap.comparison.plan import Plan
from pitmap.comparison.runs import Keys, Samples, check_alike, execute, read_result
from pitmap.comparison.spread import execute_on
from pitmap.comparison.tables import Rows, site_table, summarise, table1, table2, table3, to_csv
from pitmap.comparison.verdicts import FIGURES, cut, differences, optimism, single_intervals
from pitmap.files import make_folder, write_text
from pitmap.networks.count import Cost
from pitmap.observer import SILENT, Observer
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

UNKNOWN = Interval(None, None, None, None)

SCENES_DRAWN = 6
"""Scenes of which the maps are drawn; of more, some evenly spaced in their order."""


@dataclass(frozen=True)
class ComparisonRun:
    """A comparison as far as it is done.

    Attributes:
        folder: Of the runs.
        page: The page ``comparison.html``; None while runs are missing.
        runs: Number of runs of the plan.
        done: How many of them are done.
    """

    folder: Path
    page: Path | None
    runs: int
    done: int

    def summary(self) -> str:
        """One line for the screen."""
        return f"Comparison: {self.page}" if self.page else f"Runs: {self.folder}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "folder": str(self.folder), "page": self.page and str(self.page)}


def compare(
    project: Study,
    part: str | None = None,
    observer: Observer = SILENT,
    plan_only: bool = False,
    cluster: Cluster | None = None,
) -> ComparisonRun:
    """Compare networks on a study: do the runs that are not done, then write tables, figures and a page.

    Runs that are done are skipped, one that was interrupted goes on. With a part of the plan the page is written as
    soon as all runs of the whole plan are there, whichever machine did them: copy the ``runs`` folders together.

    Args:
        project: The project; ``[compare]`` says what is compared.
        part: ``k/n`` for every n-th run from the k-th on; None for all.
        observer: Told first the plan with its estimated hours, then each run and its progress.
        plan_only: Show the plan and stop.
        cluster: Where the runs are done, each on one worker, see ``cluster_at``; by default here, one by one.

    Returns:
        What was done, and the page once all runs are there.

    Raises:
        ProjectError: The plan names what does not exist, or runs were made with different recipes.
        PitmapError: Any of the steps'.
    """
    plan = Plan.of(project)
    runs, keys, samples = plan.part(part), Keys(plan), Samples(plan, observer)
    done = {run for run in plan.runs if keys.is_done(run)}
    finished = len(done) == len(plan.runs)
    trials = {entry.label: trial_of(plan, entry, samples, finished) for entry in plan.entries}
    costs = {
        e.label: counted(plan, e, len(project.scenes[0].band_indices), trials[e.label].width) for e in plan.entries
    }
    if plan_only or any(run not in done for run in runs):
        seconds = {r: run_seconds(plan, r, samples, trials[r.entry.label], costs[r.entry.label].halo) for r in runs}
        observer.say(describe_plan(plan, seconds, done, part, trials))
    if plan_only:
        return ComparisonRun(plan.folder, None, len(plan.runs), len(done))
    missing = [run for run in runs if run not in done]
    if cluster is not None:
        execute_on(cluster, plan, {run: keys.key(run) for run in missing}, observer)
    else:
        for run in missing:
            observer.say(f"Run {runs.index(run) + 1} of {len(runs)}: {run.name}")
            execute(plan, run, samples, keys.key(run), observer)
    done |= {run for run in plan.runs if keys.is_done(run)}
    if still := [run for run in plan.runs if run not in done]:
        observer.say(
            f"{len(still)} of {len(plan.runs)} runs are still to be done by other parts, {still[0].name} first."
        )
        return ComparisonRun(plan.folder, None, len(plan.runs), len(done))
    return ComparisonRun(plan.folder, write_comparison(plan, trials, costs), len(plan.runs), len(done))


def write_comparison(plan: Plan, trials: dict[str, Trial], costs: dict[str, Cost]) -> Path:
    """Tables (CSV, LaTeX) and figures (PNG, SVG, PDF) in ``comparison/``, and the page ``comparison.html``.

    All runs must be done.

    Raises:
        ProjectError: The runs were made with different recipes.
        OutputError: A file cannot be written.
    """
    found, tables = collect(plan, trials, costs)
    folder = make_folder(plan.project.results.comparison)
    for name, rows in tables.items():
        write_text(folder / f"{name}.csv", to_csv(rows))
    for name, text in latex_tables(found).items():
        write_text(folder / f"{name}.tex", text)
    for name, figure in found.figures.items():
        write_figure(folder, name, figure)
    page = plan.project.results.comparison_page
    write_text(page, comparison_page(found))
    return page


def collect(plan: Plan, trials: dict[str, Trial], costs: dict[str, Cost]) -> tuple[Comparison, dict[str, Rows]]:
    """Everything that the runs tell, and the tables by file name without ending."""
    project = plan.project
    results = [read_result(plan, run) for run in plan.runs]
    check_alike(results)
    legend, mines = project.legend, project.mine_classes
    by_split = {split: [r for r in results if r.run.split == split] for split in plan.splits}
    summaries = {split: summarise(own) for split, own in by_split.items()}
    grounds = {split: cut(own) for split, own in by_split.items()}
    # The test ground of the random split was trained on, in part: a verdict there would be one on memory.
    pairs = [d for s in plan.splits if s != "random" for d in differences(grounds[s], legend, mines, s)]
    intervals = {
        split: {label: single_intervals(ground, legend, mines) for label, ground in own.items()}
        for split, own in grounds.items()
    }
    found = Comparison(
        plan=plan,
        results=results,
        costs=table1(costs, trials),
        summaries=summaries,
        intervals=intervals,
        differences=pairs,
        optimism=optimism(results, legend, mines),
        sites=site_table(results, {s.name: s.site.name for s in project.scenes}, legend, mines),
        figures=_figures(plan, summaries, intervals),
    )
    tables = {
        "table1": found.costs,
        "table2": [row for split in plan.splits for row in table2(summaries[split], split)],
        "table3": [row for split in plan.splits for row in table3(summaries[split], split)],
        "sites": found.sites,
        "differences": [_flat(asdict(d)) for d in pairs],
        "optimism": [_flat(asdict(o)) for o in found.optimism],
        "intervals": [
            {"split": split, "network": label, "figure": name, **asdict(figures.get(name, UNKNOWN))}
            for split, own in intervals.items()
            for label, figures in own.items()
            for name in FIGURES
        ],
    }
    return found, tables


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Values by seed as a column a seed."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{name} {seed}".replace("by_seed", "seed"): v for seed, v in value.items()}
        else:
            flat[name] = value
    return flat


def _figures(plan: Plan, summaries: dict[str, Any], intervals: dict[str, Any]) -> dict[str, Figure]:
    """Bars of every split, and the maps of the first seed under the first split of the ground."""
    figures = {
        f"fig11-{split}": draw_bars(
            summaries[split], intervals[split], f"Split {split}, mean of {len(plan.seeds)} seed(s)"
        )
        for split in plan.splits
    }
    split = next((s for s in plan.splits if s != "random"), plan.splits[0])
    seed, legend = plan.seeds[0], plan.project.legend
    mines = [legend[key].code for key in plan.project.mine_classes]
    for scene in _drawn(plan.project.scenes):
        panels = scene_maps(plan, split, seed, scene)
        title = f"{scene.name} (split {split}, seed {seed})"
        figures[f"maps-{scene.name}"] = draw_maps(panels, legend, mines, title)
    return figures


def _drawn(scenes: Sequence[Scene]) -> list[Scene]:
    number = min(SCENES_DRAWN, len(scenes))
    return [scenes[i * len(scenes) // number] for i in range(number)]
