"""The site: built without a warning, it asks no other server, and opens and searches from a folder."""

import io
import os
import re
import subprocess
import sys

import pytest

from docs.site_hooks import ROOT
from view.chrome import Page, browser

pytest.importorskip("mkdocs")
pytest.importorskip("material")

pytestmark = pytest.mark.verify


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "site"
    made = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "WARNING" not in made.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for tag in re.findall(r"<(?:script|img|iframe|link|source|video|audio|object|embed)\b[^>]*>", text):
            if 'rel="canonical"' not in tag:
                assert not re.search(r"""(?:src|href|data|srcset)=["']?(?:https?:)?//""", tag), (page.name, tag)
    for style in site.rglob("*.css"):
        assert not re.search(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", style.read_text(encoding="utf-8")), style


@pytest.mark.skipif(browser() is None, reason="needs Chromium")
def test_it_opens_from_a_folder_searches_and_asks_nobody(site, tmp_path):
    pytest.importorskip("websocket")
    from PIL import Image

    page = Page(tmp_path, 390, 800)
    try:
        # A window is never as narrow as a telephone.
        page.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=False)
        page.send("Page.navigate", url=(site / "index.html").as_uri())
        page.until("document.readyState === 'complete' && document.querySelector('h1') !== null")
        page.run("document.querySelector('[data-md-toggle=search]').click()")
        page.until(
            "(() => { const field = document.querySelector('input[name=query]'); field.focus();"
            "field.value = 'orthorectify'; field.dispatchEvent(new Event('keyup', { bubbles: true }));"
            "field.dispatchEvent(new Event('input', { bubbles: true }));"
            "return document.querySelectorAll('.md-search-result__item').length > 0 })()"
        )
        for name in ("commands.html", "outputs.html", "zh/quickstart.html"):
            page.send("Page.navigate", url=(site / name).as_uri())
            page.until(f"location.href.endsWith('{name}') && document.readyState === 'complete'")
            # Wide tables scroll by themselves: the page does not.
            assert page.run("document.documentElement.scrollWidth") <= 390, name
        assert page.complaints == []
        assert [r for r in page.requests if not r.startswith(("file:", "data:", "blob:", "about:"))] == []
        assert Image.open(io.BytesIO(page.picture())).size[0] == 390
    finally:
        page.close()
