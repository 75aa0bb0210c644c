"""Commands on accuracy: assess, design, estimate, audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import pitmap
from pitmap.cli.console import Console, JsonOption, band_list, hectares, key_pairs, show, word_list

Allocation = Literal["proportional", "equal", "neyman"]
"""As in ``accuracy.sampling.planning``, which is too heavy to import for a list of commands."""

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
    target: Annotated[
        str | None, typer.Option("--class", help="Class whose hectares are wanted: fewest points for its area.")
    ] = None,
    relative: Annotated[float | None, typer.Option(help="Half-width of its 95 % interval: 0.1 is 10 %.")] = None,
    hectares: Annotated[float | None, typer.Option(help="The same in hectares instead.")] = None,
    confidence: Annotated[Path | None, typer.Option(help="Default: MAP with -confidence added to its name.")] = None,
    probabilities: Annotated[
        Path | None, typer.Option(help="Default: MAP with -probabilities added, used before the confidence.")
    ] = None,
    more: Annotated[Path | None, typer.Option(help="Add to this sample, labels kept; written to POINTS.")] = None,
    export: Annotated[
        Path | None, typer.Option(help="The points for Collect Earth Online (.csv) or AcATaMa (.geojson, .gpkg) too.")
    ] = None,
    points: Annotated[int | None, typer.Option(help="For all classes: number of points; with --more, added.")] = None,
    standard_error: Annotated[float | None, typer.Option(help="Target of the overall accuracy, such as 0.01.")] = None,
    interval_width: Annotated[float | None, typer.Option(help="Target width of its 95 % interval instead.")] = None,
    expected_users_accuracy: Annotated[float, typer.Option("--expected", help="User's accuracy to expect.")] = 0.85,
    allocation: Annotated[Allocation, typer.Option(help="How points are shared out.")] = "proportional",
    floor: Annotated[int | None, typer.Option(help="Least points of a stratum; 50, with --class 10.")] = None,
    buffer_class: Annotated[str | None, typer.Option(help="Class with a belt round it as a stratum.")] = None,
    buffer_m: Annotated[float, typer.Option(help="Width of the belt.")] = 0.0,
    spacing_m: Annotated[float, typer.Option(help="Least distance of two points.")] = 0.0,
    extent: Annotated[Path | None, typer.Option(help="Sample only inside this vector layer.")] = None,
    image: Annotated[
        list[Path] | None, typer.Option(help="Cut pictures of each point from this image; again for other dates.")
    ] = None,
    bands: Annotated[Any, typer.Option(parser=band_list, help="Bands for red, green and blue: 4,3,2.")] = None,
    seconds_a_point: Annotated[float, typer.Option("--seconds", help="That labelling a point takes.")] = 15.0,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    project: LegendOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a stratified random sample of a map, to be labelled in QGIS without seeing the map's class.

    With --class the sample is the smallest for that class's hectares; points and hours are said before it is drawn.

    Example: pitmap design map.tif points.gpkg --class OPM --relative 0.1 --image scene.tif --bands 4,3,2
    """
    from pitmap.accuracy.sampling.design import DesignOptions, enlarge
    from pitmap.accuracy.sampling.design import design as draw
    from pitmap.accuracy.sampling.export import export_points

    options = DesignOptions(
        target=target,
        relative=relative,
        hectares=hectares,
        confidence=confidence,
        probabilities=probabilities,
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
        images=tuple(image or ()),
        bands=bands,
        legend=None if project is None else pitmap.load_study(project).legend,
        seed=seed,
        seconds_a_point=seconds_a_point,
    )
    with Console() as observer:
        drawn = (
            draw(map_file, out, options, observer) if more is None else enlarge(map_file, more, out, options, observer)
        )
    if export is not None:
        export_points(out, export)
    also = "" if export is None else f" (written to {export} too)"
    show(
        drawn,
        as_json,
        f"{drawn.summary()} Fill in the field `reference` of {out}, for which {out.with_suffix('.qgz').name} opens in "
        f"QGIS{also}, then: pitmap estimate",
    )


def estimate(
    points: Annotated[Path, typer.Argument(metavar="POINTS", help="The labelled sample, or points of another tool.")],
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="The map that they were drawn from.")],
    out: Annotated[Path | None, typer.Option(help="Write the estimates here (JSON).")] = None,
    use_doubtful: Annotated[
        bool, typer.Option("--doubtful/--no-doubtful", help="Whether doubtful points count.")
    ] = True,
    method: Annotated[
        Literal["posterior", "mover", "wald"],
        typer.Option(
            help="How intervals are made; wald for comparison with publications: too narrow for rare classes."
        ),
    ] = "posterior",
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=HECTARES",
            help="Say how likely the class's area exceeds this: OPM=60. May be given more than once.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels made elsewhere, by point number: .csv or a layer."),
    ] = None,
    field: Annotated[str | None, typer.Option(help="Field with the labels; default: reference.")] = None,
    values: Annotated[Any, typer.Option(parser=key_pairs, help="Label=class key: quarry=OPM,lake=WAT.")] = None,
    second: Annotated[Path | None, typer.Option(help="The same sample, labelled by a second interpreter.")] = None,
    by_map: Annotated[
        bool, typer.Option("--stratified-by-map", help="Points of another tool: strata were the classes of MAP.")
    ] = False,
    strata: Annotated[Path | None, typer.Option(help="Points of another tool: strata were this raster's.")] = None,
    simple: Annotated[
        bool, typer.Option("--simple-random", help="Points of another tool: drawn at random from all of MAP.")
    ] = False,
    stratum_field: Annotated[str | None, typer.Option(help="Field in which such points say their stratum.")] = None,
    project: LegendOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate accuracy and hectares per class from a labelled sample, with 95 % intervals (Olofsson et al. 2014).

    Points that were drawn elsewhere are taken where it is said how: --stratified-by-map, --strata or --simple-random.

    Example: pitmap estimate points.gpkg map.tif --threshold OPM=60 --out estimate.json
    """
    from pitmap.accuracy.sampling.agreement import Agreement, compare_interpreters
    from pitmap.accuracy.sampling.sample import EstimateOptions, SampleEstimate
    from pitmap.accuracy.sampling.sample import estimate as estimate_sample
    from pitmap.accuracy.sampling.stated import StatedDesign, estimate_stated

    if by_map + simple + (strata is not None) + (second is not None) > 1:
        raise typer.BadParameter("one of --stratified-by-map, --strata, --simple-random and --second")
    legend = None if project is None else pitmap.load_study(project).legend
    options = EstimateOptions(use_doubtful, values, method, hectares(threshold or ()), labels, field, legend)
    result: SampleEstimate | Agreement
    with Console() as observer:
        if second is not None:
            result = compare_interpreters(points, second, map_file, options, observer)
        elif by_map or simple or strata is not None:
            stated = StatedDesign("map" if by_map else "simple" if simple else "raster", strata, stratum_field)
            result = estimate_stated(points, map_file, stated, options, observer)
        else:
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
    inventory: Annotated[
        Path | None,
        typer.Option(
            metavar="VISITS.gpkg",
            help="The reference is an inventory that may lack mines: write those that it lacks, the likeliest first, "
            "and those that the map lacks.",
        ),
    ] = None,
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
    if inventory is not None:
        from pitmap.accuracy.mines.inventory import check_inventory

        with Console() as observer:
            check = check_inventory(mines, reference, options, observer)
        check.write(inventory)
        if out is not None:
            check.audit.write(out)
        show(check, as_json, check.summary() + _written(inventory))
        return
    with Console() as observer:
        result = audit_mines(mines, reference, options, observer)
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
