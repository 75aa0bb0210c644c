"""The scenes of a study: each image with everything that is needed to read it and its labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pitmap.errors import ImageError
from pitmap.legend import Legend
from pitmap.paths import exists, matching, resolve
from pitmap.raster.reading import RasterInfo, describe
from pitmap.study.asked import Reading
from pitmap.study.names import Unnamed, scene_names
from pitmap.study.problems import check_corrections, check_labels, nearest_file, suggestion
from pitmap.study.schema import SiteSection

if TYPE_CHECKING:
    from pitmap.labels import LabelOptions


@dataclass(frozen=True)
class Scene:
    """One image of a site, with everything that is needed to read it and its labels.

    Attributes:
        name: Unique in the study, also on disks that ignore case; names result files.
        site: The site it belongs to.
        image: Path of the image.
        info: Its header.
        reading: What the site asks for, resolved against that header.
        group: Group, for ``split = "groups"``.
        labels: Path of the labels, or None: then the image is mapped and nothing is learned from it.
        corrections: Path of the reviewed polygons, or None.
    """

    name: str
    site: SiteSection
    image: Path
    info: RasterInfo
    reading: Reading
    group: str
    labels: Path | None
    corrections: Path | None

    @property
    def band_indices(self) -> tuple[int, ...]:
        """Selected bands, counted from 1."""
        return self.reading.indices

    @property
    def scales(self) -> tuple[float, ...]:
        """One a selected band; the quantity is ``DN x scale + offset``."""
        return self.reading.scales

    @property
    def offsets(self) -> tuple[float, ...]:
        """One a selected band."""
        return self.reading.offsets

    @property
    def calibrated(self) -> bool:
        """Whether scale and offset are known, from the project or from the file."""
        return self.reading.calibrated

    @property
    def band_names(self) -> list[str]:
        """Names of the selected bands, ``band 3`` where the file has none."""
        return [self.info.descriptions[i - 1] or f"band {i}" for i in self.band_indices]

    @property
    def label_options(self) -> LabelOptions:
        """How the labels are read."""
        from pitmap.labels import LabelOptions

        site = self.site
        values = None if site.label_values is None else {v: key or None for v, key in site.label_values.items()}
        return LabelOptions(
            values, site.label_layer, site.label_layers, site.label_field, site.label_encoding, site.all_touched
        )


def scenes_of(folder: Path, sites: Sequence[SiteSection], legend: Legend, problems: list[str]) -> list[Scene]:
    """The images of all sites with their headers, in the order of the sites, those of a pattern sorted by path.

    Args:
        folder: Where relative paths start.
        sites: The sites.
        legend: The classes that labels may have.
        problems: What is wrong is added to this list.
    """
    found = [(site, *image) for site in sites for image in _images(folder, site, problems)]
    names = scene_names([Unnamed(site.name, varying) for site, _, varying in found])
    scenes: list[Scene] = []
    for site in sites:
        own = [(image, name) for (s, image, _), name in zip(found, names, strict=True) if s is site]
        scenes += _scenes_of_site(folder, site, own, legend, problems)
    return scenes


def _scenes_of_site(
    folder: Path, site: SiteSection, images: list[tuple[Path, str]], legend: Legend, problems: list[str]
) -> list[Scene]:
    where = f"Site {site.name!r}"
    groups = _groups(folder, site, problems)
    for key, layer in (("extent", site.extent), *(("exclude", layer) for layer in site.exclude)):
        if layer is not None and not exists(place := resolve(folder, layer)):
            problems.append(f"{where}: {key} = {layer!r} does not exist.{nearest_file(place)}")
    scenes = []
    for image, name in images:
        try:
            info = describe(image)
            reading = site.asked.resolve(info)
        except ImageError as error:
            problems.append(f"{where}: {error}{'' if exists(image) else nearest_file(image)}")
            continue
        if site.offset is not None and not reading.calibrated:
            problems.append(f"{where}: offset is given, but no scale is known for {image.name}. Give scale, too.")
        scene = Scene(
            name=name,
            site=site,
            image=image,
            info=info,
            reading=reading,
            group=site.group or _group_of(image, groups) or name,
            labels=_own_file(folder, site.labels, image),
            corrections=_own_file(folder, site.corrections, image),
        )
        check_labels(legend, scene, problems)
        scenes.append(scene)
    _check_own_files(site, scenes, problems)
    if site.corrections is not None:
        check_corrections(site, scenes, problems)
        # Of several images some may not have been reviewed yet.
        scenes = [s if s.corrections and s.corrections.exists() else replace(s, corrections=None) for s in scenes]
    return scenes


def _images(folder: Path, site: SiteSection, problems: list[str]) -> list[tuple[Path, str | None]]:
    """The images of a site; with each its path below the folder in which the pattern varies, None without a pattern."""
    found = matching(folder, site.image)
    if not found:
        problems.append(f"Site {site.name!r}: no file matches image = {site.image!r} (looked in {folder}).")
    return found


def _own_file(folder: Path, pattern: str | None, image: Path) -> Path | None:
    """The file that a path with ``{stem}`` and ``{folder}`` names for an image."""
    if pattern is None:
        return None
    return resolve(folder, pattern.replace("{stem}", image.stem).replace("{folder}", str(image.parent)))


def _check_own_files(site: SiteSection, scenes: list[Scene], problems: list[str]) -> None:
    """Images of one name in several folders must not share what ``{stem}`` names."""
    for key, pattern in (("labels", site.labels), ("corrections", site.corrections)):
        if pattern is None or "{stem}" not in pattern:
            continue
        owners: dict[Path, Path] = {}
        for scene in scenes:
            path = _own_file(Path(), pattern, scene.image)
            assert path is not None
            if (other := owners.setdefault(path, scene.image)) != scene.image:
                problems.append(
                    f"Site {site.name!r}: {key} = {pattern!r} names one file for two images, {other} and "
                    f"{scene.image}. {{folder}} stands for the folder of the image: {{folder}}/{Path(pattern).name}."
                )
                break


def _groups(folder: Path, site: SiteSection, problems: list[str]) -> dict[str, str]:
    if site.groups is None:
        return {}
    where, path = f"Site {site.name!r}: groups", folder / site.groups.table
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{where}.table = {site.groups.table!r} cannot be read ({error}).{nearest_file(path)}")
        return {}
    columns = list(rows[0]) if rows else []
    for key, column in (("file", site.groups.file), ("group", site.groups.group)):
        if column not in columns:
            problems.append(f"{where}.{key} = {column!r} is not a column of {path.name}.{suggestion(column, columns)}")
            return {}
    return {row[site.groups.file].strip(): row[site.groups.group] for row in rows}


def _group_of(image: Path, groups: dict[str, str]) -> str | None:
    """The group of an image: by the end of its path, with as many folders as the table gives, or by its stem."""
    for count in range(len(image.parts), 0, -1):
        if group := groups.get("/".join(image.parts[-count:])):
            return group
    return groups.get(image.stem)
