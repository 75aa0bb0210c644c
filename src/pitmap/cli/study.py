"""Commands on a study: demo, init, sample, networks, train, compare, report, run, stac, view."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import pitmap
from pitmap.cli.console import (
    ClusterOption,
    Console,
    JsonOption,
    ProjectArgument,
    ReplaceOption,
    WaitOption,
    band_list,
    show,
    word_list,
    workers_of,
)
from pitmap.errors import OutputError
from pitmap.information import Information
from pitmap.processor import let_threads_yield

NetworkOption = Annotated[str | None, typer.Option(help="Wins over the project file; see `pitmap networks`.")]


def demo(
    folder: Annotated[Path, typer.Argument(help="Where everything goes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the landscape and of the study.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """The whole way on a simulated GF-2 product; ends with the path of the report.

    Example: pitmap demo my-demo
    """
    let_threads_yield()
    from pitmap.demo import run_demo

    with Console() as observer:
        result = run_demo(folder, seed, observer)
    show(result, as_json)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.")] = Path(),
    everything: Annotated[bool, typer.Option("--all", help="With every field, its default and its meaning.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a commented pitmap.toml, and beside it the JSON schema with which editors complete and check it.

    Example: pitmap init my-study
    """
    from pitmap.study.document import write_project_file

    path = folder / "pitmap.toml"
    if path.exists():
        raise OutputError(f"{path} exists already.", remedy="Choose another folder, or remove it first.")
    write_project_file(folder, everything=everything)
    text = f"Wrote {path}. Name your image and labels in it, then: pitmap run {path}"
    show(Information(text, {"path": str(path)}), as_json)


def sample(project: ProjectArgument, wait: WaitOption = False, as_json: JsonOption = False) -> None:
    """Cut images and labels into patches with a split of the ground, and audit it.

    Example: pitmap sample my-study/pitmap.toml
    """
    from pitmap import workflow

    study = pitmap.load_study(project)
    with Console() as observer:
        samples = workflow.sample(study, observer, wait=wait)
    show(samples, as_json, f"{samples.summary()} Written to {samples.folder}.")


def networks(
    as_json: JsonOption = False,
    width: Annotated[int, typer.Option(help="Channels of the first stage.")] = 64,
    bands: Annotated[int, typer.Option(help="Bands of the image.")] = 4,
    classes: Annotated[int, typer.Option(help="Classes of the legend.")] = 7,
) -> None:
    """List the networks and their variants with depth, parameters, operations, stride and reach.

    Example: pitmap networks --width 16
    """
    from dataclasses import asdict

    from pitmap.networks.count import table

    rows = table(bands, classes, width)
    of = f"Width {width}, {bands} bands, {classes} classes, no batch normalisation; the first variant is the default."
    counted = {"width": width, "bands": bands, "classes": classes, "networks": [asdict(r) for r in rows]}
    if as_json:
        show(Information(of, counted), as_json)
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
    show(Information(of, counted), as_json)


def train(
    project: ProjectArgument,
    network: NetworkOption = None,
    seed: Annotated[int | None, typer.Option(help="Wins over the project file.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Train so many networks and keep their mean where validation says so.")
    ] = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a network on the samples; an interrupted training goes on where it was.

    Example: pitmap train my-study/pitmap.toml --network unet

    Over several GPUs or machines: torchrun --nproc-per-node 4 -m pitmap train my-study/pitmap.toml
    """
    let_threads_yield()
    from pitmap import workflow
    from pitmap.company import Company

    study, company = pitmap.load_study(project), Company.of_environment()
    if company is not None and not company.speaks:
        workflow.train(study, network, seed, seeds=seeds, company=company)
        return
    with Console() as observer:
        card = workflow.train(study, network, seed, observer, seeds=seeds, wait=wait, company=company)
    show(card, as_json, f"{card.summary()} Written to {workflow.model_path(study, network, seed)}.")


def compare(
    project: ProjectArgument,
    part: Annotated[
        str | None, typer.Option(help="Every n-th run from the k-th on, K/N, to share the plan out.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan with its estimated hours, and stop.")] = False,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare networks with seeds, intervals and verdicts: the paper's tables and figures on your own data.

    What is done is skipped, what was interrupted goes on. Example: pitmap compare my-study/pitmap.toml --part 2/8
    """
    let_threads_yield()
    from pitmap.comparison import compare

    study = pitmap.load_study(project)
    with Console() as observer, workers_of(None if plan else cluster) as workers:
        result = compare(study, part, observer, plan, workers)
    show(result, as_json)


def report(
    project: Annotated[
        Path | None, typer.Argument(metavar="PROJECT", help="A pitmap.toml, or the folder it lies in.")
    ] = None,
    network: NetworkOption = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="MAP", help="Report of this map alone, in place of a project.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Of a map: the model that made it.")] = None,
    points: Annotated[
        Path | None,
        typer.Option(help="Of a map: its labelled sample of `pitmap design`, for corrected hectares."),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="Of a map: the image that was mapped.")] = None,
    bands: Annotated[Any, typer.Option(parser=band_list, help="Bands of the image that are mapped: 2,3,4,8.")] = None,
    mines: Annotated[Path | None, typer.Option(help="Of a map: its mines, if not the .gpkg beside it.")] = None,
    classes: Annotated[
        Any, typer.Option(parser=word_list, help="Of a map: the classes that are signed: OPM,WDA.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="HECTARES", help="Of a map: say how likely the area exceeds this.")
    ] = None,
    language: Annotated[Literal["en", "zh"] | None, typer.Option(help="Of a map: English or Chinese.")] = None,
    title: Annotated[str | None, typer.Option(help="Of a map: the heading of the page.")] = None,
    out: Annotated[Path | None, typer.Option(help="Of a map: the page, by default MAP-report.html beside it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a project, or of a map alone, as one HTML file that opens offline.

    Example: pitmap report my-study/pitmap.toml
    Example: pitmap report --map map.tif --points points.gpkg --image scene.tif --threshold 60
    """
    of_map = {
        "--model": model, "--points": points, "--image": image, "--bands": bands, "--mines": mines,
        "--classes": classes, "--threshold": threshold, "--language": language, "--title": title, "--out": out,
    }  # fmt: skip
    if (project is None) == (map_file is None):
        raise typer.BadParameter("give either a PROJECT or --map MAP")
    if map_file is None:
        assert project is not None
        if given := [name for name, value in of_map.items() if value is not None]:
            raise typer.BadParameter(f"{', '.join(given)} belong to --map; a project says such things in its file")
        from pitmap import workflow

        study = pitmap.load_study(project)
        with Console() as observer:
            written = workflow.report(study, network, observer=observer)
        show(written, as_json)
        return
    if network is not None:
        raise typer.BadParameter("--network belongs to PROJECT; the model of a map is given with --model")
    from pitmap.reporting.map_page import MapReportOptions, report_map

    options = MapReportOptions(
        model=model,
        points=points,
        image=image,
        bands=bands,
        mines=mines,
        classes=classes,
        threshold_ha=threshold,
        title=title or "",
        language=language or "en",
    )
    with Console() as observer:
        page = report_map(map_file, out or map_file.with_name(f"{map_file.stem}-report.html"), options, observer)
    show(page, as_json)


def run(
    project: ProjectArgument,
    network: NetworkOption = None,
    replace: ReplaceOption = False,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Sample, train, map, assess and report; what is up to date is skipped, what was interrupted goes on.

    Example: pitmap run my-study/pitmap.toml
    """
    let_threads_yield()
    from pitmap import workflow

    study = pitmap.load_study(project)
    with Console() as observer:
        result = workflow.run(study, network, observer, replace=replace, wait=wait)
    show(result, as_json)


def stac(
    project: ProjectArgument,
    out: Annotated[Path | None, typer.Option(help="Folder of the catalogue; by default `stac` in the results.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Describe images, maps and models as a STAC collection, with the times of sensing. Needs pitmap[stac].

    Example: pitmap stac my-study/pitmap.toml
    """
    from pitmap.deliver.stac import write_stac

    study = pitmap.load_study(project)
    with Console() as observer:
        catalogue = write_stac(study, out, observer)
    show(catalogue, as_json)


def view(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="A results folder, or a study (its pitmap.toml or folder).")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of this machine; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Show images, maps and mines in a browser, to this machine only; Ctrl-C stops. Needs pitmap[view].

    Example: pitmap view my-study/results
    """
    import webbrowser

    from pitmap.view.scenes import find_scenes
    from pitmap.view.server import ViewServer, serve

    viewed = find_scenes(results)
    with Console() as observer:
        for name in viewed.left_out:
            observer.warn(f"{name} has no place on the Earth and is left out.")
    server = ViewServer(viewed, port)
    show(server, as_json)
    if browser:
        webbrowser.open(server.address)
    serve(server)
