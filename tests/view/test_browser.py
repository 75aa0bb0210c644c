"""The viewer in Chromium: layers, swipe, a click on a mine, five thousand mines, and no word to anybody else."""

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rio_tiler")
pytest.importorskip("maplibre")
pytest.importorskip("websocket")

from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog
from pitmap.samples.dataset import SampleFiles
from pitmap.study.results import MapFiles
from studies import grid, write_site
from view.chrome import Page, browser
from view.ground import landscape
from view.test_view import IGNORED, serving

pytestmark = [
    pytest.mark.verify, pytest.mark.filterwarnings(*IGNORED),
    pytest.mark.skipif(browser() is None, reason="needs Chromium"),
]  # fmt: skip

READY = "window.pitmap && pitmap.under.loaded() && pitmap.over.loaded() && pitmap.over.areTilesLoaded()"


@pytest.fixture
def page(tmp_path):
    made = Page(tmp_path)
    yield made
    made.close()


def colours(page):
    return np.array(Image.open(io.BytesIO(page.picture())).convert("RGB")).astype(int)


def keep(page, name):
    """The picture of a page, where PICTURES names a folder for it."""
    if folder := os.environ.get("PICTURES"):
        (Path(folder) / name).write_bytes(page.picture())


def place(page, scene, row, col):
    """Pixel of the page that shows a place of a scene, given in pixels of its 512 x 512."""
    west, south, east, north = scene.bounds
    lon, lat = west + (east - west) * col / 512, north - (north - south) * row / 512
    return page.run(
        f"(() => {{ const p = pitmap.over.project([{lon}, {lat}]), b = document.getElementById('over')"
        ".getBoundingClientRect(); return [b.left + p.x, b.top + p.y]; })()"
    )


def is_pit(pixel):
    return np.abs(pixel - DEFAULT_LEGEND["OPM"].rgb).max() < 12


def swiped(page, x, y, share):
    """The colour round a pixel of the page, with the slider at a share: 0 shows the right layer alone, 1 the left."""
    page.run(
        f"(s => {{ s.value = {1000 * share}; s.dispatchEvent(new Event('input')); }})(document.getElementById('swipe'))"
    )
    seen = colours(page)[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5]
    return np.median(seen.reshape(-1, 3), axis=0)


def choose(page, side, title):
    """Choose the layer of a side by its title."""
    page.run(
        f"(s => {{ s.value = [...s.options].find(o => o.text === {title!r}).value; "
        f"s.dispatchEvent(new Event('change')); }})(document.getElementById({side!r}))"
    )
    page.until(READY)


def test_layers_swipe_and_mines(study, page):
    with serving(study.results.folder) as server:
        page.send("Page.navigate", url=server.address)
        page.until(READY)
        x, y = place(page, server.viewed.scenes["west_20171030"], 150, 175)
        assert is_pit(swiped(page, x, y, 0))  # the map lies over the image
        keep(page, "view-map.png")
        assert not is_pit(swiped(page, x, y, 1))
        swiped(page, x, y, 0.5)
        page.click(x, y)
        page.until("!document.getElementById('mine').hidden", 10)
        told = page.run("document.getElementById('mine').innerText")
        assert "No. 1" in told
        assert "24 ha" in told or "23.9" in told or "24.0" in told
        page.until("document.querySelector('#mine img').naturalWidth > 0", 10)
        keep(page, "view-mine.png")
        page.click(*page.run("(b => [b.x + 5, b.y + 5])(document.getElementById('report').getBoundingClientRect())"))
        page.until("!document.getElementById('page').hidden", 10)
        page.until("document.getElementById('page').contentWindow.length === 0")
        keep(page, "view-report.png")
        own = server.address
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith((own, "data:", "blob:", "about:"))] == []


def test_swipe_of_map_against_reference_and_date_against_date(study, page):
    codes, where = landscape(), grid(512, 512)
    later, scene = "west_20180416", "west_20171030"
    write_site(study.folder, later, codes[::-1].copy(), where)  # upside down
    reference = np.where(codes == 1, 2, codes).astype(np.uint8)  # the pits are water
    labels = SampleFiles(study.results.samples).label_file(scene)
    labels.parent.mkdir(parents=True)
    write_cog(labels, reference, where, codes_layout(DEFAULT_LEGEND))
    with serving(study.results.folder) as server:
        page.send("Page.navigate", url=server.address)
        page.until(READY)
        viewed, of = server.viewed.scenes[scene], f" · 2017-10-30 · {scene}"
        choose(page, "left", "Land-cover map" + of)
        choose(page, "right", "Reference" + of)
        x, y = place(page, viewed, 150, 175)
        assert is_pit(swiped(page, x, y, 1))
        assert np.abs(swiped(page, x, y, 0) - DEFAULT_LEGEND["WAT"].rgb).max() < 12
        keep(page, "view-reference.png")
        choose(page, "left", "Image" + of)
        choose(page, "right", f"Image · 2018-04-16 · {later}")
        lake = swiped(page, *place(page, viewed, 350, 125), 1)
        moved = swiped(page, *place(page, viewed, 511 - 350, 125), 0)
        assert np.abs(lake - moved).max() < 25
        assert np.abs(lake - swiped(page, *place(page, viewed, 350, 125), 0)).max() > 50
        keep(page, "view-dates.png")
    assert page.complaints == []


def test_a_path_outside_the_folder_is_refused_to_the_page_too(study, page):
    with serving(study.results.folder) as server:
        page.send("Page.navigate", url=server.address)
        page.until(READY)
        asked = "Promise.all([{}].map(p => fetch(p).then(async a => [a.status, (await a.text()).length])))"
        paths = ["/files/..%2foutside.html", "/files/%2fetc%2fpasswd", "/files/run.py", "/files/report.html"]
        told = page.run(asked.format(", ".join(map(repr, paths))))
        assert told[:3] == [[403, 0]] * 3
        assert told[3][0] == 200
        # What the page may ask of other servers is nothing, whatever runs in it.
        assert page.run("fetch('http://127.0.0.2:1/').then(() => 'asked', e => String(e.name))") == "TypeError"


def test_five_thousand_mines_open_in_three_seconds(tmp_path, page):
    side = 2200
    codes = np.full((side, side), 6, np.uint8)
    for row in range(71):
        for col in range(71):
            codes[31 * row : 31 * row + 12, 31 * col : 31 * col + 12] = 1
    files = MapFiles(tmp_path / "results/maps/large.tif")
    files.map.parent.mkdir(parents=True)
    write_cog(files.map, codes, grid(side, side), codes_layout(DEFAULT_LEGEND))
    assert extract_mines(files.map, files.mines).count == 71**2
    with serving(tmp_path / "results") as server:
        start = time.monotonic()
        page.send("Page.navigate", url=server.address)
        page.until(f"{READY} && pitmap.over.queryRenderedFeatures({{layers: ['mines']}}).length > 4500")
        took = time.monotonic() - start
        keep(page, "view-5000.png")
    assert page.complaints == []
    print(f"5041 mines shown after {took:.1f} s")
