"""The items of a study's STAC catalogue: an image, a map, a model."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import Polygon
from shapely.geometry import mapping

from pitmap.acquisition import Acquisition
from pitmap.footprint import bounds, footprint
from pitmap.grid import Grid
from pitmap.legend import Legend
from pitmap.networks.model_card import ModelCard
from pitmap.paths import is_gdal, local_file
from pitmap.raster.codes import MODEL_TAG, read_legend
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


COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_TYPES = {
    ".tif": "image/tiff; application=geotiff", ".tiff": "image/tiff; application=geotiff", ".jp2": "image/jp2",
    ".gpkg": "application/geopackage+sqlite3", ".html": "text/html", ".json": "application/json", ".csv": "text/csv",
}  # fmt: skip


class AssetLinks:
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


def _item(identifier: str, grid: Grid | None, when: Sequence[Acquisition], extensions: list[str]) -> pystac.Item:
    import pystac

    shape = None if grid is None else footprint(grid)
    first, last = interval(when)
    one = when[0].time if len(when) == 1 else None
    return pystac.Item(
        id=identifier,
        geometry=None if shape is None else mapping(shape),
        bbox=None if shape is None else bounds(shape),
        datetime=one,
        properties={},
        start_datetime=None if one else first,
        end_datetime=None if one else last,
        stac_extensions=extensions,
    )


def image_item(scene: Scene, taken: Acquisition, links: AssetLinks) -> pystac.Item:
    """An image: its bands with types, nodata and scaling, and when it was taken."""
    identifier = f"image-{identifier_of(scene.name)}"
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


def map_item(study: Study, scene: Scene, taken: Acquisition, links: AssetLinks, image: str) -> pystac.Item:
    """A map with confidence, probabilities and mines; ``image`` is the identifier of its image's item."""
    import pystac

    files = study.results.map(scene.name)
    info, legend = describe(files.map), read_legend(files.map) or study.legend
    identifier = f"map-{identifier_of(scene.name)}"
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


def model_item(study: Study, path: Path, card: ModelCard, taken: list[Acquisition], links: AssetLinks) -> pystac.Item:
    """A model: what it takes and gives, and the ground and span of time (``taken``) that it learnt from."""
    import torch

    grids = [footprint(s.info.grid) for s in study.scenes if s.labels is not None]
    ground = shapely.union_all([g for g in grids if g is not None]).envelope
    identifier = _model_name(path)
    item = _item(identifier, None, taken, [MLM, RASTER, FILE])
    if isinstance(ground, Polygon):
        item.geometry, item.bbox = mapping(ground), bounds(ground)
    first, last = interval(taken)
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
                # Where images are normalised by statistics of their own, those of training are where these start.
                "pre_processing_function": {"format": "python", "expression": "pitmap.networks.scaling:towards_own"}
                if card.own_statistics
                else None,
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


def interval(taken: Iterable[Acquisition]) -> list[datetime]:
    """First and last instant of acquisitions, UTC; of a day its first and last second."""
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
    return f"model-{identifier_of(path.stem)}"


def identifier_of(name: str) -> str:
    """A name as part of addresses and file names."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "study"
