"""What MkDocs does beside building ``docs``: pages that lie elsewhere in the repository, and the notebook as a page.

The Markdown reads on a forge as it is; links there lead through the folders of the repository, on the site from page
to page.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).parents[2]

ELSEWHERE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/results/*.md")
"""Files outside ``docs`` that are pages of the site, under their own paths."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def elsewhere() -> list[str]:
    """Paths in the repository of the pages from outside ``docs``."""
    return [path.relative_to(ROOT).as_posix() for pattern in ELSEWHERE for path in sorted(ROOT.glob(pattern))]


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from elsewhere; the notebook becomes a page."""
    from mkdocs.structure.files import File, InclusionLevel

    for path in elsewhere():
        listed = InclusionLevel.NOT_IN_NAV if path.startswith("benchmarks/") else InclusionLevel.INCLUDED
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, path, content=text, inclusion=listed))
    for file in [f for f in files if f.src_uri.endswith(".ipynb")]:
        text = notebook_page(Path(file.abs_src_path))
        files.append(File.generated(config, as_page(file.src_uri), content=text))
    return files


def on_config(config: Any) -> Any:
    """The navigation names the notebook as it lies there."""
    config["nav"] = _with_pages(config["nav"])
    return config


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links between files of the repository become links between pages."""
    return site_links(markdown, page.file.src_uri)


def site_links(markdown: str, src_uri: str) -> str:
    """Relative links of a page as the site needs them; one to a file that is not on it becomes its text.

    Args:
        markdown: The page.
        src_uri: Its path on the site, which for pages of ``docs`` is that in ``docs``.
    """
    outside = set(elsewhere())
    own = src_uri if src_uri in outside else f"docs/{src_uri}"

    def turned(found: re.Match[str]) -> str:
        mark, text, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path, hash_, fragment = target.partition("#")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(own), path))
        if place.startswith("docs/"):
            on_site = as_page(place.removeprefix("docs/"))
        elif place in outside:
            on_site = place
        else:
            return text if (ROOT / place).exists() else found[0]
        return f"{mark}[{text}]({posixpath.relpath(on_site, posixpath.dirname(src_uri) or '.')}{hash_}{fragment})"

    parts = re.split(r"(^```.*?^```$|`[^`\n]+`(?!\]))", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if number % 2 else LINK.sub(turned, part) for number, part in enumerate(parts))


def as_page(path: str) -> str:
    """The page that a file of ``docs`` becomes."""
    return str(PurePosixPath(path).with_suffix(".md")) if path.endswith(".ipynb") else path


def notebook_page(path: Path) -> str:
    """A notebook without outputs as Markdown, with the notebook itself to be downloaded."""
    lines = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"]).rstrip()
        lines += ["```python", source, "```", ""] if cell["cell_type"] == "code" else [source, ""]
    return "\n".join(lines)


def _with_pages(nav: Any) -> Any:
    if isinstance(nav, list):
        return [_with_pages(item) for item in nav]
    if isinstance(nav, dict):
        return {title: _with_pages(item) for title, item in nav.items()}
    return as_page(nav)


SHIM = "https://unpkg.com/iframe-worker/shim"
"""What the plugin `offline` would fetch for searches in a site that is opened from a folder."""


def on_post_build(config: Any) -> None:
    """Our own script takes the place of the one that would be fetched."""
    site = Path(config["site_dir"])
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(SHIM, f"{up}offline-search.js"), encoding="utf-8")
