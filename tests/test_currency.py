import dataclasses
import json
import os
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from pitmap import currency
from pitmap.currency import content_key, digest, is_current, mark, unmark
from pitmap.errors import PitmapError
from pitmap.mapping.order import _mines_key
from pitmap.mapping.prediction import MapOptions, map_key
from pitmap.mapping.study import scene_order
from pitmap.raster.writing import Layout, write_cog
from pitmap.samples.build import fingerprint
from pitmap.study.inputs import FILES
from pitmap.study.schema import GroupTable, MappingSection, ProjectSection, SamplesSection, SiteSection
from pitmap.study.study import Study, load_study
from pitmap.training.choices import Training
from pitmap.training.recipes import RECIPES, Recipe
from studies import grid, quilt, write_project, write_site

# Every option that changes a result changes its key. A new one belongs in one of these lists, or a test fails.
OTHER_SITE: dict[str, Any] = {
    "name": "b", "bands": [1, 2, 3], "scale": 0.5, "offset": 0.5, "nodata": 7.0, "group": "g", "label_layer": "l",
    "label_layers": {"l": "OPM"}, "label_field": "f", "label_values": {"1": "OPM"}, "label_encoding": "gbk",
    "all_touched": True,
}  # fmt: skip
OTHER_SAMPLES: dict[str, Any] = {
    "patch": 96, "stride": 16, "split": "random", "block_m": 200.0, "buffer_m": 50.0, "validation": 0.3, "test": 0.3,
    "test_sites": ["a"], "minimum_per_class": 3, "test_dates": ["2022-07-19"],
    "validation_dates": ["2023-03-01"], "leave_out": "date",
}  # fmt: skip
OTHER_MAPPING: dict[str, Any] = {
    "halo": 16, "test_time_augmentation": True, "probabilities": True, "precision": "bf16", "engine": "a.b:c",
    "mines": ["WDA"], "minimum_mapping_unit_m2": 5.0, "simplify_m": 8.0,
}  # fmt: skip
FREE_MAPPING = {"tile"}  # of an exact map; with a halo of pixels it counts, see below
OTHER_OPTIONS: dict[str, Any] = {
    "bands": [2], "scale": 0.5, "offset": 0.5, "nodata": float("nan"), "pixel_size_m": 2.0, "halo": 32, "tile": 128,
    "test_time_augmentation": True, "precision": "float32", "engine": "a.b:c", "confidence": Path("c.tif"),
    "probabilities": Path("p.tif"), "compare_numbers": False,
}  # fmt: skip
FREE_OPTIONS = {"device", "batch", "project", "trusted"}
OTHER_RECIPE: dict[str, Any] = {
    "name": "own", "schedule": "other", "loss": "other", "class_weights": "other", "monitor": "other",
    "precision": "other",
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(currency, "_remembered", {})
    return tmp_path / "cache"


def raster(path: Path, value: int = 1) -> Path:
    write_cog(path, np.full((16, 16), value, np.uint8), grid(16, 16), Layout(1, "uint8", 0))
    return path


def polygons(path: Path, name: str = "pit", **options) -> Path:
    frame = gpd.GeoDataFrame({"class": [name]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32649")
    frame.to_file(path, **options)
    return path


def test_a_key_is_of_content_whatever_the_order_and_refuses_paths():
    assert content_key({"a": 1, "b": (1, 2)}) == content_key({"b": [1, 2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": "1"})
    assert content_key({"a": None}) != content_key({})
    with pytest.raises(TypeError):
        content_key({"image": Path("a.tif")})


def test_a_result_is_current_while_it_and_its_files_are_there_and_of_the_key(tmp_path):
    folder = tmp_path / "results"
    result, part, table = folder / "maps" / "a.tif", folder / "labels" / "a.tif", folder / "maps" / "a.gpkg"
    for file in (result, part, table):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"1234")
    assert not is_current(result, "k")
    mark(result, "k", [part, table])
    assert is_current(result, "k")
    assert not is_current(result, "other")
    moved = folder.rename(tmp_path / "elsewhere")
    result, part, table = (moved / f.relative_to(folder) for f in (result, part, table))
    assert is_current(result, "k")
    assert str(tmp_path) not in (moved / "maps" / ".a.tif.key.json").read_text()
    table.write_bytes(b"opened in QGIS")
    assert is_current(result, "k")
    for damaged in (b"12", b"0000"):
        part.write_bytes(damaged)
        assert not is_current(result, "k")
    part.write_bytes(b"1234")
    assert is_current(result, "k")
    table.unlink()
    assert not is_current(result, "k")
    table.touch()
    unmark(result)
    assert not is_current(result, "k")
    mark(result, "k", [table], sealed=[table])
    table.write_bytes(b"cut")
    assert not is_current(result, "k")


def test_a_digest_is_of_content_and_not_of_place_name_or_time(tmp_path):
    path = raster(tmp_path / "a.tif")
    before = digest(path)
    os.utime(path, ns=(1, 1))
    assert digest(path) == before
    (tmp_path / "other").mkdir()
    assert digest(shutil.copy(path, tmp_path / "other" / "b.tif")) == before
    assert digest(raster(path, 2)) != before


def test_what_belongs_to_a_raster_counts_and_what_looking_at_it_leaves_does_not(tmp_path):
    path = raster(tmp_path / "a.tif")
    before = digest(path)
    statistics = (
        '<PAMDataset><PAMRasterBand band="1"><Histograms><HistItem><HistMin>0</HistMin></HistItem></Histograms>'
        '<Metadata><MDI key="STATISTICS_MEAN">1</MDI></Metadata></PAMRasterBand>{}</PAMDataset>'
    )
    side = tmp_path / "a.tif.aux.xml"
    side.write_text(statistics.format(""))
    assert digest(path) == before
    side.write_text(statistics.format("<SRS>EPSG:32650</SRS>"))
    assert digest(path) != before
    side.unlink()
    (tmp_path / "a.tif.ovr").write_bytes(path.read_bytes())
    assert digest(path) == before
    shutil.copy(path, tmp_path / "a.tif.msk")
    assert digest(path) != before


def test_a_virtual_raster_changes_with_the_sources_of_its_sources(tmp_path):
    source = raster(tmp_path / "a.tif")
    text = (
        '<VRTDataset rasterXSize="16" rasterYSize="16"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">{}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    inner, outer = tmp_path / "inner.vrt", tmp_path / "outer.vrt"
    inner.write_text(text.format("a.tif"))
    outer.write_text(text.format("inner.vrt"))
    before = digest(outer)
    moved = Path(shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-moved"))
    assert digest(moved / "outer.vrt") == before
    raster(source, 2)
    assert digest(outer) != before


@pytest.mark.parametrize("suffix", [".shp", ".dbf", ".shx", ".prj", ".cpg"])
def test_every_part_of_a_shapefile_counts(tmp_path, suffix):
    path = polygons(tmp_path / "a.shp")
    before = digest(path)
    part = path.with_suffix(suffix)
    part.write_bytes(part.read_bytes() + b" ")
    assert digest(path) != before


def test_a_geopackage_counts_by_its_rows(tmp_path):
    path = polygons(tmp_path / "a.gpkg", layer="lu")
    before = digest(path)
    # What QGIS does on opening, and on saving a style.
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE gpkg_contents SET last_change = '2030-01-01T00:00:00.000Z'")
        database.execute("CREATE TABLE layer_styles (id INTEGER PRIMARY KEY, styleQML TEXT)")
    assert digest(path) == before
    assert digest(polygons(tmp_path / "b.gpkg", layer="lu")) == before
    assert digest(polygons(tmp_path / "c.gpkg", "water", layer="lu")) != before


def test_changes_that_an_editor_has_not_merged_yet_count(tmp_path):
    path = polygons(tmp_path / "a.gpkg", layer="lu")
    before = digest(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE notes (text TEXT)")
        database.commit()
        assert path.with_name("a.gpkg-wal").stat().st_size
        assert digest(path) != before


def test_an_archive_counts_as_a_whole(tmp_path):
    raster(tmp_path / "a.tif")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "in/a.tif")
    inside = f"/vsizip/{tmp_path}/a.zip/in/a.tif"
    before = digest(inside)
    shutil.copy(tmp_path / "a.zip", tmp_path / "b.zip")
    assert digest(f"/vsizip/{tmp_path}/b.zip/in/a.tif") == before
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("more", "text")
    assert digest(inside) != before


def test_the_checksum_of_a_large_file_is_remembered_until_the_file_changes(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(currency, "LARGE", 100)
    monkeypatch.setattr(currency, "_SETTLED_NS", 0)
    path = raster(tmp_path / "a.tif")
    before = digest(path)
    (kept,) = (cache / "pitmap" / "digests").iterdir()
    monkeypatch.setattr(currency, "_remembered", {})
    monkeypatch.setattr("hashlib.file_digest", None)  # reading the file again would fail
    assert digest(path) == before
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    content = json.loads(kept.read_text())
    kept.write_text(json.dumps(content | {"digest": "0" * 64, "signs": [*content["signs"][:1], 0, 0, 0]}))
    assert digest(path) == before


def test_without_a_cache_folder_nothing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(currency, "LARGE", 0)
    monkeypatch.setattr(currency, "_SETTLED_NS", 0)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(digest(raster(tmp_path / "a.tif"))) == 64


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(PitmapError, match="No such file"):
        digest(tmp_path / "none.tif")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("keys")
    write_site(folder, "a", quilt(64, 64, 3), grid(64, 64))
    shutil.copy(folder / "a-labels.tif", folder / "mask.tif")
    shutil.copy(folder / "a-labels.tif", folder / "extent.tif")
    return load_study(write_project(folder, ["a"]))


def changed(study: Study, **sections: Any) -> Study:
    return study.model_copy(update=sections)


def with_site(study: Study, **fields: Any) -> Study:
    site = study.sites[0].model_copy(update=fields)
    other = changed(study, sites=[site])
    other._scenes = [dataclasses.replace(s, site=site) for s in study.scenes]
    return other


def map_keys(study: Study) -> tuple[str, str]:
    scene = study.scenes[0]
    order = scene_order(study, scene)
    key = map_key("0" * 64, scene.image, order.options)
    return key, _mines_key(order.mines, key)

    return scene_order(study, study.scenes[0]).options


def test_every_option_is_in_one_of_the_lists():
    assert set(SiteSection.model_fields) == OTHER_SITE.keys() | FILES
    assert set(SamplesSection.model_fields) == OTHER_SAMPLES.keys()
    assert set(MappingSection.model_fields) == OTHER_MAPPING.keys() | FREE_MAPPING
    assert set(ProjectSection.model_fields) == {"seed"} | {"name", "results"}
    options = {f.name for f in dataclasses.fields(MapOptions)}
    assert options == OTHER_OPTIONS.keys() | FREE_OPTIONS | {"masks", "extent"}
    assert {f.name for f in dataclasses.fields(Training)} == {
        "network", "options", "recipe", "seed", "seeds", *("device", "devices", "workers")
    }  # fmt: skip


@pytest.mark.parametrize("field", OTHER_SITE)
def test_how_a_site_is_read_counts_for_samples(study: Study, field: str):
    assert fingerprint(with_site(study, **{field: OTHER_SITE[field]})) != fingerprint(study)


@pytest.mark.parametrize("field", OTHER_SAMPLES)
def test_how_samples_are_made_counts(study: Study, field: str):
    own = study.samples.model_copy(update={field: OTHER_SAMPLES[field]})
    assert fingerprint(changed(study, samples=own)) != fingerprint(study)


def test_the_seed_and_the_classes_count_and_names_do_not(study: Study):
    def project(**fields: Any) -> str:
        return fingerprint(changed(study, project=study.project.model_copy(update=fields)))

    assert project(seed=1) != fingerprint(study)
    assert project(name="other") == project(results="other") == fingerprint(study)


@pytest.mark.parametrize("field", sorted(FILES))
def test_of_files_the_content_counts_and_not_the_place(study: Study, tmp_path: Path, field: str):
    folder = Path(shutil.copytree(study.folder, tmp_path / "moved"))
    (folder / "b.csv").write_text("file,group\na,1\n")
    extra = {"exclude": 'exclude = ["mask.tif"]', "extent": 'extent = "extent.tif"'}.get(field, "")
    if field == "groups":
        extra = '[sites.groups]\ntable = "b.csv"\n'
    path = write_project(folder, ["a"], site=extra)
    if field == "corrections":
        scenes = [dataclasses.replace(s, corrections=folder / "mask.tif") for s in study.scenes]
        before = changed(study)
        before._scenes = scenes
        assert fingerprint(before) != fingerprint(study)
        return
    before = load_study(path)
    assert fingerprint(before) != fingerprint(study) or not extra
    key = fingerprint(before)
    assert fingerprint(load_study(path)) == key
    if field == "groups":
        assert isinstance(before.sites[0].groups, GroupTable)
        (folder / "b.csv").write_text("file,group\na,2\n")
    else:
        name = {"image": "a.tif", "labels": "a-labels.tif", "exclude": "mask.tif", "extent": "extent.tif"}[field]
        write_site(tmp_path, "a", quilt(64, 64, 3, seed=9), grid(64, 64))
        shutil.copy(tmp_path / ("a.tif" if field == "image" else "a-labels.tif"), folder / name)
    assert fingerprint(load_study(path)) != key


@pytest.mark.parametrize("field", OTHER_MAPPING)
def test_how_a_study_is_mapped_counts_for_its_maps_or_mines(study: Study, field: str):
    mapping = study.mapping.model_copy(update={field: OTHER_MAPPING[field]})
    assert map_keys(changed(study, mapping=mapping)) != map_keys(study)


def test_mines_are_not_a_matter_of_the_map(study: Study):
    fewer = changed(study, mapping=study.mapping.model_copy(update={"minimum_mapping_unit_m2": 5.0}))
    assert map_keys(fewer)[0] == map_keys(study)[0]


@pytest.mark.parametrize("field", OTHER_OPTIONS)
def test_options_of_a_map_count(study: Study, field: str):
    image = study.scenes[0].image
    plain = MapOptions(halo=16)
    own = dataclasses.replace(plain, **{field: OTHER_OPTIONS[field]})
    assert map_key("m", image, own) != map_key("m", image, plain)
    assert map_key("other", image, plain) != map_key("m", image, plain)


def test_device_and_the_tile_of_an_exact_map_do_not_count(study: Study):
    image = study.scenes[0].image
    own = MapOptions(device="cpu", batch=3, project="p", trusted=("x",), tile=128)
    assert map_key("m", image, own) == map_key("m", image, MapOptions())


def test_masks_and_extent_count_by_their_content(study: Study, tmp_path: Path):
    image, layer = study.scenes[0].image, Path(shutil.copy(study.folder / "mask.tif", tmp_path))
    keys = [map_key("m", image, o) for o in (MapOptions(), MapOptions(masks=[layer]), MapOptions(extent=layer))]
    assert len(set(keys)) == 3
    write_site(tmp_path, "x", quilt(64, 64, 3, seed=5), grid(64, 64))
    shutil.copy(tmp_path / "x-labels.tif", layer)
    again = [map_key("m", image, o) for o in (MapOptions(), MapOptions(masks=[layer]), MapOptions(extent=layer))]
    assert [a == b for a, b in zip(keys, again, strict=True)] == [True, False, False]


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Recipe)])
def test_every_field_of_a_recipe_counts_for_the_model(field: str):
    samples: Any = SimpleNamespace(record=SimpleNamespace(fingerprint="f"))
    recipe = RECIPES["robust"]
    value = getattr(recipe, field)
    other = OTHER_RECIPE[field] if isinstance(value, str) else not value if isinstance(value, bool) else value + 1
    training = Training("unet", {}, recipe, 0)
    own = dataclasses.replace(training, recipe=dataclasses.replace(recipe, **{field: other}))
    assert own.key(samples) != training.key(samples)


def test_network_options_and_seed_count_for_the_model_and_the_machine_does_not():
    samples: Any = SimpleNamespace(record=SimpleNamespace(fingerprint="f"))
    plain = Training("unet", {}, RECIPES["robust"], 0)
    for own in ({"network": "segnet"}, {"options": {"a": 1}}, {"seed": 1}, {"seeds": 3}):
        assert dataclasses.replace(plain, **own).key(samples) != plain.key(samples)
    for own in ({"device": "cuda"}, {"devices": 2}, {"workers": 4}):
        assert dataclasses.replace(plain, **own).key(samples) == plain.key(samples)
    other: Any = SimpleNamespace(record=SimpleNamespace(fingerprint="g"))
    assert plain.key(other) != plain.key(samples)
