"""STAC catalogues of studies: valid, complete, relative, and true to the files that they describe."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pitmap.errors import OutputError, ProjectError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.networks.model_card import ModelCard
from pitmap.networks.model_file import save_model
from pitmap.networks.registry import build
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site

pystac = pytest.importorskip("pystac")

from deliver.stac_schemas import SCHEMAS  # noqa: E402
from pitmap.deliver.stac import write_stac  # noqa: E402
from pitmap.footprint import footprint  # noqa: E402


@pytest.fixture
def study(tmp_path: Path):
    """A study with two images, one of them mapped, and a model."""
    folder = tmp_path / "study"
    folder.mkdir()
    codes, where = quilt(64, 80), grid(64, 80)
    for name in ("north_20171030", "south_20180416"):
        write_site(folder, name, codes, where)
    loaded = load_study(write_project(folder, ["north_20171030", "south_20180416"]))
    torch.manual_seed(0)
    model = loaded.results.model("unet", 0)
    model.parent.mkdir(parents=True)
    card = ModelCard(
        network="unet", options={"width": 2}, legend=DEFAULT_LEGEND, bands=("blue", "green", "red", "nir"),
        unit="reflectance", dtype="uint16", mean=(0.1, 0.2, 0.3, 0.4), std=(0.05,) * 4, pixel_size_m=4.0, seed=0,
    )  # fmt: skip
    save_model(model, build("unet", 4, 7, 2), card)
    files = loaded.results.map("north_20171030")
    files.map.parent.mkdir()
    write_cog(files.map, codes, where, codes_layout(DEFAULT_LEGEND, {"PITMAP_MODEL": model.name}))
    write_cog(files.confidence, codes, where, Layout(1, "uint8", 0, ["confidence"], scale=1 / 255))
    return loaded


@pytest.fixture
def validator():
    """pystac's own, with its schemas of STAC and ours of the extensions: nothing is fetched."""
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    found = JsonSchemaSTACValidator()
    found.schema_cache |= SCHEMAS
    return found


def test_the_catalogue_is_valid_and_finds_its_files_wherever_it_lies(study, validator, tmp_path):
    (study.results.models / "unet-seed0.int8.safetensors").write_bytes(b"another form of a model, and none of its own")
    made = write_stac(study)
    assert (made.images, made.maps, made.models) == (2, 1, 1)
    moved = tmp_path / "elsewhere"
    shutil.move(study.folder, moved)
    collection = pystac.Collection.from_file(str(moved / "results/stac/collection.json"))
    found = [collection, *collection.get_items()]
    assert len(found) == 5
    for thing in found:
        thing.validate(validator=validator)
        for asset in thing.assets.values():
            path = Path(asset.get_absolute_href())
            assert path.is_file()
            assert not asset.href.startswith("/")
            assert asset.extra_fields["file:size"] == path.stat().st_size
            assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
        for link in thing.links:
            if link.rel == "derived_from":
                assert Path(link.get_absolute_href()).is_file()
    assert collection.extent.temporal.to_dict()["interval"] == [["2017-10-30T00:00:00Z", "2018-04-16T23:59:59Z"]]


def test_stac_validator_passes_every_kind_of_item(study, tmp_path, monkeypatch):
    """The validator of the community itself, which takes schemas from files alone and asks no server."""
    checker = pytest.importorskip("stac_validator.stac_validator")
    from pystac.validation.local_validator import get_local_schema_cache

    places = {}
    for number, (uri, schema) in enumerate({**get_local_schema_cache(), **SCHEMAS}.items()):
        places[uri] = str(tmp_path / f"schema{number}.json")
        Path(places[uri]).write_text(json.dumps(schema))

    def refuse(*_):
        raise AssertionError("a server was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    folder = write_stac(study).path.parent
    files = sorted(folder.rglob("*.json"))
    kinds = {path.stem.split("-")[0] for path in files}
    assert kinds == {"collection", "image", "map", "model"}

    def verdict(path):
        found = checker.StacValidate(str(path), schema_map=dict(places))
        found.run()
        return found.message[0]

    for path in files:
        told = verdict(path)
        assert told["valid_stac"], (path, told)
        content = json.loads(path.read_text())
        assert {places[uri] for uri in content.get("stac_extensions", [])} <= set(told["schema"])
    broken = json.loads(next(p for p in files if p.stem.startswith("map")).read_text())
    broken["assets"]["map"]["classification:classes"][0]["value"] = "one"
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    assert not verdict(tmp_path / "broken.json")["valid_stac"]


def test_items_say_what_the_files_say(study):
    made = write_stac(study)
    items = {item.id: item for item in pystac.Collection.from_file(str(made.path)).get_items()}
    assert sorted(items) == [
        "image-north_20171030", "image-south_20180416", "map-north_20171030", "model-unet-seed0"
    ]  # fmt: skip
    image = items["image-south_20180416"]
    assert image.properties["proj:code"] == "EPSG:32649"
    assert image.properties["proj:shape"] == [64, 80]
    assert image.properties["proj:transform"] == [4, 0, 500_000, 0, -4, 3_800_000]
    assert image.properties["start_datetime"] == "2018-04-16T00:00:00Z"
    assert image.properties["gsd"] == pytest.approx(4.0, abs=0.01)
    # 500000, 3800000 in zone 49 is the central meridian, 111 degrees east
    assert image.bbox[0] == pytest.approx(111, abs=1e-4)
    assert image.bbox[3] == pytest.approx(34.34, abs=0.01)
    band = image.assets["image"].extra_fields["raster:bands"][3]
    assert (band["name"], band["data_type"], band["nodata"], band["scale"]) == ("nir", "uint16", 0, 1e-4)
    assert "profile=cloud-optimized" in image.assets["image"].media_type
    mapped = items["map-north_20171030"]
    classes = mapped.assets["map"].extra_fields["classification:classes"]
    assert (classes[0]["value"], classes[0]["name"], classes[0]["color_hint"]) == (1, "OPM", "D7191C")
    assert set(mapped.assets) == {"map", "confidence"}
    assert [link.get_href() for link in mapped.links if link.rel == "derived_from"] == [
        "../image-north_20171030/image-north_20171030.json", "../model-unet-seed0/model-unet-seed0.json"
    ]  # fmt: skip
    model = items["model-unet-seed0"].properties
    assert model["mlm:input"][0]["value_scaling"][1] == {"type": "z-score", "mean": 0.2, "stddev": 0.05}
    assert model["mlm:total_parameters"] == sum(p.numel() for p in build("unet", 4, 7, 2).parameters())
    assert (model["start_datetime"], model["end_datetime"]) == ("2017-10-30T00:00:00Z", "2018-04-16T23:59:59Z")


def test_the_validation_would_notice(study, validator):
    made = write_stac(study)
    item = next(i for i in pystac.Collection.from_file(str(made.path)).get_items() if i.id.startswith("model"))
    del item.properties["mlm:input"]
    with pytest.raises(pystac.STACValidationError):
        item.validate(validator=validator)


def test_two_runs_give_the_same_bytes(study):
    def content(folder):
        return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*.json"))}

    first = content(write_stac(study).path.parent)
    again = content(write_stac(study).path.parent)
    assert first == again
    assert not [p for p in study.results.folder.iterdir() if p.name.startswith(".stac")]


def test_an_image_without_a_time_is_refused_and_nothing_is_written(tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    study = load_study(write_project(tmp_path, ["a"]))
    with pytest.raises(ProjectError, match=r"a\.tif does not say when it was taken") as error:
        write_stac(study)
    assert "ACQUISITIONDATETIME" in str(error.value.remedy)
    assert not study.results.stac.exists()


def test_another_folder_is_not_replaced(study, tmp_path):
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("words")
    with pytest.raises(OutputError, match="no catalogue"):
        write_stac(study, other)
    assert (other / "thesis.txt").read_text() == "words"


def test_a_footprint_across_180_degrees_is_cut(study):
    from affine import Affine
    from pyproj import CRS

    shape = footprint(Grid(CRS.from_epsg(4326), Affine(0.01, 0, 179.5, 0, -0.01, -16), 50, 100))
    assert shape.geom_type == "MultiPolygon"
    assert sorted(np.round(part.bounds, 6).tolist() for part in shape.geoms) == [
        [-180, -16.5, -179.5, -16], [179.5, -16.5, 180, -16]
    ]  # fmt: skip
    assert json.dumps(study.results.stac.name) == '"stac"'
