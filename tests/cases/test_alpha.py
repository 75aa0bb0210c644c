"""A mosaic with an alpha band, without ``bands``: alpha says what is valid and is no input of a network."""

import warnings

import numpy as np
import pytest
import rasterio
import torch
from rasterio.enums import ColorInterp

from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.networks import ModelCard, build, save_model
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.writing import write_cog
from pitmap.samples.build import build as sample
from pitmap.study.study import load_study
from studies import grid, quilt, write_project


@pytest.mark.parametrize("place", [1, 4])
def test_alpha_is_no_band(tmp_path, place):
    where = grid(160, 160)
    rng = np.random.default_rng(0)
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    order = [i for i in range(1, 5) if i != place]
    profile = {
        "height": 160,
        "width": 160,
        "count": 4,
        "dtype": "uint8",
        "crs": where.crs,
        "transform": where.transform,
    }
    with warnings.catch_warnings(), rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **profile) as target:
        warnings.simplefilter("ignore")
        for band in order:
            target.write(rng.integers(1, 255, (160, 160), np.uint8), band)
        target.write(np.where(np.arange(160) < 40, 0, 255).astype(np.uint8)[None].repeat(160, 0), place)
        target.colorinterp = [ColorInterp.alpha if i == place else colours[order.index(i)] for i in range(1, 5)]
    write_cog(tmp_path / "a-labels.tif", quilt(160, 160), where, codes_layout(DEFAULT_LEGEND))
    study = load_study(write_project(tmp_path, ["a"]))
    assert study.scenes[0].band_indices == tuple(order)
    samples = sample(study)
    assert len(samples.bands) == 3
    torch.manual_seed(0)
    card = ModelCard(
        network="unet", options={"width": 2}, legend=DEFAULT_LEGEND, bands=samples.bands, unit="DN", dtype="uint8",
        mean=(128.0,) * 3, std=(74.0,) * 3, pixel_size_m=4.0,
    )  # fmt: skip
    save_model(tmp_path / "m.safetensors", build("unet", 3, len(DEFAULT_LEGEND), 2), card)
    report = map_image(tmp_path / "m.safetensors", tmp_path / "a.tif", tmp_path / "map.tif", MapOptions(device="cpu"))
    codes = read_codes(report.path)
    assert (codes[:, :40] == 0).all()
    assert (codes[:, 40:] > 0).all()
    assert report.warnings == ()
