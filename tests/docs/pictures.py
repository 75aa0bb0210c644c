"""The pictures of the documentation, made again from the demonstration.

    PYTHONPATH=tests python tests/docs/pictures.py [FOLDER]

FOLDER holds the demonstration, or gets it (minutes); without it a temporary folder is taken. Needs Chromium and QGIS.
Each picture comes from what a command has left, and is stored with few colours so that it stays small.
"""

from __future__ import annotations

import base64
import datetime
import io
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import qgis_python
from docs.every_command import run
from labelled_samples import label
from pitmap.comparison.cartography import Ground, painted
from pitmap.comparison.figures import Panels, draw_maps, rendered
from pitmap.demo import SIZES
from pitmap.raster.bands import composite
from pitmap.raster.codes import read_codes
from pitmap.raster.reading import describe, open_raster
from pitmap.reporting.pictures import stretched
from pitmap.simulate.landscape import simulate, sites
from pitmap.simulate.later import Development, later
from pitmap.simulate.site_files import write_site
from pitmap.study.results import Results
from pitmap.study.study import load_study
from view.chrome import Page
from view.test_view import serving

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

MOST_BYTES = 150_000

READY = "window.pitmap && pitmap.under.loaded() && pitmap.over.loaded() && pitmap.over.areTilesLoaded()"
"""Of the viewer."""

COMPARE = """
[compare]
networks = ["fcn8s", "unet", "unetplus"]
seeds = 1
splits = ["blocks", "random"]
"""

WIDTH = 1000
"""Of a picture in pixels, at most."""


def store(name: str, png: bytes, colours: int = 128) -> None:
    """Keep a picture with as many colours as its size allows."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    while True:
        file = io.BytesIO()
        few = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(file, "png", optimize=True)
        if file.tell() < MOST_BYTES or colours <= 16:
            break
        colours //= 2
    (PICTURES / f"{name}.png").write_bytes(file.getvalue())
    print(f"{name}.png: {picture.size[0]} x {picture.size[1]}, {colours} colours, {file.tell() / 1000:.0f} kB")


def panels(folder: Path) -> bytes:
    """Image, land-use map and map of the larger site."""
    study = load_study(folder)
    scene = next(s for s in study.scenes if s.name.startswith("site2"))
    results, legend = study.results, study.legend
    with open_raster(scene.image) as reader:
        pixels, valid = reader.read()
    bands = list(composite(describe(scene.image).descriptions).bands)
    labels = read_codes(results.samples / "labels" / f"{scene.name}.tif")
    mapped = read_codes(results.map(scene.name).map)
    pictures = {
        "image": stretched(pixels[bands], valid),
        "land-use map": painted(labels, labels, legend, [1]),
        "map": painted(mapped, labels, legend, [1]),
    }
    shown = Panels(pictures, Ground(scene.info.grid), tuple(np.unique(mapped).tolist()))
    return rendered(draw_maps(shown, legend, [1], ""), "png")


def signed_page(folder: Path) -> Path:
    """The report of the map with a sample of points, labelled from the truth as an interpreter would."""
    results, points = Results(folder / "results"), folder / "points.gpkg"
    made = results.map("site2").map
    if not points.exists():
        run("design", made, points, "--class", "OPM", "--relative", 0.1, "--image", folder / "site2/image.tif")
        label(points, read_codes(folder / "site2/site2-labels.tif"))
    page = folder / "signed.html"
    run("report", "--map", made, "--points", points, "--image", folder / "site2/image.tif", "--threshold", 60,
        "--title", "Mines of site 2", "--out", page)  # fmt: skip
    return page


def changed(folder: Path) -> Path:
    """What changed between the simulated place and the same place three years later, by their true land use."""
    height, width = SIZES["site2"]
    parameters = replace(sites(seed=0)["site2"], height=height, width=width)
    before = simulate(parameters)
    largest = (np.bincount(before.pit_ids.ravel())[1:].argsort()[::-1] + 1).tolist()
    development = Development({largest[0]: 1.3, largest[1]: 1.6}, (30_000.0, 8_000.0), (largest[2],))
    after = later(parameters, development, datetime.date(2021, 4, 16))
    written = [write_site(folder / "dates", before, "before"), write_site(folder / "dates", after, "after")]
    images = [flag for files in written for flag in ("--image", files.image)]
    run("change", *(files.labels for files in written), folder / "change", *images,
        "--date", "2018-04-16", "--date", "2021-04-16")  # fmt: skip
    return folder / "change" / "change.html"


def cut_out(page: Page, address: str, top: int, height: int) -> bytes:
    """A page over its whole width, from a row on, however much of it the window shows."""
    page.send("Page.navigate", url=address)
    page.until("document.readyState === 'complete'")
    page.send("Emulation.setScrollbarsHidden", hidden=True)
    width = page.run("document.documentElement.clientWidth")
    clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
    return base64.b64decode(
        page.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
    )


def viewed(page: Page, folder: Path) -> bytes:
    """The viewer with a mine that was clicked, image and map half and half."""
    with serving(folder / "results") as server:
        page.send("Page.navigate", url=server.address)
        page.until(READY)
        x, y = page.run(
            "(() => { const f = pitmap.over.queryRenderedFeatures({layers: ['mines']})"
            ".find(m => m.properties.id === 1);"
            "const ring = f.geometry.coordinates[0].flat(f.geometry.type === 'MultiPolygon' ? 1 : 0);"
            "const mean = k => ring.reduce((s, p) => s + p[k], 0) / ring.length;"
            "const p = pitmap.over.project([mean(0), mean(1)]);"
            "const b = document.getElementById('over').getBoundingClientRect(); return [b.left + p.x, b.top + p.y] })()"
        )
        page.click(x, y)
        page.until("!document.getElementById('mine').hidden", 10)
        page.until("document.querySelector('#mine img').naturalWidth > 0", 10)
        return page.picture()


def compared(folder: Path) -> bytes:
    """The maps of three networks as `pitmap compare` draws them."""
    own = folder / "compare"
    own.mkdir(exist_ok=True)
    text = (folder / "pitmap.toml").read_text(encoding="utf-8").replace("epochs = 50", "epochs = 30")
    text = text.replace('image = "', 'image = "../').replace('labels = "', 'labels = "../')
    (own / "pitmap.toml").write_text(text + COMPARE, encoding="utf-8")
    run("compare", own)
    return (own / "results/comparison/maps-site2.png").read_bytes()


def in_qgis(folder: Path) -> bytes:
    """The project of the study as QGIS draws it."""
    project = next((folder / "results").glob("*.qgz"))
    qgis_python.shown(Path(__file__).parents[1] / "qgis" / "opened.py", folder / "qgis.png", project)
    return (folder / "qgis.png").read_bytes()


def main(folder: Path) -> None:
    """Make all pictures, and the demonstration where it is not there."""
    run("demo", folder)
    PICTURES.mkdir(exist_ok=True)
    store("demo", panels(folder))
    store("comparison", compared(folder))
    store("qgis", in_qgis(folder))
    with tempfile.TemporaryDirectory() as chrome:
        page = Page(Path(chrome), 900, 900)
        store("signed-page", cut_out(page, signed_page(folder).as_uri(), 0, 1270))
        store("change", cut_out(page, changed(folder).as_uri(), 260, 1150))
        page.close()
    with tempfile.TemporaryDirectory() as chrome:
        page = Page(Path(chrome), 1000, 900)
        store("view", viewed(page, folder))
        page.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
