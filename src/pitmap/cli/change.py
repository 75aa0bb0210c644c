"""The command change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import pitmap
from pitmap.cli.console import Console, JsonOption, show, word_list


def change(
    maps: Annotated[list[Path], typer.Argument(metavar="BEFORE AFTER...", help="Maps of one place, two or more.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the files.")],
    images: Annotated[
        list[Path] | None,
        typer.Option("--image", help="Image of each map, in their order; default: what the map names, beside it."),
    ] = None,
    dates: Annotated[
        list[str] | None, typer.Option("--date", help="Date of each map, in their order: 2022-06-19.")
    ] = None,
    shift: Annotated[
        Literal["stop", "accept", "align"],
        typer.Option(help="Where images are not in register to half a pixel; align moves the later map."),
    ] = "stop",
    without_images: Annotated[
        bool, typer.Option("--without-images", help="Compare maps whose register cannot be checked.")
    ] = False,
    classes: Annotated[
        list[str] | None, typer.Option("--mine-class", help="Key of a class of mines; may be repeated.")
    ] = None,
    waste: Annotated[Any, typer.Option(parser=word_list, help="Keys of waste dumps: WDA.")] = None,
    vegetation: Annotated[Any, typer.Option(parser=word_list, help="Keys of vegetation: VEG,FOR.")] = None,
    minimum_m2: Annotated[float, typer.Option(help="Smaller mines are none, smaller gains and losses no verdict.")] = (
        1000.0
    ),
    tolerance: Annotated[int, typer.Option(help="Pixels by which a border may move without being a change.")] = 1,
    points: Annotated[
        Path | None, typer.Option(help="Labelled points of `pitmap design OUT/change.tif`: areas with intervals.")
    ] = None,
    project: Annotated[Path | None, typer.Option("--project", "-p", help="Project whose legend is used.")] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Compare maps of two or more dates: hectares from class to class, and what became of each mine.

    First it is checked that the images are in register. OUT/change.tif is ready for `pitmap design`: with the labelled
    points given as --points the page has the areas of change with their intervals.

    Example: pitmap change map-2021.tif map-2023.tif change --image scene-2021.tif --image scene-2023.tif
    """
    from pitmap.changes.change import change as compare
    from pitmap.changes.result import ChangeOptions

    options = ChangeOptions(
        images=tuple(images or ()),
        dates=tuple(dates or ()),
        classes=None if classes is None else tuple(classes),
        waste=waste,
        vegetation=vegetation,
        legend=None if project is None else pitmap.load_study(project).legend,
        minimum_mapping_unit_m2=minimum_m2,
        tolerance_pixels=tolerance,
        shift=shift,
        without_images=without_images,
        points=points,
        title=title,
    )
    with Console() as observer:
        result = compare(maps, out, options, observer)
    show(result, as_json)
