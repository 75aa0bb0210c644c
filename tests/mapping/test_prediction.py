import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from mapping.conftest import utm_grid
from observers import Heard
from pitmap.errors import ImageError, LabelError, ModelError, OutputError, ProjectError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping import prediction
from pitmap.mapping.batches import WRITE_BEHIND
from pitmap.mapping.engines.interface import Prediction
from pitmap.mapping.engines.torch_engine import TorchEngine
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.networks.model_card import read_card
from pitmap.raster.codes import read_codes, read_legend
from pitmap.raster.reading import RasterReader, describe, open_raster
from pitmap.raster.writing import Layout, write_cog

SMALL = MapOptions(tile=32, device="cpu")


@pytest.fixture
def small(model_file: Callable, image_file: Callable) -> tuple[Path, Path]:
    """A quick model and an image of 101 x 87 pixels, with nodata inside: 16 tiles of 32 x 28 pixels."""
    return model_file("small", width=8), image_file(101, 87)


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith("."))


@pytest.mark.parametrize("name", ["unet", "unetplus"])
@pytest.mark.parametrize("shape", [(190, 50), (225, 97)])
def test_the_map_in_tiles_equals_the_map_of_the_whole_image(
    name: str, shape: tuple[int, int], tmp_path: Path, model_file: Callable, image_file: Callable
):
    model, image = model_file(name), image_file(*shape)
    tiled = map_image(model, image, tmp_path / "tiled.tif", MapOptions(tile=224, device="cpu"))
    whole = map_image(model, image, tmp_path / "whole.tif", MapOptions(tile=1024, device="cpu"))
    assert (tiled.tiles > 1) == (max(shape) > 224)
    assert whole.tiles == 1
    assert tiled.exact
    assert (tiled.stride, tiled.halo) == (16, 96)
    codes = read_codes(tmp_path / "tiled.tif")
    differ = codes != read_codes(tmp_path / "whole.tif")
    assert differ.mean() < 1e-4  # only where two logits agree to 1e-5 of their range
    with open_raster(image) as reader:
        _, valid = reader.read()
    assert (codes[~valid] == 0).all()
    assert (codes[valid] > 0).all()


def test_a_model_that_goes_by_an_images_own_statistics_sees_through_light_and_air(
    tmp_path: Path, model_file: Callable, image_file: Callable
):
    """Another gain and offset of each band change its statistics, and nothing that the network sees."""
    image = image_file(150, 120)
    with open_raster(image) as reader:
        pixels, valid = reader.read()
    seen = np.round(pixels * np.array([1.5, 2.0, 1.25])[:, None, None] + np.array([400, 0, 90])[:, None, None])
    seen[:, ~valid] = 0
    other = tmp_path / "other.tif"
    write_cog(other, seen.astype(np.uint16), utm_grid(150, 120), Layout(3, "uint16", 0, scale=1e-4))
    codes = {}
    for share in (0.0, 1.0):
        model = model_file(own_statistics=share)
        for path in (image, other):
            map_image(model, path, tmp_path / f"{path.stem}-{share}.tif", MapOptions(device="cpu"))
            codes[path.stem, share] = read_codes(tmp_path / f"{path.stem}-{share}.tif")
    agreement = {share: (codes["image", share] == codes["other", share])[valid].mean() for share in (0.0, 1.0)}
    assert agreement[1.0] > 0.98  # what is left is the rounding of pixel values
    assert agreement[0.0] < 0.9


def test_the_report_says_how_sure_the_network_is_beside_validation_ground(
    tmp_path: Path, model_file: Callable, image_file: Callable
):
    model, image = model_file("small", width=8, validation_confidence=0.91), image_file(101, 87)
    plain = map_image(model, image, tmp_path / "plain.tif", SMALL)
    assert plain.mean_confidence is None
    assert "confidence" not in plain.summary()
    sure = map_image(model, image, tmp_path / "map.tif", replace(SMALL, confidence=tmp_path / "sure.tif"))
    with rasterio.open(tmp_path / "sure.tif") as source:
        steps = source.read(1)
    assert sure.mean_confidence == pytest.approx(steps[steps > 0].mean() / 255)
    assert sure.summary().endswith(f"Mean confidence {sure.mean_confidence:.2f}, on validation ground 0.91.")
    assert sure.to_json()["mean_confidence"] == sure.mean_confidence


def test_part_of_an_image_is_mapped_by_the_statistics_of_the_whole(
    tmp_path: Path, model_file: Callable, image_file: Callable
):
    model, image = model_file(own_statistics=1.0), image_file(150, 120)
    map_image(model, image, tmp_path / "whole.tif", MapOptions(device="cpu"))
    grid = describe(image).grid
    x, y = grid.pixel_centres(np.array([40, 90]), np.array([10, 60]))
    gpd.GeoDataFrame(geometry=[box(x[0], y[1], x[1], y[0])], crs=grid.crs).to_file(tmp_path / "extent.gpkg")
    map_image(model, image, tmp_path / "part.tif", MapOptions(device="cpu", extent=tmp_path / "extent.gpkg"))
    whole, part = read_codes(tmp_path / "whole.tif"), read_codes(tmp_path / "part.tif")
    assert (part > 0).sum() > 1000
    assert (part == whole)[part > 0].all()


def test_a_smaller_halo_is_a_choice_that_the_map_states(tmp_path: Path, small: tuple[Path, Path]):
    exact = map_image(*small, tmp_path / "exact.tif", SMALL)
    assert (exact.halo, exact.exact) == (4, True)
    cut = map_image(*small, tmp_path / "cut.tif", replace(SMALL, halo=1))
    assert (cut.halo, cut.exact) == (2, False)  # rounded up to the stride
    assert describe(cut.path).tags["PITMAP_EXACT"] == "no"
    assert (read_codes(exact.path) != read_codes(cut.path)).any()
    wide = map_image(*small, tmp_path / "wide.tif", replace(SMALL, halo=9))
    assert (wide.halo, wide.exact) == (10, True)
    assert (read_codes(exact.path) == read_codes(wide.path)).all()


def test_the_map_says_what_it_is(tmp_path: Path, small: tuple[Path, Path]):
    model, image = small
    heard = Heard()
    report = map_image(model, image, tmp_path / "map.tif", replace(SMALL, project="study"), heard)
    shares = heard.shares
    info = describe(tmp_path / "map.tif")
    assert (info.dtype, info.nodata, info.bands) == ("uint8", 0, 1)
    assert info.grid.same_as(describe(image).grid)
    assert read_legend(tmp_path / "map.tif") == DEFAULT_LEGEND
    expected = {
        "PITMAP_IMAGE": "image.tif", "PITMAP_MODEL": "small.safetensors", "PITMAP_NETWORK": "small",
        "PITMAP_MODEL_SHA256": read_card(model).sha256, "PITMAP_PROJECT": "study", "PITMAP_PRECISION": "float32",
        "PITMAP_TILE": "32 x 28", "PITMAP_HALO": "4", "PITMAP_EXACT": "yes", "PITMAP_TEST_TIME_AUGMENTATION": "no",
    }  # fmt: skip
    assert expected.items() <= dict(info.tags).items()
    with rasterio.open(tmp_path / "map.tif") as source:
        assert source.colormap(1)[1] == (215, 25, 28, 255)
    assert (tmp_path / "map.qml").exists()
    assert (tmp_path / "map.tif.aux.xml").exists()
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    codes = read_codes(report.path)
    assert sum(report.pixels.values()) + report.unmapped == codes.size
    areas = info.grid.pixel_areas_m2()
    for c in DEFAULT_LEGEND:
        assert report.pixels[c.key] == (codes == c.code).sum()
        assert report.area_m2[c.key] == pytest.approx(areas[codes == c.code].sum())
    assert "16 tile(s) of 32 x 28 (halo 4, exact)" in report.summary()
    assert leftovers(tmp_path) == [".map.tif.key.json"]


def test_masked_ground_is_left_out_and_the_rest_stays(tmp_path: Path, small: tuple[Path, Path]):
    model, image = small
    grid = describe(image).grid
    plain = read_codes(map_image(model, image, tmp_path / "plain.tif", SMALL).path)

    def ground(row: int, col: int, height: int, width: int):
        return box(500_000 + 4 * col, 5_600_000 - 4 * (row + height), 500_000 + 4 * (col + width), 5_600_000 - 4 * row)

    def layer(name: str, shape) -> Path:
        gpd.GeoDataFrame(geometry=[shape], crs=grid.crs).to_crs(4326).to_file(tmp_path / name)
        return tmp_path / name

    clouds = layer("clouds.gpkg", ground(40, 30, 25, 20))
    far_away = layer("far.gpkg", ground(4000, 30, 25, 20))
    extent = layer("extent.gpkg", ground(10, 5, 80, 70))
    shadow = np.zeros(grid.shape, np.uint8)
    shadow[60:95, 60:64] = 3
    write_cog(tmp_path / "shadow.tif", shadow, grid, Layout(1, "uint8"))
    options = replace(
        SMALL, masks=[clouds, far_away, tmp_path / "shadow.tif"], extent=extent, confidence=tmp_path / "c.tif",
        probabilities=tmp_path / "p.tif",
    )  # fmt: skip
    report = map_image(model, image, tmp_path / "map.tif", options)
    expected = np.zeros_like(plain)
    expected[10:90, 5:75] = plain[10:90, 5:75]
    expected[40:65, 30:50] = 0
    expected[shadow > 0] = 0
    codes = read_codes(report.path)
    assert (codes == expected).all()
    assert sum(report.pixels.values()) == (expected > 0).sum()
    assert sum(report.area_m2.values()) == pytest.approx(grid.pixel_areas_m2()[expected > 0].sum())
    with rasterio.open(tmp_path / "p.tif") as source:
        shares = source.read()
        assert source.nodata == 65535
        assert source.scales == (1e-4,) * 7
        assert source.descriptions == tuple(DEFAULT_LEGEND.keys)
    assert (shares[:, expected == 0] == 65535).all()
    with rasterio.open(tmp_path / "c.tif") as source:
        sure = source.read(1)
        assert (source.nodata, source.dtypes, source.descriptions) == (0, ("uint8",), ("confidence",))
        assert source.scales[0] == pytest.approx(1 / 255)
    assert (sure[expected == 0] == 0).all()
    most = shares.max(axis=0)[expected > 0] * 1e-4
    assert np.abs(sure[expected > 0] / 255 - most).max() < 0.5 / 255 + 1e-4
    assert np.abs(shares[:, expected > 0].sum(0, dtype=int) - 10_000).max() <= 4


def test_an_extent_elsewhere_is_refused(tmp_path: Path, small: tuple[Path, Path]):
    far = gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs=describe(small[1]).grid.crs)
    far.to_file(tmp_path / "far.gpkg")
    with pytest.raises(LabelError, match="outside the image"):
        map_image(*small, tmp_path / "map.tif", replace(SMALL, extent=tmp_path / "far.gpkg"))
    assert not (tmp_path / "map.tif").exists()
    assert leftovers(tmp_path) == []


def test_an_image_without_crs(tmp_path: Path, model_file: Callable, image_file: Callable):
    grid = Grid(None, Affine.identity(), 50, 40)
    model, image = model_file("small", pixel_size_m=None), image_file(50, 40, grid=grid)
    mask = np.zeros(grid.shape, np.uint8)
    mask[:, 20:] = 1
    write_cog(tmp_path / "mask.tif", mask, grid, Layout(1, "uint8"))
    report = map_image(model, image, tmp_path / "map.tif", replace(SMALL, masks=[tmp_path / "mask.tif"]))
    codes = read_codes(report.path)
    assert report.area_m2 is None
    assert (codes[:, 20:] == 0).all()
    assert (codes[:, :20] > 0).any()
    assert f"OPM {report.pixels['OPM']} pixels" in report.summary() or report.pixels["OPM"] == 0
    write_cog(tmp_path / "other.tif", mask[1:], Grid(None, Affine.identity(), 49, 40), Layout(1, "uint8"))
    with pytest.raises(ImageError, match="49 x 40 pixels, the image 50 x 40"):
        map_image(model, image, tmp_path / "b.tif", replace(SMALL, masks=[tmp_path / "other.tif"]))


def test_batches_and_augmentation_go_through(tmp_path: Path, small: tuple[Path, Path]):
    one = map_image(*small, tmp_path / "one.tif", SMALL)
    three = map_image(*small, tmp_path / "three.tif", replace(SMALL, batch=3))
    assert (read_codes(one.path) == read_codes(three.path)).mean() > 0.9999
    turned = map_image(*small, tmp_path / "turned.tif", replace(SMALL, test_time_augmentation=True))
    whole = map_image(*small, tmp_path / "whole.tif", replace(SMALL, test_time_augmentation=True, tile=1024))
    assert whole.tiles == 1
    assert (read_codes(turned.path) == read_codes(whole.path)).mean() > 0.9999
    assert (read_codes(turned.path) != read_codes(one.path)).any()


def test_what_is_read_and_mapped_at_once_does_not_grow_with_the_scene(
    tmp_path: Path, model_file: Callable, image_file: Callable, monkeypatch: pytest.MonkeyPatch
):
    model = model_file("small")
    windows: list[int] = []
    batches: list[tuple[int, ...]] = []
    read, predict = RasterReader.read, TorchEngine.predict

    def noted_read(self, window=None):
        windows.append((window or self.grid.window).height * (window or self.grid.window).width)
        return read(self, window)

    def noted_predict(self, pixels, valid, kept, **options):
        batches.append(pixels.shape)
        return predict(self, pixels, valid, kept, **options)

    monkeypatch.setattr(RasterReader, "read", noted_read)
    monkeypatch.setattr(TorchEngine, "predict", noted_predict)
    largest = []
    for side in (100, 400):
        image = image_file(side, side, name=f"{side}.tif")
        map_image(model, image, tmp_path / f"map{side}.tif", replace(SMALL, tile=64))
        largest.append((max(windows), max(np.prod(b) for b in batches)))
        windows.clear()
        batches.clear()
    assert largest[1][0] <= 64 * 64
    assert largest[1][1] <= 3 * 64 * 64
    assert largest[0][0] > 0.5 * largest[1][0]


def damaged(path: Path, offset: int) -> Path:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    return path


def refusals():
    """Name, what is done to model and image before mapping, options, error and its text."""
    cut = lambda m, i: i.write_bytes(i.read_bytes()[: i.stat().st_size // 2])  # noqa: E731
    return [
        ("one byte changed", lambda m, i: damaged(m, -5), SMALL, ModelError, "damaged"),
        ("no model", lambda m, i: m.unlink(), SMALL, ModelError, "cannot be read"),
        ("no image", lambda m, i: i.unlink(), SMALL, ImageError, "no file"),
        ("empty image", lambda m, i: i.write_bytes(b""), SMALL, ImageError, "0 bytes"),
        ("text named tif", lambda m, i: i.write_text("hello"), SMALL, ImageError, "not a raster file"),
        ("truncated image", cut, SMALL, ImageError, "truncated|not a raster"),
        ("two bands", lambda m, i: None, replace(SMALL, bands=[1, 2]), ModelError, "2 bands are chosen"),
        ("no such band", lambda m, i: None, replace(SMALL, bands=[1, 2, 9]), ImageError, "no band 9"),
        ("tile of halo", lambda m, i: None, replace(SMALL, tile=8), ModelError, "too small for a halo"),
        ("no such mask", lambda m, i: None, replace(SMALL, masks=[Path("none.tif")]), ImageError, "no file"),
        ("no such device", lambda m, i: None, replace(SMALL, device="toaster"), ModelError, "toaster"),
    ]


@pytest.mark.parametrize(("name", "spoil", "options", "error", "text"), refusals(), ids=lambda v: str(v)[:16])
def test_bad_input_is_refused_and_leaves_nothing(
    name: str, spoil: Callable, options: MapOptions, error: type, text: str, tmp_path: Path, small: tuple[Path, Path]
):
    spoil(*small)
    out = tmp_path / "maps"
    with pytest.raises(error, match=text):
        map_image(*small, out / "map.tif", options)
    assert not out.exists() or list(out.iterdir()) == []


def test_an_image_without_a_scale_or_of_another_pixel_size_is_refused(
    tmp_path: Path, model_file: Callable, image_file: Callable
):
    model = model_file("small")
    bare = image_file(40, 40, name="bare.tif", scale=1.0)
    with pytest.raises(ModelError, match="does not say how its uint16 values become reflectance"):
        map_image(model, bare, tmp_path / "map.tif", SMALL)
    stated = map_image(model, bare, tmp_path / "stated.tif", replace(SMALL, scale=1e-4))
    tagged = map_image(model, image_file(40, 40, name="tagged.tif"), tmp_path / "tagged_map.tif", SMALL)
    assert (read_codes(stated.path) == read_codes(tagged.path)).all()
    coarse = Grid(describe(bare).grid.crs, Affine(10, 0, 500_000, 0, -10, 5_600_000), 40, 40)
    with pytest.raises(ModelError, match="measure 10 m"):
        map_image(model, image_file(40, 40, name="coarse.tif", grid=coarse), tmp_path / "map.tif", SMALL)
    assert not (tmp_path / "map.tif").exists()


def test_outputs_that_cannot_be_are_refused(tmp_path: Path, small: tuple[Path, Path]):
    model, image = small
    for out, text in ((image, "would replace"), (tmp_path / "map.png", r"no \.tif"), (model / "map.tif", "written to")):
        with pytest.raises(OutputError, match=text):
            map_image(model, image, out, SMALL)
    with pytest.raises(OutputError, match="cannot share a file"):
        map_image(model, image, tmp_path / "a.tif", replace(SMALL, probabilities=tmp_path / "a.tif"))
    for wrong in ({"tile": 0}, {"batch": 0}, {"halo": -1}, {"halo": "some"}, {"precision": "fp16"}):
        with pytest.raises(ProjectError):
            MapOptions(**wrong)


def stop_after(tiles: int) -> Heard:
    calls: list[float] = []

    def progress(share: float) -> None:
        calls.append(share)
        if len(calls) > tiles:
            raise KeyboardInterrupt

    return Heard(each=progress)


def test_empty_tiles_cost_nothing(tmp_path: Path, model_file: Callable, monkeypatch: pytest.MonkeyPatch):
    model, grid = model_file("small", width=8), utm_grid(96, 96)
    pixels = np.full((3, 96, 96), 2000, np.uint16)
    pixels[:, :, 40:] = 0
    write_cog(tmp_path / "image.tif", pixels, grid, Layout(3, "uint16", 0, scale=1e-4))
    hidden = np.zeros(grid.shape, np.uint8)
    hidden[40:] = 1
    write_cog(tmp_path / "hidden.tif", hidden, grid, Layout(1, "uint8", 0))
    options = replace(SMALL, masks=[tmp_path / "hidden.tif"], compare_numbers=False, confidence=tmp_path / "c.tif",
                      probabilities=tmp_path / "p.tif")  # fmt: skip
    read, predict, parts = RasterReader.read, TorchEngine.predict, []
    seen: dict[str, list[object]] = {"read": [], "predicted": []}

    def noted_read(self, window=None):
        if self.info.path.name == "image.tif":
            seen["read"].append(window)
        return read(self, window)

    def noted_predict(self, *arguments, **options) -> Prediction:
        seen["predicted"].append(arguments[2])
        return predict(self, *arguments, **options)

    def note_parts(share: float) -> None:
        parts[:] = [(p.name, p.stat().st_size) for p in sorted((tmp_path / ".map.tif.partial").glob("*.npz"))]

    monkeypatch.setattr(RasterReader, "read", noted_read)
    monkeypatch.setattr(TorchEngine, "predict", noted_predict)
    report = map_image(model, tmp_path / "image.tif", tmp_path / "map.tif", options, Heard(each=note_parts))
    assert report.tiles == 16
    assert len(seen["read"]) == 8  # those of the upper half: the others are masked as a whole
    assert len(seen["predicted"]) == 4
    assert sorted(size for _, size in parts)[:12] == [22] * 12  # an archive of nothing
    with rasterio.open(tmp_path / "p.tif") as shares, rasterio.open(tmp_path / "c.tif") as sure:
        mapped = read_codes(report.path) > 0
        assert mapped[:40, :40].all()
        assert mapped.sum() == 40 * 40
        assert (shares.read()[:, ~mapped] == 65535).all()
        assert (sure.read(1)[~mapped] == 0).all()
    assert (report.unmapped, sum(report.pixels.values())) == (96 * 96 - 1600, 1600)


def test_an_interrupted_run_resumes_where_it_stopped(tmp_path: Path, small: tuple[Path, Path]):
    with pytest.raises(KeyboardInterrupt):
        map_image(*small, tmp_path / "map.tif", SMALL, stop_after(7))
    assert leftovers(tmp_path) == [".map.tif.partial"]
    report = map_image(*small, tmp_path / "map.tif", SMALL)
    assert report.resumed == 7 + WRITE_BEHIND  # what was mapped already is kept
    unbroken = map_image(*small, tmp_path / "unbroken.tif", SMALL)
    assert unbroken.resumed == 0
    assert report.path.read_bytes() == unbroken.path.read_bytes()
    assert (report.pixels, report.area_m2) == (unbroken.pixels, unbroken.area_m2)
    assert leftovers(tmp_path) == [".map.tif.key.json", ".unbroken.tif.key.json"]


def test_reading_ahead_ends_before_the_image_is_closed(
    tmp_path: Path, small: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
):
    # GDAL crashes where a file is closed under a thread that still reads it.
    read, under_way = RasterReader.read, []

    def slow_read(self, window=None):
        under_way.append(window)
        time.sleep(0.05)
        result = read(self, window)
        under_way.remove(window)
        return result

    monkeypatch.setattr(RasterReader, "read", slow_read)
    with pytest.raises(KeyboardInterrupt) as caught:
        map_image(*small, tmp_path / "map.tif", SMALL, stop_after(2))
    assert under_way == []
    assert caught.traceback  # holds the frames, so that nothing is tidied up by chance


def test_parts_of_other_inputs_are_discarded(
    tmp_path: Path, small: tuple[Path, Path], image_file: Callable, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prediction, "WORTH_KEEPING_S", 0.0)

    def interrupted(options: MapOptions) -> None:
        with pytest.raises(KeyboardInterrupt):
            map_image(*small, tmp_path / "map.tif", options, stop_after(7))

    interrupted(SMALL)
    assert map_image(*small, tmp_path / "map.tif", replace(SMALL, halo=8)).resumed == 0
    interrupted(SMALL)
    small[1].touch()  # its content is what it was
    assert map_image(*small, tmp_path / "map.tif", SMALL).resumed == 7 + WRITE_BEHIND
    interrupted(SMALL)
    with open_raster(small[1]) as reader:
        image, _ = reader.read()
    write_cog(small[1], image + 1, describe(small[1]).grid, Layout(3, "uint16", 0, scale=1e-4))
    assert map_image(*small, tmp_path / "map.tif", SMALL).resumed == 0
    interrupted(SMALL)
    part = sorted((tmp_path / ".map.tif.partial").glob("*.npz"))[2]
    part.write_bytes(b"PK")  # as after a power failure
    with pytest.raises(OutputError, match="makes that part again"):
        map_image(*small, tmp_path / "map.tif", SMALL)
    assert map_image(*small, tmp_path / "map.tif", SMALL).resumed == 15


def test_a_read_error_keeps_the_finished_tiles_that_took_long(
    tmp_path: Path, small: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prediction, "WORTH_KEEPING_S", 0.0)
    read, calls, options = RasterReader.read, [], replace(SMALL, compare_numbers=False)

    def failing(self, window=None):
        calls.append(window)
        if len(calls) > 9:
            raise ImageError("The disk did not answer.")
        return read(self, window)

    monkeypatch.setattr(RasterReader, "read", failing)
    with pytest.raises(ImageError, match=r"did not answer\. \d+ finished part\(s\) of the map are kept"):
        map_image(*small, tmp_path / "map.tif", options)
    monkeypatch.undo()
    assert map_image(*small, tmp_path / "map.tif", options).resumed >= 6
    calls.clear()
    monkeypatch.setattr(RasterReader, "read", failing)
    with pytest.raises(ImageError, match=r"did not answer\.$"):  # made in no time
        monkeypatch.setattr(prediction, "WORTH_KEEPING_S", 3600.0)
        map_image(*small, tmp_path / "quick.tif", options)
    calls.extend([None] * 9)
    monkeypatch.setattr(RasterReader, "read", failing)
    with pytest.raises(ImageError):  # at the very first tile: nothing is kept
        map_image(*small, tmp_path / "other.tif", options)
    assert leftovers(tmp_path) == [".map.tif.key.json"]


def test_the_precision_follows_the_device_and_the_model(
    tmp_path: Path, model_file: Callable, image_file: Callable, monkeypatch: pytest.MonkeyPatch
):
    image = image_file(60, 60)
    for has, agreement, expected in ((True, 1.0, "bf16"), (True, 0.99, "float32"), (False, 1.0, "float32")):
        monkeypatch.setattr("pitmap.mapping.engines.choices.has_bf16", lambda _, has=has: has)
        report = map_image(model_file("small", bf16_agreement=agreement), image, tmp_path / "map.tif", SMALL)
        assert report.precision == describe(report.path).tags["PITMAP_PRECISION"] == expected


def test_parts_of_another_precision_or_engine_are_not_gone_on_with(tmp_path: Path, small: tuple[Path, Path]):
    with pytest.raises(KeyboardInterrupt):
        map_image(*small, tmp_path / "map.tif", SMALL, stop_after(2))
    assert map_image(*small, tmp_path / "map.tif", replace(SMALL, precision="bf16")).resumed == 0


def test_an_engine_of_ones_own(tmp_path: Path, small: tuple[Path, Path]):
    options = replace(SMALL, engine="mapping.own_engine:make")
    report = map_image(*small, tmp_path / "map.tif", options)
    codes = read_codes(report.path)
    assert (report.engine, describe(report.path).tags["PITMAP_ENGINE"]) == (options.engine, options.engine)
    assert set(np.unique(codes)) == {0, 3}
    assert map_image(*small, tmp_path / "map.tif", SMALL).engine == "torch"
    with pytest.raises(ProjectError, match=r"no mapping engine 'troch'.*Did you mean 'torch'"):
        map_image(*small, tmp_path / "map.tif", replace(SMALL, engine="troch"))


INTERRUPTED = """
import json, os, random, resource, signal, sys, time
from pathlib import Path
import rasterio.shutil
from mapping import small_network
from mapping.conftest import utm_grid
from pitmap.errors import OutputError
from pitmap.mapping import prediction
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.observer import Observer

job, model, image, folder = sys.argv[1], *map(Path, sys.argv[2:5])
prediction.WORTH_KEEPING_S = float(sys.argv[5]) if sys.argv[5:] else prediction.WORTH_KEEPING_S
options = MapOptions(tile=32, device="cpu", confidence=folder / "c.tif", probabilities=folder / "p.tif")

def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return pid

class Slow(Observer):
    def progress(self, step, share):
        time.sleep(0.05)

def finished():
    return len(list((folder / ".map.tif.partial").glob("[0-9]*.npz")))

def killed_while_the_cog_is_written():
    def copy(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)
    rasterio.shutil.copy = copy
    map_image(model, image, folder / "map.tif", options)

def killed_between_the_outputs():
    replace = Path.replace
    def once(self, target):
        replace(self, target)
        if Path(target).name == "p.tif":
            os.kill(os.getpid(), signal.SIGKILL)
    Path.replace = once
    map_image(model, image, folder / "map.tif", options)

if job == "kill":
    generator, seen = random.Random(3), []
    for _ in range(6):
        target = finished() + generator.randint(0, 2)
        pid = child(lambda: map_image(model, image, folder / "map.tif", options, Slow()))
        while finished() < target:
            time.sleep(0.002)
        time.sleep(generator.uniform(0, 0.1))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        seen.append(finished())
        assert not (folder / "map.tif").exists()
    for work in (killed_while_the_cog_is_written, killed_between_the_outputs):
        _, status = os.waitpid(child(work), 0)
        assert os.WIFSIGNALED(status), status
        assert not (folder / "map.tif").exists()
    resumed = map_image(model, image, folder / "map.tif", options).resumed
    print(json.dumps({"seen": seen, "resumed": resumed}))
else:
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(job), int(job)))
        try:
            map_image(model, image, folder / "map.tif", options)
        except OutputError:
            return
        raise AssertionError("the limit was not reached")
    _, status = os.waitpid(child(full), 0)
    print(json.dumps({"status": status, "left": sorted(str(p) for p in folder.rglob("*"))}))
"""


def in_subprocess(*arguments: object) -> dict:
    import json

    tests = Path(__file__).resolve().parents[1]
    # -B: under a limit on the size of files Python would leave compiled modules that end early.
    done = subprocess.run(
        [sys.executable, "-B", "-c", INTERRUPTED, *map(str, arguments)],
        capture_output=True, text=True, timeout=120,
        env={"PYTHONPATH": f"{tests}:{tests.parent / 'src'}", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.verify
def test_killed_at_any_moment_the_map_is_that_of_an_unbroken_run(
    tmp_path: Path, model_file: Callable, image_file: Callable
):
    small = model_file("small", width=8), image_file(201, 87)
    (tmp_path / "killed").mkdir()
    result = in_subprocess("kill", *small, tmp_path / "killed")
    assert result["seen"] == sorted(result["seen"])
    assert 0 < result["seen"][-1] < 36
    assert result["resumed"] == 36  # the last kills came while the rasters were written
    options = replace(SMALL, confidence=tmp_path / "c.tif", probabilities=tmp_path / "p.tif")
    map_image(*small, tmp_path / "map.tif", options)
    for name in ("map.tif", "c.tif", "p.tif"):
        with rasterio.open(tmp_path / name) as expected, rasterio.open(tmp_path / "killed" / name) as found:
            assert (expected.read() == found.read()).all()
    names = sorted(p.name for p in (tmp_path / "killed").iterdir())
    assert names == [
        ".map.tif.key.json", "c.qml", "c.tif", "map.qml", "map.tif", "map.tif.aux.xml", "p.qml", "p.tif",
    ]  # fmt: skip


@pytest.mark.parametrize(("limit", "worth_keeping_s"), [(2_000, 0), (60_000, 0), (60_000, 60)])
def test_a_full_disk_leaves_nothing_but_finished_tiles_that_took_long(
    limit: int, worth_keeping_s: int, tmp_path: Path, small: tuple[Path, Path]
):
    # The first limit stops at the first part, the second when the probabilities are put together.
    (tmp_path / "full").mkdir()
    result = in_subprocess(limit, *small, tmp_path / "full", worth_keeping_s)
    assert result["status"] == 0
    partial = tmp_path / "full" / ".map.tif.partial"
    parts = [partial / f"{i:06d}.npz" for i in range(16)] if (limit, worth_keeping_s) == (60_000, 0) else []
    left = [Path(p) for p in result["left"]]
    assert [p for p in left if p.suffix == ".npz"] == parts
    assert [p for p in left if p.is_file() and p not in parts] == ([partial / ".parts.key.json"] if parts else [])


def test_mapping_imports_nothing_that_it_does_not_use(tmp_path: Path, model_file: Callable, image_file: Callable):
    model, image = model_file("unet"), image_file(60, 50)
    names = (
        "geopandas", "jinja2", "lightning_fabric", "matplotlib", "pandas", "pitmap.mapping.mines", "pitmap.training",
        "pyogrio", "scipy", "sympy", "torch._dynamo", "torch._inductor",
    )  # fmt: skip
    code = (
        f"import sys; from pitmap.cli import app; sys.argv[1:] = ['map', *{[str(model), str(image)]}, 'map.tif'];"
        f"app(standalone_mode=False); print([name for name in {names} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "map.tif").exists()
