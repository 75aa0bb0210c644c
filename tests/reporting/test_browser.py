"""The page in a browser; needs Chromium, and ``AXE`` naming the file ``axe.min.js`` of axe-core."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.report_page import DESKTOP, PHONE, axe, browser, fills, look, pages

from pitmap.reporting import write_report
from pitmap.reporting.map_page import MapReportOptions, report_map
from pitmap.study.study import load_study
from reporting.places import make_place
from reporting.test_page import make

pytestmark = [
    pytest.mark.verify,
    pytest.mark.skipif(browser() is None or axe() is None, reason="needs Chromium and AXE=.../axe.min.js"),
]


@pytest.fixture(scope="module", params=["en", "zh"])
def written(request, tmp_path_factory):
    """A report of a study and one of a map alone."""
    folder = tmp_path_factory.mktemp("study")
    _, model = make(folder, scenes=2)
    with (folder / "pitmap.toml").open("a") as file:
        file.write(f'\n[report]\nlanguage = "{request.param}"\n')
    place = make_place(tmp_path_factory.mktemp("place"))
    options = MapReportOptions(
        points=place / "points.gpkg", image=place / "scene_20260714.tif", threshold_ha=1.7, language=request.param
    )
    alone = report_map(place / "valley.tif", place / "r.html", options).path
    return write_report(load_study(folder / "pitmap.toml"), model), alone


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_no_grave_fault_and_no_sideways_scroll(written, width):
    for page in written:
        found = look(page, width)
        assert found.grave == []
        assert found.passes > 20
        assert found.width <= width


def test_the_first_page_is_one_page(written):
    for page in written:
        text = page.read_text(encoding="utf-8")
        start, end = text.index('<section class="statement"'), text.index("</section>") + len("</section>")
        alone = page.with_name("first.html")
        alone.write_text(f"{text[: text.index('<body')]}<body><main>{text[start:end]}</main></body></html>")
        assert pages(alone) == 1


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="needs pdftoppm")
def test_no_page_is_nearly_empty(written):
    for page in written:
        assert min(fills(page)) > 0.45, page
