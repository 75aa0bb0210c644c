"""The scenes of a study: each image with everything that is needed to read it and its labels."""

from __future__ import annotations

import csv
import glob
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pitmap.errors import ImageError
from pitmap.raster.reading import RasterInfo, describe
from pitmap.study.problems import check_corrections, check_labels, nearest_file, suggestion
from pitmap.study.schema import RASTER_SUFFIXES, SiteSection

if TYPE_CHECKING:
    from pitmap.study.study import Study


@dataclass(frozen=True)
class Scene:
    """One image of a site, with everything that is needed to read it and its labels.

    Attributes:
        name: Unique in the project; names result files.
        site: The site it belongs to.
        image: Path of the image.
        info: Its header.
        band_indices: Selected bands, counted from 1.
        scales: One a selected band; the quantity is ``DN x scale + offset``.
        offsets: One a selected band.
        calibrated: Whether scale and offset are known, from the project or from the file.
        group: Group, for ``split = "groups"``.
        labels: Path of the labels, or None.
        corrections: Path of the reviewed polygons, or None.
    """

    name: str
    site: SiteSection
    image: Path
    info: RasterInfo
    band_indices: tuple[int, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    calibrated: bool
    group: str
    labels: Path | None
    corrections: Path | None

    @property
    def nodata(self) -> float | None:
        """The nodata value: the project's, or the file's."""
        return self.info.nodata if self.site.nodata is None else self.site.nodata

    @property
    def band_names(self) -> list[str]:
        """Names of the selected bands, ``band 3`` where the file has none."""
        return [self.info.descriptions[i - 1] or f"band {i}" for i in self.band_indices]

    @property
    def labels_are_raster(self) -> bool:
        """Whether the labels are a raster and not a vector layer."""
        return self.labels is not None and self.labels.suffix.lower() in RASTER_SUFFIXES


def scenes_of(project: Study, site: SiteSection, problems: list[str]) -> list[Scene]:
    """The images of a site with their headers; problems are added to the list."""
    folder, where = project.folder, f"Site {site.name!r}"
    pattern = str(folder / site.image)
    images = sorted(Path(p) for p in glob.glob(pattern)) if glob.has_magic(site.image) else [Path(pattern)]
    if not images:
        problems.append(f"{where}: no file matches image = {site.image!r} (looked in {folder}).")
    groups = _groups(folder, site, problems)
    for name, layer in (("extent", site.extent), *(("exclude", layer) for layer in site.exclude)):
        if layer is not None and not (folder / layer).exists():
            problems.append(f"{where}: {name} = {layer!r} does not exist.{nearest_file(folder / layer)}")
    scenes = []
    for image in images:
        try:
            info = describe(image)
            indices = info.band_indices(site.bands)
        except ImageError as error:
            problems.append(f"{where}: {error}{'' if image.exists() else nearest_file(image)}")
            continue
        scene = Scene(
            name=site.name if len(images) == 1 else f"{site.name}-{image.stem}",
            site=site,
            image=image,
            info=info,
            band_indices=tuple(indices),
            scales=tuple(info.scales[i - 1] if site.scale is None else site.scale for i in indices),
            offsets=tuple(
                site.offset if site.offset is not None else (info.offsets[i - 1] if site.scale is None else 0.0)
                for i in indices
            ),
            calibrated=site.scale is not None or info.has_scale,
            group=site.group or _group_of(image, groups) or image.stem,
            labels=_own_file(folder, site.labels, image),
            corrections=_own_file(folder, site.corrections, image),
        )
        check_labels(project, scene, problems)
        scenes.append(scene)
    if site.corrections is not None:
        check_corrections(site, scenes, problems)
        # Of several images some may not have been reviewed yet.
        scenes = [s if s.corrections and s.corrections.exists() else replace(s, corrections=None) for s in scenes]
    return scenes


def _own_file(folder: Path, pattern: str | None, image: Path) -> Path | None:
    """The file that a path with ``{stem}`` names for an image."""
    return None if pattern is None else folder / pattern.replace("{stem}", image.stem)


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
