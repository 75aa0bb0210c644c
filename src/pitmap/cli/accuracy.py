"""Commands on accuracy: assess, design, estimate, audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import pitmap
from pitmap.cli.console import Console, JsonOption, band_list, hectares, key_pairs, show, word_list

Allocation = Literal["proportional", "equal", "neyman"]
"""As in ``accuracy.sampling.estimation``, which is too heavy to import for a list of commands."""

EncodingOption = Annotated[str | None, typer.Option(help="Of the reference's text, such as GBK.")]

LegendOption = Annotated[Path | None, typer.Option("--project", "-p", help="Project whose legend is used.")]


def assess(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="A raster of class codes.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help="A label raster or a vector layer.")],
    extent: Annotated[Path | None, typer.Option(help="Compare only inside this vector layer.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a vector reference.")] = None,
    field: Annotated[str | None, typer.Option(help="Field with the class in a vector reference.")] = None,
    values: Annotated[Any, typer.Option(parser=key_pairs, help="Reference value=class key: 1=OPM,2=WAT.")] = None,
    map_values: Annotated[
        Any, typer.Option(parser=key_pairs, help="The same for the map, where its codes differ.")
    ] = None,
    encoding: EncodingOption = None,
    project: LegendOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the figures here (JSON), the matrix beside it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a map with a reference: confusion matrix, OA, Kappa, mIoU, and UA, PA, IoU, F1 per class.

    Example: pitmap assess map.tif landuse.gpkg --field class --out accuracy.json
    """
    from pitmap.accuracy.census.assess import AssessOptions
    from pitmap.accuracy.census.assess import assess as compare

    options = AssessOptions(
        legend=None if project is None else pitmap.load_study(project).legend,
        values=values,
        map_values=map_values,
        layer=layer,
        field=field,
        encoding=encoding,
        extent=extent,
    )
    with Console() as observer:
        result = compare(map_file, reference, options, observer=observer)
    if not as_json:
        _print_figures(result)
    if out is not None:
        result.write(out)
    show(result, as_json, result.summary() + _written(out))


def design(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="A raster of class codes.")],
    out: Annotated[Path, typer.Argument(metavar="POINTS", help="The sample, a .gpkg.")],
    points: Annotated[int | None, typer.Option(help="Number of points; else from --standard-error.")] = None,
    standard_error: Annotated[float | None, typer.Option(help="Target of the overall accuracy, such as 0.01.")] = None,
    interval_width: Annotated[float | None, typer.Option(help="Target width of its 95 % interval instead.")] = None,
    expected_users_accuracy: Annotated[float, typer.Option("--expected", help="User's accuracy to expect.")] = 0.85,
    allocation: Annotated[Allocation, typer.Option(help="How points are shared out.")] = "proportional",
    floor: Annotated[int, typer.Option(help="Least number of points of a class.")] = 50,
    buffer_class: Annotated[str | None, typer.Option(help="Class with a belt round it as a stratum.")] = None,
    buffer_m: Annotated[float, typer.Option(help="Width of the belt.")] = 0.0,
    spacing_m: Annotated[float, typer.Option(help="Least distance of two points.")] = 0.0,
    extent: Annotated[Path | None, typer.Option(help="Sample only inside this vector layer.")] = None,
    image: Annotated[Path | None, typer.Option(help="Cut a picture of each point from this image.")] = None,
    bands: Annotated[Any, typer.Option(parser=band_list, help="Its bands for red, green and blue: 4,3,2.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    project: LegendOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a stratified random sample of a map, to be labelled in QGIS without seeing the map's class.

    Example: pitmap design map.tif points.gpkg --standard-error 0.01 --image scene.tif --bands 4,3,2
    """
    from pitmap.accuracy.sampling.design import DesignOptions
    from pitmap.accuracy.sampling.design import design as draw

    options = DesignOptions(
        points=points,
        standard_error=standard_error,
        interval_width=interval_width,
        expected_users_accuracy=expected_users_accuracy,
        allocation=allocation,
        floor=floor,
        buffer_class=buffer_class,
        buffer_m=buffer_m,
        spacing_m=spacing_m,
        extent=extent,
        image=image,
        bands=bands,
        legend=None if project is None else pitmap.load_study(project).legend,
        seed=seed,
    )
    with Console() as observer:
        drawn = draw(map_file, out, options, observer)
    show(drawn, as_json, f"{drawn.summary()} Fill in the field `reference` of {out} in QGIS, then: pitmap estimate")


def estimate(
    points: Annotated[Path, typer.Argument(metavar="POINTS", help="The labelled sample of `pitmap design`.")],
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="The map that it was drawn from.")],
    out: Annotated[Path | None, typer.Option(help="Write the estimates here (JSON).")] = None,
    use_doubtful: Annotated[
        bool, typer.Option("--doubtful/--no-doubtful", help="Whether doubtful points count.")
    ] = True,
    method: Annotated[
        Literal["mover", "wald"],
        typer.Option(
            help="How intervals are made; wald for comparison with publications: too narrow for rare classes."
        ),
    ] = "mover",
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=HECTARES",
            help="Say how likely the class's area exceeds this: OPM=60. May be given more than once.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate accuracy and hectares per class from a labelled sample, with 95 % intervals (Olofsson et al. 2014).

    Example: pitmap estimate points.gpkg map.tif --threshold OPM=60 --out estimate.json
    """
    from pitmap.accuracy.sampling.sample import EstimateOptions
    from pitmap.accuracy.sampling.sample import estimate as estimate_sample

    options = EstimateOptions(use_doubtful, method=method, thresholds=hectares(threshold or ()))
    with Console() as observer:
        result = estimate_sample(points, map_file, options, observer)
    if out is not None:
        result.write(out)
    show(result, as_json, result.summary() + _written(out))


def audit(
    mines: Annotated[Path, typer.Argument(metavar="MINES", help="Mapped mines, as of `pitmap map --mines`.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE_MINES", help="Polygons of the reference mines.")],
    layer: Annotated[str | None, typer.Option(help="Layer of the mapped mines.")] = None,
    reference_layer: Annotated[str | None, typer.Option(help="Layer of the reference.")] = None,
    reference_field: Annotated[str | None, typer.Option(help="Field that says which polygons are mines.")] = None,
    reference_values: Annotated[
        Any, typer.Option(parser=word_list, help="Its values that mean mine: quarry,pit.")
    ] = None,
    encoding: EncodingOption = None,
    group_field: Annotated[str | None, typer.Option(help="Field of both layers, such as a tile's id.")] = None,
    dissolve: Annotated[bool, typer.Option("--dissolve", help="Polygons that touch are one mine.")] = False,
    overlap: Annotated[float, typer.Option(help="Share of a polygon that decides on found and true.")] = 0.5,
    extent: Annotated[Path | None, typer.Option(help="Cut both layers to this one: ground whose use is known.")] = None,
    minimum_m2: Annotated[float, typer.Option(help="Leave out smaller polygons of either layer.")] = 0.0,
    out: Annotated[Path | None, typer.Option(help="Write the audit here (JSON), the verdicts beside it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say of each mine whether it was found, missed, split or merged, and how its area and outline agree.

    Example: pitmap audit mines.gpkg landuse.gpkg --reference-field class --reference-values quarry --out audit.json
    """
    from pitmap.accuracy.mines.audit import AuditOptions
    from pitmap.accuracy.mines.audit import audit as audit_mines

    options = AuditOptions(
        layer=layer,
        reference_layer=reference_layer,
        reference_field=reference_field,
        reference_values=reference_values or (),
        encoding=encoding,
        group_field=group_field,
        dissolve=dissolve,
        overlap=overlap,
        extent=extent,
        minimum_m2=minimum_m2,
    )
    result = audit_mines(mines, reference, options)
    if out is not None:
        result.write(out)
    show(result, as_json, result.summary() + _written(out))


def _written(out: Path | None) -> str:
    return "" if out is None else f" Written to {out}."


def _print_figures(assessment: Any) -> None:
    from rich.console import Console as Terminal
    from rich.table import Table

    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}"

    table = Table(box=None, header_style="bold")
    table.add_column("class")
    for name in ("mapped", "reference", "PA", "UA", "IoU", "F1"):
        table.add_column(name, justify="right")
    figures = assessment.matrix.figures()
    for c in figures.classes:
        table.add_row(
            f"{c.key} {c.name}", f"{c.mapped:.0f}", f"{c.reference:.0f}", share(c.producers_accuracy),
            share(c.users_accuracy), share(c.iou), share(c.f1),
        )  # fmt: skip
    Terminal().print(table)
    print(
        f"Kappa {'–' if figures.kappa is None else f'{figures.kappa:.3f}'}, quantity disagreement "
        f"{share(figures.quantity)}, allocation disagreement {share(figures.allocation)}."
    )
