"""The report of a map alone: the page that is signed, and what it rests on, without a study.

It serves a scene that was never labelled: there is no training section, and the estimate from points comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitmap import __version__
from pitmap.accuracy.sampling.estimation import METHODS
from pitmap.accuracy.sampling.sample import EstimateOptions, SampleEstimate, estimate
from pitmap.accuracy.sampling.strata import map_checksum
from pitmap.errors import ModelError
from pitmap.files import write_text
from pitmap.mapping.mines import map_legend, mine_classes
from pitmap.networks.model_card import read_card
from pitmap.observer import SILENT, Observer
from pitmap.raster.codes import LEGEND_TAG, TAG_PREFIX, WARNINGS_TAG
from pitmap.raster.reading import describe
from pitmap.reporting.content import acquisition_date, few_points
from pitmap.reporting.language import Code, Language
from pitmap.reporting.mine_table import MineTable, read_mine_table
from pitmap.reporting.page import render
from pitmap.reporting.statement import MINES_ON_PAGE, Statement, gallery_of, state
from pitmap.study.results import MapFiles


@dataclass(frozen=True)
class MapReportOptions:
    """What a report of a map takes beside the map.

    Attributes:
        model: The model that made it: its card goes into the annex.
        points: Labelled points of a sample of this very map: the corrected hectares come from them.
        image: The image that was mapped.
        bands: Its bands that are mapped, by number from 1 or by name; None for all.
        mines: The map's mines; by default the GeoPackage of the map's name, where there is one.
        classes: Keys of the classes that are signed; by default those that are called pit, mine or quarry.
        threshold_ha: An area of interest: the report gives the probability that the ground exceeds it.
        title: Heading; by default the map's project, or its name.
        language: ``en`` or ``zh``.
    """

    model: Path | None = None
    points: Path | None = None
    image: Path | None = None
    bands: tuple[int | str, ...] | None = None
    mines: Path | None = None
    classes: tuple[str, ...] | None = None
    threshold_ha: float | None = None
    title: str = ""
    language: Code = "en"


@dataclass(frozen=True)
class MapPage:
    """A report that was written.

    Attributes:
        path: The page.
        statement: What its first page says.
        warnings: What a reader must know.
    """

    path: Path
    statement: Statement
    warnings: tuple[str, ...]

    def summary(self) -> str:
        """One line: the file."""
        return f"Report: {self.path}"

    def to_json(self) -> dict[str, Any]:
        """Plain values: the file, the areas and the warnings."""
        return {
            "path": str(self.path),
            "areas": [
                {"key": a.of.key, "mapped_ha": a.mapped_ha, "corrected": a.corrected, "exceeds": a.exceeds}
                for a in self.statement.areas
            ],
            "warnings": list(self.warnings),
        }


def report_map(
    map_path: Path, out: Path, options: MapReportOptions | None = None, observer: Observer = SILENT
) -> MapPage:
    """Write the report of a map as one HTML file that opens offline.

    Args:
        map_path: Land-cover codes with a legend.
        out: The page.
        options: What goes into it.
        observer: Hears of the work.

    Raises:
        ImageError: A raster cannot be read.
        LabelError: The points are no sample of this map, or the map names no mine class.
        ModelError: The model is another than the one that made the map.
        OutputError: The page cannot be written.
    """
    options = options or MapReportOptions()
    map_path, out = Path(map_path), Path(out)
    info = describe(map_path)
    legend = map_legend(map_path)
    signed = [c.key for c in mine_classes(map_path, legend, options.classes)]
    files = MapFiles(map_path)
    result = None
    if options.points is not None:
        thresholds = {} if options.threshold_ha is None else dict.fromkeys(signed, options.threshold_ha)
        result = estimate(options.points, map_path, EstimateOptions(thresholds=thresholds), observer)
    elif options.threshold_ha is not None:
        observer.warn("How likely the area exceeds a threshold is known from labelled points alone: none were given.")
    image, mines = options.image, options.mines or files.mines
    tags = {} if image is None else describe(image).tags
    observer.progress("drawing", 0.3)
    statement = state(
        map_path, legend, signed,
        name=map_path.stem,
        image=image,
        bands=options.bands,
        confidence=files.confidence,
        mines=_mines(mines, required=options.mines is not None),
        mines_file=mines.name,
        estimate=None if result is None else result.to_json(),
        date=acquisition_date(map_path, info.tags) if image is None else acquisition_date(image, tags),
        threshold_ha=options.threshold_ha,
    )  # fmt: skip
    made = [("map", map_path.name), ("checksum of the codes", map_checksum(map_path)), ("pitmap", __version__)]
    made += _provenance(info.tags, options.model)
    page = render(
        {
            "version": __version__,
            "title": options.title or info.tags.get(f"{TAG_PREFIX}PROJECT") or map_path.stem,
            "t": Language(options.language),
            "s": statement,
            "estimate": None if result is None else result.to_json(),
            "few_points": None if result is None else few_points(result.to_json()),
            "galleries": gallery_of(statement),
            "method": "" if result is None else METHODS[result.estimates.method],
            "made": made,
            "warnings": [info.tags[WARNINGS_TAG]] if WARNINGS_TAG in info.tags else [],
            "mines_on_page": MINES_ON_PAGE,
        },
        "map_report.html",
    )
    write_text(out, page)
    observer.progress("done", 1.0)
    told = [info.tags[WARNINGS_TAG]] if statement.unlike else []
    return MapPage(out, statement, (*told, *(() if result is None else _warnings(result))))


def _warnings(result: SampleEstimate) -> tuple[str, ...]:
    return (*result.estimates.warnings, *result.warnings)


def _mines(path: Path, required: bool) -> MineTable | None:
    return read_mine_table(path) if required or path.exists() else None


def _provenance(tags: Mapping[str, str], model: Path | None) -> list[tuple[str, str]]:
    """What the map says of how it was made, and the card of its model, as names and values."""
    told = {
        k.removeprefix(TAG_PREFIX): v
        for k, v in tags.items()
        if k.startswith(TAG_PREFIX) and k not in (LEGEND_TAG, WARNINGS_TAG)
    }
    rows = [(name.lower().replace("_", " "), value) for name, value in sorted(told.items())]
    if model is None:
        return rows
    card = read_card(model)
    if told.get("MODEL_SHA256", card.sha256) != card.sha256:
        raise ModelError(
            f"{model} is not the model that made the map (its checksum differs).",
            f"The model {told.get('MODEL', '')}.",
            "Give that model, or none.",
        )
    return [*rows, ("bands", ", ".join(card.bands)), ("width", str(card.options.get("width", "")))]
