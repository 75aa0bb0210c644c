"""The command line: parse, call one function, print. The only module that knows typer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitmap.errors import OutputError, PitmapError, ProjectError

if TYPE_CHECKING:
    from rich.progress import Progress

    from pitmap.project import Project

app = typer.Typer(
    name="pitmap",
    help="Map open-pit mines from satellite images: raw product to land-cover map, mine polygons with hectares, and an "
    "accuracy statement.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ProjectArgument = Annotated[Path, typer.Argument(metavar="PROJECT", help="A pitmap.toml, or the folder it lies in.")]


def main() -> None:
    """Entry point: errors that the user can mend become one paragraph and exit code 1."""
    try:
        app()
    except PitmapError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on.", file=sys.stderr)
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from pitmap import __version__

        print(f"pitmap {__version__}")
        raise typer.Exit


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where everything goes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the landscape and of the study.")] = 0,
) -> None:
    """The whole way on a simulated mining landscape; ends with the path of the report.

    Example: pitmap demo my-demo
    """
    from pitmap.demo import run_demo

    with _bar() as (progress, bar):
        report = run_demo(folder, seed, _say, progress, _training_callbacks(bar))
    print(f"Report: {report}")


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Folder of the study.")] = Path()) -> None:
    """Write a commented pitmap.toml.

    Example: pitmap init my-study
    """
    from pitmap.files import write_text
    from pitmap.template import TEMPLATE

    path = folder / "pitmap.toml"
    if path.exists():
        raise OutputError(f"{path} exists already.", remedy="Choose another folder, or remove it first.")
    write_text(path, TEMPLATE)
    print(f"Wrote {path}. Name your image and labels in it, then: pitmap run {path}")


@app.command()
def sample(project: ProjectArgument) -> None:
    """Cut images and labels into patches with a split of the ground, and audit it.

    Example: pitmap sample my-study/pitmap.toml
    """
    from pitmap import workflow

    study = _load(project)
    with _bar() as (progress, _):
        samples = workflow.sample(study, progress)
    audit = samples.content["audit"]
    if audit["leaks"]:
        _say(f"Warning: {audit['remark']}")
    for missing in audit["classes_below_minimum"]:
        _say(f"Warning: few labelled pixels of {missing}.")
    print(f"{workflow.describe_samples(samples)} Written to {study.results / 'samples'}.")


@app.command()
def train(
    project: ProjectArgument,
    network: Annotated[str | None, typer.Option(help="Wins over the project file; see `pitmap networks`.")] = None,
    seed: Annotated[int | None, typer.Option(help="Wins over the project file.")] = None,
) -> None:
    """Train a network on the samples; an interrupted training goes on where it was.

    Example: pitmap train my-study/pitmap.toml --network unet
    """
    from pitmap import workflow

    study = _load(project)
    with _bar() as (_, bar):
        card = workflow.train_model(study, network, seed, _say, _training_callbacks(bar))
    print(f"{workflow.describe_model(card)} Written to {workflow.model_path(study, network, seed)}.")


@app.command("map")
def map_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .safetensors model of `pitmap train`.")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Any raster that GDAL reads.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The map, a .tif.")],
    project: Annotated[
        Path | None, typer.Option("--project", "-p", help="Project whose site says bands and scale.")
    ] = None,
    site: Annotated[str | None, typer.Option("--site", "-s", help="That site.")] = None,
    bands: Annotated[str | None, typer.Option(help="Bands in the model's order, such as 2,3,4,8 or B02,B03.")] = None,
    scale: Annotated[float | None, typer.Option(help="Reflectance = DN x scale + offset.")] = None,
    offset: Annotated[float | None, typer.Option(help="See --scale.")] = None,
    nodata: Annotated[float | None, typer.Option(help="Pixels with this value in any band are left out.")] = None,
    mask: Annotated[list[Path] | None, typer.Option(help="Layer of ground to leave out; may be repeated.")] = None,
    mines: Annotated[Path | None, typer.Option(help="Write mine polygons to this .gpkg.")] = None,
    mine_class: Annotated[list[str] | None, typer.Option(help="Class key of mines; may be repeated.")] = None,
    minimum_m2: Annotated[float, typer.Option(help="Leave out smaller mine polygons.")] = 1000.0,
    probabilities: Annotated[Path | None, typer.Option(help="Write class probabilities to this .tif.")] = None,
    tile: Annotated[int | None, typer.Option(help="Side of a tile in pixels.")] = None,
    halo: Annotated[str, typer.Option(help="'exact', or pixels.")] = "exact",
    tta: Annotated[bool, typer.Option("--tta", help="Mean of the eight flips and rotations.")] = False,
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Map a whole image in exact tiles; memory does not grow with the image.

    Example: pitmap map unetplus-seed0.safetensors scene.tif map.tif --mines mines.gpkg
    """
    from dataclasses import replace

    from pitmap.mapping.mines import extract_mines
    from pitmap.mapping.prediction import MapOptions, map_image

    if project is not None:
        from pitmap import workflow

        study = _load(project)
        options = workflow.map_options(study, _scene(study, site, image), out)
    else:
        options = MapOptions()
    given: dict[str, Any] = {
        "bands": None if bands is None else tuple(int(b) if b.isdigit() else b for b in bands.split(",")),
        "scale": scale,
        "offset": offset if offset is not None or scale is None else 0.0,
        "nodata": nodata,
        "masks": tuple(mask) if mask else None,
        "probabilities": probabilities,
        "tile": tile,
        "halo": None if halo == "exact" else _number(halo, "--halo"),
        "test_time_augmentation": tta or None,
        "precision": None if precision == "auto" else precision,
        "device": None if device == "auto" else device,
    }
    options = replace(options, **{k: v for k, v in given.items() if v is not None})
    with _bar() as (progress, _):
        report = map_image(model, image, out, options, lambda done: progress(f"mapping {image.name}", done))
    line = report.summary()
    if mines is not None:
        table = extract_mines(
            out,
            mines,
            **({"classes": tuple(mine_class)} if mine_class else {}),
            minimum_mapping_unit_m2=minimum_m2,
            probabilities=probabilities,
        )
        unit = f"{table['area_ha'].sum():.1f} ha" if "area_ha" in table else f"{table['pixels'].sum()} pixels"
        line += f" {len(table)} mine polygon(s), {unit}, in {mines}."
    print(line)


@app.command()
def assess(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="A raster of class codes.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help="A label raster or a vector layer.")],
    extent: Annotated[Path | None, typer.Option(help="Compare only inside this vector layer.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a vector reference.")] = None,
    field: Annotated[str | None, typer.Option(help="Field with the class in a vector reference.")] = None,
    values: Annotated[str | None, typer.Option(help="Reference value=class key, comma-separated: 1=OPM,2=WAT.")] = None,
    map_values: Annotated[str | None, typer.Option(help="The same for the map, where its codes differ.")] = None,
    project: Annotated[Path | None, typer.Option("--project", "-p", help="Project whose legend is used.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the figures here (JSON), the matrix beside it.")] = None,
) -> None:
    """Compare a map with a reference: confusion matrix, OA, Kappa, mIoU, and UA, PA, IoU, F1 per class.

    Example: pitmap assess map.tif landuse.gpkg --field class --out accuracy.json
    """
    from pitmap.accuracy.assess import AssessOptions
    from pitmap.accuracy.assess import assess as compare_files

    options = AssessOptions(
        legend=None if project is None else _load(project).legend,
        values=_values(values, "--values"),
        map_values=_values(map_values, "--map-values"),
        layer=layer,
        field=field,
        extent=extent,
    )
    with _bar() as (progress, _):
        assessment = compare_files(map_file, reference, options, progress=lambda done: progress("comparing", done))
    _print_assessment(assessment)
    if out is not None:
        assessment.write(out)
    print(assessment.summary() + ("" if out is None else f" Written to {out}."))


@app.command()
def report(
    project: ProjectArgument,
    network: Annotated[str | None, typer.Option(help="Wins over the project file.")] = None,
) -> None:
    """Write the report of a project from its results: one HTML file that opens offline.

    Example: pitmap report my-study/pitmap.toml
    """
    from pitmap import workflow
    from pitmap.report import write_report

    study = _load(project)
    print(f"Report: {write_report(study, workflow.model_path(study, network))}")


@app.command()
def run(
    project: ProjectArgument,
    network: Annotated[str | None, typer.Option(help="Wins over the project file.")] = None,
) -> None:
    """Sample, train, map, assess and report; what is up to date is skipped, what was interrupted goes on.

    Example: pitmap run my-study/pitmap.toml
    """
    from pitmap import workflow

    study = _load(project)
    with _bar() as (progress, bar):
        path = workflow.run(study, network, _say, progress, _training_callbacks(bar))
    print(f"Report: {path}")


def _say(text: str) -> None:
    """Print to stderr, so that stdout holds the result alone."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(text, markup=False)


def _load(path: Path) -> Project:
    from pitmap.project import load

    return load(path / "pitmap.toml" if path.is_dir() else path)


def _scene(study: Project, site: str | None, image: Path) -> Any:
    """The scene of a project that says how an image is read: that of a site, or the one with this image."""
    from pitmap.project import nearest

    if site is None:
        matching = [s for s in study.scenes if s.image.resolve() == image.resolve()]
        if not matching and len({s.site.name for s in study.scenes}) == 1:
            matching = study.scenes
    else:
        matching = [s for s in study.scenes if site in (s.site.name, s.name)]
    if not matching:
        names = sorted({s.site.name for s in study.scenes})
        raise ProjectError(
            f"The project has no site {site!r}.{nearest(site, names)}" if site
            else f"{image} is not an image of the project.",
            "A site of the project that says which bands and which scale the image has.",
            f"Give --site with one of: {', '.join(names)}.",
        )  # fmt: skip
    return matching[0]


def _values(text: str | None, option: str) -> dict[str, str | None] | None:
    """``1=OPM,2=WAT`` as a dictionary; an empty key leaves the value out."""
    if text is None:
        return None
    pairs = [part.split("=", 1) for part in text.split(",")]
    if any(len(p) != 2 for p in pairs):
        raise ProjectError(f"{option} is {text!r}.", "Pairs such as 1=OPM,2=WAT.")
    return {value.strip(): key.strip() or None for value, key in pairs}


def _number(text: str, option: str) -> int:
    if not text.isdigit():
        raise ProjectError(f"{option} is {text!r}.", "'exact', or a number of pixels.")
    return int(text)


@contextmanager
def _bar() -> Iterator[tuple[Callable[[str, float], None], Progress]]:
    """A progress bar on stderr: a function (step, share done) to move it, and the bar itself."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task: list[TaskID] = []

        def move(step: str, share: float) -> None:
            if not task:
                task.append(bar.add_task(step, total=1.0))
            bar.update(task[0], description=step, completed=share)

        yield move, bar


def _training_callbacks(bar: Progress) -> list[Any]:
    from pitmap.training.progress import TrainingBar

    return [TrainingBar(bar)]


def _print_assessment(assessment: Any) -> None:
    """The table of the classes."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("class")
    for name in ("mapped", "reference", "PA", "UA", "IoU", "F1"):
        table.add_column(name, justify="right")

    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}"

    figures = assessment.matrix.figures()
    for c in figures.classes:
        table.add_row(
            f"{c.key} {c.name}", f"{c.mapped:.0f}", f"{c.reference:.0f}", share(c.producers_accuracy),
            share(c.users_accuracy), share(c.iou), share(c.f1),
        )  # fmt: skip
    Console().print(table)
    print(
        f"Kappa {'–' if figures.kappa is None else f'{figures.kappa:.3f}'}, quantity disagreement "
        f"{share(figures.quantity)}, allocation disagreement {share(figures.allocation)}."
    )


if __name__ == "__main__":
    main()
