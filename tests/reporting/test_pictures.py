"""Pictures as arrays with known answers."""

import base64
import io

import numpy as np
import pytest
import shapely
from affine import Affine
from matplotlib import image as mpl_image

from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.bands import composite
from pitmap.reporting.pictures import (
    FALSE,
    MISSED,
    NO_DATA_GREY,
    RIGHT,
    WRONG,
    coloured,
    disagreement,
    jpeg,
    png,
    reliability,
    resized,
    split_overlay,
    stretched,
    svg_path,
    to_picture,
)
from pitmap.reporting.scenes import scale_bar
from pitmap.samples.split import SPLIT_LEGEND


@pytest.mark.parametrize(
    ("names", "bands"),
    [
        (["B02", "B03", "B04", "B08"], (3, 2, 1)),
        (["B08", "B04", "B03", "B02"], (0, 1, 2)),
        (["Red", "Green", "Blue", "NIR"], (3, 0, 1)),
        (["band 1", "band 2", "band 3", "band 4"], (3, 2, 1)),
        (["B1", "B2", "B3", "B4"], (3, 2, 1)),
        (["band 1", "band 2", "band 3"], (0, 1, 2)),
        (["blue", "green", "red"], (2, 1, 0)),
        (["panchromatic"], (0, 0, 0)),
    ],
)
def test_bands_shown(names: list[str], bands: tuple[int, int, int]):
    assert composite(names).bands == bands


def test_stretch_uses_valid_pixels_only():
    band = np.arange(101, dtype=np.uint16).reshape(1, 101)
    pixels = np.repeat(band[None], 3, axis=0)
    pixels[:, 0, 100] = 60_000
    valid = np.ones((1, 101), bool)
    valid[0, 100] = False
    shown = stretched(pixels, valid)
    assert (shown[0, 100] == NO_DATA_GREY).all()
    assert (shown[0, 0] == 0).all()
    assert (shown[0, 99] == 255).all()
    middle = shown[0, 49:51, 0].astype(float).mean()
    assert middle == pytest.approx(127.5, abs=1.5)
    assert (stretched(pixels, np.zeros((1, 101), bool)) == NO_DATA_GREY).all()


def test_codes_in_the_legends_colours_survive_the_png():
    codes = np.array([[0, 1, 2], [6, 7, 200]], np.uint8)
    uri = png(coloured(codes, DEFAULT_LEGEND))
    assert uri.startswith("data:image/png;base64,")
    read = mpl_image.imread(io.BytesIO(base64.b64decode(uri.split(",")[1])), format="png")
    rgb = np.rint(read[..., :3] * 255).astype(int)
    assert (rgb[0, 0] == 255).all()
    assert (rgb[1, 2] == 255).all()
    for row, col, code in ((0, 1, 1), (0, 2, 2), (1, 0, 6), (1, 1, 7)):
        assert tuple(rgb[row, col]) == DEFAULT_LEGEND[code].rgb


def test_split_ground_is_strong_where_labelled():
    splits = np.array([[0, 1, 1]], np.uint8)
    labelled = np.array([[False, False, True]])
    backdrop = np.full((1, 3, 3), 100, np.uint8)
    shown = split_overlay(splits, labelled, backdrop, SPLIT_LEGEND).astype(int)
    target = np.array(SPLIT_LEGEND[1].rgb)
    assert len(set(shown[0, 0])) == 1  # grey
    far = [np.abs(pixel - target).sum() for pixel in shown[0]]
    assert far[0] > far[1] > far[2]


def test_nearest_neighbour_takes_pixel_centres():
    array = np.arange(6).reshape(1, 6)
    assert resized(array, (1, 3)).tolist() == [[1, 3, 5]]
    assert resized(array, (2, 6)).tolist() == [[0, 1, 2, 3, 4, 5]] * 2


def test_outlines_lie_on_their_pixels():
    transform = Affine(4, 0, 500_000, 0, -4, 5_600_000)
    # Columns 10 to 20, rows 30 to 50 of the raster, with a hole; the picture has half its pixels.
    hole = shapely.box(500_048, 5_599_840, 500_064, 5_599_860).exterior
    polygon = shapely.Polygon(shapely.box(500_040, 5_599_800, 500_080, 5_599_880).exterior.coords, [hole.coords])
    (placed,) = to_picture(np.array([polygon], dtype=object), transform, (0.5, 0.5))
    assert placed.bounds == (5, 15, 10, 25)
    path = svg_path(placed)
    assert path.count("M") == path.count("Z") == 2
    assert "10 15" in path


def test_scale_bars_are_round_and_short():
    for width_m, metres in ((2000.0, 500.0), (2999.0, 500.0), (3000.0, 1000.0), (40.0, 10.0), (900_000.0, 200_000.0)):
        bar = scale_bar(width_m)
        assert bar.metres == metres
        assert bar.share == pytest.approx(metres / width_m)
        assert bar.share <= 1 / 3


def test_a_reliability_diagram_of_empty_bins_can_be_drawn():
    assert reliability([{"confidence": None, "accuracy": None, "pixels": 0}]).startswith("data:image/png")


def test_a_picture_of_pure_noise_is_written():
    # Pillow's "optimize" holds the whole file in a buffer that noise overflows.
    rgb = np.random.default_rng(0).integers(0, 256, (500, 640, 3), dtype=np.uint8)
    assert jpeg(rgb).startswith("data:image/jpeg;base64,")


def test_errors_of_mines_are_told_from_other_errors():
    mapped = np.array([[1, 1, 6, 6, 6, 0, 1, 7]], np.uint8)
    labels = np.array([[1, 6, 1, 4, 6, 1, 0, 1]], np.uint8)
    assert disagreement(mapped, labels, [1]).tolist() == [[RIGHT, FALSE, MISSED, WRONG, RIGHT, 0, 0, MISSED]]
    assert disagreement(mapped, labels, [1, 7]).tolist() == [[RIGHT, FALSE, MISSED, WRONG, RIGHT, 0, 0, WRONG]]
    assert set(disagreement(mapped, labels, []).ravel().tolist()) == {0, RIGHT, WRONG}
