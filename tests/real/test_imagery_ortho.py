"""Orthorectification of real Pleiades images, measured on themselves and against GDAL."""

import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject
from scipy.ndimage import distance_transform_edt

from analytic_ground import shared_data
from pitmap.grid import Grid
from pitmap.imagery.heights import Heights, level, read_heights, typical_height, undulation
from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.ortho import MapModel, OrthoMap, footprint, grid_of, orthorectify, utm_zone
from pitmap.imagery.pansharpen import phase_shift
from pitmap.imagery.prepare import prepare
from pitmap.imagery.rpc import Rpc, from_gdal
from pitmap.raster.reading import open_raster, read_rpcs
from pitmap.raster.writing import Layout, write_cog

REUNION = shared_data() / "pleiades_reunion_pair"
VENTOUX = shared_data() / "pleiades_ventoux"
pytestmark = pytest.mark.skipif(not REUNION.exists(), reason="the real data are not beside this checkout")


@pytest.fixture(scope="module")
def surface():
    with open_raster(REUNION / "expected_dsm_50cm.tif") as reader:
        values, _ = reader.read()
        g = reader.grid
    # holes take the nearest height, as in the description of the data
    nearest = distance_transform_edt(~np.isfinite(values[0]), return_distances=False, return_indices=True)
    return Heights(values[0][tuple(nearest)], g, "surface model", "ellipsoid")


def ortho(path, g, heights, kernel="cubic"):
    with open_raster(path) as reader:
        mapping = OrthoMap(g, reader.grid, from_gdal(read_rpcs(path)), heights)
        (block,) = orthorectify(reader, mapping, kernel)
    return block


def apart(a, b, inner=(slice(120, 620), slice(110, 610))):
    return phase_shift(np.ascontiguousarray(a[inner]), np.ascontiguousarray(b[inner]))


def test_two_views_coincide_on_their_surface_model(surface):
    left, right = (ortho(REUNION / f"img_0{i}.tif", surface.grid, surface) for i in (1, 2))
    assert left.valid.mean() > 0.99
    row, col = apart(left.values[0], right.values[0])
    assert abs(row) <= 1
    assert abs(col) <= 1.2  # 0 and 1 by GDAL too


def test_two_views_are_far_apart_without_it(surface):
    mapped = []
    for i in (1, 2):
        path = REUNION / f"img_0{i}.tif"
        with open_raster(path) as reader:
            mapping = OrthoMap(surface.grid, reader.grid, from_gdal(read_rpcs(path)), level(0.0))
            mapped.append(mapping.exact(350, 350))
    # where the same ground is taken from, at height 0 and on the surface
    with_heights = [
        OrthoMap(surface.grid, surface.grid, from_gdal(read_rpcs(REUNION / f"img_0{i}.tif")), surface).exact(350, 350)
        for i in (1, 2)
    ]
    moved = [np.subtract(a, b) for a, b in zip(mapped, with_heights, strict=True)]
    assert np.hypot(*(moved[0] - moved[1])) > 150


def test_positions_are_those_of_gdalwarp(surface, tmp_path):
    write_cog(tmp_path / "dem.tif", surface.values, surface.grid, Layout(1, "float32", -9999.0))
    for i in (1, 2):
        path = REUNION / f"img_0{i}.tif"
        with open_raster(path) as reader:
            shape = reader.grid.shape
        ramps = np.stack(np.meshgrid(*(np.arange(n) + 1.0 for n in shape), indexing="ij")).astype(np.float32)
        theirs = np.zeros((2, *surface.grid.shape), np.float32)
        reproject(
            ramps, theirs, src_crs="EPSG:4326", rpcs=read_rpcs(path), dst_crs=surface.grid.crs.to_wkt(),
            dst_transform=surface.grid.transform, resampling=Resampling.bilinear,
            RPC_DEM=str(tmp_path / "dem.tif"), RPC_DEM_APPLY_VDATUM_SHIFT="FALSE", tolerance=0.01,
        )  # fmt: skip
        mapping = OrthoMap(surface.grid, Grid(None, Affine.identity(), *shape), from_gdal(read_rpcs(path)), surface)
        ours = mapping.positions(surface.grid.window)
        rows, cols = ours.rows + ours.row + 1, ours.cols + ours.col + 1
        inside = (theirs > 3).all(axis=0) & (rows < shape[0] - 3) & (cols < shape[1] - 3)
        assert inside.mean() > 0.9
        assert np.abs(theirs - [rows, cols])[:, inside].max() < 0.1


def test_prepare_takes_a_pleiades_image(surface, tmp_path):
    write_cog(tmp_path / "dem.tif", surface.values, surface.grid, Layout(1, "float32", -9999.0))
    x0, y0, x1, y1 = surface.grid.bounds
    options = PrepareOptions(
        dem=tmp_path / "dem.tif", dem_datum="ellipsoid", keep_dn=True, resolution=0.5,
        extent=(x0 + 20, y0 + 20, x1 - 20, y1 - 20), crs="EPSG:32740",
    )  # fmt: skip
    report = prepare(REUNION / "img_01.tif", tmp_path / "out.tif", options)
    assert report.valid_share > 0.98
    assert report.source.view_incidence == pytest.approx(8.8, abs=0.1)
    with open_raster(report.output) as a:
        values, _ = a.read()
        g = a.grid
    with open_raster(REUNION / "img_02.tif") as reader:
        model = from_gdal(read_rpcs(REUNION / "img_02.tif"))
        (other,) = orthorectify(reader, OrthoMap(g, reader.grid, model, surface))
    row, col = apart(values[0].astype(np.float32), other.values[0], (slice(80, 560), slice(80, 560)))
    assert max(abs(row), abs(col)) <= 1.2


def read_geom(path):
    """The RPC of an OSSIM keyword list, which counts pixels from 0."""
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    words = {key.strip(): value.strip() for key, value in pairs}

    def numbers(name):
        return tuple(float(words[f"{name}_{i:02d}"]) for i in range(20))

    one = {k: float(words[k]) for k in words if k.endswith(("_off", "_scale")) and not k.startswith("bias")}
    return Rpc(
        one["line_off"], one["samp_off"], one["lat_off"], one["long_off"], one["height_off"],
        one["line_scale"], one["samp_scale"], one["lat_scale"], one["long_scale"], one["height_scale"],
        numbers("line_num_coeff"), numbers("line_den_coeff"), numbers("samp_num_coeff"), numbers("samp_den_coeff"),
    )  # fmt: skip


def read_crop(name):
    """A crop of Ventoux as an image without georeference, and its camera model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(VENTOUX / f"{name}.tif") as source:
            pixels, t = source.read().astype(np.float32), source.transform
    # the transform says where the crop lies in the full image
    rpc = read_geom(VENTOUX / f"{name}.geom").crop(t.f, t.c)

    class Crop:
        grid = Grid(None, Affine.identity(), *pixels.shape[1:])

        def read(self, window=None):
            window = window or self.grid.window
            return pixels[:, *window.slices], np.ones((window.height, window.width), bool)

    return Crop(), rpc


def test_ventoux_multispectral_and_panchromatic_coincide_on_srtm():
    (mss, mss_rpc), (pan, pan_rpc) = read_crop("lowres_color_image"), read_crop("left_image")
    dem = VENTOUX / "N44E005_UTM.tif"
    about = 600.0
    for _ in range(2):
        lon, lat = pan_rpc.locate(250.0, 250.0, about)
        about = typical_height(dem, float(lon), float(lat)) + float(undulation(lon, lat))
    shown = footprint(pan_rpc, pan.grid, about).intersection(footprint(mss_rpc, mss.grid, about))
    heights = read_heights(dem, "egm96", shown, pixel_size_m=1.0)
    assert "EGM96" in heights.datum
    g = grid_of(shown, utm_zone(shown.centroid.x, shown.centroid.y), 1.0)
    found = []
    for image, rpc in ((pan, pan_rpc), (mss, mss_rpc)):
        (block,) = orthorectify(image, OrthoMap(g, image.grid, rpc, heights), "cubic")
        inner = tuple(slice(n // 2 - 100, n // 2 + 100) for n in g.shape)
        assert block.valid[inner].mean() > 0.99
        # the fourth band is near infrared, which shows vegetation otherwise
        found.append(np.ascontiguousarray(block.values[:3].mean(axis=0)[inner]))
    row, col = phase_shift(*found)
    # half a multispectral pixel of 2 m, on a grid of 1 m
    assert np.hypot(row, col) < 1.0


def test_an_image_on_a_map_keeps_its_place():
    path = shared_data() / "spacenet_vhr" / "ms1.tif"
    with open_raster(path) as reader:
        g = reader.grid.rescaled(10, 12, 1.0, 200, 210)
        (block,) = orthorectify(reader, OrthoMap(g, reader.grid, MapModel(reader.grid), level(0.0)), "cubic")
        pixels, _ = reader.read()
    assert np.abs(block.values - pixels[:, 10:210, 12:222]).max() < 0.5
