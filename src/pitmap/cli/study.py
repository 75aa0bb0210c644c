"""Commands on a study: demo, init, sample, networks, train, compare, report, run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitmap.cli.console import Console, ProjectArgument, ReplaceOption, WaitOption, load_project
from pitmap.errors import OutputError

NetworkOption = Annotated[str | None, typer.Option(help="Wins over the project file; see `pitmap networks`.")]


def demo(
    folder: Annotated[Path, typer.Argument(help="Where everything goes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the landscape and of the study.")] = 0,
) -> None:
    """The whole way on a simulated GF-2 product; ends with the path of the report.

    Example: pitmap demo my-demo
    """
    from pitmap.demo import run_demo

    with Console() as observer:
        page = run_demo(folder, seed, observer)
    print(f"Report: {page}")


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.")] = Path(),
    everything: Annotated[bool, typer.Option("--all", help="With every field, its default and its meaning.")] = False,
) -> None:
    """Write a commented pitmap.toml, and beside it the JSON schema with which editors complete and check it.

    Example: pitmap init my-study
    """
    from pitmap.study.document import write_project_file

    path = folder / "pitmap.toml"
    if path.exists():
        raise OutputError(f"{path} exists already.", remedy="Choose another folder, or remove it first.")
    write_project_file(folder, everything=everything)
    print(f"Wrote {path}. Name your image and labels in it, then: pitmap run {path}")


def sample(project: ProjectArgument, wait: WaitOption = False) -> None:
    """Cut images and labels into patches with a split of the ground, and audit it.

    Example: pitmap sample my-study/pitmap.toml
    """
    from pitmap import workflow

    study = load_project(project)
    with Console() as observer:
        samples = workflow.sample(study, observer, wait=wait)
        audit = samples.record.audit
        if audit.leaks:
            observer.warn(audit.remark)
        for missing in audit.classes_below_minimum:
            observer.warn(f"Few labelled pixels of {missing}.")
    print(f"{samples.summary()} Written to {study.samples_folder}.")


def networks(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    width: Annotated[int, typer.Option(help="Channels of the first stage.")] = 64,
    bands: Annotated[int, typer.Option(help="Bands of the image.")] = 4,
    classes: Annotated[int, typer.Option(help="Classes of the legend.")] = 7,
) -> None:
    """List the networks and their variants with depth, parameters, operations, stride and reach.

    Example: pitmap networks --width 16
    """
    import json
    from dataclasses import asdict

    from pitmap.networks.count import table

    rows = table(bands, classes, width)
    if as_json:
        print(json.dumps([asdict(r) for r in rows], indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, header_style="bold")
    for name in ("network", "variant"):
        shown.add_column(name)
    for name in ("depth", "parameters", "GMAC at 512 x 512", "stride", "reach", "halo"):
        shown.add_column(name, justify="right")
    for r in rows:
        gmac = f"{r.multiply_accumulates / 1e9:.2f}"
        shown.add_row(
            r.network, r.variant, str(r.depth), f"{r.parameters:,}", gmac, str(r.stride), str(r.reach), str(r.halo)
        )
    Console().print(shown)
    print(f"Width {width}, {bands} bands, {classes} classes, no batch normalisation; the first variant is the default.")


def train(
    project: ProjectArgument,
    network: NetworkOption = None,
    seed: Annotated[int | None, typer.Option(help="Wins over the project file.")] = None,
    wait: WaitOption = False,
) -> None:
    """Train a network on the samples; an interrupted training goes on where it was.

    Example: pitmap train my-study/pitmap.toml --network unet
    """
    from pitmap import workflow

    study = load_project(project)
    with Console() as observer:
        card = workflow.train_model(study, network, seed, observer, wait=wait)
    print(f"{workflow.describe_model(card)} Written to {workflow.model_path(study, network, seed)}.")


def compare(
    project: ProjectArgument,
    part: Annotated[
        str | None, typer.Option(help="Every n-th run from the k-th on, K/N, to share the plan out.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan with its estimated hours, and stop.")] = False,
) -> None:
    """Compare networks with seeds, intervals and verdicts: the paper's tables and figures on your own data.

    What is done is skipped, what was interrupted goes on. Example: pitmap compare my-study/pitmap.toml --part 2/8
    """
    from pitmap.comparison import compare

    study = load_project(project)
    with Console() as observer:
        made = compare(study, part, observer, plan)
    print(f"Comparison: {made}" if made.suffix == ".html" else f"Runs: {made}")


def report(project: ProjectArgument, network: NetworkOption = None) -> None:
    """Write the report of a project from its results: one HTML file that opens offline.

    Example: pitmap report my-study/pitmap.toml
    """
    from pitmap import workflow
    from pitmap.reporting import write_report

    study = load_project(project)
    print(f"Report: {write_report(study, workflow.model_path(study, network))}")


def run(
    project: ProjectArgument, network: NetworkOption = None, replace: ReplaceOption = False, wait: WaitOption = False
) -> None:
    """Sample, train, map, assess and report; what is up to date is skipped, what was interrupted goes on.

    Example: pitmap run my-study/pitmap.toml
    """
    from pitmap import workflow

    study = load_project(project)
    with Console() as observer:
        page = workflow.run(study, network, observer, replace=replace, wait=wait)
    print(f"Report: {page}")
