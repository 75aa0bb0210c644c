from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from torch import nn

from mapping import small_network  # noqa: F401, registers it
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.networks.model_card import ModelCard
from pitmap.networks.model_file import save_model
from pitmap.networks.registry import build
from pitmap.raster.writing import Layout, write_cog


@pytest.fixture
def model_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model with random weights and random statistics of its batch normalisation."""

    def make(name: str = "unetplus", bands: int = 3, width: int = 4, **changes: Any) -> Path:
        torch.manual_seed(1)
        network = build(name, bands, len(DEFAULT_LEGEND), width)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.3, 0.3)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
        card = {
            "network": name, "options": {"width": width}, "legend": DEFAULT_LEGEND,
            "bands": tuple(f"band {i + 1}" for i in range(bands)), "unit": "reflectance", "dtype": "uint16",
            "mean": (0.2,) * bands, "std": (0.1,) * bands, "pixel_size_m": 4.0,
            "temperature": 1.5,
        }  # fmt: skip
        path = tmp_path / f"{name}.safetensors"
        save_model(path, network, ModelCard(**(card | changes)))
        return path

    return make


@pytest.fixture
def image_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes an image of smooth noise, reflectance x 10000, with patches of nodata inside."""

    def make(
        height: int, width: int, bands: int = 3, name: str = "image.tif", grid: Grid | None = None, **layout: Any
    ) -> Path:
        pixels = scene(height, width, bands)
        grid = grid or utm_grid(height, width)
        names = layout.pop("descriptions", ())
        layout = {"dtype": "uint16", "nodata": 0, "scale": 1e-4} | layout
        write_cog(tmp_path / name, pixels.astype(layout["dtype"]), grid, Layout(bands, descriptions=names, **layout))
        return tmp_path / name

    return make


def utm_grid(height: int, width: int, pixel: float = 4.0) -> Grid:
    return Grid(CRS.from_epsg(32633), Affine(pixel, 0, 500_000, 0, -pixel, 5_600_000), height, width)


def scene(height: int, width: int, bands: int = 3) -> NDArray[np.uint16]:
    rng = np.random.default_rng(height * 1000 + width)
    coarse = rng.random((bands, height // 8 + 2, width // 8 + 2))
    smooth = coarse.repeat(8, 1).repeat(8, 2)[:, :height, :width]
    pixels = np.clip(4000 * smooth + 300 * rng.standard_normal((bands, height, width)), 1, 10000).astype(np.uint16)
    pixels[:, height // 3 : height // 2, width // 4 : width // 3] = 0
    pixels[1, :2, width // 2 :] = 0  # a single band without data makes a pixel invalid
    return pixels


@pytest.fixture
def noise() -> Callable[..., NDArray[np.uint16]]:
    return scene
