"""Commands on maps: map, mines, review, export."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import pitmap
from pitmap.cli.console import (
    ClusterOption,
    Console,
    JsonOption,
    ReplaceOption,
    WaitOption,
    band_list,
    exact_or_pixels,
    show,
    workers_of,
)
from pitmap.errors import ProjectError
from pitmap.information import Information
from pitmap.study.results import MapFiles

if TYPE_CHECKING:
    from pitmap.mapping.order import MapOrder, MineOptions
    from pitmap.observer import Observer
    from pitmap.study.schema import SiteSection
    from pitmap.study.study import Study


def _beside(text: str) -> frozenset[str]:
    """``mines,confidence`` as a set."""
    kinds, known = frozenset(part.strip() for part in text.split(",")), {"mines", "confidence", "probabilities"}
    if not kinds <= known:
        raise typer.BadParameter(f"{text!r} is not made of {', '.join(sorted(known))}")
    return kinds


MineClassOption = Annotated[
    list[str] | None, typer.Option("--mine-class", help="Key of a class of mines; may be repeated.")
]

ConfidenceOption = Annotated[
    Path | None, typer.Option(help="The map's confidence; default: MAP with -confidence added to its name.")
]

SimplifyOption = Annotated[
    float | None, typer.Option("--simplify", help="Metres; simpler outlines of mines: twice a pixel ends stairs.")
]


def map_image(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .safetensors model of `pitmap train`.")],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="Rasters that GDAL reads: paths, patterns, addresses, or @list.txt with one of these a line.",
        ),
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The map, a .tif; for several images a folder.")],
    project: Annotated[
        Path | None, typer.Option("--project", "-p", help="Project whose site says bands and scale.")
    ] = None,
    site: Annotated[str | None, typer.Option("--site", "-s", help="That site.")] = None,
    bands: Annotated[
        Any, typer.Option(parser=band_list, help="Bands in the model's order, such as 2,3,4,8 or B02,B03.")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="Reflectance = DN x scale + offset.")] = None,
    offset: Annotated[float | None, typer.Option(help="See --scale.")] = None,
    nodata: Annotated[float | None, typer.Option(help="Pixels with this value in any band are left out.")] = None,
    pixel_size_m: Annotated[
        float | None, typer.Option("--pixel-size", help="Metres, for an image without a CRS.")
    ] = None,
    masks: Annotated[
        list[Path] | None, typer.Option("--mask", help="Layer of ground to leave out; may be repeated.")
    ] = None,
    mines: Annotated[Path | None, typer.Option(help="Write mine polygons to this .gpkg.")] = None,
    classes: MineClassOption = None,
    minimum_m2: Annotated[float, typer.Option(help="Leave out smaller mine polygons.")] = 1000.0,
    simplify_m: SimplifyOption = None,
    confidence: Annotated[Path | None, typer.Option(help="Write how sure the network was to this .tif.")] = None,
    probabilities: Annotated[Path | None, typer.Option(help="Write class probabilities to this .tif.")] = None,
    beside: Annotated[
        Any,
        typer.Option(
            "--also",
            parser=_beside,
            metavar="KINDS",
            help="Write these beside each map: any of mines,confidence,probabilities.",
        ),
    ] = None,
    qgis: Annotated[
        bool, typer.Option("--qgis", help="Leave a QGIS project of image, map and what is beside it: OUT.qgz.")
    ] = False,
    cluster: ClusterOption = None,
    tile: Annotated[int | None, typer.Option(help="Longest side of a tile in pixels.")] = None,
    halo: Annotated[Any, typer.Option(parser=exact_or_pixels, help="'exact', or pixels.")] = "exact",
    test_time_augmentation: Annotated[
        bool, typer.Option("--tta", help="Mean of the eight flips and rotations.")
    ] = False,
    precision: Annotated[
        Literal["auto", "float32", "bf16", "int8"],
        typer.Option(help="Of the network's sums; int8 after `pitmap export MODEL --int8`."),
    ] = "auto",
    engine: Annotated[
        str,
        typer.Option(
            help="auto, torch, compiled, openvino, onnxruntime, or package.module:name: what runs the network."
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    trusted: Annotated[
        list[str] | None,
        typer.Option("--trust", help="Network package.module:factory that the model may import; may be repeated."),
    ] = None,
    replace: ReplaceOption = False,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Map whole images in exact tiles; memory does not grow with the image.

    Several images are mapped into a folder, with a line for each in its manifest.jsonl; their QGIS project goes by the
    folder's name. What is up to date is skipped; a failure is noted, the rest goes on, and the command ends with 1.

    Example: pitmap map unetplus-seed0.safetensors scene.tif map.tif --mines mines.gpkg
    Example: pitmap map unetplus-seed0.safetensors scenes/*.tif maps/ --also mines,confidence
    """
    import dataclasses

    from pitmap.mapping.order import MapOrder, MineOptions
    from pitmap.mapping.prediction import MapOptions
    from pitmap.mapping.scenes import find_images

    found = find_images(images)
    several = len(found) > 1 or found[0].of_many or out.endswith(("/", os.sep)) or Path(out).is_dir()
    study = None if project is None else pitmap.load_study(project)
    given: dict[str, Any] = {
        "bands": bands,
        "scale": scale,
        "offset": offset if offset is not None or scale is None else 0.0,
        "nodata": nodata,
        "pixel_size_m": pixel_size_m,
        "masks": tuple(masks) if masks else None,
        "confidence": confidence,
        "probabilities": probabilities,
        "tile": tile,
        "halo": None if halo == "exact" else halo,
        "test_time_augmentation": test_time_augmentation or None,
        "precision": None if precision == "auto" else precision,
        "trusted": tuple(trusted) if trusted else None,
        "engine": None if engine == "auto" else engine,
        "device": None if device == "auto" else device,
    }
    mine_options = MineOptions(
        tuple(classes or (study.mine_classes if study else ())) or None,
        minimum_m2,
        simplify_m if simplify_m is not None or study is None else study.mapping.simplify_m,
    )

    def order(image: Path, path: Path) -> MapOrder:
        options = MapOptions()
        if study is not None:
            from pitmap.mapping.study import map_options

            options = map_options(study, _site(study, site, image), path)
        options = dataclasses.replace(options, **{k: v for k, v in given.items() if v is not None})
        wanted = MapOrder(image, path, options).with_files(beside or ())
        return dataclasses.replace(wanted, mines=wanted.mines and mine_options)

    if several:
        named = {"--mines": mines, "--confidence": confidence, "--probabilities": probabilities}
        if one := [flag for flag, value in named.items() if value is not None]:
            raise typer.BadParameter(f"{', '.join(one)}: names one file; for several images write --also instead")
        orders = [order(image, Path(out) / f"{name}.tif") for image, name, _ in found]
        _map_several(model, orders, Path(out), qgis, cluster, replace, wait, as_json)
        return
    wanted = order(found[0].image, Path(out))
    polygons = mines or (MapFiles(wanted.out).mines if wanted.mines else None)
    _map_one(model, wanted, polygons, mine_options, qgis, cluster, replace, wait, as_json)


def _map_one(
    model: Path,
    order: MapOrder,
    mines: Path | None,
    options: MineOptions,
    qgis: bool,
    cluster: str | None,
    replace: bool,
    wait: bool,
    as_json: bool,
) -> None:
    from pitmap.mapping.order import extract_ordered
    from pitmap.mapping.prediction import map_image as map_whole_image

    with Console() as observer, workers_of(cluster) as workers:
        result = map_whole_image(
            model, order.image, order.out, order.options, observer, replace=replace, wait=wait, cluster=workers
        )
        found = None
        if mines is not None:
            found = extract_ordered(order, options, mines, observer)
        project = _qgis_project(order.out.with_suffix(".qgz"), [(order, mines)], observer) if qgis else None
    text = result.summary() + (f" {found.summary()}" if found else "") + _in_qgis(project)
    content = result.to_json() | {"mines": found and found.to_json(), "qgis": project and str(project)}
    show(Information(text, content), as_json)


def _map_several(
    model: Path,
    orders: list[MapOrder],
    folder: Path,
    qgis: bool,
    cluster: str | None,
    replace: bool,
    wait: bool,
    as_json: bool,
) -> None:
    from pitmap.mapping.scenes import map_orders

    with Console() as observer, workers_of(cluster) as workers:
        result = map_orders(model, orders, folder, observer, replace=replace, wait=wait, cluster=workers)
        made = [
            (order, MapFiles(order.out).mines if order.mines else None)
            for order, line in zip(orders, result.lines, strict=True)
            if line.status != "failed"
        ]
        path = folder / f"{folder.resolve().name}.qgz"
        project = _qgis_project(path, made, observer) if qgis and made else None
    content = result.to_json() | {"qgis": project and str(project)}
    show(Information(result.summary() + _in_qgis(project), content), as_json)
    if result.failed:
        raise typer.Exit(1)


def _qgis_project(path: Path, made: list[tuple[MapOrder, Path | None]], observer: Observer) -> Path:
    """The QGIS project of maps and their mines."""
    from pitmap.deliver.map_project import MappedImage, write_map_project

    def beside(path: str | Path | None) -> Path | None:
        return None if path is None else Path(path)

    mapped = [
        MappedImage(
            order.image,
            order.out,
            order.options.bands,
            mines,
            beside(order.options.confidence),
            beside(order.options.probabilities),
        )
        for order, mines in made
    ]
    return write_map_project(path, mapped, observer)


def _in_qgis(project: Path | None) -> str:
    return "" if project is None else f" In QGIS: {project}"


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .safetensors model of `pitmap train`.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT.onnx]", help="The model as ONNX, with metadata for Deepness.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="An image of the kind that the ONNX file is for: says the scale, and all of it is compared."),
    ] = None,
    bands: Annotated[
        Any, typer.Option(parser=band_list, help="Bands of the image in the model's order, such as 2,3,4,8.")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="Reflectance = DN x scale + offset.")] = None,
    offset: Annotated[float | None, typer.Option(help="See --scale.")] = None,
    nodata: Annotated[float | None, typer.Option(help="Pixels with this value in any band are no data.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace OUT.onnx.")] = False,
    trusted: Annotated[
        list[str] | None,
        typer.Option("--trust", help="Network package.module:factory that the model may import; may be repeated."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="The int8 form beside the model, for `pitmap map --precision int8`.")
    ] = False,
    project: Annotated[
        Path | None, typer.Option("--project", "-p", help="For --int8: project on whose samples the model was trained.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model in another form: ONNX for other programs (pitmap[onnx]), or int8 for this one (pitmap[int8]).

    The ONNX file takes the image's own numbers, of any size, and gives probabilities; it is written only where it gives
    every pixel the code that pitmap gives it. The int8 form is calibrated and checked on the samples of its project.

    Example: pitmap export unetplus-seed0.safetensors mines.onnx --image scene.tif
    Example: pitmap export results/models/unetplus-seed0.safetensors --int8 --project pitmap.toml
    """
    if (out is None) == (not int8):
        raise typer.BadParameter("give OUT.onnx, or --int8 and --project PROJECT")
    if out is not None:
        from pitmap.deliver.onnx_model import export_onnx
        from pitmap.study.asked import Asked

        asked = Asked(bands, scale, 0.0 if offset is None and scale is not None else offset, nodata)
        with Console() as observer:
            show(
                export_onnx(
                    model, out, image, asked, observer, trusted=tuple(trusted or ()), replace_existing=replace
                ),
                as_json,
            )  # fmt: skip
        return
    if project is None:
        raise typer.BadParameter("--int8 needs --project PROJECT")
    from pitmap.deliver.int8 import export_int8
    from pitmap.samples.dataset import SampleSet

    study = pitmap.load_study(project)
    with Console() as observer:
        result = export_int8(model, SampleSet(study.samples_folder), observer, trusted=(study.training.network,))
    show(result, as_json)


def mines(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="A map of `pitmap map` or `pitmap run`.")],
    out: Annotated[Path, typer.Argument(metavar="MINES", help="The polygons, a .gpkg.")],
    confidence: ConfidenceOption = None,
    classes: MineClassOption = None,
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help="Polygons of all classes, in a layer land_cover.")
    ] = False,
    minimum_m2: Annotated[
        float | None, typer.Option(help="Leave out smaller polygons; default: 1000, with --all-classes 0.")
    ] = None,
    simplify_m: SimplifyOption = None,
    project: Annotated[
        Path | None, typer.Option("--project", "-p", help="Project that the map is of: says what its mines are.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the mine polygons of a map that is there: hectares, perimeter and mean confidence of each.

    Example: pitmap mines map.tif mines.gpkg --minimum-m2 5000
    Example: pitmap mines map.tif land-cover.gpkg --all-classes --simplify 8
    """
    if all_classes and classes:
        raise typer.BadParameter("--mine-class and --all-classes are two choices")
    from pitmap.mapping.mines import extract_mines

    study = None if project is None else pitmap.load_study(project)
    beside = MapFiles(map_file).confidence
    with Console() as observer:
        found = extract_mines(
            map_file,
            out,
            classes=tuple(classes or (study.mine_classes if study else ())) or None,
            minimum_mapping_unit_m2=(0.0 if all_classes else 1000.0) if minimum_m2 is None else minimum_m2,
            simplify_m=simplify_m if simplify_m is not None or study is None else study.mapping.simplify_m,
            all_classes=all_classes,
            confidence=confidence or (beside if beside.exists() else None),
            legend=study.legend if study else None,
            observer=observer,
        )
    show(found, as_json)


def review(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="A map of `pitmap map` or `pitmap run`.")],
    out: Annotated[Path, typer.Argument(metavar="QUEUE", help="The queue, a .gpkg.")],
    confidence: ConfidenceOption = None,
    classes: MineClassOption = None,
    below: Annotated[float, typer.Option(help="Ground is doubtful where the confidence is below this.")] = 0.7,
    minimum_m2: Annotated[float, typer.Option(help="Leave out smaller polygons.")] = 1000.0,
    most: Annotated[int, typer.Option(help="Number of polygons at most.")] = 500,
    project: Annotated[
        Path | None,
        typer.Option("--project", "-p", help="Project that the map is of: says what validation and test ground is."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List mines and doubtful ground, least sure and largest first, to be corrected in QGIS.

    What is filled in becomes labels of the next training: corrections = "queue.gpkg" at the site in the project file.

    Example: pitmap review results/maps/site1.tif review/site1.gpkg --project pitmap.toml
    """
    from pitmap.mapping.review import ReviewOptions
    from pitmap.mapping.review import review as write_review
    from pitmap.mapping.study import split_file

    study = None if project is None else pitmap.load_study(project)
    options = ReviewOptions(
        classes=classes or (study.mine_classes if study else None),
        below=below,
        minimum_m2=minimum_m2,
        most=most,
        split=split_file(study, map_file) if study else None,
        legend=study.legend if study else None,
    )
    with Console() as observer:
        result = write_review(map_file, confidence or MapFiles(map_file).confidence, out, options, observer)
    show(result, as_json)


def _site(study: Study, site: str | None, image: Path) -> SiteSection:
    """The site of a project that says how an image is to be read: one by name, or the image's own."""
    from pitmap.study.problems import suggestion

    if site is None:
        matching = [s for s in study.scenes if s.image.resolve() == image.resolve()]
        if not matching and len({s.site.name for s in study.scenes}) == 1:
            matching = study.scenes
    else:
        matching = [s for s in study.scenes if site in (s.site.name, s.name)]
    if not matching:
        names = sorted({s.site.name for s in study.scenes})
        found = f"{image} is not an image of the project."
        if site is not None:
            found = f"The project has no site {site!r}.{suggestion(site, names)}"
        raise ProjectError(
            found,
            "A site of the project that says which bands and which scale the image has.",
            f"Name one of its sites: {', '.join(names)}.",
            options=["site"],
        )
    return matching[0].site
