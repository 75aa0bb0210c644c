"""The comparison of maps of one place on two or more dates, from the maps to the files that say what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pitmap import __version__
from pitmap.accuracy.sampling.sample import EstimateOptions, SampleEstimate, estimate
from pitmap.changes.classes import KINDS, Roles, roles
from pitmap.changes.files import (
    StepFiles,
    rasters,
    write_change_layers,
    write_matrix,
    write_table,
    write_transition_names,
)
from pitmap.changes.page import change_page
from pitmap.changes.registration import register
from pitmap.changes.result import Change, ChangeOptions, Dated, Step
from pitmap.changes.series import Series, open_series
from pitmap.changes.survey import StepTotals, survey
from pitmap.changes.verdicts import MineChange, hectares, mine_changes, numbered, timeline
from pitmap.errors import ImageError, LabelError
from pitmap.exclusive import exclusive
from pitmap.files import make_folder, write_json, write_text
from pitmap.observer import SILENT, Observer, Part
from pitmap.raster.codes import IMAGE_TAG
from pitmap.raster.reading import describe
from pitmap.reporting.content import acquisition_date

LARGEST_SHIFT = 0.5
"""Pixels beyond which two images are not in register: from there on the nearest pixel is another one."""


def change(
    maps: Sequence[str | Path], out: str | Path, options: ChangeOptions | None = None, observer: Observer = SILENT
) -> Change:
    """Compare maps of one place on two or more dates, after checking that their images are in register.

    Written are, for each step from one date to the next, ``change.tif`` (kinds of change, the strata of a sample),
    ``change-transitions.tif``, ``change.gpkg`` and ``change.csv``; with more than two dates their names end in the two
    dates. ``timeline.csv`` has the hectares of every mine on every date, ``change.json`` everything, ``change.html`` is
    the page.

    Args:
        maps: Two or more maps; they are put in the order of their dates where all are known.
        out: Folder for the files.
        options: How they are compared.
        observer: Hears of the register, and of the work.

    Raises:
        ImageError: A raster cannot be read, an image is missing, or the images are not in register.
        LabelError: The maps have other classes or no common ground, or the points are no sample of the change.
        OutputError: A file cannot be written.
        BusyError: Another process writes to this folder.
    """
    with exclusive(Path(out), observer=observer):
        return _change([Path(m) for m in maps], Path(out), options or ChangeOptions(), observer)


def _change(maps: list[Path], folder: Path, options: ChangeOptions, observer: Observer) -> Change:
    dated = _in_order(_dated(maps, options), observer)
    warnings = _equal_dates(dated)
    dated, of_register = _registered(dated, options, observer)
    warnings += of_register
    for sentence in warnings:
        observer.warn(sentence)
    shifts = [
        (m.registration.rows, m.registration.cols)
        if options.shift == "align" and m.registration is not None and m.registration.known
        else (0.0, 0.0)
        for m in dated
    ]
    series = open_series([m.path for m in dated], options.legend, options.tolerance_pixels, shifts)
    chosen = roles(series.legend, options.classes, options.waste, options.vegetation)
    make_folder(folder)
    files = _step_files(folder, dated)
    tags = [_tags(b, a, options) for b, a in pairwise(dated)]
    with rasters(files, series, tags) as listener:
        found = survey(series, chosen, listener, Part(observer, 0.3, 0.8))
        for m, step in zip(dated[1:], found.steps, strict=True):
            if not step.areas_m2[1:, 1:].any():
                raise LabelError(
                    f"{m.path} and the map before it have no common ground: where one has classes, the other has none.",
                    "Maps that show the same place.",
                )
    smallest = options.minimum_mapping_unit_m2
    numbers = numbered(found, smallest)
    kinds = chosen.kinds(series.legend)
    steps = []
    for k, (own, totals) in enumerate(zip(files, found.steps, strict=True)):
        changes = mine_changes(totals, k, found, numbers, series.legend, chosen, smallest)
        write_transition_names(own.transitions, series.legend, totals)
        write_change_layers(own.layers, totals, changes, numbers, series.legend, kinds, series.grid, smallest)
        step = _step(dated[k], dated[k + 1], own, totals, series, chosen, changes)
        write_matrix(own.matrix, series.legend, step.matrix_ha)
        steps.append(step)
        observer.progress("writing", 0.8 + 0.15 * (k + 1) / len(files))
    rows = timeline(found, numbers, [m.label for m in dated])
    head = ("mine", "date", "area_ha", "unmapped_ha", "parts")
    write_table(folder / "timeline.csv", [head, *([_plain(r[c]) for c in head] for r in rows)])
    estimated = _estimate(options, steps, observer)
    if estimated is not None:
        warnings += estimated.warnings
    made = Change(
        folder, folder / "change.html", dated, tuple(steps), tuple(rows), options, series.legend, chosen, estimated,
        tuple(warnings),
    )  # fmt: skip
    write_json(folder / "change.json", made.content())
    write_text(made.page, change_page(made))
    observer.progress("done", 1.0)
    return made


def _dated(paths: list[Path], options: ChangeOptions) -> list[Dated]:
    """The maps with their images and dates.

    Raises:
        ImageError: There is one map, or an image is missing.
        LabelError: Images or dates of another number.
    """
    if len(paths) < 2:
        raise ImageError("One map is given.", "Two maps or more, of one place.")
    for what, given in (("image", options.images), ("date", options.dates)):
        if given and len(given) != len(paths):
            raise LabelError(
                f"{len(given)} {what}(s) are given for {len(paths)} maps.", f"One {what} for each map, in their order.",
                options=[f"{what}s"],
            )  # fmt: skip
    dated = []
    for k, path in enumerate(paths):
        tags = describe(path).tags
        image = Path(options.images[k]) if options.images else None
        if image is None and IMAGE_TAG in tags and (beside := path.parent / tags[IMAGE_TAG]).exists():
            image = beside
        if image is None and not options.without_images:
            named = f"it was made from {tags[IMAGE_TAG]}, which does not lie beside it" if IMAGE_TAG in tags else (
                "it does not say from which image it was made"
            )  # fmt: skip
            raise ImageError(
                f"The image of {path} is not at hand: {named}.",
                "The image of every map: without them nobody knows whether the maps lie on each other.",
                "Name the images in the order of the maps; or compare the maps without them, unchecked.",
                ["images", "without_images"],
            )
        day = acquisition_date(path, tags)
        if image is not None:
            day = acquisition_date(image, describe(image).tags) or day
        dated.append(Dated(path, options.dates[k] if options.dates else day or "", image))
    return dated


def _in_order(dated: list[Dated], observer: Observer) -> tuple[Dated, ...]:
    if not all(m.date for m in dated):
        return tuple(dated)
    order = sorted(dated, key=lambda m: m.date)
    if order != dated:
        observer.say(f"The maps are compared in the order of their dates: {', '.join(m.date for m in order)}.")
    return tuple(order)


def _equal_dates(dated: Sequence[Dated]) -> list[str]:
    return [
        f"{a.path.name} and {b.path.name} are both of {a.date}: what differs between them is no change in time."
        for a, b in pairwise(dated)
        if a.date and a.date == b.date
    ]


def _registered(
    dated: tuple[Dated, ...], options: ChangeOptions, observer: Observer
) -> tuple[tuple[Dated, ...], list[str]]:
    """The maps with the register of their images, and warnings.

    Raises:
        ImageError: They are not in register, and that is not accepted.
    """
    first, grid = dated[0], describe(dated[0].path).grid
    if grid.crs is None or any(m.image is None for m in dated):
        return dated, ["Whether the maps lie on each other was not checked: there are no images."]
    made: list[Dated] = [first]
    assert first.image is not None
    for k, m in enumerate(dated[1:], start=1):
        assert m.image is not None
        found = register(first.image, m.image, grid)
        observer.say(found.sentence(first.label, m.label))
        observer.progress("checking the register", 0.3 * k / (len(dated) - 1))
        made.append(replace(m, registration=found))
    warnings = []
    for before, after in pairwise(made):
        problem = _problem(before, after, made[0])
        if problem and options.shift == "stop":
            raise ImageError(
                problem, f"Images in register to {LARGEST_SHIFT} pixels: a shift looks like change along every border.",
                "Register the later image and map it again; or let the later map be moved by the shift; or accept it.",
                ["shift"],
            )  # fmt: skip
        if problem and options.shift == "align" and after.registration is not None and after.registration.known:
            problem = f"{problem} The later map was moved by the nearest whole pixel of that."
        warnings += [problem] if problem else []
    return tuple(made), warnings


def _problem(before: Dated, after: Dated, first: Dated) -> str:
    """What is wrong with the register of two neighbouring dates, both measured against the first."""
    now, then = after.registration, before.registration
    assert now is not None
    if not now.known or (then is not None and not then.known):
        return (now if not now.known else then or now).sentence(first.label, after.label)
    rows, cols = now.rows - (then.rows if then else 0.0), now.cols - (then.cols if then else 0.0)
    if now.pixels > LARGEST_SHIFT:
        return now.sentence(first.label, after.label)
    if float(np.hypot(rows, cols)) > LARGEST_SHIFT:
        return (
            f"{after.label} lies {np.hypot(rows, cols):.2f} pixels off {before.label}, both measured on {first.label}."
        )
    return ""


def _step_files(folder: Path, dated: Sequence[Dated]) -> list[StepFiles]:
    if len(dated) == 2:
        return [StepFiles(folder, "change")]
    labels = [m.date for m in dated]
    if not all(labels) or len(set(labels)) < len(labels):
        labels = [str(k) for k in range(1, len(dated) + 1)]
    return [StepFiles(folder, f"change-{b}-to-{a}") for b, a in pairwise(labels)]


def _tags(before: Dated, after: Dated, options: ChangeOptions) -> dict[str, str]:
    return {
        "PITMAP_CHANGE": f"{before.path.name} to {after.path.name}",
        "PITMAP_DATES": f"{before.label} to {after.label}",
        "PITMAP_TOLERANCE_PIXELS": str(options.tolerance_pixels),
        "PITMAP_VERSION": __version__,
    }


def _step(
    before: Dated, after: Dated, files: StepFiles, totals: StepTotals, series: Series, chosen: Roles,
    changes: list[MineChange],
) -> Step:  # fmt: skip
    areas = totals.areas_m2 / 1e4
    kinds = chosen.kinds(series.legend)[: len(areas), : len(areas)]
    return Step(
        before.label, after.label, files, hectares(totals.areas_m2), hectares(totals.tolerated_m2),
        float(areas[1:, 1:].sum()), float(areas[1:, 0].sum()), float(areas[0, 1:].sum()),
        {k.key: float(areas[kinds == k.code].sum()) for k in KINDS}, tuple(changes),
    )  # fmt: skip


def _estimate(options: ChangeOptions, steps: Sequence[Step], observer: Observer) -> SampleEstimate | None:
    if options.points is None:
        return None
    if len(steps) > 1:
        raise LabelError("Points are a sample of one step.", "Two maps, where points are given.", options=["points"])
    return estimate(options.points, steps[0].files.kinds, EstimateOptions(), observer)


def _plain(value: Any) -> Any:
    return f"{value:.4f}" if isinstance(value, float) else value
