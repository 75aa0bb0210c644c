import numpy as np
import pytest

from analytic_ground import grid
from pitmap.errors import ProductError, ProjectError
from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.prepare import prepare
from pitmap.imagery.sensors import recognise
from pitmap.raster.reading import open_raster
from pitmap.raster.writing import Layout, write_cog


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(__file__.rsplit("/", 1)[0])
    path = tmp_path / "delivery"
    path.mkdir()
    pixels = np.full((2, 30, 40), 40, np.uint8)
    pixels[0, 5, 5:8] = 255
    write_cog(path / "image.tif", pixels, grid(30, 40), Layout(2, "uint8", 0))
    return path


def test_a_sensor_of_ones_own_is_found_by_name(folder, tmp_path):
    delivery = recognise(folder, "own_sensor:recognise")
    assert delivery is not None
    assert delivery.to_json() == {"product": "delivery"}
    report = prepare(folder, tmp_path / "out.tif", PrepareOptions(sensor="own_sensor:recognise"))
    assert report.source.sensor == "OWN 1"
    with open_raster(report.output) as reader:
        pixels, _ = reader.read()
    assert pixels[1, 0, 0] == 2000
    assert pixels[0, 5, 6] == 12750


def test_what_no_sensor_recognises(folder, tmp_path):
    assert recognise(folder / "image.tif") is None
    with pytest.raises(ProductError, match="holds no product of a known sensor"):
        recognise(folder)
    with pytest.raises(ProductError, match="holds no product of the sensor gaofen"):
        recognise(folder / "image.tif", "gaofen")
    with pytest.raises(ProjectError, match=r"no sensor 'gaofan'.*Did you mean 'gaofen'"):
        recognise(folder, "gaofan")
    with pytest.raises(ProductError, match="no file or folder"):
        recognise(tmp_path / "gone")
