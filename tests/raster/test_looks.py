"""Styles of rasters; QGIS itself applies them in ``deliver.test_in_qgis``."""

from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio

from pitmap.legend import LandCoverClass, Legend
from pitmap.qgis.elements import read_style
from pitmap.raster.looks import codes_look, image_layout, image_look, interpretations, probability_look, saturation_look
from pitmap.raster.writing import Layout, write_cog
from studies import grid


def ramp_image(bands, **options):
    """Band ``k`` holds ``100 k + 1`` to ``100 k + 101``, each value equally often; the first 10 rows have no data."""
    band = np.repeat(np.arange(1, 102, dtype=np.uint16), 10)[None].repeat(30, axis=0)
    image = np.stack([band + 100 * k for k in range(bands)])
    image[:, :10] = 0
    return image


def limits(root):
    stretches = root.findall(".//*[algorithm]")
    return [[float(s.findtext("minValue")), float(s.findtext("maxValue"))] for s in stretches]


def test_an_image_is_stretched_between_percentiles_of_its_reflectance(tmp_path):
    path, image = tmp_path / "image.tif", ramp_image(4)
    write_cog(path, image, grid(*image.shape[1:]), image_layout(("blue", "green", "red", "nir"), scale=1e-4))
    root = read_style(path.with_suffix(".qml").read_text())
    renderer = root.find("pipe/rasterrenderer")
    assert [renderer.get(f"{name}Band") for name in ("red", "green", "blue")] == ["4", "3", "2"]
    expected = [[(100 * k + 3) * 1e-4, (100 * k + 99) * 1e-4] for k in (3, 2, 1)]
    np.testing.assert_allclose(limits(root), expected, atol=1.5e-4)
    assert root.find(".//threeValuePixelList") is None  # the file says itself what has no data
    with rasterio.open(path) as source:
        assert [band.name for band in source.colorinterp] == ["blue", "green", "red", "nir"]


def test_bands_are_found_by_name_and_zeros_are_seen_through(tmp_path):
    path, image = tmp_path / "image.tif", ramp_image(3)
    write_cog(path, image, grid(*image.shape[1:]), Layout(3, "uint16", None, ("b02", "b03", "b04")))
    root = read_style(image_look(path))
    assert [root.find(".//rasterrenderer").get(f"{name}Band") for name in ("red", "green", "blue")] == ["3", "2", "1"]
    entry = root.find(".//threeValuePixelList/pixelListEntry")
    assert [float(entry.get(n)) for n in ("red", "green", "blue", "percentTransparent")] == [0, 0, 0, 100]
    single = read_style(image_look(path, ["b03"]))
    assert single.find(".//rasterrenderer").get("type") == "singlebandgray"
    assert single.find(".//rasterrenderer").get("grayBand") == "2"
    np.testing.assert_allclose(limits(single), [[103, 199]], atol=1.5)


def test_an_image_without_data_has_a_style(tmp_path):
    path, layout = tmp_path / "i.tif", image_layout(("red", "green", "blue"))
    write_cog(path, np.zeros((3, 20, 20), np.uint16), grid(20, 20), layout)
    assert all(low < high for low, high in limits(read_style(image_look(path))))


def test_names_with_marks_of_xml_and_control_characters():
    legend = Legend([LandCoverClass(1, "A", 'Fels & <"Sand">\x07 露天', "#102030")])
    root = ElementTree.fromstring(codes_look(legend).split("\n", 1)[1])
    assert root.find(".//paletteEntry").get("label") == 'Fels & <"Sand"> 露天'


def test_probabilities_show_the_mines():
    legend = Legend([LandCoverClass(1, "X", "forest", "#00ff00"), LandCoverClass(2, "Q", "quarry", "#ff0000")])
    root = read_style(probability_look(legend))
    assert root.find(".//rasterrenderer").get("band") == "2"
    items = root.findall(".//item")
    assert [(i.get("value"), i.get("alpha")) for i in (items[0], items[-1])] == [("0.0", "0"), ("1.0", "255")]


@pytest.mark.parametrize(("bands", "entries"), [(3, 7), (4, 15)])
def test_saturation_names_the_bands(bands, entries):
    names = ("blue", "green", "red", "nir")[:bands]
    palette = {int(e.get("value")): e.get("label") for e in read_style(saturation_look(names)).iter("paletteEntry")}
    assert len(palette) == entries
    assert palette[5] == "blue, red saturated"  # bits 0 and 2
    assert read_style(saturation_look("abcdefgh")).find(".//colorrampshader").get("colorRampType") == "DISCRETE"


def test_unknown_bands_are_left_to_gdal():
    assert interpretations(("first", "second")) == []
