"""The report of a project: one self-contained HTML file.

The page holds its pictures, style and script, needs no network, and depends on nothing but the files of the project:
the same files give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from pitmap import __version__
from pitmap.accuracy.census.record import StudyRecord
from pitmap.accuracy.sampling.estimation import FEW_POINTS
from pitmap.changes.record import read_change
from pitmap.errors import ProjectError
from pitmap.files import write_text
from pitmap.networks.model_card import ModelCard, read_card
from pitmap.reporting import content, formats
from pitmap.reporting.change_section import change_section
from pitmap.reporting.language import Language
from pitmap.reporting.mine_pictures import Gallery, describe_mines, gallery
from pitmap.reporting.mine_table import MineTable
from pitmap.reporting.pictures import DISAGREEMENT, curves, reliability
from pitmap.reporting.scenes import scene_pictures
from pitmap.reporting.statement import MINES_ON_PAGE, Statement, gallery_of, state
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import SPLIT_LEGEND
from pitmap.stored import read_plain
from pitmap.study.scenes import Scene
from pitmap.study.study import Study
from pitmap.training.curves import read_curves

SCENES_IN_FULL = 6
"""Up to this many scenes are all drawn large; of more a sheet shows some, evenly spaced in their order."""

SCENES_ON_SHEET = 12

SPLITS_DRAWN = 6

CHANGED_MINES = 30
"""Mines in the tables of change: the largest; the page of the comparison has more."""

LARGE, SMALL = 900, 320
"""Longest side of the pictures in pixels."""

FILTERS = (
    "chance", "count", "distance", "latitude", "longitude", "number", "percent", "plain", "sentence", "significant",
    "words",
)  # fmt: skip


def write_report(project: Study, model_path: Path) -> Path:
    """Write ``report.html`` to a project's results folder.

    The samples, the model and ``accuracy.json`` must be there. Learning curves, maps, mines, ``estimate.json`` and
    ``audit.json`` are shown where they are.

    Args:
        project: The project.
        model_path: The model that made the maps.

    Returns:
        Path of the report.

    Raises:
        ProjectError: Samples or ``accuracy.json`` are missing, damaged, or of other scenes or classes.
        ModelError: The model cannot be read.
        ImageError: A raster cannot be read.
        OutputError: The report cannot be written.
    """
    path = project.results.report
    write_text(path, render(_context(project, Path(model_path))))
    return path


def render(context: dict[str, Any], template: str = "report.html", package: str = "pitmap.reporting") -> str:
    """A page from a template and its context.

    Args:
        context: What the template names.
        template: File name of the template.
        package: The package that it lies in; it can include the report's own files, such as ``report.css``.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("pitmap.reporting", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["halves"] = halves
    for name in FILTERS:
        environment.filters[name] = getattr(formats, name)
    environment.filters["heat"] = heat
    environment.filters["translate"] = lambda text, language: language(str(text))
    environment.filters["url"] = lambda text: quote(str(text))
    environment.globals["dash"] = formats.DASH
    environment.globals["few"] = FEW_POINTS
    environment.globals["decimals_for"] = formats.decimals_for
    return environment.get_template(template).render(context).strip() + "\n"


def halves(items: Sequence[Any], last: int, step: int = 1) -> tuple[Sequence[Any], Sequence[Any]]:
    """A sequence in two: at least ``last`` items in the second part, and a multiple of ``step`` in the first.

    The second part is what print keeps in one piece, so that neither its page nor the one before is nearly empty.
    """
    first = max(len(items) - last, 0) // step * step
    return items[:first], items[first:]


def heat(cell: dict[str, Any]) -> str:
    """Style of a cell of the confusion matrix: blue on the diagonal, orange off it, stronger with the share.

    The text is black or white, whichever stands out more (WCAG 2.2, relative luminance).
    """
    if cell["count"] == 0:
        return "color:#5f6b76"
    full = (47, 93, 140) if cell["right"] else (200, 100, 43)
    weight = 0.06 + 0.84 * cell["share"]
    rgb = [round(255 - (255 - f) * weight) for f in full]
    linear = [(v / 255 + 0.055) ** 2.4 / 1.055**2.4 for v in rgb]
    light = sum(share * v for share, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return f"background:#{bytes(rgb).hex()};color:{'#fff' if light < 0.18 else '#000'}"


def _context(project: Study, model_path: Path) -> dict[str, Any]:
    samples = SampleSet(project.samples_folder)
    card = read_card(model_path)
    if not project.results.accuracy.exists():
        raise ProjectError(
            f"There is no accuracy.json in {project.results.folder}.", remedy="Run `pitmap run` on the project first."
        )
    figures = read_plain(project.results.accuracy, StudyRecord)
    scenes = project.scenes
    _check_fits(project, samples, figures, card)

    legend, mine_keys, results = samples.legend, project.mine_classes, project.results
    mine_tables = {s.name: t for s in scenes if (t := content.read_mines(results, s.name)) is not None}
    large = len(scenes) <= SCENES_IN_FULL
    on_page = scenes if large else _evenly(scenes, SCENES_ON_SHEET)
    drawn = [
        scene_pictures(
            scene,
            results,
            samples,
            legend,
            mine_tables.get(scene.name),
            [legend[k].code for k in mine_keys],
            LARGE if large else SMALL,
            i < SPLITS_DRAWN,
            large,
        )
        for i, scene in enumerate(on_page)
    ]
    test = content.accuracy(figures["test"], legend, mine_keys)
    made = content.provenance(project, samples, card, model_path, scenes, figures)
    curves_file = model_path.with_suffix(".csv")
    best_epoch = None if card.training is None else card.training.best_epoch
    history = _history(curves_file)
    estimate, other_map = content.estimate(results)
    compared = {place: read_change(results.change(place)) for place in project.series}
    statement = _statement(project, mine_tables, estimate)
    return {
        "s": statement,
        "galleries": _galleries(project, statement, scenes if large else (), mine_tables),
        "t": Language(project.report.language),
        "mines_on_page": MINES_ON_PAGE,
        "version": __version__,
        "title": project.project.name,
        "card": card,
        "legend": legend,
        "mine_classes": [legend[key] for key in mine_keys],
        "minimum_m2": project.mapping.minimum_mapping_unit_m2,
        "study": content.study(scenes, samples),
        "split": content.split(samples),
        "corrections": content.corrections(samples),
        "split_legend": SPLIT_LEGEND,
        "curves": curves(history, best_epoch if isinstance(best_epoch, int | float) else None) if history else None,
        "disagreement": DISAGREEMENT,
        "history": history,
        "pictures": drawn,
        "large": large,
        "test": test,
        "labelled": content.accuracy(figures["labelled_area"], legend, mine_keys),
        "by_scene": content.scene_accuracies(figures, legend, mine_keys),
        "intervals": content.intervals(figures),
        "reliability": _reliability(figures.get("reliability")),
        "areas": content.areas(project, scenes, legend),
        "mines": content.mines(mine_tables) if mine_tables else None,
        "estimate": estimate,
        "few_points": None if estimate is None else content.few_points(estimate),
        "estimate_of_other_map": other_map,
        "audit": content.audit(results),
        "changes": [
            change_section(found, results.change(place).parent, CHANGED_MINES, place)
            for place, found in compared.items()
            if found is not None
        ],
        "change_missing": [place for place, found in compared.items() if found is None],
        "made": made,
        "other_model": figures["model"]["sha256"] != card.sha256,
    }


def _statement(project: Study, mines: Mapping[str, MineTable], estimate: Mapping[str, Any] | None) -> Statement | None:
    """The first page: of the scene that the points were drawn from, else of the first with a map."""
    mapped = [s for s in project.scenes if project.results.map(s.name).map.exists()]
    if not mapped:
        return None
    sampled = None if estimate is None else Path(str(estimate.get("sources", {}).get("map", ""))).stem
    scene = next((s for s in mapped if s.name == sampled), mapped[0])
    files = project.results.map(scene.name)
    return state(
        files.map, project.legend, project.mine_classes,
        name=scene.name, image=scene.image, bands=scene.band_indices, nodata=scene.site.nodata,
        confidence=files.confidence, mines=mines.get(scene.name), mines_file=files.mines.name, estimate=estimate,
        date=content.acquisition_date(scene.image, scene.info.tags), others=len(mapped) - 1,
        threshold_ha=project.report.threshold_ha,
    )  # fmt: skip


def _galleries(
    project: Study, statement: Statement | None, scenes: Sequence[Scene], mines: Mapping[str, MineTable]
) -> list[Gallery]:
    """Mines one by one: of the scene of the first page, and of other scenes those with pictures."""
    galleries = [] if statement is None else gallery_of(statement)
    for s in scenes:
        if s.name in mines and len(mines[s.name]) and (statement is None or s.name != statement.name):
            described = describe_mines(mines[s.name], s.info.grid, s.image, s.band_indices, s.site.nodata)
            file = project.results.map(s.name).mines.name
            galleries.append(gallery(s.name, described, len(mines[s.name]), file, in_full=False))
    return galleries


def _reliability(content: dict[str, Any] | None) -> dict[str, Any] | None:
    """The errors of the confidence, and its diagram; None where no pixel could be compared."""
    return {**content, "picture": reliability(content["bins"])} if content and content["pixels"] else None


def _evenly(scenes: list[Scene], number: int) -> list[Scene]:
    number = min(number, len(scenes))
    return [scenes[i * len(scenes) // number] for i in range(number)]


def _history(path: Path) -> list[dict[str, float]]:
    """Learning curves; none where a model came without them."""
    return read_curves(path) if path.exists() else []


def _check_fits(project: Study, samples: SampleSet, figures: dict[str, Any], card: ModelCard) -> None:
    scenes: list[Scene] = project.scenes
    problems = []
    if [s.name for s in samples.scenes] != [s.name for s in scenes]:
        problems.append("the sample set holds other scenes")
    if samples.legend != project.legend:
        problems.append("the sample set has other classes")
    if card.legend != project.legend:
        problems.append("the model has other classes")
    if figures["test"]["confusion"]["classes"] != project.legend.keys:
        problems.append("accuracy.json has other classes")
    if problems:
        raise ProjectError(
            f"The results in {project.results.folder} are not those of {project.path.name}: {', '.join(problems)}.",
            "Samples, model and accuracy of the project as it stands.",
            "Run `pitmap run` on the project again.",
        )
