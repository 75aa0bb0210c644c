"""A model as ONNX: the same codes from the image's own numbers, and metadata as Deepness reads them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from commands import run
from observers import Heard
from pitmap.deliver.onnx_model import Void, deepness_tiles, export_onnx, void_of
from pitmap.errors import ImageError, ModelError, OutputError
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.networks.model_file import load_model
from pitmap.networks.registry import BUILT_IN
from pitmap.raster.codes import read_codes
from pitmap.study.asked import Asked

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def session(path: Path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def codes_of(path: Path, numbers: np.ndarray) -> np.ndarray:
    (probabilities,) = session(path).run(None, {"pixels": numbers[None].astype(np.float32)})
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    return probabilities[0].argmax(0) + 1


def check_whole_image(model: Path, image: Path, folder: Path) -> None:
    """Codes of the whole image at once, in plain ONNX Runtime, are those of our map."""
    done = export_onnx(model, folder / "model.onnx", image)
    with rasterio.open(image) as source:
        numbers = source.read()
    valid = (numbers != 0).all(0)
    assert done.pixels == valid.sum()
    assert done.same + done.ties == done.pixels
    map_image(model, image, folder / "map.tif", MapOptions(engine="torch", precision="float32", compare_numbers=False))
    ours = read_codes(folder / "map.tif")
    found = np.where(valid, codes_of(done.path, numbers), 0)
    # At once and in tiles, logits may differ in their last bits.
    assert (found != ours).sum() <= done.ties + 1e-5 * ours.size


def test_codes_are_those_of_the_map(model_file: Callable, image_file: Callable, tmp_path: Path):
    check_whole_image(model_file("unetplus"), image_file(300, 217), tmp_path)


def test_a_model_that_goes_by_an_images_own_statistics_is_written_for_that_image(
    model_file: Callable, image_file: Callable, tmp_path: Path
):
    model = model_file("unetplus", own_statistics=1.0)
    check_whole_image(model, image_file(150, 117), tmp_path)
    heard = Heard()
    export_onnx(model, tmp_path / "any.onnx", asked=Asked(scale=1e-4), observer=heard)
    assert "no image is named" in heard.warned[0]


@pytest.mark.verify
@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_codes_are_those_of_the_map_for_all_networks(
    name: str, model_file: Callable, image_file: Callable, tmp_path: Path
):
    check_whole_image(model_file(name), image_file(300, 217), tmp_path)


def test_without_an_image_numbers_are_invented_and_the_scale_is_asked_for(model_file: Callable, tmp_path: Path):
    with pytest.raises(ModelError, match="reflectance") as caught:
        export_onnx(model_file(), tmp_path / "a.onnx")
    assert caught.value.options == ("image", "scale")
    assert not (tmp_path / "a.onnx").exists()
    done = export_onnx(model_file(), tmp_path / "a.onnx", asked=Asked(scale=1e-4))
    assert done.scale == (1e-4,) * 3
    assert done.pixels > 10_000
    assert done.same + done.ties == done.pixels
    with pytest.raises(OutputError, match="exists"):
        export_onnx(model_file(), tmp_path / "a.onnx", asked=Asked(scale=1e-4))
    with pytest.raises(ImageError, match="does not suit"):
        export_onnx(model_file(), tmp_path / "b.onnx", asked=Asked(scale=0.0))


def test_deepness_reads_what_it_documents(model_file: Callable, tmp_path: Path):
    model = model_file()
    done = export_onnx(model, tmp_path / "a.onnx", asked=Asked(scale=1e-4))
    opened = session(done.path)
    meta = {k: json.loads(v) for k, v in opened.get_modelmeta().custom_metadata_map.items()}
    assert meta["model_type"] == "Segmentor"
    card = load_model(model)[1]
    assert meta["class_names"] == {str(i): c.name for i, c in enumerate(card.legend)}
    assert meta["resolution"] == 400  # centimetres
    assert (meta["tile_size"], meta["tiles_size"], meta["tiles_overlap"]) == (768, 768, 25)
    assert (meta["seg_thresh"], meta["seg_small_segment"]) == (0, 0)
    assert meta["pitmap"]["sha256"] == card.sha256
    # One input and one output; square as far as their names go.
    (source,), (target,) = opened.get_inputs(), opened.get_outputs()
    assert source.shape[1] == 3
    assert source.shape[2] == source.shape[3]
    assert target.shape[1] == 7
    assert target.shape[2] == target.shape[3]
    # It feeds (numbers / 255 - mean) / std.
    numbers = np.arange(1, 65536, 7, dtype=np.float32)
    mean, std = np.float32(meta["standardization_mean"][0]), np.float32(meta["standardization_std"][0])
    np.testing.assert_allclose((np.float32(numbers / 255) - mean) / std, numbers, rtol=3e-7)


@pytest.mark.verify
def test_tiles_of_deepness_equal_the_whole_image(model_file: Callable, tmp_path: Path):
    """Tiles at its steps, half the overlap thrown away at inner edges."""
    done = export_onnx(model_file("unet", bands=1, width=2), tmp_path / "a.onnx", asked=Asked(scale=1e-4))
    step = done.tile * (100 - done.overlap_percent) // 100
    size = done.tile + step
    numbers = np.random.default_rng(0).integers(1, 4000, (1, size, size)).astype(np.float32)
    whole, tiled = codes_of(done.path, numbers), np.zeros((size, size), int)
    half = (done.tile - step) // 2
    for row in (0, step):
        for col in (0, step):
            part = codes_of(done.path, numbers[:, row : row + done.tile, col : col + done.tile])
            top, left = (half if row else 0), (half if col else 0)
            tiled[row + top : row + done.tile, col + left : col + done.tile] = part[top:, left:]
    assert (tiled == whole).mean() > 0.99999


@pytest.mark.parametrize(
    ("stride", "halo", "expected"), [(16, 96, (768, 25)), (32, 224, (896, 50)), (1, 4, (512, 25)), (32, 32, (512, 25))]
)
def test_steps_of_deepness_lie_on_the_grid_of_the_network(stride: int, halo: int, expected: tuple[int, int]):
    side, percent = deepness_tiles(stride, halo)
    assert (side, percent) == expected
    step = side * (100 - percent) / 100
    assert step % stride == 0
    assert (side - step) / 2 >= halo


def test_pixels_without_data(model_file: Callable, tmp_path: Path):
    assert void_of(None, np.dtype(np.uint16)) == Void(0.0, any_band=False)
    assert void_of(None, np.dtype(np.float32)) == Void(None, any_band=False)
    assert void_of(-1.0, np.dtype(np.float32)) == Void(-1.0, any_band=True)
    done = export_onnx(model_file("unet"), tmp_path / "a.onnx", asked=Asked(scale=1e-4, nodata=7))
    numbers = np.full((3, 40, 33), 2000.0)
    numbers[0, 10:20, 10:20] = 7
    other = numbers.copy()
    other[:, 10:20, 10:20] = np.nan
    np.testing.assert_array_equal(codes_of(done.path, numbers), codes_of(done.path, other))
    other[:, 10:20, 10:20] = 0
    run_of = session(done.path).run(None, {"pixels": other[None].astype(np.float32)})[0]
    assert np.abs(run_of - session(done.path).run(None, {"pixels": numbers[None].astype(np.float32)})[0]).max() > 1e-3


def test_the_same_model_gives_the_same_file(model_file: Callable, tmp_path: Path):
    files = [export_onnx(model_file(), tmp_path / n, asked=Asked(scale=1e-4)).path for n in ("a.onnx", "b.onnx")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_command(model_file: Callable, image_file: Callable, tmp_path: Path, capsys):
    out = tmp_path / "m.onnx"
    code, said, told = run(capsys, "export", model_file(), out, "--image", image_file(100, 90), "--json")
    assert code == 0, told
    result = json.loads(said)
    assert result["same"] + result["ties"] == result["pixels"] > 0
    code, _, told = run(capsys, "export", model_file())
    assert code == 2
    assert "OUT.onnx" in told
