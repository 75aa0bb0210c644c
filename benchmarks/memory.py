"""Peak memory of sampling and of assessing by the size of the scene.

    python -m benchmarks.memory [--megapixels 50 200] [--steps sample_raster ...] [--folder DIR] [--out RESULT.md]

Scenes of 4 bands, uint16, in deflated tiles, with labels as a raster and as polygons, are written block by block; each
step then runs in a process of its own, whose peak is the largest resident size (mapped files included). What counts is
the ratio of the peaks of the largest and the smallest scene.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks.machine import processor

STEPS = {
    "sample, labels as a raster": "sample_raster",
    "sample, labels as polygons": "sample_vector",
    "sample, random patches": "sample_random",
    "assess the maps of the study": "assess_study",
    "assess a map against polygons": "assess_map",
    "draw a sample of points": "draw",
    "polygons and confidence of mines": "mines",
}
CELL = 64
"""Side of the squares of one class, in pixels."""


def make(folder: Path, megapixels: float) -> None:
    """Write image, labels, polygons, map, confidence and model of a square scene."""
    import geopandas as gpd
    import numpy as np
    import rasterio
    from affine import Affine
    from shapely.geometry import box

    from pitmap.grid import blocks
    from pitmap.legend import DEFAULT_LEGEND
    from pitmap.raster.codes import codes_layout
    from pitmap.study.results import Results
    from pitmap.study.study import load_study

    side = round((megapixels * 1e6) ** 0.5 / 512) * 512
    rng = np.random.default_rng(0)
    tile = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    profile = {
        "driver": "GTiff", "height": side, "width": side, "crs": "EPSG:32649",
        "transform": Affine(4, 0, 500_000, 0, -4, 3_800_000), **tile,
    }  # fmt: skip
    tags = codes_layout(DEFAULT_LEGEND).tags
    cells = rng.integers(1, 8, (side // CELL, side // CELL)).astype(np.uint8)
    noise = rng.integers(0, 64, (4, 512, 512)).astype(np.uint16)
    spectra = rng.integers(500, 5000, (4, 8)).astype(np.uint16)
    wrong = rng.random((512, 512)) < 0.1
    maps = Results(folder / "results").map("a")
    maps.map.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.open(folder / "a.tif", "w", count=4, dtype="uint16", nodata=0, **profile) as image,
        rasterio.open(folder / "labels.tif", "w", count=1, dtype="uint8", nodata=0, **profile) as labels,
        rasterio.open(maps.map, "w", count=1, dtype="uint8", nodata=0, **profile) as mapped,
        rasterio.open(maps.confidence, "w", count=1, dtype="uint8", nodata=0, **profile) as confidence,
    ):
        image.scales = (1e-4,) * 4
        confidence.scales = (1 / 255,)
        for target in (labels, mapped):
            target.update_tags(**tags)
        for window in blocks((side, side), 512):
            part = cells[
                window.row // CELL : (window.row + 512) // CELL, window.col // CELL : (window.col + 512) // CELL
            ]
            codes = np.kron(part, np.ones((CELL, CELL), np.uint8))
            where = rasterio.windows.Window(window.col, window.row, 512, 512)
            image.write(spectra[:, codes] + noise, window=where)
            labels.write(codes, 1, window=where)
            mapped.write(np.where(wrong, codes % 7 + 1, codes).astype(np.uint8), 1, window=where)
            confidence.write(np.full((512, 512), 200, np.uint8), 1, window=where)
    step = side // 40 * 4
    squares = [(r, c) for r in range(40) for c in range(40)]
    frame = gpd.GeoDataFrame(
        {"class": [DEFAULT_LEGEND.keys[(3 * r + 5 * c) % 7] for r, c in squares]},
        geometry=[
            box(500_000 + c * step, 3_800_000 - (r + 1) * step, 500_000 + (c + 1) * step, 3_800_000 - r * step)
            for r, c in squares
        ],
        crs=32649,
    )
    frame.to_file(folder / "landuse.gpkg", layer="landuse")
    write_model(folder, 4.0)
    for name, labels_line, samples in (
        ("raster", 'labels = "labels.tif"', ""),
        ("vector", 'labels = "landuse.gpkg"\nlabel_field = "class"', ""),
        ("random", 'labels = "labels.tif"', 'split = "random"\n'),
    ):
        results = "results" if name == "raster" else f"results-{name}"
        text = f'[project]\nresults = "{results}"\n[[sites]]\nname = "a"\nimage = "a.tif"\n{labels_line}\n'
        (folder / f"{name}.toml").write_text(text + f"[samples]\n{samples}")
    load_study(folder / "raster.toml")


def run(step: str, folder: Path) -> None:
    """Do one step, and print its seconds and the peak of this process in MB."""
    from pitmap.study.study import load_study

    start = time.perf_counter()
    if step.startswith("sample_"):
        from pitmap.samples.build import build

        build(load_study(folder / f"{step.removeprefix('sample_')}.toml"))
    elif step == "assess_study":
        from pitmap.accuracy.census.study import assess_study

        assess_study(load_study(folder / "raster.toml"), folder / "model.safetensors")
    else:
        map_file = folder / "results" / "maps" / "a.tif"
        if step == "assess_map":
            from pitmap.accuracy.census.assess import AssessOptions, assess

            assess(map_file, folder / "landuse.gpkg", AssessOptions(field="class"))
        elif step == "draw":
            from pitmap.accuracy.sampling.design import DesignOptions, draw

            draw(map_file, DesignOptions(points=500))
        else:
            from pitmap.mapping.mines import extract_mines

            extract_mines(map_file, folder / "mines.gpkg", confidence=map_file.with_name("a-confidence.tif"))
    print(f"{time.perf_counter() - start:.1f} {peak_mb():.0f}")


def peak_mb() -> float:
    """Largest resident size of this process; a new process inherits that of its parent in ``ru_maxrss`` on Linux."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(text for text in status.read_text().splitlines() if text.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def write_model(folder: Path, pixel_size_m: float) -> None:
    """A U-Net of width 4 with random weights, ``model.safetensors``."""
    import torch

    from pitmap.legend import DEFAULT_LEGEND
    from pitmap.networks import ModelCard, build, save_model

    network = build("unet", 4, 7, 4)
    torch.manual_seed(0)
    card = ModelCard(
        network="unet", options={"width": 4}, legend=DEFAULT_LEGEND, bands=("1", "2", "3", "4"), unit="reflectance",
        dtype="uint16", mean=(0.2,) * 4, std=(0.1,) * 4, pixel_size_m=pixel_size_m,
    )  # fmt: skip
    save_model(folder / "model.safetensors", network, card)


def main() -> None:
    """Make the scenes, run the steps, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[12.5, 50])
    parser.add_argument("--steps", nargs="+", choices=STEPS.values(), default=list(STEPS.values()))
    parser.add_argument("--folder", type=Path, help="Where the scenes lie; by default a temporary folder.")
    parser.add_argument("--out", type=Path, help="Write the table there, too.")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step == "make":
        make(arguments.folder, arguments.megapixels[0])
        return
    if arguments.step:
        run(arguments.step, arguments.folder)
        return
    chosen = {label: step for label, step in STEPS.items() if step in arguments.steps}
    found: dict[tuple[str, float], tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        for size in arguments.megapixels:
            folder = Path(name) / f"{size:g}"
            folder.mkdir()
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.memory", "--folder", str(folder)]
            subprocess.run([*command, "--step", "make", "--megapixels", str(size)], check=True)
            for label, step in chosen.items():
                out = subprocess.run([*command, "--step", step], check=True, capture_output=True, text=True).stdout
                seconds, peak = out.split()
                found[label, size] = float(seconds), float(peak)
                print(f"{size:g} Mpx, {label}: {seconds} s, {peak} MB", flush=True)
    sizes = arguments.megapixels
    lines = [
        "| step | " + " | ".join(f"{s:g} Mpx: peak, MB | s" for s in sizes) + " | largest / smallest |",
        "|---|" + "---|" * (2 * len(sizes) + 1),
    ]
    for label in chosen:
        values = [found[label, s] for s in sizes]
        ratio = values[-1][1] / values[0][1]
        lines.append(f"| {label} | " + " | ".join(f"{p:.0f} | {t:.0f}" for t, p in values) + f" | {ratio:.2f} |")
    versions = ", ".join(f"{n} {version(n)}" for n in ("pitmap", "numpy", "rasterio", "shapely"))
    command_line = f"python -m benchmarks.memory --megapixels {' '.join(f'{s:g}' for s in sizes)}"
    if len(chosen) < len(STEPS):
        command_line += f" --steps {' '.join(chosen.values())}"
    text = f"{processor()}, Python {platform.python_version()}, {versions}; `{command_line}`.\n\n" + "\n".join(lines)
    print(text)
    if arguments.out:
        arguments.out.write_text(f"# Peak memory by the size of the scene\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
