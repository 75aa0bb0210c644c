"""Looks at reports as a browser does: accessibility rules, width on a phone, pages of A4 and how full each is.

Run ``python -m benchmarks.report_page REPORT.html ...`` with Chromium installed and ``AXE`` naming the file
``axe.min.js`` of axe-core (npm package ``axe-core``; it is no part of pitmap). How full pages are is told with
``pdftoppm`` (else a dash). ``PICTURES`` names a folder for the pages and for pictures at both widths, to be looked at.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np

PAGE_MM, MARGIN_MM = 297, 13
"""Height of A4, and its margins above and below as the style of the report has them."""

PHONE, DESKTOP = 390, 1280
"""Widths of windows in CSS pixels."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip

PROBE = """
<script>{axe}</script>
<script>
addEventListener("load", async () => {{
  const found = await axe.run();
  const told = found.violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html.slice(0, 160))]);
  parent.postMessage(JSON.stringify({{
    violations: told, passes: found.passes.length, width: document.documentElement.scrollWidth
  }}), "*");
}});
</script>
"""

FRAME = """<!DOCTYPE html><body style="margin:0"><pre id="told"></pre>
<iframe src="page.html" style="border:0" width="{width}" height="900"></iframe>
<script>addEventListener("message", e => {{ document.getElementById("told").textContent = e.data; }});</script>
"""


@dataclass(frozen=True)
class Look:
    """What a browser finds.

    Attributes:
        violations: Rules that are broken: id, impact, and the elements.
        passes: Rules that hold.
        width: Of the content in CSS pixels; more than the window's is scrolled sideways.
    """

    violations: list[tuple[str, str, list[str]]]
    passes: int
    width: int

    @property
    def grave(self) -> list[str]:
        """Rules of serious and critical impact that are broken."""
        return [rule for rule, impact, _ in self.violations if impact in ("serious", "critical")]


def browser() -> str | None:
    """A Chromium, None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def axe() -> Path | None:
    """The script of axe-core that ``AXE`` names, None where there is none."""
    path = Path(os.environ.get("AXE", ""))
    return path if path.is_file() else None


def look(page: Path, width: int) -> Look:
    """Open a report in a window of a width and check it."""
    script = axe()
    assert script is not None
    with tempfile.TemporaryDirectory() as folder:
        text = page.read_text(encoding="utf-8")
        probe = PROBE.format(axe=script.read_text(encoding="utf-8"))
        # The last one: scripts and captions may hold the word.
        head, _, tail = text.rpartition("</body>")
        (Path(folder) / "page.html").write_text(f"{head}{probe}</body>{tail}", encoding="utf-8")
        (Path(folder) / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
        dumped = _run(
            folder, "--allow-file-access-from-files", "--virtual-time-budget=60000", "--window-size=1400,1000",
            "--dump-dom", f"file://{folder}/frame.html",
        )  # fmt: skip
    told = re.search(r'<pre id="told">(.+?)</pre>', dumped, re.DOTALL)
    if told is None:
        raise RuntimeError(f"The browser told nothing of {page}.")
    found: dict[str, Any] = json.loads(html.unescape(told[1]))
    return Look([tuple(v) for v in found["violations"]], found["passes"], found["width"])


def pages(page: Path) -> int:
    """Pages of a report when it is printed."""
    with tempfile.TemporaryDirectory() as folder:
        return len(re.findall(rb"/Type\s*/Page\b", _printed(page, folder).read_bytes()))


def fills(page: Path, pictures: Path | None = None) -> list[float]:
    """How far down each printed page has ink, as a share of its height between the margins; needs ``pdftoppm``.

    Args:
        page: The report.
        pictures: Folder that the pages are kept in.
    """
    with tempfile.TemporaryDirectory() as folder:
        where = pictures or Path(folder)
        begin = where / f"{page.parent.name}-{page.stem}"
        subprocess.run(["pdftoppm", "-r", "80", "-png", _printed(page, folder), begin], check=True)
        found = []
        for file in sorted(f for f in where.glob(f"{begin.name}-*.png") if f.stem[len(begin.name) + 1 :].isdigit()):
            ink = (matplotlib.image.imread(file)[..., :3].min(axis=2) < 0.95).any(axis=1)
            lowest = (np.flatnonzero(ink).max(initial=0) + 1) / len(ink) * PAGE_MM
            found.append(float((lowest - MARGIN_MM) / (PAGE_MM - 2 * MARGIN_MM)))
        return found


def picture(page: Path, width: int, out: Path) -> None:
    """A picture of a report in a window of a width, as far as 4000 pixels down."""
    with tempfile.TemporaryDirectory() as folder:
        # A window is never narrower than 500 pixels: the page lies in a frame.
        frame = f'<body style="margin:0"><iframe src="file://{page.resolve()}" width="{width}" height="4000" '
        (Path(folder) / "frame.html").write_text(f'<!DOCTYPE html>{frame}style="border:0"></iframe>')
        _run(
            folder, "--allow-file-access-from-files", f"--window-size={max(width, 500)},4000", f"--screenshot={out}",
            f"file://{folder}/frame.html",
        )  # fmt: skip


def _printed(page: Path, folder: str) -> Path:
    pdf = Path(folder) / "page.pdf"
    _run(folder, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", f"file://{page.resolve()}")
    return pdf


def _run(profile: str, *arguments: str) -> str:
    program = browser()
    assert program is not None
    command = [program, *FLAGS, f"--user-data-dir={profile}/profile", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def main() -> None:
    """Print a table of the reports named on the command line; exit with the number that are not in order."""
    if browser() is None or axe() is None or len(sys.argv) < 2:
        sys.exit(f"{__doc__}")
    wrong = 0
    kept = Path(os.environ["PICTURES"]) if "PICTURES" in os.environ else None
    print("| report | rules that hold | broken | serious or critical | width at 390 | at 1280 | pages | % full |")
    print("|---|---|---|---|---|---|---|---|")
    for name in sys.argv[1:]:
        phone, desktop = (look(Path(name), width) for width in (PHONE, DESKTOP))
        broken = {v[0]: v for v in (*phone.violations, *desktop.violations)}
        grave = sorted({*phone.grave, *desktop.grave})
        found = fills(Path(name), kept) if shutil.which("pdftoppm") else []
        full = ", ".join(f"{100 * share:.0f}" for share in found) or "–"
        wrong += bool(grave) or phone.width > PHONE or desktop.width > DESKTOP
        print(
            f"| {Path(name).parent.name}/{Path(name).name} | {desktop.passes} | {', '.join(broken) or 'none'} | "
            f"{', '.join(grave) or 'none'} | {phone.width} | {desktop.width} | {pages(Path(name))} | {full} |"
        )
        if kept is not None:
            for width in (PHONE, DESKTOP):
                picture(Path(name), width, kept / f"{Path(name).parent.name}-{Path(name).stem}-{width}px.png")
        for rule, impact, nodes in broken.values():
            print(f"{rule} ({impact}): {len(nodes)} elements, such as {nodes[0]}", file=sys.stderr)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
