"""Speed and memory of mapping on this machine.

    python benchmarks/mapping.py [--side 2048] [--width 16] [--threads 2] [--memory 1024,2048,4096] [--report FILE]

Megapixels a second of ``map_image`` (reading, tiles, writing the COG) for several tile sides, against the usual sliding
window in the same process: windows of 512 pixels at steps of 256, probabilities averaged in memory, once with the
network as it was trained and once with pitmap's own preparation of it. The sliding window reads and writes nothing,
which is in its favour. Memory is the peak resident set of a process that maps scenes of growing size with tiles of 512
pixels.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from pitmap.grid import Grid, blocks, origins
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.engines.interface import EngineOptions
from pitmap.mapping.engines.torch_engine import TorchEngine
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.networks import ModelCard, build, load_model, save_model
from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.raster.reading import open_raster
from pitmap.raster.writing import Layout, create_cog

BANDS = 4
WINDOW, STEP = 512, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=2048, help="rows and columns of the scene for the speed")
    parser.add_argument("--width", type=int, default=16, help="width of the U-Net+")
    parser.add_argument("--tiles", default="512,1024,2048", help="tile sides")
    parser.add_argument("--memory", default="1024,2048,4096", help="sides of the scenes for the memory")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.child:
        measure_memory(*map(Path, args.child))
        return
    with tempfile.TemporaryDirectory() as folder:
        lines = [*speed(Path(folder), args), "", *memory(Path(folder), args)]
    text = "\n".join([*heading(args), "", *lines, ""])
    print(text)
    if args.report:
        args.report.write_text(text, encoding="utf-8")


def heading(args: argparse.Namespace) -> list[str]:
    cuda = torch.cuda.is_available() and args.device != "cpu"
    cpu = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    name = torch.cuda.get_device_name() if cuda else (names or [platform.processor()])[0]
    load = "" if cuda else f", load average {os.getloadavg()[0]:.1f} at the end"
    return [
        f"# Mapping: speed and memory, {date.today().isoformat()}",
        "",
        f"Device: {name}, {args.threads} threads{load}; Python {platform.python_version()}, torch {torch.__version__}.",
        f"Command: `python benchmarks/mapping.py {' '.join(sys.argv[1:])}`".rstrip(),
    ]


def speed(folder: Path, args: argparse.Namespace) -> list[str]:
    """Megapixels a second, the sliding window first: mapping changes how the process keeps its memory."""
    model, image = write_model(folder, args.width), write_image(folder, args.side)
    megapixels = args.side**2 / 1e6
    network, card = load_model(model)
    gain, bias = gain_and_bias(1e-4, 0.0, card.mean, card.std)
    device = torch.device("cuda" if torch.cuda.is_available() and args.device != "cpu" else "cpu")
    network.to(device)

    def plain(pixels: NDArray, valid: NDArray) -> torch.Tensor:
        seen = torch.from_numpy(pixels).to(device), torch.from_numpy(valid).to(device)
        return network(normalise(*seen, gain.to(device), bias.to(device)))

    with open_raster(image) as reader:
        pixels, valid = reader.read()
    rows = [("sliding window, network as trained", seconds(lambda: sliding_window(plain, pixels, valid)))]
    for tile in map(int, args.tiles.split(",")):
        options = MapOptions(tile=tile, device=args.device, precision="float32")
        rows.append(
            (f"map_image, tile {tile}", seconds(lambda o=options: map_image(model, image, folder / "map.tif", o)))
        )
    options = MapOptions(tile=1024, device=args.device, precision="bf16")
    rows.append(("map_image, tile 1024, bf16", seconds(lambda: map_image(model, image, folder / "map.tif", options))))
    tuned = TorchEngine(network, gain, bias, EngineOptions(device))
    rows.append(("sliding window, network prepared", seconds(lambda: sliding_window(tuned.logits, pixels, valid))))
    # (name, elapsed, processor per thread): on a shared processor the second time is the one to compare.
    times = [(name, elapsed, used / args.threads) for name, (elapsed, used) in rows]
    counted = [elapsed if device.type == "cuda" else used for _, elapsed, used in times]
    return [
        f"## Speed: U-Net+ width {args.width}, {BANDS} bands, scene of {args.side} x {args.side} pixels",
        "",
        "Mpx/s and ratios are of the elapsed time on a GPU, of the processor's time per thread on a processor.",
        "",
        "| | elapsed, s | processor per thread, s | Mpx/s | times the sliding window |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {elapsed:.1f} | {used:.1f} | {megapixels / s:.2f} | {counted[0] / s:.1f} |"
            for (name, elapsed, used), s in zip(times, counted, strict=True)
        ),
    ]


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Elapsed time, and time of the processor."""
    start, used = time.perf_counter(), time.process_time()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - used


@torch.inference_mode()
def sliding_window(
    logits: Callable[[NDArray, NDArray], torch.Tensor], pixels: NDArray, valid: NDArray
) -> NDArray[np.uint8]:
    """Codes by the usual recipe: overlapping windows, mean of the probabilities, all in memory."""
    total = np.zeros((len(DEFAULT_LEGEND), *valid.shape), np.float32)
    count = np.zeros(valid.shape, np.float32)
    for row in origins(valid.shape[0], WINDOW, STEP):
        for col in origins(valid.shape[1], WINDOW, STEP):
            rows, cols = slice(row, row + WINDOW), slice(col, col + WINDOW)
            shares = logits(pixels[None, :, rows, cols].copy(), valid[None, rows, cols].copy()).softmax(1)
            total[:, rows, cols] += shares[0].cpu().numpy()
            count[rows, cols] += 1
    return ((total / count).argmax(0) + 1).astype(np.uint8) * valid


def memory(folder: Path, args: argparse.Namespace) -> list[str]:
    model = write_model(folder, 4)
    lines = ["## Memory: U-Net+ width 4, tiles of 512 pixels", "", "| scene | peak resident set, MB |", "|---|---|"]
    for side in map(int, args.memory.split(",")):
        image = write_image(folder, side)
        child = [sys.executable, __file__, "--threads", str(args.threads), "--device", args.device]
        child += ["--child", str(model), str(image), str(folder / "map.tif")]
        done = subprocess.run(child, capture_output=True, text=True, check=True)
        lines.append(f"| {side} x {side} | {int(done.stdout.split()[-1])} |")
    return lines


def measure_memory(model: Path, image: Path, out: Path) -> None:
    map_image(model, image, out, MapOptions(tile=512, precision="float32"))
    print(peak_kilobytes() // 1024)


def peak_kilobytes() -> int:
    """Peak resident set of this process. ``getrusage`` starts from that of the process which started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def write_model(folder: Path, width: int) -> Path:
    torch.manual_seed(0)
    network = build("unetplus", BANDS, len(DEFAULT_LEGEND), width)
    card = ModelCard(
        network="unetplus", options={"width": width}, legend=DEFAULT_LEGEND, unit="reflectance", dtype="uint16",
        bands=tuple(f"band {i + 1}" for i in range(BANDS)), mean=(0.2,) * BANDS, std=(0.1,) * BANDS, pixel_size_m=4.0,
    )  # fmt: skip
    save_model(folder / f"width{width}.safetensors", network, card)
    return folder / f"width{width}.safetensors"


def write_image(folder: Path, side: int) -> Path:
    path, generator = folder / f"scene{side}.tif", np.random.default_rng(0)
    grid = Grid(CRS.from_epsg(32633), Affine(4, 0, 500_000, 0, -4, 5_600_000), side, side)
    if not path.exists():
        with create_cog(path, grid, Layout(BANDS, "uint16", 0, scale=1e-4)) as writer:
            for window in blocks(grid.shape, 512):
                writer.write(generator.integers(1, 5000, (BANDS, window.height, window.width), np.uint16), window)
    return path


if __name__ == "__main__":
    main()
