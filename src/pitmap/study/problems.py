"""What is wrong with a project file and the files it names, each problem as one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from unicodedata import normalize

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pitmap.errors import PitmapError, ProjectError, nearest
from pitmap.extension import find
from pitmap.grid import lack_of_place
from pitmap.legend import Legend
from pitmap.paths import exists, resolve
from pitmap.study.names import DEVICES, clashes
from pitmap.study.schema import Extensible, SiteSection, model_in

if TYPE_CHECKING:
    from pitmap.study.scenes import Scene
    from pitmap.study.study import Study


def suggestion(name: str, names: Iterable[str]) -> str:
    """`` Did you mean ...?`` with the nearest name, or a list of them, or nothing."""
    names = list(names)
    if close := nearest(name, names):
        return f" Did you mean {close!r}?"
    return f" There is: {', '.join(names)}." if 0 < len(names) <= 20 else ""


def problem_list(path: Path, problems: list[str]) -> ProjectError:
    """One error for all problems of a project file."""
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ProjectError(f"{path} has {count}:\n" + "\n".join(f"  - {p}" for p in dict.fromkeys(problems)))


def explain(error: Any) -> str:
    """One pydantic error as a line, with the nearest valid key."""
    where, place = _locate(error["loc"])
    if error["type"] == "extra_forbidden":
        model = _model_at(error["loc"][:-1])
        return (
            f"{place} has the unknown key {error['loc'][-1]!r}.{suggestion(str(error['loc'][-1]), model.model_fields)}"
        )
    if error["type"] == "missing":
        return f"{place} lacks the key {error['loc'][-1]!r}."
    message = error["msg"].removeprefix("Value error, ")
    found = "" if isinstance(error["input"], dict) else f" = {error['input']!r}"
    return f"{where}{found}: {message}."


def _locate(loc: tuple[int | str, ...]) -> tuple[str, str]:
    """``[samples] patch`` and ``[samples]`` for an error's location; sites and classes are counted from 1."""
    head, *rest = loc
    table = f"[[{head}]] number {int(rest.pop(0)) + 1}" if rest and isinstance(rest[0], int) else f"[{head}]"
    names = [str(r) for r in rest if not (isinstance(r, str) and re.match(r"^(int|str|list|literal|constrained)", r))]
    return f"{table} {'.'.join(names)}".strip(), table


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the table at an error's location."""
    from pitmap.study.study import Study

    model: type[BaseModel] = Study
    for step in loc:
        if step in model.model_fields and (inner := model_in(model.model_fields[str(step)].annotation)) is not None:
            model = inner
    return model


def nearest_file(path: Path) -> str:
    """A suggestion: the file of the same folder whose name is most like that of a missing one."""
    return suggestion(path.name, sorted(p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""


def check_labels(legend: Legend, scene: Scene, problems: list[str]) -> None:
    """Check a scene's label file: it exists, has the layers and fields named, and the classes are in the legend."""
    site, where, keys = scene.site, f"Site {scene.site.name!r}", legend.keys
    for option, mapping in (("label_values", site.label_values), ("label_layers", site.label_layers)):
        for value, key in (mapping or {}).items():
            if key and normalize("NFC", key) not in keys:
                problems.append(f"{where}: {option} gives {value!r} the class {key!r}, which the legend lacks."
                                f"{suggestion(key, keys)}")  # fmt: skip
    if scene.labels is None:
        return
    if not exists(scene.labels):
        problems.append(f"{where}: labels {scene.labels} does not exist.{nearest_file(scene.labels)}")
        return
    from pitmap.labels import check_labels as check_file
    from pitmap.raster.reading import is_raster

    try:
        if scene.info.grid.crs is None and not is_raster(scene.labels):
            problems.append(
                f"{where}: the image {scene.image.name} {lack_of_place(scene.info.grid.local_crs)}, so the vector "
                f"labels {scene.labels.name} cannot be laid over it. Give a label raster of the image's size, or a "
                "georeferenced image."
            )
        check_file(scene.labels, legend, scene.label_options)
    except PitmapError as error:
        problems.append(f"{where}: labels: {error}")


def require_labels(study: Study) -> None:
    """Refuse to sample a study of which no site has labels; maps can be made with it.

    Raises:
        ProjectError: No site has labels.
    """
    if not any(scene.labels for scene in study.scenes):
        raise ProjectError(
            f"No site of {study.path} has labels.", "At least one site with labels, which the network can learn from.",
            "Give labels = \"...\" at a site; images of sites without are mapped.",
        )  # fmt: skip


def check_corrections(site: SiteSection, scenes: list[Scene], problems: list[str]) -> None:
    """Check that a site's reviewed polygons exist, have the field to fill in, and can be laid over the images."""
    from pitmap import landuse, review_queue

    where = f"Site {site.name!r}: corrections"
    found = [s for s in scenes if s.corrections is not None and s.corrections.exists()]
    if scenes and not found:
        path = scenes[0].corrections
        assert path is not None
        problems.append(f"{where} {path} does not exist.{nearest_file(path)}")
    if len({s.corrections for s in scenes}) < len(scenes) and "{stem}" not in (site.corrections or ""):
        problems.append(
            f"{where} = {site.corrections!r} is one file for {len(scenes)} images. A review is of one map: give a file "
            "for each image, with {stem} in place of the image's name without ending."
        )
    for scene in found:
        assert scene.corrections is not None
        if scene.info.grid.crs is None:
            problems.append(f"{where}: the image {scene.image.name} {lack_of_place(scene.info.grid.local_crs)}.")
            continue
        try:
            landuse.check_layer(scene.corrections, review_queue.layer_of(scene.corrections), review_queue.FIELD)
            problems += [f"{where}: {p}" for p in review_queue.problems(scene.corrections, scene.image)]
        except PitmapError as error:
            problems.append(f"{where}: {error}")


def check_names(project: Study, scenes: list[Scene]) -> list[str]:
    """Problems that show only when all parts are seen together."""
    problems: list[str] = []
    names = [site.name for site in project.sites]
    problems += [f"Two sites are named {name!r}." for name in sorted({n for n in names if names.count(n) > 1})]
    problems += [
        f"Results of {one!r} and {other!r} would lie in one file. Give one of the sites another name."
        for one, other in clashes([s.name for s in scenes])
        if one != other
    ]
    problems += [
        f"Site {name!r}: no file can have this name on Windows. Choose another."
        for name in names
        if name.split(".")[0].casefold() in DEVICES
    ]
    problems += [
        f"[samples] test_sites: there is no site {name!r}.{suggestion(name, names)}"
        for name in project.samples.test_sites
        if name not in names
    ]
    if project.accuracy.reference is not None and not exists(
        path := resolve(project.folder, project.accuracy.reference)
    ):
        problems.append(f"[accuracy] reference = {project.accuracy.reference!r} does not exist.{nearest_file(path)}")
    problems += _series(project, scenes)
    problems += _unknown_names(project)
    keys = project.legend.keys
    problems += [
        f"[mapping] mines: the legend has no class {key!r}.{suggestion(key, keys)}"
        for key in project.mapping.mines or []
        if normalize("NFC", key) not in keys
    ]
    if project.report.threshold_ha is not None and not project.mine_classes:
        problems.append(
            "[report] threshold_ha: no class of the legend is one of mines, so that nothing is compared with it. Name "
            "the classes with [mapping] mines."
        )
    counts = {len(s.band_indices) for s in scenes}
    if len(counts) > 1:
        problems.append(
            "The images have different numbers of bands: "
            + ", ".join(f"{s.name} {len(s.band_indices)}" for s in scenes[:10])
            + ". Select the same bands in the same order at every site with bands = [...]."
        )
    problems += _exchanged_bands(scenes)
    if len({s.calibrated for s in scenes}) > 1:
        without = [s.name for s in scenes if not s.calibrated]
        problems.append(
            f"No scale is known for {', '.join(without[:5])}, while other images have one. Give scale (and offset) "
            "there, so that all images are in the same quantity (reflectance = DN x scale + offset)."
        )
    if project.samples_settings.split == "blocks" and any(s.info.grid.crs is None for s in scenes):
        bare = next(s for s in scenes if s.info.grid.crs is None)
        problems.append(f"split = \"blocks\" needs georeferenced images, and {bare.image.name} "
                        f"{lack_of_place(bare.info.grid.local_crs)}. "
                        'Use split = "groups".')  # fmt: skip
    return problems


def _series(project: Study, scenes: list[Scene]) -> list[str]:
    """What is wrong with ``[change]``."""
    problems: list[str] = []
    change, keys, begun = project.change, project.legend.keys, []
    for names in change.series:
        where = f"[change] series {names}"
        for name in names:
            if not any(name in (s.name, s.site.name) for s in scenes):
                known = dict.fromkeys([*(s.name for s in scenes), *(s.site.name for s in scenes)])
                problems.append(f"{where}: there is no image {name!r}.{suggestion(name, known)}")
        chosen = [s for s in scenes if s.name in names or s.site.name in names]
        if len(chosen) < 2:
            problems.append(f"{where}: {len(chosen)} image(s). A comparison needs two dates or more.")
        problems += [
            f"{where}: the image {s.image.name} {lack_of_place(s.info.grid.local_crs)}, so nothing can be laid over it."
            for s in chosen
            if s.info.grid.crs is None
        ]
        begun.append({s.name for s in chosen})
    if any(one & other for one, other in combinations(begun, 2)):
        problems.append("[change] series: an image belongs to two of the places. Name it in one.")
    if change.series and not project.mine_classes:
        problems.append("[change]: no class of the legend is one of mines. Name the classes with [mapping] mines.")
    if change.points is not None and not exists(path := resolve(project.folder, change.points)):
        problems.append(f"[change] points = {change.points!r} does not exist.{nearest_file(path)}")
    if change.points is not None and any(len(names) > 2 for names in begun):
        problems.append("[change] points are a sample of one step: name two images in series.")
    for field in ("waste", "vegetation"):
        problems += [
            f"[change] {field}: the legend has no class {key!r}.{suggestion(key, keys)}"
            for key in getattr(change, field) or []
            if key not in keys
        ]
    return problems


def _exchanged_bands(scenes: list[Scene]) -> list[str]:
    """A problem where images that are taken as they are have the same bands in different orders."""
    orders: dict[tuple[str, ...], Scene] = {}
    for scene in scenes:
        if scene.site.bands is None:
            orders.setdefault(tuple(name.casefold() for name in scene.band_names), scene)
    for (first, one), (second, other) in combinations(orders.items(), 2):
        if sorted(first) == sorted(second):
            return [
                f"The images have the same bands in different orders: {one.name} {', '.join(one.band_names)}; "
                f"{other.name} {', '.join(other.band_names)}. Name them at every site with bands = "
                f"[{', '.join(repr(name) for name in one.band_names)}]."
            ]
    return []


NO_TABLE: dict[str, object] = {}
"""The tables lie with the steps; here only names of one's own are looked up."""


def _unknown_names(project: Study) -> list[str]:
    """Functions of one's own that cannot be imported, and networks and options that there are not."""
    from pitmap.networks.registry import check_options

    problems: list[str] = []
    for key in type(project).model_fields:
        section = getattr(project, key)
        if not isinstance(section, BaseModel):
            continue
        for name, field in type(section).model_fields.items():
            value = getattr(section, name)
            for kind in _extensible(field):
                for entry in value if isinstance(value, list) else [value]:
                    if isinstance(entry, str) and kind.names and kind.is_own(entry):
                        _note(problems, f"[{key}] {name}", partial(find, kind.kind, entry, NO_TABLE))
    training = project.training
    _note(problems, "[training]", partial(check_options, training.network, training.options))
    return problems


def _extensible(field: FieldInfo) -> list[Extensible]:
    """What marks a field, or the entries of its list, as a name of a table."""
    parts = [field.annotation, *get_args(field.annotation)]
    nested = [item for part in parts for item in getattr(part, "__metadata__", ())]
    return [item for item in (*field.metadata, *nested) if isinstance(item, Extensible)]


def _note(problems: list[str], where: str, check: Callable[[], object]) -> None:
    try:
        check()
    except PitmapError as error:
        problems.append(f"{where}: {error}")
