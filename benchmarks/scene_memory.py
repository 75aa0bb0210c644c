"""Peak memory of each command on a whole scene with 100,000 mines, against half of it.

    python -m benchmarks.scene_memory [--shares 0.5 1] [--steps map mines ...] [--folder DIR] [--out RESULT.md]

The scene has 29,200 x 27,620 pixels (a GF-2 scene at 1 m) of 4 bands, uint16: 200 million pixels with data in its
middle, the rest never written. Its map, confidence and labels are full, with 100,000 mines on a jittered lattice, a
quarter of them with a hole, and ten long ones down the scene. Half the scene has half of everything. Each command runs
as its users run it, in a process of its own, whose peak is the largest resident size (mapped files included).
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.machine import processor
from benchmarks.memory import write_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEIGHT, WIDTH, MINES, FILLED = 29_200, 27_620, 100_000, 200_000_000
STRIP = 512
LONG_MINES = 10

EXTRACT = (
    "from pitmap.mapping.mines import extract_mines as e; "
    "print(e({0!r}, {1!r}, confidence={2!r}, minimum_mapping_unit_m2={3}).summary())"
)
"""There is no command that extracts mines from a map that exists: ``map`` and ``run`` do it."""

PEAK = (
    "import atexit, os, runpy, sys\n"
    "def told():\n"
    "    line = next(t for t in open('/proc/self/status') if t.startswith('VmHWM'))\n"
    "    open(os.environ['PEAK_FILE'], 'w').write(line.split()[1])\n"
    "atexit.register(told)\n"
)
"""Before a command: what it needed at most is written when it ends, in KiB."""


def commands(folder: Path, tile: int | None) -> dict[str, list[str]]:
    """What is run, by name, in this order: later ones use the files of earlier ones."""
    f = {
        k: str(folder / v)
        for k, v in {
            "map": "map.tif", "sure": "map-confidence.tif", "labels": "labels.tif", "mines": "map.gpkg",
            "reference": "reference.gpkg", "image": "scene.tif", "model": "model.safetensors", "points": "points.gpkg",
        }.items()
    }  # fmt: skip
    out = {k: str(folder / f"out-{k}") for k in ("map", "assess", "audit", "review", "report", "estimate")}
    return {
        "map": ["map", f["model"], f["image"], out["map"] + ".tif", "--confidence", out["map"] + "-confidence.tif",
                *([] if tile is None else ["--tile", str(tile)])],
        "mines": ["-c", EXTRACT.format(f["map"], f["mines"], f["sure"], 0)],
        "reference": ["-c", EXTRACT.format(f["labels"], f["reference"], None, 0)],
        "assess": ["assess", f["map"], f["labels"], "--out", out["assess"] + ".json"],
        "audit": ["audit", f["mines"], f["reference"], "--out", out["audit"] + ".json"],
        "review": ["review", f["map"], out["review"] + ".gpkg"],
        "design": ["design", f["map"], f["points"], "--points", "500", "--image", f["image"], "--bands", "4,3,2"],
        "design-class": ["design", f["map"], out["estimate"] + "-class.gpkg", "--class", "OPM", "--relative", "0.1"],
        "estimate": ["estimate", f["points"], f["map"], "--out", out["estimate"] + ".json"],
        "report": ["report", "--map", f["map"], "--image", f["image"], "--points", f["points"], "--out",
                   out["report"] + ".html"],
    }  # fmt: skip


def blob(rng: np.random.Generator, hole: bool) -> NDArray[np.bool_]:
    """A mine: a lumpy disc of 20 to 68 pixels across."""
    import numpy as np

    radius = rng.uniform(10, 34)
    side = int(2 * radius) + 1
    y, x = np.mgrid[:side, :side] - side / 2
    angle, distance = np.arctan2(y, x), np.hypot(y, x)
    edge = 0.75 + sum(rng.uniform(0, 0.12) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 5, 9))
    shape: NDArray[np.bool_] = distance < radius * np.clip(edge, 0.3, 0.98)
    return shape & ~(distance < radius / 5) if hole else shape


class Ground:
    """Codes, confidence and labels of a scene, strip by strip."""

    def __init__(self, height: int, width: int, mines: int) -> None:
        import numpy as np

        rng = np.random.default_rng(0)
        self.shape = height, width
        self.cell = int((height * width / mines) ** 0.5)
        self.columns = width // self.cell
        self.shapes = [blob(rng, k % 4 == 0) for k in range(64)]
        self.kinds = rng.integers(0, 64, mines)
        room = self.cell - 70
        self.shifts = rng.integers(0, room, (mines, 2))
        self.missing = rng.random(mines) < 0.1
        self.patches = rng.integers(2, 7, (height // 256 + 1, width // 256 + 1)).astype(np.uint8)
        self.altered = np.where(rng.random(self.patches.shape) < 0.1, 6, self.patches).astype(np.uint8)
        self.sure = rng.integers(180, 250, (height // 64 + 1, width // 64 + 1)).astype(np.uint8)
        self.sure[rng.random(self.sure.shape) < 0.1] = 150

    def codes(self, row: int, height: int, *, labels: bool) -> NDArray[np.uint8]:
        """A strip of the map, or of its labels: mines a little aside, and some missing."""
        import numpy as np

        width = self.shape[1]
        rows = np.arange(row, row + height) // 256
        codes = np.repeat((self.altered if labels else self.patches)[rows], 256, axis=1)[:, :width].copy()
        shift = 2 if labels else 0
        first = max(row // self.cell - 1, 0) * self.columns
        last = min(((row + height) // self.cell + 1) * self.columns, len(self.kinds))
        for k in range(first, last):
            if labels and self.missing[k]:
                continue
            shape = self.shapes[self.kinds[k]]
            top = k // self.columns * self.cell + int(self.shifts[k, 0]) + shift - row
            left = k % self.columns * self.cell + int(self.shifts[k, 1]) + shift
            part = shape[max(-top, 0) : max(height - top, 0)]
            if len(part) and top + len(shape) > 0:
                codes[max(top, 0) : max(top, 0) + len(part), left : left + shape.shape[1]][part] = 1
        for k in range(LONG_MINES):  # down the whole scene, one pixel a row, with their neighbours
            left = (2 * k + 1) * width // (2 * LONG_MINES) // self.cell * self.cell
            codes[:, left - 2 : left + 1] = 1
        return codes

    def confidence(self, row: int, height: int) -> NDArray[np.uint8]:
        """A strip of the confidence."""
        import numpy as np

        rows = np.arange(row, row + height) // 64
        return np.repeat(self.sure[rows], 64, axis=1)[:, : self.shape[1]]


def make(folder: Path, share: float) -> None:
    """Write the image, map, confidence, labels and model of a share of the scene."""
    import numpy as np
    import rasterio
    from affine import Affine
    from pyproj import CRS

    from pitmap.grid import Grid, Window
    from pitmap.legend import DEFAULT_LEGEND
    from pitmap.raster.codes import codes_layout
    from pitmap.raster.writing import Layout, create_cog

    height, width = round(HEIGHT * share**0.5), round(WIDTH * share**0.5)
    grid = Grid(CRS.from_epsg(32649), Affine(1, 0, 500_000, 0, -1, 3_800_000), height, width)
    ground = Ground(height, width, round(MINES * share))
    with (
        create_cog(folder / "map.tif", grid, codes_layout(DEFAULT_LEGEND)) as mapped,
        create_cog(folder / "map-confidence.tif", grid, Layout(1, "uint8", 0, scale=1 / 255)) as sure,
        create_cog(folder / "labels.tif", grid, codes_layout(DEFAULT_LEGEND)) as labels,
    ):
        for row in range(0, height, STRIP):
            window = Window(row, 0, min(STRIP, height - row), width)
            mapped.write(ground.codes(row, window.height, labels=False), window)
            sure.write(ground.confidence(row, window.height), window)
            labels.write(ground.codes(row, window.height, labels=True), window)
    rng = np.random.default_rng(1)
    noise = rng.integers(300, 4000, (4, STRIP, STRIP)).astype(np.uint16)
    side = round((FILLED * share) ** 0.5 / STRIP)
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": 4, "dtype": "uint16", "nodata": 0,
        "crs": "EPSG:32649", "transform": grid.transform, "tiled": True, "blockxsize": STRIP, "blockysize": STRIP,
        "compress": "zstd", "zstd_level": 1, "SPARSE_OK": True, "BIGTIFF": "YES", "interleave": "pixel",
    }  # fmt: skip
    with rasterio.open(folder / "scene.tif", "w", **profile) as image:
        image.scales = (1e-4,) * 4
        for row in range(side):
            for col in range(side):
                left, top = (width // STRIP - side) // 2 + col, (height // STRIP - side) // 2 + row
                image.write(noise, window=rasterio.windows.Window(left * STRIP, top * STRIP, STRIP, STRIP))
    write_model(folder, 1.0)


def label_points(points: Path) -> None:
    """Fill in the field ``reference`` of a sample, as an interpreter would: the map's class, one in twenty another."""
    import sqlite3

    with closing(sqlite3.connect(points)) as database, database:
        # The triggers of the spatial index call functions that only GDAL brings along; no outline changes.
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'points'")
        for (name,) in triggers.fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        drawn = dict(database.execute("SELECT point_id, map_code FROM drawn").fetchall())
        database.executemany(
            "UPDATE points SET reference = ? WHERE point_id = ?",
            [(code if i % 20 else code % 7 + 1, i) for i, code in drawn.items()],
        )


def run(folder: Path, arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak in MB of a command."""
    import shutil

    for old in folder.glob("out-*"):  # what an earlier run left is no reason to skip anything
        if any(str(old) in a for a in arguments) and "points" not in old.name:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    peak = folder / "peak.txt"
    if arguments[0] == "-c":
        program = PEAK + arguments[1]
        rest: list[str] = []
    else:
        program, rest = PEAK + "runpy.run_module('pitmap', run_name='__main__', alter_sys=True)", arguments
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *rest], env=os.environ | {"PEAK_FILE": str(peak)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
    print(done.stdout.strip()[-300:], flush=True)
    return time.perf_counter() - start, int(peak.read_text()) / 1024


def measured(folder: Path, share: float, steps: list[str], tile: int | None) -> Iterator[tuple[str, float, float]]:
    """Make a scene where there is none, run the steps on it."""
    if not (folder / "model.safetensors").exists():
        folder.mkdir(exist_ok=True)
        make(folder, share)
    for name, arguments in commands(folder, tile).items():
        if name not in steps:
            continue
        for old in (folder / "points.gpkg",):
            if name == "design":
                old.unlink(missing_ok=True)
        seconds, peak = run(folder, arguments)
        if name == "design":
            label_points(folder / "points.gpkg")
        yield name, seconds, peak


def main() -> None:
    """Make the scenes, run the commands, print the table."""
    names = list(commands(Path(), None))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 1.0], help="Shares of the scene's area.")
    parser.add_argument("--steps", nargs="+", choices=names, default=names)
    parser.add_argument("--tile", type=int, help="Of the map; by default what the command takes.")
    parser.add_argument("--folder", type=Path, help="Where the scenes lie and stay; by default a temporary folder.")
    parser.add_argument("--out", type=Path, help="Write the table there, too.")
    arguments = parser.parse_args()
    found: dict[tuple[str, float], tuple[float, float]] = {}
    with TemporaryDirectory() as temporary:
        base = arguments.folder or Path(temporary)
        for share in arguments.shares:
            for name, seconds, peak in measured(base / f"{share:g}", share, arguments.steps, arguments.tile):
                found[name, share] = peak, seconds
                print(f"{share:g} of the scene, {name}: {peak:.0f} MB, {seconds:.0f} s", flush=True)
    text = table(found, arguments)
    print(text)
    if arguments.out:
        arguments.out.write_text(f"# Peak memory of a whole scene against half of it\n\n{text}\n", encoding="utf-8")


def table(found: dict[tuple[str, float], tuple[float, float]], arguments: Any) -> str:
    """The results as Markdown, with processor, versions and command."""
    shares = arguments.shares
    head = " | ".join(f"{s:g} of the scene: peak, MB | s" for s in shares)
    lines = [f"| command | {head} | largest / smallest |", "|---|" + "---|" * (2 * len(shares) + 1)]
    for name in arguments.steps:
        values = [found[name, s] for s in shares]
        cells = " | ".join(f"{p:.0f} | {t:.0f}" for p, t in values)
        lines.append(f"| {name} | {cells} | {values[-1][0] / values[0][0]:.2f} |")
    versions = ", ".join(f"{n} {version(n)}" for n in ("pitmap", "numpy", "rasterio", "shapely", "pyogrio", "torch"))
    told = f"--shares {' '.join(f'{s:g}' for s in shares)}" + (f" --tile {arguments.tile}" if arguments.tile else "")
    return (
        f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}; "
        f"`python -m benchmarks.scene_memory {told}`.\n\n" + "\n".join(lines)
    )


if __name__ == "__main__":
    main()
