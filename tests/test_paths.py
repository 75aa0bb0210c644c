"""Names of places: whatever way they take through pathlib, GDAL gets what was written."""

import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest

from pitmap import paths


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("https://host/a/b.tif", "/vsicurl/https://host/a/b.tif"),
        ("http://127.0.0.1:8000/b.tif?x=1", "/vsicurl/http://127.0.0.1:8000/b.tif?x=1"),
        ("s3://bucket/a/b.tif", "/vsis3/bucket/a/b.tif"),
        ("gs://bucket/b.tif", "/vsigs/bucket/b.tif"),
        ("/vsicurl/https://host/b.tif", "/vsicurl/https://host/b.tif"),
        ("/vsizip//vsicurl/https://host/a.zip/b.tif", "/vsizip//vsicurl/https://host/a.zip/b.tif"),
        ("/vsicurl?max_retry=2&url=https%3A%2F%2Fhost%2Fb.tif", "/vsicurl?max_retry=2&url=https%3A%2F%2Fhost%2Fb.tif"),
        ("/vsis3/bucket/b.tif", "/vsis3/bucket/b.tif"),
        ('NETCDF:"b.nc":band', 'NETCDF:"b.nc":band'),
        ("/data/b.tif", "/data/b.tif"),
        ("b.tif", "b.tif"),
    ],
)
def test_a_name_reaches_gdal_as_it_was_written(written, name):
    assert paths.gdal_name(written) == name
    assert paths.gdal_name(Path(written)) == name
    if not written.endswith("b.tif") or "//" in written or written.startswith("/vsi"):
        assert paths.gdal_name(paths.resolve(Path("/study"), written)) == name
        assert paths.exists(Path(written))
        assert paths.local_file(Path(written)) is None


def test_archives_are_found_from_the_folder_of_the_project_and_from_the_root(tmp_path, monkeypatch):
    (tmp_path / "b.tif").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "a b.zip", "w") as archive:
        archive.write(tmp_path / "b.tif", "in/b.tif")
        archive.write(tmp_path / "b.tif", "in/c.tif")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "b.tif", "b.tif")
    expected = f"/vsizip/{tmp_path}/a b.zip/in/b.tif"
    for written in ("/vsizip/a b.zip/in/b.tif", expected):
        place = paths.resolve(tmp_path, written)
        assert paths.gdal_name(place) == expected
        assert paths.local_file(place) == tmp_path / "a b.zip"
        assert place.stem == "b"
    braced = f"/vsizip/{{{tmp_path}/a b.zip}}/in/b.tif"
    assert paths.gdal_name(paths.resolve(tmp_path, braced)) == braced
    assert paths.local_file(Path(braced)) == tmp_path / "a b.zip"
    assert paths.gdal_name(Path(f"/vsitar/{tmp_path}/a.tar/b.tif")) == f"/vsitar/{tmp_path}/a.tar/b.tif"
    assert not paths.exists(f"/vsizip/{tmp_path}/none.zip/b.tif")
    found = paths.archive_members(paths.resolve(tmp_path, "/vsizip/a b.zip/in/*.tif"))
    assert [paths.gdal_name(f) for f in found] == [f"/vsizip/{tmp_path}/a b.zip/in/{n}.tif" for n in "bc"]
    assert paths.archive_members(Path("/vsicurl/https:/host/b.tif?a=*")) == [Path("/vsicurl/https:/host/b.tif?a=*")]
    monkeypatch.chdir(tmp_path)
    assert paths.gdal_name(Path("/vsizip/a b.zip/in/b.tif")) == "/vsizip/a b.zip/in/b.tif"


def test_a_name_in_another_unicode_form_is_found(tmp_path):
    name = "Steinbrüche.tif"
    (tmp_path / unicodedata.normalize("NFD", name)).touch()
    assert paths.resolve(tmp_path, unicodedata.normalize("NFC", name)).exists()
