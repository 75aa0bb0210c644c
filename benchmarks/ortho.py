"""Calibrate and orthorectify a full-size GF-2 scene: pitmap against GDAL's own programs, in one run.

    apt-get install gdal-bin          # gdalwarp, gdal_calc.py
    python benchmarks/ortho.py [--kernel bilinear] [--size 6908x7300] [--work FOLDER] [--report FILE]

Both sides get the same simulated product (four bands, 10-bit numbers), the same elevation model with ellipsoidal
heights, the same grid and kernel, two threads, and write uint16 reflectance x 10000. GDAL's side is what a user would
type: ``gdalwarp -rpc -multi -wo NUM_THREADS=2 -et 0.125`` and one ``gdal_calc.py`` a band. pitmap's side
is ``prepare``, which also writes overviews, reads its result back, and counts saturated pixels. Memory is the largest
resident set of the process. On a machine with other work, processor seconds are the fairer figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

THREADS = "2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", choices=["bilinear", "cubic"], default="bilinear")
    parser.add_argument("--size", default="6908x7300", help="rows x columns of the multispectral image")
    parser.add_argument("--work", type=Path, default=Path("benchmark-ortho"), help="2 GiB of files are written here")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--repeat", type=int, default=1, help="times that both sides run; the best of each counts")
    parser.add_argument("--keep", action="store_true", help="keep the files")
    parser.add_argument("--step", choices=["simulate", "prepare"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    rows, cols = (int(v) for v in args.size.split("x"))
    if args.step == "simulate":
        simulate(args.work, rows, cols)
    elif args.step == "prepare":
        prepare_scene(args.work, args.kernel)
    else:
        compare(args, rows, cols)


def simulate(work: Path, rows: int, cols: int) -> None:
    """A full-size product over a small textured landscape, which goes on as its mirror image."""
    import numpy as np
    from affine import Affine
    from pyproj import CRS
    from scipy.ndimage import gaussian_filter

    from pitmap.grid import Grid, Window
    from pitmap.imagery.heights import _to_ellipsoid
    from pitmap.raster.reading import open_raster
    from pitmap.raster.writing import Layout, write_cog
    from pitmap.simulate.product import ProductOptions, write_product

    grid = Grid(CRS.from_epsg(32649), Affine(4, 0, 630_000, 0, -4, 3_830_000), 1024, 1024)
    noise = np.random.default_rng(7).normal(size=grid.shape).astype(np.float32)
    rough = sum(s * gaussian_filter(noise, s, mode="reflect") for s in (1.0, 3.0, 12.0))
    reflectance = np.stack([0.12 + 0.03 * band + 0.04 * rough / rough.std() for band in range(4)]).clip(0.01, 1)
    hills = gaussian_filter(noise, 60, mode="reflect")
    tile = SimpleNamespace(
        grid=grid, reflectance=reflectance.astype(np.float32), elevation=300 + 120 * hills / hills.std()
    )
    options = ProductOptions(shape=(rows, cols), pan=False, archive=False, dem_posting_m=30.0)
    product = write_product(work, tile, options)
    # GDAL takes the heights of a file as they are: both sides get ellipsoidal ones.
    with open_raster(product.dem, [1]) as reader:
        heights, _ = reader.read(Window(0, 0, *reader.grid.shape))
        grid = Grid(CRS.from_epsg(32649), reader.grid.transform, *reader.grid.shape)
    ellipsoidal, _ = _to_ellipsoid(heights[0], grid, "egm96")
    write_cog(work / "dem_ellipsoid.tif", ellipsoidal, grid, Layout(1, "float32", -32768.0))
    (work / "product.json").write_text(json.dumps({"path": str(product.path)}))


def prepare_scene(work: Path, kernel: str) -> None:
    """One call of ``prepare``; prints its own peak memory and the grid."""
    from dataclasses import asdict

    from pitmap.imagery.options import PrepareOptions
    from pitmap.imagery.prepare import prepare

    product = Path(json.loads((work / "product.json").read_text())["path"])
    options = PrepareOptions(dem=work / "dem_ellipsoid.tif", dem_datum="ellipsoid", kernel=kernel)  # type: ignore[arg-type]
    report = prepare(product, work / "pitmap.tif", options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mib": peak, "grid": asdict(report.grid), "scale": report.radiometry.scale}))


def compare(args: argparse.Namespace, rows: int, cols: int) -> None:
    if shutil.which("gdalwarp") is None or shutil.which("gdal_calc.py") is None:
        sys.exit("gdalwarp and gdal_calc.py are not installed: apt-get install gdal-bin")
    work: Path = args.work
    work.mkdir(parents=True, exist_ok=True)
    script = [sys.executable, __file__, "--work", str(work), "--size", args.size, "--kernel", args.kernel]
    environment = os.environ | {"OMP_NUM_THREADS": THREADS}
    started = time.perf_counter()
    subprocess.run([*script, "--step", "simulate"], check=True, env=environment)
    simulated = time.perf_counter() - started
    ours, theirs, warp, memory = [], [], [], []
    for _ in range(args.repeat):
        started, before = time.perf_counter(), spent()
        done = subprocess.run(
            [*script, "--step", "prepare"], check=True, env=environment, stdout=subprocess.PIPE, text=True
        )
        ours.append((time.perf_counter() - started, spent() - before))
        result = json.loads(done.stdout.splitlines()[-1])
        memory.append(result["peak_mib"])
        parts = gdal(work, args.kernel, result)
        warp.append(parts[0])
        theirs.append((parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]))
    agreement = difference(work)
    lines = [
        f"# Calibration and orthorectification of a full-size scene, {args.kernel}, {date.today().isoformat()}",
        "",
        f"Device: {os.cpu_count()} processors, {processor()}; load at the end {os.getloadavg()[0]:.1f}. "
        f"Command: `python benchmarks/ortho.py {' '.join(sys.argv[1:])}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        f"{version('gdalwarp')}; two threads on both sides; best of {args.repeat}.",
        "",
        f"Product: {rows} x {cols} x 4, simulated in {simulated:.0f} s. Result: {result['grid']['rows']} x "
        f"{result['grid']['columns']} pixels of 4 m.",
        "",
        "| | seconds | processor seconds | peak memory, MiB |",
        "|---|---|---|---|",
        f"| pitmap prepare (calibrate, ortho, COG with overviews, read back) | {best(ours)} | {max(memory):.0f} |",
        f"| gdalwarp | {best(warp)} | |",
        f"| gdalwarp and gdal_calc.py | {best(theirs)} | |",
        "",
        f"Agreement of the two results where both have data: {agreement}.",
        "",
    ]
    text = "\n".join(lines)
    print(text)
    if args.report is not None:
        args.report.write_text(text, encoding="utf-8")
    if not args.keep:
        shutil.rmtree(work)


def spent() -> float:
    """Processor seconds of all programs that were started so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def best(runs: list[tuple[float, float]]) -> str:
    return f"{min(r[0] for r in runs):.1f} | {min(r[1] for r in runs):.1f}"


def gdal(work: Path, kernel: str, result: dict) -> tuple[tuple[float, float], tuple[float, float]]:
    """Seconds and processor seconds of gdalwarp, and of gdal_calc.py for the four bands."""
    product = Path(json.loads((work / "product.json").read_text())["path"])
    source = next(product.glob("*MSS*.tiff"))
    warped, bounds = work / "warped.tif", [str(v) for v in result["grid"]["bounds"]]
    started, before = time.perf_counter(), spent()
    subprocess.run(
        ["gdalwarp", "-q", "-overwrite", "-rpc", "-multi", "-wo", f"NUM_THREADS={THREADS}", "-et", "0.125",
         "-to", f"RPC_DEM={work / 'dem_ellipsoid.tif'}", "-t_srs", result["grid"]["crs"], "-te", *bounds,
         "-tr", "4", "4", "-r", kernel, "-srcnodata", "0", "-dstnodata", "0", str(source), str(warped)],
        check=True,
    )  # fmt: skip
    first = time.perf_counter() - started, spent() - before
    started, before = time.perf_counter(), spent()
    for band, scale in enumerate(result["scale"], start=1):
        subprocess.run(
            ["gdal_calc.py", "--quiet", "--overwrite", "-A", str(warped), f"--A_band={band}",
             f"--calc=(A>0)*clip(A*{scale * 1e4!r}+0.5,1,65535)", "--type=UInt16", "--NoDataValue=0",
             f"--outfile={work / f'calibrated_{band}.tif'}"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return first, (time.perf_counter() - started, spent() - before)


def difference(work: Path) -> str:
    """Median and 99th percentile of the absolute difference in band 4, in units of 0.0001 reflectance."""
    import numpy as np

    from pitmap.grid import Window
    from pitmap.raster.reading import open_raster

    with open_raster(work / "pitmap.tif", [4]) as a, open_raster(work / "calibrated_4.tif", [1]) as b:
        rows, cols = a.grid.shape
        window = Window(rows // 2 - 500, cols // 2 - 500, 1000, 1000) if min(rows, cols) > 1000 else a.grid.window
        (ours, known), (theirs, also) = a.read(window), b.read(window)
    both = known & also
    gap = np.abs(ours[0][both].astype(int) - theirs[0][both].astype(int))
    spread = float(ours[0][both].std())
    return (
        f"median {np.median(gap):.0f}, 99th percentile {np.percentile(gap, 99):.0f} x 0.0001 reflectance in the near "
        f"infrared, whose standard deviation is {spread:.0f}"
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def version(program: str) -> str:
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
