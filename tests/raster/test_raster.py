import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning

from pitmap.errors import ImageError, OutputError
from pitmap.grid import Grid, Window
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.reading import describe, open_raster, read_onto, read_reduced
from pitmap.raster.writing import Layout, create_cog, write_cog
from studies import grid, quilt


def test_a_map_opens_with_colours_names_and_mode_overviews(tmp_path):
    codes = quilt(1100, 1300, 7)
    write_cog(tmp_path / "map.tif", codes, grid(1100, 1300), codes_layout(DEFAULT_LEGEND, {"MODEL": "x"}))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.qml", "map.tif", "map.tif.aux.xml"]
    with rasterio.open(tmp_path / "map.tif") as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.nodata == 0
        assert source.colormap(1)[1] == (0xD7, 0x19, 0x1C, 255)
        assert source.overviews(1)
        assert source.tags()["MODEL"] == "x"
        np.testing.assert_array_equal(source.read(1), codes)
        overview = source.read(1, out_shape=(550, 650))
    # Cells of 16 pixels are pure at half resolution: the majority is the cell's class.
    np.testing.assert_array_equal(overview, codes[::2, ::2])
    assert "open-pit mine" in (tmp_path / "map.tif.aux.xml").read_text()
    assert 'label="waste-dump area"' in (tmp_path / "map.qml").read_text()


def test_windows_written_in_any_order_make_the_whole(tmp_path):
    codes = quilt(700, 600)
    where = grid(700, 600)
    with create_cog(tmp_path / "map.tif", where, codes_layout(DEFAULT_LEGEND)) as writer:
        for row in (512, 0):
            window = Window(row, 0, min(512, 700 - row), 600)
            writer.write(codes[window.slices], window)
    np.testing.assert_array_equal(read_codes(tmp_path / "map.tif"), codes)


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    with (
        pytest.raises(RuntimeError),
        create_cog(tmp_path / "m.tif", grid(64, 64), codes_layout(DEFAULT_LEGEND)) as writer,
    ):
        writer.write(quilt(64, 64))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_did_not_reach_the_disk_is_noticed(tmp_path, monkeypatch):

    def lose_blocks(source, destination, **options):
        rasterio.shutil.copyfiles(source, destination)
        with rasterio.open(destination, "r+") as target:
            target.write(np.zeros((64, 64), np.uint8), 1)

    monkeypatch.setattr(rasterio.shutil, "copy", lose_blocks)
    with pytest.raises(OutputError, match="did not reach the disk"):
        write_cog(tmp_path / "m.tif", quilt(64, 64), grid(64, 64), codes_layout(DEFAULT_LEGEND))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path):
    script = """
import resource, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, {tests!r})
from studies import grid
from pitmap.errors import OutputError
from pitmap.raster.writing import Layout, write_cog
noise = np.random.default_rng(0).integers(1, 60000, (2, 700, 700)).astype("uint16")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    write_cog(Path(sys.argv[1]) / "m.tif", noise, grid(700, 700), Layout(2, "uint16", 0))
except OutputError as error:
    print("refused:", error)
"""
    code = script.format(tests=str(Path(__file__).parents[1]))
    # -B: under a limit on the size of files Python would leave compiled modules that end early.
    command = [sys.executable, "-B", "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused:")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"this is text, not a raster\n"])
def test_what_is_no_raster_is_refused(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageError, match=f"{len(content)} bytes"):
        describe(tmp_path / "a.tif")


def test_a_truncated_raster_is_refused_when_read(tmp_path):
    noise = np.random.default_rng(0).integers(1, 60_000, (1, 600, 600)).astype(np.uint16)
    write_cog(tmp_path / "a.tif", noise, grid(600, 600), Layout(1, "uint16"))
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="truncated or damaged"):
        read_codes(tmp_path / "a.tif")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"no file .*missing\.tif"):
        describe(tmp_path / "missing.tif")


def test_bands_by_number_and_name(tmp_path):
    pixels = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5) + 1
    write_cog(tmp_path / "a.tif", pixels, grid(4, 5), Layout(3, "uint16", 0, ("B02", "B03", "B08")))
    with open_raster(tmp_path / "a.tif", ["B08", 1]) as reader:
        np.testing.assert_array_equal(reader.read()[0], pixels[[2, 0]])
    with pytest.raises(ImageError, match="named B02, B03, B08"), open_raster(tmp_path / "a.tif", ["B04"]):
        pass
    with pytest.raises(ImageError, match="no band 4"), open_raster(tmp_path / "a.tif", [4]):
        pass


def test_an_alpha_band_is_a_mask_and_not_a_band(tmp_path):
    alpha = np.full((4, 4), 255, np.uint8)
    alpha[0] = 0
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=4, width=4, count=4, dtype="uint8", crs="EPSG:32649",
        transform=Affine(2, 0, 0, 0, -2, 0), photometric="RGB", alpha="yes",
    ) as target:  # fmt: skip
        target.write(np.stack([np.full((4, 4), 9, np.uint8)] * 3 + [alpha]))
    with open_raster(tmp_path / "a.tif") as reader:
        pixels, valid = reader.read()
    assert pixels.shape == (3, 4, 4)
    np.testing.assert_array_equal(valid, alpha > 0)


def test_labels_of_another_grid_come_by_nearest_neighbour(tmp_path):
    codes = quilt(60, 60, cell=6)
    write_cog(tmp_path / "fine.tif", codes, grid(60, 60, size=2.0), codes_layout(DEFAULT_LEGEND))
    coarse = grid(40, 40, size=4.0)
    values, covered = read_onto(tmp_path / "fine.tif", coarse)
    assert covered[:30, :30].all()
    assert not covered[30:].any()
    # The centre of a 4 m pixel is the corner of four 2 m pixels; cells of 6 pixels make all but borders unambiguous.
    inner = np.kron(np.ones((10, 10), bool), np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], bool))
    np.testing.assert_array_equal(values[:30, :30][inner], codes[1::2, 1::2][inner])


def test_crs_on_one_side_only_is_refused(tmp_path):
    write_cog(tmp_path / "a.tif", quilt(8, 8), grid(8, 8), codes_layout(DEFAULT_LEGEND))
    with pytest.raises(ImageError, match="no coordinate reference system"):
        read_onto(tmp_path / "a.tif", Grid(None, Affine.identity(), 8, 8))


def test_without_crs_sizes_must_agree(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        write_cog(tmp_path / "a.tif", quilt(8, 8), Grid(None, Affine.identity(), 8, 8), codes_layout(DEFAULT_LEGEND))
    values, covered = read_onto(tmp_path / "a.tif", Grid(None, Affine.identity(), 8, 8))
    assert covered.all()
    np.testing.assert_array_equal(values, quilt(8, 8))
    with pytest.raises(ImageError, match="8 x 8 pixels, the image 9 x 8"):
        read_onto(tmp_path / "a.tif", Grid(None, Affine.identity(), 9, 8))


def test_reduced_reading_keeps_the_ratio(tmp_path):
    write_cog(tmp_path / "a.tif", quilt(400, 1000), grid(400, 1000), codes_layout(DEFAULT_LEGEND))
    pixels, valid = read_reduced(tmp_path / "a.tif", None, 250)
    assert pixels.shape == (1, 100, 250)
    assert valid.all()


def test_scale_offset_and_names_are_tags(tmp_path):
    layout = Layout(2, "uint16", 0, ("blue", "nir"), scale=1e-4, offset=-0.1)
    write_cog(tmp_path / "a.tif", np.ones((2, 4, 4), np.uint16), grid(4, 4), layout)
    info = describe(tmp_path / "a.tif")
    assert info.scales == (1e-4, 1e-4)
    assert info.offsets == (-0.1, -0.1)
    assert info.descriptions == ("blue", "nir")
    assert info.has_scale
    assert info.grid.crs is not None
    assert info.grid.crs.equals(CRS.from_epsg(32649))
