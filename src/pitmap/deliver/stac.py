"""A study as a STAC collection: an item an image, a map and a model.

STAC 1.1 with the extensions ``projection``, ``raster``, ``classification``, ``file`` and, for models, ``mlm``. Items of
images and maps carry the time of sensing, never that of processing. The catalogue is self-contained: its links and the
paths of its files are relative, so that it may be moved together with what it describes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import Transformer
from shapely import Polygon
from shapely.affinity import translate

from pitmap import __version__
from pitmap.acquisition import Acquisition, acquisition
from pitmap.errors import OutputError, PitmapError, ProjectError
from pitmap.files import make_folder
from pitmap.grid import Grid
from pitmap.legend import Legend
from pitmap.networks.model_file import ModelCard, read_card
from pitmap.observer import SILENT, Observer
from pitmap.paths import is_gdal, local_file
from pitmap.raster.codes import read_legend
from pitmap.raster.reading import RasterInfo, describe
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

if TYPE_CHECKING:
    import pystac

PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"

MODEL_TAG = "PITMAP_MODEL"

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_TYPES = {
    ".tif": "image/tiff; application=geotiff", ".tiff": "image/tiff; application=geotiff", ".jp2": "image/jp2",
    ".gpkg": "application/geopackage+sqlite3", ".html": "text/html", ".json": "application/json", ".csv": "text/csv",
}  # fmt: skip


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
    links = _Links(out)
    images, maps = [], []
    for scene in study.scenes:
        observer.progress("describing", len(images) / len(study.scenes))
        images.append(_image_item(scene, taken[scene.name], links))
        if study.results.map(scene.name).map.exists():
            maps.append(_map_item(study, scene, taken[scene.name], links, images[-1].id))
    files = sorted(study.results.models.glob("*.safetensors"))
    models = [_model_item(study, path, read_card(path), list(taken.values()), links) for path in files]
    items = [*images, *maps, *models]
    title = study.project.name or study.folder.resolve().name
    collection = pystac.Collection(
        id=_identifier(title),
        title=title,
        description=f"Land-cover maps of open-pit mining areas, made by pitmap {__version__}.",
        extent=pystac.Extent(pystac.SpatialExtent(_boxes(items)), pystac.TemporalExtent([_interval(taken.values())])),
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


class _Links:
    """Files as assets, with paths from the folder of an item."""

    def __init__(self, out: Path) -> None:
        self.out = out.resolve()

    def asset(self, path: Path, item: str | None = None, **fields: Any) -> pystac.Asset:
        """An asset of a file; local files have their size and checksum, a multihash of SHA-256."""
        import pystac

        own = local_file(path)
        extra = dict(fields.pop("extra_fields", {}))
        if own is None or is_gdal(path):
            href = str(path)
        else:
            start = self.out if item is None else self.out / item
            href = Path(os.path.relpath(own.resolve(), start)).as_posix()
            with own.open("rb") as file:
                extra["file:checksum"] = "1220" + hashlib.file_digest(file, "sha256").hexdigest()
            extra["file:size"] = own.stat().st_size
        fields.setdefault("media_type", _TYPES.get(Path(path).suffix.lower()))
        return pystac.Asset(href, extra_fields=extra, **fields)


def _times(scenes: Sequence[Scene]) -> dict[str, Acquisition]:
    found = {scene.name: acquisition(scene.image, scene.info.tags) for scene in scenes}
    if missing := [scene.image.name for scene in scenes if found[scene.name] is None]:
        raise ProjectError(
            f"{', '.join(missing[:5])}{' and others do' if len(missing) > 5 else ' does'} not say when it was taken.",
            "The time of sensing in the tags of an image, in its product's metadata, or a date in its name.",
            "Write it into the file: gdal_edit.py -mo ACQUISITIONDATETIME=2017-10-30T03:20:15Z IMAGE",
        )
    return {name: taken for name, taken in found.items() if taken is not None}


def _item(identifier: str, grid: Grid | None, when: Sequence[Acquisition], extensions: list[str]) -> pystac.Item:
    import pystac

    shape = None if grid is None else _footprint(grid)
    first, last = _interval(when)
    one = when[0].time if len(when) == 1 else None
    return pystac.Item(
        id=identifier,
        geometry=None if shape is None else shapely.geometry.mapping(shape),
        bbox=None if shape is None else _bounds(shape),
        datetime=one,
        properties={},
        start_datetime=None if one else first,
        end_datetime=None if one else last,
        stac_extensions=extensions,
    )


def _image_item(scene: Scene, taken: Acquisition, links: _Links) -> pystac.Item:
    identifier = f"image-{_identifier(scene.name)}"
    item = _item(identifier, scene.info.grid, [taken], [PROJECTION, RASTER, FILE])
    item.properties |= _projection(scene.info.grid)
    if scene.info.tags.get("PITMAP_SENSOR"):
        item.properties["description"] = scene.info.tags["PITMAP_SENSOR"]
    bands = _raster_bands(scene.info)
    for index, scale, offset in zip(scene.band_indices, scene.scales, scene.offsets, strict=True):
        if scene.calibrated:  # the site's scaling wins over the file's
            bands[index - 1] |= {"scale": scale, "offset": offset}
    roles = ["data", "reflectance"] if scene.calibrated else ["data"]
    item.assets["image"] = links.asset(
        scene.image, identifier, title=scene.image.name, roles=roles,
        media_type=_media_type(scene.info), extra_fields={"raster:bands": bands},
    )  # fmt: skip
    return item


def _map_item(study: Study, scene: Scene, taken: Acquisition, links: _Links, image: str) -> pystac.Item:
    import pystac

    files = study.results.map(scene.name)
    info, legend = describe(files.map), read_legend(files.map) or study.legend
    identifier = f"map-{_identifier(scene.name)}"
    item = _item(identifier, info.grid, [taken], [PROJECTION, RASTER, CLASSIFICATION, FILE])
    item.properties |= _projection(info.grid)
    item.assets["map"] = links.asset(
        files.map, identifier, title="Land-cover map", roles=["data", "classification"], media_type=_media_type(info),
        extra_fields={"raster:bands": _raster_bands(info), "classification:classes": _classes(legend)},
    )  # fmt: skip
    for name, path, title, roles in (
        ("confidence", files.confidence, "Calibrated probability of the mapped class", ["data"]),
        ("probabilities", files.probabilities, "Probability of each class", ["data"]),
    ):
        if path.exists():
            own = describe(path)
            item.assets[name] = links.asset(
                path, identifier, title=title, roles=roles, media_type=_media_type(own),
                extra_fields={"raster:bands": _raster_bands(own)},
            )  # fmt: skip
    if files.mines.exists():
        item.assets["mines"] = links.asset(files.mines, identifier, title="Mine polygons", roles=["data"])
    model = study.results.models / info.tags.get(MODEL_TAG, "")
    for source in (image, *([_model_name(model)] if model.is_file() else [])):
        item.add_link(pystac.Link("derived_from", f"../{source}/{source}.json", media_type="application/geo+json"))
    return item


def _model_item(study: Study, path: Path, card: ModelCard, taken: list[Acquisition], links: _Links) -> pystac.Item:
    import torch

    grids = [_footprint(s.info.grid) for s in study.scenes if s.labels is not None]
    ground = shapely.union_all([g for g in grids if g is not None]).envelope if any(grids) else None
    identifier = _model_name(path)
    item = _item(identifier, None, taken, [MLM, RASTER, FILE])
    if ground is not None:
        item.geometry, item.bbox = shapely.geometry.mapping(ground), _bounds(ground)
    first, last = _interval(taken)
    item.datetime = None
    item.properties |= {"datetime": None, "start_datetime": _text(first), "end_datetime": _text(last)}
    network = card.build_network()
    shape = {"dim_order": ["batch", "bands", "height", "width"], "data_type": "float32"}
    item.properties |= {
        "mlm:name": re.sub(r"[^a-zA-Z0-9_.\- ]", "-", f"pitmap {card.network} seed {card.seed}"),
        "mlm:architecture": card.network,
        "mlm:framework": "PyTorch",
        "mlm:framework_version": str(card.versions.get("torch", torch.__version__)).partition("+")[0],
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:total_parameters": sum(p.numel() for p in network.parameters()),
        "mlm:pretrained": False,
        "mlm:hyperparameters": {k: v for k, v in card.options.items() if v is not None},
        "mlm:input": [
            {
                "name": card.unit,
                "bands": list(card.bands),
                "input": {"shape": [-1, len(card.bands), -1, -1], **shape},
                "value_scaling": [
                    {"type": "z-score", "mean": m, "stddev": s} for m, s in zip(card.mean, card.std, strict=True)
                ],
                "resize_type": None,
                "pre_processing_function": None,
            }
        ],
        "mlm:output": [
            {
                "name": "logits",
                "tasks": ["semantic-segmentation"],
                "result": {
                    "shape": [-1, len(card.legend), -1, -1],
                    "dim_order": ["batch", "class", "height", "width"],
                    "data_type": "float32",
                },
                "classification:classes": _classes(card.legend),
                "post_processing_function": None,
            }
        ],
    }  # fmt: skip
    item.assets["model"] = links.asset(
        path, identifier, title=card.summary(), roles=["mlm:model", "mlm:weights"],
        media_type="application/octet-stream; application=safetensors",
        extra_fields={
            "mlm:artifact_type": "safetensors.torch.save_file",
            "raster:bands": [{"name": name, "data_type": card.dtype} for name in card.bands],
        },
    )  # fmt: skip
    return item


def _projection(grid: Grid) -> dict[str, Any]:
    t = grid.transform
    fields: dict[str, Any] = {
        "proj:code": None, "proj:shape": list(grid.shape), "proj:transform": [t.a, t.b, t.c, t.d, t.e, t.f],
        "proj:bbox": list(grid.bounds),
    }  # fmt: skip
    if grid.crs is not None:
        authority = grid.crs.to_authority()
        fields["proj:code"] = ":".join(authority) if authority else None
        if authority is None:
            fields["proj:wkt2"] = grid.crs.to_wkt()
        fields["gsd"] = round(float(grid.pixel_size_m or 0), 4)
    return fields


def _raster_bands(info: RasterInfo) -> list[dict[str, Any]]:
    bands = []
    size = info.grid.pixel_size_m
    for i in range(info.bands):
        band: dict[str, Any] = {"name": info.descriptions[i] or f"band {i + 1}", "data_type": info.dtypes[i]}
        nodata = info.nodatas[i]
        if nodata is not None:
            band["nodata"] = "nan" if np.isnan(nodata) else nodata
        if (info.scales[i], info.offsets[i]) != (1.0, 0.0):
            band |= {"scale": info.scales[i], "offset": info.offsets[i]}
        if size is not None:
            band["spatial_resolution"] = round(float(size), 4)
        bands.append(band)
    return bands


def _classes(legend: Legend) -> list[dict[str, Any]]:
    return [
        {
            "value": c.code,
            "name": re.sub(r"[^0-9A-Za-z_-]", "_", c.key),
            "title": c.name,
            "description": c.name,
            "color_hint": c.colour[1:].upper(),
        }
        for c in legend
    ]


def _footprint(grid: Grid) -> shapely.Geometry | None:
    """Outline in longitude and latitude, cut at the meridian of 180 degrees as GeoJSON wants it."""
    if grid.crs is None:
        return None
    edge = np.linspace(0, 1, 9)[:-1]
    zero, one = np.zeros_like(edge), np.ones_like(edge)
    cols = np.concatenate([edge, one, 1 - edge, zero]) * grid.width
    rows = np.concatenate([zero, edge, one, 1 - edge]) * grid.height
    x, y = grid.pixel_centres(rows - 0.5, cols - 0.5)
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    lon = np.rad2deg(np.unwrap(np.deg2rad(lon)))
    whole = shapely.orient_polygons(Polygon(np.column_stack([lon, lat]).round(7)))
    parts = [
        translate(whole.intersection(shapely.box(-180 + turn, -90, 180 + turn, 90)), -turn) for turn in (-360, 0, 360)
    ]
    parts = [part for part in parts if part.area > 0]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _bounds(shape: shapely.Geometry) -> list[float]:
    """West, south, east, north; west is greater than east across the meridian of 180 degrees (RFC 7946, 5.2)."""
    west, south, east, north = (float(v) for v in shape.bounds)
    if (west, east) == (-180.0, 180.0) and shape.geom_type == "MultiPolygon":
        west = min(part.bounds[0] for part in shape.geoms if part.bounds[0] > 0)
        east = max(part.bounds[2] for part in shape.geoms if part.bounds[2] < 0)
    return [west, south, east, north]


def _boxes(items: Iterable[pystac.Item]) -> list[list[float]]:
    boxes = [item.bbox for item in items if item.bbox is not None]
    if not boxes:
        return [[-180.0, -90.0, 180.0, 90.0]]
    if any(west > east for west, _, east, _ in boxes):
        return boxes
    low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
    return [[float(low[0]), float(low[1]), float(high[2]), float(high[3])]]


def _interval(taken: Iterable[Acquisition]) -> list[datetime]:
    taken = list(taken)
    first = min(t.time or datetime.combine(t.date, time.min, UTC) for t in taken)
    last = max(t.time or datetime.combine(t.date, time(23, 59, 59), UTC) for t in taken)
    return [first, last]


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _media_type(info: RasterInfo) -> str | None:
    if info.path.suffix.lower() in (".tif", ".tiff") and info.tags.get("TIFFTAG_SOFTWARE", "").startswith("pitmap"):
        return COG
    return _TYPES.get(info.path.suffix.lower())


def _model_name(path: Path) -> str:
    return f"model-{_identifier(path.stem)}"


def _identifier(name: str) -> str:
    """A name as part of addresses and file names."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "study"


def _is_catalogue(folder: Path) -> bool:
    try:
        content = json.loads((folder / "collection.json").read_text(encoding="utf-8"))
        return bool(content.get("type") == "Collection" and "stac_version" in content)
    except (OSError, ValueError, AttributeError):
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
