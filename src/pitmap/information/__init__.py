"""What a file or a study is, for people and for machines: the command ``info``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitmap.errors import PitmapError
from pitmap.paths import is_gdal
from pitmap.vectors import has_layers

VECTOR_ENDINGS = (
    ".gpkg", ".shp", ".geojson", ".json", ".geojsonl", ".fgb", ".kml", ".kmz", ".gml", ".tab", ".mif", ".dxf", ".gdb",
    ".sqlite", ".parquet",
)  # fmt: skip
"""Files that are looked at as vector layers first."""


@dataclass(frozen=True)
class Information:
    """What is told of a file or a study, or by a command whose step returns no result of its own.

    Attributes:
        text: For people.
        content: Plain values for machines.
    """

    text: str
    content: dict[str, Any]

    def summary(self) -> str:
        """The text."""
        return self.text

    def to_json(self) -> dict[str, Any]:
        """The plain values."""
        return self.content


def look_at(path: Path) -> Information:
    """Say what a model, study, sample, vector layer, product or image is.

    Args:
        path: The file; of a study its project file or folder.

    Raises:
        PitmapError: It is none of them, or damaged.
    """
    from pitmap.information import images, layers, samples, studies

    if path.suffix == ".safetensors":
        return images.model(path)
    if path.suffix == ".toml" or (path / "pitmap.toml").is_file():
        return studies.study(path)
    if not is_gdal(path) and path.suffix.lower() in VECTOR_ENDINGS and path.exists() and has_layers(path):
        if samples.is_sample(path):
            return samples.sample(path)
        return layers.layers(path)
    try:
        return images.product_or_image(path)
    except PitmapError:
        # A product in an archive comes before a layer in one.
        if path.exists() and has_layers(path):
            return layers.layers(path)
        raise


def plain(content: dict[str, Any]) -> Information:
    """Content whose text is a list of its entries."""
    import yaml

    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return Information(text.rstrip(), content)
