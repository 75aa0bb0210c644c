import numpy as np
import pytest
import torch
from affine import Affine
from pyproj import CRS
from rasterio.warp import Resampling, reproject
from shapely import box

from analytic_ground import UTM49, as_rasterio, found_targets, geographic, grid, hills, targets
from pitmap.errors import ProductError
from pitmap.grid import Grid, Window
from pitmap.imagery.heights import Heights, level, undulation
from pitmap.imagery.ortho import MapModel, OrthoMap, footprint, grid_of, orthorectify, utm_zone
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.camera import Ground, Pushbroom, ground_of_pixels
from pitmap.simulate.rpc_fit import fit_rpc


class Pixels:
    """An image in memory, as a source of blocks."""

    def __init__(self, pixels, valid=None):
        self.pixels = pixels
        self.valid = np.ones(pixels.shape[1:], bool) if valid is None else valid
        self.grid = Grid(None, Affine.identity(), *pixels.shape[1:])
        self.largest = 0

    def read(self, window=None):
        window = window or self.grid.window
        self.largest = max(self.largest, window.height * window.width)
        return self.pixels[:, *window.slices], self.valid[window.slices]


def camera_and_rpc(g, rows=400, cols=420):
    lon, lat = geographic(g, np.array(g.height / 2), np.array(g.width / 2))
    camera = Pushbroom(float(lon), float(lat), 280.0, 15.0, 192.0, rows, cols, 3.24)
    return camera, fit_rpc(camera, (-200.0, 900.0))


def ellipsoidal(g):
    """The hills as an ellipsoidal surface that is larger than the grid."""
    wide = g.rescaled(-60, -60, 1.0, g.height + 120, g.width + 120)
    return Heights(hills(wide) - 20, wide, "hills", "ellipsoid")


def test_image_positions_are_those_of_the_camera():
    g = grid(220, 260)
    camera, rpc = camera_and_rpc(g)
    heights = ellipsoidal(g)
    mapping = OrthoMap(g, Grid(None, Affine.identity(), 400, 420), rpc, heights)
    positions = mapping.positions(Window(10, 20, 200, 230))
    rng = np.random.default_rng(0)
    r, c = rng.integers(0, 200, 100), rng.integers(0, 230, 100)
    row, col = positions.rows[r, c] + positions.row, positions.cols[r, c] + positions.col
    # the ground that the camera sees there, at the height of the grid's pixel, is that pixel
    lon, lat = camera.locate(row, col, heights.values[r + 70, c + 80])
    true_lon, true_lat = geographic(g, r + 10, c + 20)
    assert np.abs(lon - true_lon).max() * 91_000 < 0.05 * 3.24
    assert np.abs(lat - true_lat).max() * 111_000 < 0.05 * 3.24


def test_interpolation_refines_itself_to_its_tolerance():
    class Bent:
        """A camera model that no straight line follows over 256 pixels."""

        def project(self, lon, lat, height):
            lon, lat, height = np.broadcast_arrays(lon, lat, height)
            return (34.62 - lat) * 27_000 + 3 * np.sin(lon * 4000), (lon - 112.4) * 22_000 + height * 0.01

    g = grid(300, 300)
    mapping = OrthoMap(g, Grid(None, Affine.identity(), 2000, 2000), Bent(), level(100.0), tolerance=0.05)
    positions = mapping.positions(g.window)
    rows, cols = mapping.exact(np.arange(300)[:, None], np.arange(300)[None, :])
    assert np.abs(positions.rows + positions.row - rows).max() < 0.1
    assert np.abs(positions.cols + positions.col - cols).max() < 0.1


def test_a_camera_that_cannot_be_followed_is_refused():
    class Wild:
        def project(self, lon, lat, height):
            lon, lat, height = np.broadcast_arrays(lon, lat, height)
            return 500 + 400 * np.sin(lon * 1e6), 500 + 400 * np.cos(lat * 1e6)

    g = grid(50, 50)
    mapping = OrthoMap(g, Grid(None, Affine.identity(), 1000, 1000), Wild(), level(0.0))
    with pytest.raises(ProductError, match="cannot be followed"):
        mapping.positions(g.window)


@pytest.mark.parametrize("kernel", ["bilinear", "cubic"])
def test_ramps_come_out_where_gdal_puts_them(tmp_path, kernel):
    g = grid(200, 240)
    _, rpc = camera_and_rpc(g)
    heights = ellipsoidal(g)
    write_cog(tmp_path / "dem.tif", heights.values, heights.grid, Layout(1, "float32", -32768.0))
    ramps = np.stack(np.meshgrid(np.arange(400.0), np.arange(420.0), indexing="ij")).astype(np.float32) + 1
    theirs = np.zeros((2, *g.shape), np.float32)
    reproject(
        ramps, theirs, src_crs=CRS.from_epsg(4326).to_wkt(), rpcs=as_rasterio(rpc), dst_crs=UTM49.to_wkt(),
        dst_transform=g.transform, resampling=Resampling[kernel], RPC_DEM=str(tmp_path / "dem.tif"),
        RPC_DEM_APPLY_VDATUM_SHIFT="FALSE", tolerance=0.01,
    )  # fmt: skip
    mapping = OrthoMap(g, Grid(None, Affine.identity(), 400, 420), rpc, heights)
    (ours,) = orthorectify(Pixels(ramps), mapping, kernel)
    inside = ours.valid & (theirs > 3).all(axis=0) & (theirs < 397).all(axis=0)
    assert inside.mean() > 0.5
    assert np.abs(ours.values - theirs)[:, inside].max() < 0.1


def test_blocks_are_the_whole_in_constant_memory():
    g = grid(220, 260)
    _, rpc = camera_and_rpc(g)
    rng = np.random.default_rng(1)
    source = Pixels(rng.integers(1, 1023, (2, 400, 420)).astype(np.uint16))
    mapping = OrthoMap(g, source.grid, rpc, ellipsoidal(g))
    (whole,) = orthorectify(source, mapping)
    source.largest = 0
    seen = np.zeros(g.shape, int)
    for block in orthorectify(source, mapping, block=64):
        seen[block.window.slices] += 1
        inside = block.valid & whole.valid[block.window.slices]
        assert (block.valid == whole.valid[block.window.slices]).mean() > 0.999
        gap = np.abs(block.values - whole.values[:, *block.window.slices])[:, inside]
        # noise of full contrast shows a hundredth of a pixel as ten counts
        assert gap.max(initial=0) < 20
    assert (seen == 1).all()
    assert source.largest < 150 * 150


def test_fill_has_no_part_in_its_neighbours():
    g = grid(100, 100)
    source = Grid(UTM49, Affine(4, 0, 630_001.3, 0, -4, 3_829_998.2), 100, 100)
    image = Pixels(np.full((1, 100, 100), 500, np.uint16))
    image.pixels[:, :, :40] = 0
    image.valid = image.pixels[0] > 0
    (block,) = orthorectify(image, OrthoMap(g, source, MapModel(source), level(0.0)), "cubic")
    np.testing.assert_allclose(block.values[0][block.valid], 500, rtol=1e-5)
    assert not block.valid[:, :39].any()
    assert block.valid[2:98, 42:98].all()


def test_a_coarse_grid_averages_what_it_covers():
    fine = grid(400, 400, 1.0)
    checks = np.indices((400, 400)).sum(axis=0) % 2 * 1000 + 1
    coarse = fine.rescaled(0, 0, 4.0, 100, 100)
    (block,) = orthorectify(Pixels(checks[None].astype(np.uint16)), OrthoMap(coarse, fine, MapModel(fine), level(0.0)))
    # taken at single places a chessboard would come out as 1 or 1001
    assert np.abs(block.values[0][5:-5, 5:-5] - 501).max() < 20


def test_ground_far_from_the_scene_has_no_data():
    _, rpc = camera_and_rpc(grid(220, 260))
    image = Grid(None, Affine.identity(), 400, 420)
    far = Grid(UTM49, Affine(20, 0, 610_000, 0, -20, 3_850_000), 2000, 2000)
    area = footprint(rpc, image, 280.0)
    source = Pixels(np.full((1, 400, 420), 9, np.uint16))
    blocks = list(orthorectify(source, OrthoMap(far, image, rpc, level(280.0), area), block=256))
    assert sum(int(b.valid.sum()) for b in blocks) == pytest.approx(1.30 * 1.47 / 0.02**2, rel=0.02)  # km2 on pixels


def test_the_footprint_is_where_the_corners_are_seen():
    camera, rpc = camera_and_rpc(grid(220, 260))
    shape = footprint(rpc, Grid(None, Affine.identity(), 400, 420), 100.0)
    lon, lat = camera.locate(np.array([-0.5, 399.5]), np.array([-0.5, 419.5]), 100.0)
    corners = np.array(shape.exterior.coords)
    for x, y in zip(lon, lat, strict=True):
        assert np.hypot(corners[:, 0] - x, corners[:, 1] - y).min() < 1e-7


@pytest.mark.parametrize(
    ("lon", "lat", "code"), [(112.4, 34.6, 32649), (-91.0, 17.6, 32615), (120.2, -0.01, 32751), (6.0, 45, 32632)]
)
def test_the_utm_zone(lon, lat, code):
    assert utm_zone(lon, lat).to_epsg() == code


def test_near_a_pole_there_is_no_utm_zone():
    with pytest.raises(ProductError, match="no UTM zone"):
        utm_zone(10.0, 89.0)


def test_grids_lie_on_multiples_of_their_resolution():
    g = grid_of(box(112.4, 34.5, 112.41, 34.51), UTM49, 4.0)
    assert g.transform.c % 4 == 0
    assert g.transform.f % 4 == 0
    assert g.pixel_size_m == pytest.approx(4.0, rel=1e-3)
    given = grid_of(box(0, 0, 1, 1), UTM49, 2.0, (630_001, 3_829_000, 630_101, 3_830_000))
    assert given.bounds == (630_000, 3_829_000, 630_102, 3_830_000)


@pytest.mark.parametrize("extent", [(10, 10, 10, 20), (20, 0, 10, 5), (0, 0, 1e9, 1e9)])
def test_an_extent_without_area_is_refused(extent):
    with pytest.raises(ProductError, match="extent"):
        grid_of(box(112.4, 34.5, 112.41, 34.51), UTM49, 4.0, extent)


def test_a_simulated_target_lands_within_a_tenth_of_a_pixel():
    """Camera, fitted RPC, relief and geoid: positions of targets, without files and quantisation."""
    landscape, places = targets()
    camera, rpc = camera_and_rpc(landscape.grid)
    ground = Ground.of(landscape)
    row, col = ground_of_pixels(camera, ground, Window(0, 0, 400, 420))
    seen = ground.sample(torch.from_numpy(landscape.reflectance[:1]), row, col)
    g = landscape.grid
    wide = g.rescaled(-60, -60, 1.0, g.height + 120, g.width + 120)
    n = undulation(*geographic(g, np.array(110), np.array(130)))
    heights = Heights((hills(wide) + n).astype(np.float32), wide, "", "")
    (block,) = orthorectify(Pixels(seen), OrthoMap(g, Grid(None, Affine.identity(), 400, 420), rpc, heights), "cubic")
    gap = found_targets(block.values[0], places) - found_targets(landscape.reflectance[0], places)
    assert np.sqrt((gap**2).sum(1).mean()) < 0.1


@pytest.mark.parametrize(("first", "expected"), [(0, 1.5), (1, 2.0), (2, None), (3, None)])
def test_a_mean_is_of_what_is_known_and_of_more_than_half(first, expected):
    fine = grid(40, 40, 1.0)
    ramp = np.repeat(np.arange(40.0, dtype=np.float32)[None], 40, axis=0)[None]
    coarse = fine.rescaled(0, 0, 4.0, 10, 10)
    valid = np.ones((40, 40), bool)
    valid[:, :first] = False
    (block,) = orthorectify(Pixels(ramp, valid), OrthoMap(coarse, fine, MapModel(fine), level(0.0)))
    assert block.valid[:, 1:].all()
    assert block.valid[:, 0].all() == (expected is not None)
    assert block.valid[:, 0].any() == (expected is not None)
    if expected is not None:
        np.testing.assert_allclose(block.values[0, :, 0], expected, atol=1e-4)
    # the same where the image ends
    width = 40 - first
    narrow = Grid(fine.crs, fine.transform, 40, width)
    mapping = OrthoMap(coarse, narrow, MapModel(narrow), level(0.0))
    (block,) = orthorectify(Pixels(ramp[:, :, :width]), mapping)
    assert block.valid[:, 9].all() == (expected is not None)
    if expected is not None:
        np.testing.assert_allclose(block.values[0, :, 9], 36 + 1.5 - first / 2, atol=1e-4)


@pytest.mark.parametrize(("shift", "col"), [(0.3, 20), (0.7, 21), (-0.3, 20), (-0.7, 19)])
def test_a_flag_lies_on_the_nearest_pixel(shift, col):
    g = grid(40, 50)
    source = g.rescaled(shift, shift, 1.0, 40, 50)
    image = Pixels(np.full((1, 40, 50), 500, np.uint16))
    image.pixels[0, 10, 20] = 1023
    mapping = OrthoMap(g, source, MapModel(source), level(0.0))
    (block,) = orthorectify(image, mapping, mark=lambda pixels: pixels >= 1023)
    assert np.argwhere(block.extra[0]).tolist() == [[col - 10, col]]


def test_cubic_by_blocks_is_the_whole():
    g = grid(150, 170)
    source = g.rescaled(-0.37, 0.41, 1.0, 150, 170)
    image = Pixels(np.random.default_rng(1).integers(1, 1023, (2, 150, 170)).astype(np.uint16))
    mapping = OrthoMap(g, source, MapModel(source), level(0.0))
    (whole,) = orthorectify(image, mapping, "cubic")
    for block in orthorectify(image, mapping, "cubic", block=64):
        np.testing.assert_array_equal(block.valid, whole.valid[block.window.slices])
        gap = np.abs(block.values - whole.values[:, *block.window.slices])[:, block.valid]
        assert gap.max() < 0.5


def test_a_camera_model_that_folds_far_ground_in_shows_its_own_side_alone():
    class Folding:
        """Maps ground as far north of a parallel as south of it to the same rows."""

        def project(self, lon, lat, height):
            lon, lat, height = np.broadcast_arrays(lon, lat, height)
            return np.abs(lat - 34.6) * 27_000, (lon - 112.4) * 22_000

    g = Grid(CRS.from_epsg(4326), Affine(4e-5, 0, 112.401, 0, -4e-5, 34.608), 400, 300)
    image = Grid(None, Affine.identity(), 200, 300)
    source = Pixels(np.full((1, 200, 300), 9, np.uint16))
    everywhere = OrthoMap(g, image, Folding(), level(0.0))
    own = OrthoMap(g, image, Folding(), level(0.0), box(112.39, 34.5925, 112.42, 34.5985))
    valid = np.zeros((2, *g.shape), bool)
    for i, mapping in enumerate((everywhere, own)):
        for block in orthorectify(source, mapping, block=20):
            valid[i][block.window.slices] = block.valid
    lat = 34.608 - 4e-5 * (np.arange(400) + 0.5)
    north, south = lat > 34.601, (lat > 34.593) & (lat < 34.598)
    assert valid[0][north].any()
    assert not valid[1][north].any()
    assert (valid[1][south] == valid[0][south]).all()
    assert valid[1][south].any()


def test_across_180_degrees_the_utm_zone_is_that_of_the_side():
    assert utm_zone(180.3, -16.8).to_epsg() == utm_zone(-179.7, -16.8).to_epsg() == 32701
    assert utm_zone(-180.3, 16.8).to_epsg() == utm_zone(179.7, 16.8).to_epsg() == 32660
