"""QGIS projects (.qgz) without QGIS: layers in groups, with their styles, at relative paths."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import Element

from pyproj import CRS

from pitmap.paths import gdal_name, is_gdal
from pitmap.qgis.elements import VERSION, document, element, read_style

_TIME = (2000, 1, 1, 0, 0, 0)
"""Stored in the archive, so that the same project gives the same bytes."""

_PROVIDERS = {"raster": "gdal", "vector": "ogr"}


@dataclass(frozen=True)
class Layer:
    """A layer of a project.

    Attributes:
        name: Shown in the list of layers.
        source: The file, or a name of GDAL's own.
        kind: ``raster`` or ``vector``.
        style: QML text.
        crs: Its coordinate reference system, None for files without one.
        table: The layer in a file with several.
        visible: Whether it is drawn when the project opens.
        opacity: Of a raster.
    """

    name: str
    source: Path
    kind: Literal["raster", "vector"]
    style: str
    crs: CRS | None
    table: str | None = None
    visible: bool = True
    opacity: float = 1.0


@dataclass(frozen=True)
class Group:
    """Layers and groups under one name, from the top down.

    Attributes:
        name: Shown in the list of layers.
        members: What it holds.
    """

    name: str
    members: tuple[Group | Layer, ...]

    def layers(self) -> Iterator[Layer]:
        """All layers in it, from the top down."""
        for member in self.members:
            if isinstance(member, Layer):
                yield member
            else:
                yield from member.layers()


@dataclass(frozen=True)
class Project:
    """A project.

    Attributes:
        title: Shown by QGIS.
        crs: In which it is drawn; None where its layers have none.
        extent: What is seen when it opens: ``x_min, y_min, x_max, y_max``.
        members: Groups and layers from the top down.
    """

    title: str
    crs: CRS | None
    extent: tuple[float, float, float, float]
    members: tuple[Group | Layer, ...]

    def archive(self, folder: Path, comment: str = "") -> bytes:
        """The content of a ``.qgz``; the same project gives the same bytes.

        Args:
            folder: Where the file will lie: paths of layers are relative to it.
            comment: Kept in the archive; QGIS drops it when it saves the project.
        """
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            entry = zipfile.ZipInfo("project.qgs", _TIME)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, document(self._element(folder)).encode())
            archive.comment = comment.encode()
        return file.getvalue()

    def _element(self, folder: Path) -> Element:
        whole = Group("", self.members)
        tree = _tree(whole, folder)
        tree.tag = "layer-tree-group"
        layers = list(whole.layers())
        names = ("xmin", "ymin", "xmax", "ymax")
        extent = [element(name, text=repr(value)) for name, value in zip(names, self.extent, strict=True)]
        units = "degrees" if self.crs is not None and self.crs.is_geographic else "meters"
        return element(
            "qgis",
            element("title", text=self.title),
            element("projectCrs", _system(self.crs)),
            tree,
            element(
                "mapcanvas",
                element("units", text=units if self.crs is not None else "unknown"),
                element("extent", *extent),
                element("rotation", text="0"),
                element("destinationsrs", _system(self.crs)),
                name="theMapCanvas",
                annotationsVisible=1,
            ),
            element("projectlayers", *(_map_layer(layer, folder) for layer in layers)),
            element("layerorder", *(element("layer", id=layer_id(layer, folder)) for layer in layers)),
            element(
                "properties",
                element("Paths", element("Absolute", text="false", type="bool")),
                element("SpatialRefSys", element("ProjectionsEnabled", text=int(self.crs is not None), type="int")),
                element("Measurement", element("AreaUnits", text="ha", type="QString")),
            ),
            element("ProjectViewSettings", _view(self.extent, self.crs), UseProjectScales=0),
            projectname=self.title,
            version=VERSION,
        )


def place(layer: Layer, folder: Path) -> str:
    """Where a layer lies, as it stands in a project in a folder: relative, with slashes, where it is a file."""
    if is_gdal(layer.source):
        source = gdal_name(layer.source)
    else:
        try:
            relative = Path(os.path.relpath(layer.source.resolve(), folder.resolve())).as_posix()
            source = relative if relative.startswith("../") else f"./{relative}"
        except ValueError:  # on another drive
            source = layer.source.resolve().as_posix()
    return source if layer.table is None else f"{source}|layername={layer.table}"


def layer_id(layer: Layer, folder: Path) -> str:
    """The identifier of a layer, from what it is and where it lies."""
    digest = hashlib.sha256(f"{layer.name}\n{place(layer, folder)}".encode()).hexdigest()
    return f"{layer.kind}_{digest[:16]}"


def _tree(group: Group, folder: Path) -> Element:
    members = []
    for member in group.members:
        if isinstance(member, Group):
            members.append(_tree(member, folder))
            continue
        members.append(
            element(
                "layer-tree-layer",
                id=layer_id(member, folder),
                name=member.name,
                source=place(member, folder),
                providerKey=_PROVIDERS[member.kind],
                checked="Qt::Checked" if member.visible else "Qt::Unchecked",
                expanded=0,
            )
        )
    attributes: dict[str, Any] = {"name": group.name, "checked": "Qt::Checked", "expanded": 1} if group.name else {}
    return element("layer-tree-group", *members, **attributes)


def _map_layer(layer: Layer, folder: Path) -> Element:
    style = read_style(layer.style)
    kept: dict[str, Any] = {k: v for k, v in style.attrib.items() if k not in ("version", "styleCategories")}
    encoding: dict[str, Any] = {} if layer.kind == "raster" else {"encoding": "UTF-8"}
    made = element(
        "maplayer",
        element("id", text=layer_id(layer, folder)),
        element("datasource", text=place(layer, folder)),
        element("layername", text=layer.name),
        element("srs", _system(layer.crs)),
        element("provider", text=_PROVIDERS[layer.kind], **encoding),
        type=layer.kind,
        autoRefreshEnabled=0,
        **kept,
    )
    for child in style:
        made.append(copy.deepcopy(child))
    if layer.kind == "raster":
        for renderer in made.iter("rasterrenderer"):
            renderer.set("opacity", f"{layer.opacity:g}")
    return made


def _system(crs: CRS | None) -> Element:
    if crs is None:
        return element("spatialrefsys", element("wkt", text=""), element("authid", text=""), nativeFormat="Wkt")
    authority = crs.to_authority()
    return element(
        "spatialrefsys",
        element("wkt", text=crs.to_wkt()),
        element("srid", text=authority[1] if authority and authority[1].isdigit() else "0"),
        element("authid", text=":".join(authority) if authority else ""),
        element("description", text=crs.name),
        element("geographicflag", text=str(crs.is_geographic).lower()),
        nativeFormat="Wkt",
    )


def _view(extent: tuple[float, float, float, float], crs: CRS | None) -> Element:
    names = ("xmin", "ymin", "xmax", "ymax")
    values = {name: repr(value) for name, value in zip(names, extent, strict=True)}
    return element("DefaultViewExtent", _system(crs), **values)
