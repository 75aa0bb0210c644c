"""A study as a STAC collection: an item an image, a map and a model.

STAC 1.1 with the extensions ``projection``, ``raster``, ``classification``, ``file`` and, for models, ``mlm``. Items of
images and maps carry the time of sensing, never that of processing. The catalogue is self-contained: its links and the
paths of its files are relative, so that it may be moved together with what it describes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pitmap import __version__
from pitmap.acquisition import Acquisition, acquisition
from pitmap.deliver.stac_items import FILE, AssetLinks, identifier_of, image_item, interval, map_item, model_item
from pitmap.errors import OutputError, PitmapError, ProjectError
from pitmap.files import make_folder
from pitmap.mapping.engines.int8_file import SUFFIX as INT8
from pitmap.networks.model_card import read_card
from pitmap.observer import SILENT, Observer
from pitmap.stored import read_json
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

if TYPE_CHECKING:
    import pystac


@dataclass(frozen=True)
class Catalogue:
    """A STAC collection as it was written.

    Attributes:
        path: Its ``collection.json``.
        images: Number of items of images.
        maps: Number of items of maps.
        models: Number of items of models.
    """

    path: Path
    images: int
    maps: int
    models: int

    def summary(self) -> str:
        """One line for the screen."""
        return f"{self.path}: {self.images} image(s), {self.maps} map(s), {self.models} model(s)."

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"path": str(self.path), "images": self.images, "maps": self.maps, "models": self.models}


def write_stac(study: Study, folder: str | Path | None = None, observer: Observer = SILENT) -> Catalogue:
    """Write a study's images, maps and models as a STAC collection.

    Args:
        study: The study. Maps and models are described as far as they have been made.
        folder: Where the catalogue goes, by default ``stac`` in the results folder. A catalogue there is replaced.
        observer: Told of the progress.

    Returns:
        What was written.

    Raises:
        OutputError: pystac is not installed, the folder holds something else, or cannot be written.
        ProjectError: An image does not say when it was taken: STAC has no items without a time.
        PitmapError: A file cannot be read.
    """
    try:
        import pystac
    except ImportError as error:
        raise OutputError(
            "Catalogues need the library pystac, which is not installed.", remedy="Run: pip install 'pitmap[stac]'"
        ) from error
    out = Path(folder) if folder is not None else study.results.stac
    if out.exists() and not _is_catalogue(out):
        raise OutputError(f"{out} exists and is no catalogue.", "A new folder, or one that holds a STAC collection.")
    taken = _times(study.scenes)
    links = AssetLinks(out)
    images: list[pystac.Item] = []
    maps: list[pystac.Item] = []
    for scene in study.scenes:
        observer.progress("describing", len(images) / len(study.scenes))
        images.append(image_item(scene, taken[scene.name], links))
        if study.results.map(scene.name).map.exists():
            maps.append(map_item(study, scene, taken[scene.name], links, images[-1].id))
    files = sorted(path for path in study.results.models.glob("*.safetensors") if not path.name.endswith(INT8))
    models = [model_item(study, path, read_card(path), list(taken.values()), links) for path in files]
    items = [*images, *maps, *models]
    title = study.project.name or study.folder.resolve().name
    collection = pystac.Collection(
        id=identifier_of(title),
        title=title,
        description=f"Land-cover maps of open-pit mining areas, made by pitmap {__version__}.",
        extent=pystac.Extent(pystac.SpatialExtent(_boxes(items)), pystac.TemporalExtent([interval(taken.values())])),
        license="other",
        assets={
            name: links.asset(path, title=words, roles=["metadata"])
            for name, path, words in (
                ("report", study.results.report, "Report"),
                ("accuracy", study.results.accuracy, "Figures of accuracy"),
            )
            if path.exists()
        },
    )
    if collection.assets:
        collection.stac_extensions = [FILE]
    collection.add_items(items)
    _save(collection, out)
    return Catalogue(out / "collection.json", len(images), len(maps), len(models))


def _times(scenes: Sequence[Scene]) -> dict[str, Acquisition]:
    found = {scene.name: acquisition(scene.image, scene.info.tags) for scene in scenes}
    if missing := [scene.image.name for scene in scenes if found[scene.name] is None]:
        raise ProjectError(
            f"{', '.join(missing[:5])}{' and others do' if len(missing) > 5 else ' does'} not say when it was taken.",
            "The time of sensing in the tags of an image, in its product's metadata, or a date in its name.",
            "Write it into the file: gdal_edit.py -mo ACQUISITIONDATETIME=2017-10-30T03:20:15Z IMAGE",
        )
    return {name: taken for name, taken in found.items() if taken is not None}


def _boxes(items: Iterable[pystac.Item]) -> list[list[float]]:
    boxes = [item.bbox for item in items if item.bbox is not None]
    if not boxes:
        return [[-180.0, -90.0, 180.0, 90.0]]
    if any(west > east for west, _, east, _ in boxes):
        return boxes
    low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
    return [[float(low[0]), float(low[1]), float(high[2]), float(high[3])]]


def _is_catalogue(folder: Path) -> bool:
    try:
        content = read_json(folder / "collection.json", dict[str, Any])
        return content.get("type") == "Collection" and "stac_version" in content
    except ProjectError:
        return folder.is_dir() and not any(folder.iterdir())


def _save(collection: pystac.Collection, out: Path) -> None:
    """Write a catalogue whole, in the place of an earlier one."""
    import pystac

    make_folder(out.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as work:
            made = Path(work) / "new"
            collection.normalize_and_save(str(made), catalog_type=pystac.CatalogType.SELF_CONTAINED)
            if out.exists():
                out.rename(Path(work) / "old")
            made.rename(out)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror or error}).", remedy="Choose another place, or make room."
        ) from error
    except pystac.STACError as error:
        raise PitmapError(f"The catalogue cannot be written ({error}).") from error
