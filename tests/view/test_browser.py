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
from pitmap.study.results import MapFiles
from studies import grid
from view.chrome import Page, browser
from view.test_view import serving

pytestmark = [
    pytest.mark.verify, pytest.mark.filterwarnings("ignore:Use `@` matmul", "ignore:The dataset has no Overviews"),
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


def place(page, lon, lat):
    """Pixel of the page that shows a place."""
    return page.run(
        f"(() => {{ const p = pitmap.over.project([{lon}, {lat}]), b = document.getElementById('over')"
        ".getBoundingClientRect(); return [b.left + p.x, b.top + p.y]; })()"
    )


def is_pit(pixel):
    return np.abs(pixel - DEFAULT_LEGEND["OPM"].rgb).max() < 12


def test_layers_swipe_and_mines(study, page):
    with serving(study.results.folder) as server:
        page.send("Page.navigate", url=server.address)
        page.until(READY)
        west, south, east, north = server.viewed.scenes["west_20171030"].bounds
        x, y = place(page, west + (east - west) * 175 / 512, north - (north - south) * 150 / 512)
        swipe = (
            "(v => {{ const s = document.getElementById('swipe'); s.value = v;"
            " s.dispatchEvent(new Event('input')); }})({})"
        )
        page.run(swipe.format(0))
        keep(page, "view-map.png")
        assert is_pit(colours(page)[int(y), int(x)])  # the map lies over the image
        page.run(swipe.format(1000))
        assert not is_pit(colours(page)[int(y), int(x)])
        page.run(swipe.format(500))
        page.click(x, y)
        page.until("!document.getElementById('mine').hidden", 10)
        told = page.run("document.getElementById('mine').innerText")
        assert "No. 1" in told
        assert "24 ha" in told or "23.9" in told or "24.0" in told
        page.until("document.querySelector('#mine img').naturalWidth > 0", 10)
        keep(page, "view-mine.png")
        page.run("(s => { s.value = '3'; s.dispatchEvent(new Event('change')); })(document.getElementById('right'))")
        page.until("document.getElementById('right').selectedOptions[0].text.includes('2018-04-16')")
        page.until(READY)
        page.click(*page.run("(b => [b.x + 5, b.y + 5])(document.getElementById('report').getBoundingClientRect())"))
        page.until("!document.getElementById('page').hidden", 10)
        page.until("document.getElementById('page').contentWindow.length === 0")
        keep(page, "view-report.png")
        own = server.address
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith((own, "data:", "blob:", "about:"))] == []


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
