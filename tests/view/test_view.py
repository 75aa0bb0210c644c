"""What the viewer answers, and what it refuses."""

import http.client
import io
import json
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rio_tiler")
pytest.importorskip("maplibre")

from changes.dated_study import dated_study
from pitmap.changes.classes import KINDS
from pitmap.changes.study import compare_places
from pitmap.errors import OutputError, ProjectError
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog
from pitmap.view.scenes import find_scenes
from pitmap.view.server import ViewServer
from pitmap.view.tiles import TILE
from studies import grid

IGNORED = (
    "ignore:Use `@` matmul", "ignore:The dataset has no Overviews", "ignore:Dataset has no geotransform"
)  # fmt: skip
"""What libraries say while tiles are made. rio-tiler silences the last itself, but not for several threads at once."""

pytestmark = pytest.mark.filterwarnings(*IGNORED)


@contextmanager
def serving(path):
    server = ViewServer(find_scenes(path))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server, path, host=None):
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=120)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or server.hosts[0])
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def tile_at(scene, z, row=0.5, col=0.5):
    """The Web Mercator tile that holds a place within the bounds of a scene, and the place within the tile."""
    west, south, east, north = scene["bounds"]
    lon, lat = west + col * (east - west), north - row * (north - south)
    n = 2**z
    x = (lon + 180) / 360 * n
    y = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * n
    return int(x), int(y), int((y % 1) * TILE), int((x % 1) * TILE)


def picture(content):
    return np.array(Image.open(io.BytesIO(content)).convert("RGBA"))


def test_a_study_is_told_with_its_layers(study):
    with serving(study.path) as server:
        told = json.loads(ask(server, "/study.json")[1])
    first, second = told["scenes"]
    assert [layer["name"] for layer in first["layers"]] == ["image", "map", "confidence"]
    assert [layer["name"] for layer in second["layers"]] == ["image"]
    assert (first["date"], second["date"]) == ("2017-10-30", "2018-04-16")
    assert first["mines"] == str(study.results.map("west_20171030").mines.stat().st_mtime_ns)
    assert second["mines"] is None
    assert told["report"] == "report.html"
    assert told["classes"][0] == {"key": "OPM", "name": "open-pit mine", "colour": "#d7191c"}


def test_tiles_have_the_colours_of_the_classes_at_their_places(study):
    # rows and columns of `landscape` as shares of its side
    places = {
        "pit": (150 / 512, 175 / 512, DEFAULT_LEGEND["OPM"]),
        "lake": (350 / 512, 125 / 512, DEFAULT_LEGEND["WAT"]),
    }
    with serving(study.results.folder) as server:
        scene = json.loads(ask(server, "/study.json")[1])["scenes"][0]
        for row, col, expected in places.values():
            x, y, at_row, at_col = tile_at(scene, 15, row, col)
            answer, content = ask(server, f"/tiles/{scene['name']}/map/15/{x}/{y}.png")
            assert answer.status == 200
            assert picture(content)[at_row, at_col].tolist() == [*expected.rgb, 255]
            shown = picture(ask(server, f"/tiles/{scene['name']}/image/15/{x}/{y}.png")[1])
            assert shown[at_row, at_col, 3] == 255
        for z in (0, 4, 9, 12):  # as who zooms out sees it: the few pixels that it has there, at once
            x, y, at_row, at_col = tile_at(scene, z)
            seen = picture(ask(server, f"/tiles/{scene['name']}/map/{z}/{x}/{y}.png")[1])
            side = 512 * 4.0 / 0.83 / (40_075_017 / 2**z / TILE)  # of the scene at 34 degrees north
            assert (seen[..., 3] > 0).sum() <= (side + 2) ** 2
            assert side < 1 or seen[at_row, at_col, 3] == 255
        x, y, *_ = tile_at(scene, 15, 5.0, 5.0)
        assert ask(server, f"/tiles/{scene['name']}/map/15/{x}/{y}.png")[0].status == 204


@pytest.mark.verify
def test_the_first_tiles_may_be_asked_for_all_at_once(study):
    """In a process that has loaded nothing yet, as a browser asks a server that has just begun."""
    script = f"""
import threading
from pitmap.view import tiles
from pitmap.view.scenes import find_scenes
viewed = find_scenes({str(study.results.folder)!r})
scene = viewed.scenes["west_20171030"]
wrong, begin = [], threading.Barrier(8)
def ask(layer):
    begin.wait()
    try:
        assert tiles.tile(layer, viewed.legend, 0, 0, 0)
    except Exception as error:
        wrong.append(repr(error))
threads = [threading.Thread(target=ask, args=(layer,)) for layer in [*scene.layers.values()] * 3][:8]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(wrong)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_mines_and_their_pictures(study):
    with serving(study.results.folder) as server:
        answer, content = ask(server, "/mines/west_20171030.geojson")
        assert answer.headers["Content-Type"] == "application/geo+json"
        mines = json.loads(content)["features"]
        # 100 x 150 and 40 x 40 pixels of 16 m2, a little less on the ellipsoid of zone 49's centre
        assert [m["properties"]["id"] for m in mines] == [1, 2]
        assert [m["properties"]["area_ha"] for m in mines] == pytest.approx([24.0, 2.56], rel=2e-3)
        assert 110 < mines[0]["geometry"]["coordinates"][0][0][0] < 112
        thumbnail = picture(ask(server, "/thumbnails/west_20171030/image/1.png")[1])
        assert max(thumbnail.shape[:2]) <= 320
        assert ask(server, "/thumbnails/west_20171030/image/99.png")[0].status == 404
        assert ask(server, "/mines/west_20180416.geojson")[0].status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/files/../outside.html", "/files/%2e%2e/outside.html", "/files/..%2foutside.html", "/files//etc/passwd",
        "/files/%2fetc%2fpasswd", "/files/link.html", "/files/run.py", "/files/maps/west_20171030.gpkg",
    ],
)  # fmt: skip
def test_files_outside_the_folder_and_other_kinds_are_refused(study, path):
    (study.results.folder / "link.html").symlink_to(study.folder / "outside.html")
    with serving(study.results.folder) as server:
        answer, content = ask(server, path)
        assert answer.status in (403, 404)
        assert content == b""
        assert ask(server, "/files/report.html")[1].startswith(b"<!doctype html>")


def test_only_this_machine_is_answered_and_the_page_asks_nobody_else(study):
    with serving(study.results.folder) as server:
        assert server.server_address[0] == "127.0.0.1"
        for host in ("evil.example", "evil.example:80", f"evil.example:{server.server_address[1]}"):
            assert ask(server, "/study.json", host)[0].status == 403
        answer, page = ask(server, "/")
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        for name in ("maplibre-gl.js", "maplibre-gl.css", "view.js", "view.css"):
            assert f"/static/{name}".encode() in page
            assert ask(server, f"/static/{name}")[0].status == 200
        assert b"http" not in page
        for path in ("/static/../server.py", "/static/scenes.py", "/tiles/x/map/1/1/1.png", "/nothing"):
            assert ask(server, path)[0].status == 404


def test_a_folder_of_maps_alone_is_shown(tmp_path):
    (tmp_path / "maps").mkdir()
    codes = np.ones((64, 64), np.uint8)
    write_cog(
        tmp_path / "maps/a.tif", codes, grid(64, 64), codes_layout(DEFAULT_LEGEND, {"PITMAP_ACQUIRED": "2020-05-06"})
    )
    found = find_scenes(tmp_path)
    assert list(found.scenes) == ["a"]
    assert list(found.scenes["a"].layers) == ["map"]
    assert found.scenes["a"].date == "2020-05-06"


def test_what_cannot_be_shown_is_said(tmp_path, study):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ProjectError, match="nothing to show"):
        find_scenes(empty)
    with pytest.raises(ProjectError, match="does not exist"):
        find_scenes(tmp_path / "nowhere")
    with serving(study.path) as server, pytest.raises(OutputError, match="Port"):
        ViewServer(find_scenes(study.path), server.server_address[1])


def test_what_changed_is_a_scene_with_its_mines_and_their_history(tmp_path):
    study = dated_study(tmp_path)
    compare_places(study)
    with serving(study.results.folder) as server:
        scene = json.loads(ask(server, "/study.json")[1])["scenes"][-1]
        assert scene["name"] == "pit-2023, 2021-06-19 to 2023-05-30"
        assert [(one["name"], one["listed"]) for one in scene["layers"]] == [
            ("change", True), ("before", False), ("after", False),
        ]  # fmt: skip
        assert [c["key"] for c in scene["layers"][0]["classes"]] == KINDS.keys
        x, y, at_row, at_col = tile_at(scene, 16, 20.5 / 160, 40.5 / 160)
        name = "pit-2023,%202021-06-19%20to%202023-05-30"
        shown = picture(ask(server, f"/tiles/{name}/change/16/{x}/{y}.png")[1])
        assert shown[at_row, at_col].tolist() == [*KINDS["GAINED"].rgb, 255]
        mines = json.loads(ask(server, f"/mines/{name}.geojson")[1])["features"]
        grown = mines[0]["properties"]
        # 20 x 20 pixels of 16 m2 that became 20 x 35
        assert (grown["mine"], grown["verdict"], grown["before_ha"], grown["after_ha"]) == (1, "grown", 0.64, 1.12)
        assert scene["timeline"] == {
            "labels": ["2021-06-19", "2023-05-30"], "hectares": {**scene["timeline"]["hectares"], "1": [0.64, 1.12]}
        }  # fmt: skip
        assert len(scene["timeline"]["hectares"]) == len(mines) == 6
        for date in ("before", "after"):
            assert picture(ask(server, f"/thumbnails/{name}/{date}/1.png")[1]).shape[2] == 4
    with serving(study.results.change("pit-2023").parent) as server:
        told = json.loads(ask(server, "/study.json")[1])
        assert [s["name"] for s in told["scenes"]] == ["2021-06-19 to 2023-05-30"]
        assert told["report"] == "change.html"
