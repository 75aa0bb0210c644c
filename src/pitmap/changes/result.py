"""What a comparison of maps of several dates takes and gives, and the rules that it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pitmap.accuracy.sampling.sample import SampleEstimate
from pitmap.changes.classes import KINDS, Roles
from pitmap.changes.files import StepFiles
from pitmap.changes.registration import Registration
from pitmap.changes.verdicts import MineChange
from pitmap.legend import Legend

RULES = {
    "grid": "All maps are read on the pixels of the earliest, by nearest neighbour; compared is ground that both show.",
    "border": "A pixel that changed from A to B counts as unchanged where, within the tolerance, the earlier map has B "
    "and the later one A, unless it lies in a square, a pixel wider than the tolerance, of pixels that all changed so: "
    "the border between A and B may be drawn that far off.",
    "mine": "Pixels of the mine classes that share edges; what shares ground over the dates is one mine.",
    "verdict": "new and gone: below the minimum mapping unit before and after; restored: gone, and at least half of it "
    "is vegetation; grown and shrunk: gained or lost at least the minimum mapping unit.",
    "restored": "Ground that was a mine or a waste dump and is vegetation.",
    "area": "Hectares on the WGS 84 ellipsoid.",
}


@dataclass(frozen=True)
class ChangeOptions:
    """How maps are compared.

    Attributes:
        images: The image of each map, in the order of the maps; by default the one that the map names, beside it.
        dates: Date of each map, ``YYYY-MM-DD``; by default those of the images.
        classes: Keys of the classes that are mines; by default those that are called pit, mine or quarry.
        waste: Keys of waste dumps; by default those that are called so.
        vegetation: Keys of vegetation; by default those that are called so.
        legend: The classes of all maps; by default each says its own.
        minimum_mapping_unit_m2: Area below which a mine is none, and its gain or loss is no verdict.
        tolerance_pixels: Distance by which a border may move without being a change; 0 counts every pixel.
        shift: What is done where the images are not in register, or where that cannot be told: ``stop``, ``accept``, or
            ``align``: the later maps are moved by the shift that was found.
        without_images: Compare maps whose register nobody can check.
        points: A labelled sample of the raster of kinds of change: areas of change with intervals come from it.
        title: Heading of the page.
    """

    images: tuple[Path, ...] = ()
    dates: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    waste: tuple[str, ...] | None = None
    vegetation: tuple[str, ...] | None = None
    legend: Legend | None = None
    minimum_mapping_unit_m2: float = 1000.0
    tolerance_pixels: int = 1
    shift: Literal["stop", "accept", "align"] = "stop"
    without_images: bool = False
    points: Path | None = None
    title: str = ""


@dataclass(frozen=True)
class Dated:
    """A map of the series.

    Attributes:
        path: The map.
        date: ``YYYY-MM-DD``, empty where it is not known.
        image: The image that it was made from, None where it is not at hand.
        registration: Of the image against the earliest one, None for that one and where there are no images.
    """

    path: Path
    date: str
    image: Path | None
    registration: Registration | None = None

    @property
    def label(self) -> str:
        """The date, else the map's name."""
        return self.date or self.path.stem


@dataclass(frozen=True)
class Step:
    """What changed from one date to the next.

    Attributes:
        before: Label of the earlier map.
        after: Label of the later map.
        files: What was written.
        matrix_ha: Hectares from class to class, rows before, columns after.
        tolerated_ha: The same for ground that the maps have changed within the tolerance of borders.
        common_ha: Ground that both maps show.
        only_before_ha: Ground that only the earlier map shows.
        only_after_ha: Ground that only the later map shows.
        kinds_ha: Hectares by key of ``KINDS``.
        mines: What became of each mine.
    """

    before: str
    after: str
    files: StepFiles
    matrix_ha: list[list[float]]
    tolerated_ha: list[list[float]]
    common_ha: float
    only_before_ha: float
    only_after_ha: float
    kinds_ha: Mapping[str, float]
    mines: tuple[MineChange, ...]

    def verdicts(self) -> dict[str, int]:
        """Number of mines by verdict."""
        words = [m.verdict for m in self.mines]
        return {word: words.count(word) for word in dict.fromkeys(words)}

    def to_json(self) -> dict[str, Any]:
        """Plain values; files by their names."""
        files = {k: getattr(self.files, k).name for k in ("kinds", "transitions", "layers", "matrix")}
        rest = {k: v for k, v in asdict(self).items() if k not in ("files", "mines")}
        return {**rest, "verdicts": self.verdicts(), "mines": [m.to_json() for m in self.mines], "files": files}


@dataclass(frozen=True)
class Change:
    """What changed over the dates, as it was written.

    Attributes:
        folder: Where the files lie.
        page: The report.
        maps: The maps, earliest first.
        steps: From each to the next.
        timeline: Hectares of every mine on every date.
        options: How they were compared.
        legend: The classes.
        roles: Which of them are what.
        estimate: Areas of the kinds of change with intervals, None without a sample.
        warnings: What a reader must know.
    """

    folder: Path
    page: Path
    maps: tuple[Dated, ...]
    steps: tuple[Step, ...]
    timeline: tuple[Mapping[str, Any], ...]
    options: ChangeOptions
    legend: Legend
    roles: Roles
    estimate: SampleEstimate | None
    warnings: tuple[str, ...]

    def summary(self) -> str:
        """What ``sentences`` say; then the page."""
        return "\n".join([*self.sentences(), f"Report: {self.page}"])

    def sentences(self) -> list[str]:
        """One a step: hectares gained, lost and restored, and mines by verdict."""
        lines = []
        for step in self.steps:
            k = step.kinds_ha
            words = ", ".join(f"{n} {word}" for word, n in step.verdicts().items()) or "no mine"
            lines.append(
                f"{step.before} to {step.after}: {k['GAINED']:.1f} ha became mine, {k['LOST'] + k['RESTORED']:.1f} ha "
                f"no longer are mine or dump, {k['RESTORED']:.1f} ha of them restored to vegetation; {words}."
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain values: where the files lie, and ``content``."""
        return {"folder": str(self.folder), "page": str(self.page), **self.content()}

    def content(self) -> dict[str, Any]:
        """Maps, registration, steps, time line and rules, the same wherever the files lie."""
        return {
            "maps": [
                {
                    "map": m.path.name, "label": m.label, "date": m.date or None,
                    "image": None if m.image is None else m.image.name,
                    "registration": None if m.registration is None else m.registration.to_json(),
                }
                for m in self.maps
            ],
            "classes": self.legend.to_json(),
            "kinds": KINDS.to_json(),
            "minimum_mapping_unit_m2": self.options.minimum_mapping_unit_m2,
            "tolerance_pixels": self.options.tolerance_pixels,
            "roles": asdict(self.roles),
            "steps": [step.to_json() for step in self.steps],
            "timeline": [dict(row) for row in self.timeline],
            "estimate": None if self.estimate is None else self.estimate.to_json(),
            "rules": RULES,
            "warnings": list(self.warnings),
        }  # fmt: skip
