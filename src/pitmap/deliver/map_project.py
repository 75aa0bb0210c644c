"""The QGIS project of maps outside a study: image, map, confidence and mines, styled, in one file to open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pitmap.deliver.layers import MAP_OPACITY, Entry, Folder, raster, vectors, view
from pitmap.observer import SILENT, Observer
from pitmap.paths import gdal_name
from pitmap.qgis.project import Project
from pitmap.qgis.saving import save
from pitmap.raster.reading import describe


@dataclass(frozen=True)
class MappedImage:
    """An image and what was made of it; what is not there is left out.

    Attributes:
        image: The image.
        map: Its map.
        bands: Bands of the image that were mapped, by number or name; None for all.
        mines: Mine polygons.
        confidence: Of the map.
        probabilities: Of the map.
    """

    image: Path
    map: Path
    bands: Sequence[int | str] | None = None
    mines: Path | None = None
    confidence: Path | None = None
    probabilities: Path | None = None

    def layers(self) -> tuple[Entry, ...]:
        """From the top down."""
        grid = describe(self.map).grid
        found = [] if self.mines is None else list(vectors(self.mines, ("mines",), "mines"))
        for name, path in (("confidence", self.confidence), ("probabilities", self.probabilities)):
            if path is not None and path.exists():
                found.append(raster(name, path, grid, visible=False))
        found.append(raster("land cover", self.map, grid, opacity=MAP_OPACITY))
        found.append(raster(Path(gdal_name(self.image)).stem, self.image, describe(self.image).grid, self.bands))
        return tuple(found)


def write_map_project(path: Path, mapped: Sequence[MappedImage], observer: Observer = SILENT) -> Path:
    """Write a project of maps; one that is up to date, or that somebody has saved in QGIS, is left as it is.

    Args:
        path: The ``.qgz``. Files are named relative to it.
        mapped: One image or more; of several each has a group.
        observer: Told of a project that is left to its owner.

    Returns:
        The project.

    Raises:
        ImageError: An image or a map cannot be read.
        OutputError: The project cannot be written.
    """
    of_each = [one.layers() for one in mapped]
    members: tuple[Folder | Entry, ...] = of_each[0]
    if len(mapped) > 1:
        members = tuple(Folder(one.map.stem, layers) for one, layers in zip(mapped, of_each, strict=True))
    root = Folder("", members)

    def project() -> Project:
        crs, extent = view(describe(one.map).grid for one in mapped)
        return Project(path.stem, crs, extent, root.group().members)

    save(path, root.key(path.parent), project, observer)
    return path
