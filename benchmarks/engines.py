"""Engines on tiles in memory: microseconds a pixel, what the halo costs with and without cuts, and the codes they give.

    python -m benchmarks.engines [--network unet] [--widths 16,64] [--runs openvino:bf16] [--side 2048]
        [--trained MODEL IMAGE] [--report FILE.md]

For each width, engine and precision one tile of random pixels, normalisation included, to codes:

- bare: the whole tile is kept;
- whole: the network is not cut, and what is kept is the tile without its halo, per kept pixel;
- cut: the same with the network cut to what the kept pixels need, as pitmap maps.

The int8 form is calibrated on random pixels: its speed is that of any other, its codes say nothing. What counts is the
processor time of all threads over their number, the least of two passes: other work on the machine changes it little.
With ``--trained`` the share of pixels of an image that get the code of PyTorch in float32 is counted, too; int8 is then
calibrated on patches of that image. Takes about ten minutes on two cores, most of it for width 64 in float32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.machine import heading
from pitmap.deliver.int8 import quantised
from pitmap.mapping.engines import engine_maker
from pitmap.mapping.engines.array_engine import ArrayEngine, normalised
from pitmap.mapping.engines.interface import EngineOptions, Kept, Precision
from pitmap.mapping.engines.network_engine import NetworkEngine
from pitmap.mapping.engines.openvino_engine import OpenVinoEngine, converted
from pitmap.networks.cuts import CutPlan
from pitmap.networks.model_file import load_model
from pitmap.networks.registry import build
from pitmap.networks.scaling import folded_scaling
from pitmap.networks.trimming import Trimmed, TrimmedNetwork
from pitmap.processor import threads
from pitmap.raster.reading import open_raster

BANDS, CLASSES, PASSES = 4, 7, 2
RUNS = "torch:float32,torch:bf16,openvino:float32,openvino:bf16,openvino:int8"
TITLES = (
    "| network | engine | bare, µs a pixel | halo, whole network, times | halo, cut, times |\n|---|---|---|---|---|"
)
PATCH, PATCHES = 256, 16

Scaling = tuple[NDArray[np.float32], NDArray[np.float32]]


def engine(
    network: nn.Module, name: str, precision: Precision, scaling: Scaling, patches: list[Any], *, cut: bool
) -> NetworkEngine | ArrayEngine:
    """An engine, with or without cuts within the network; ``patches`` are what int8 is calibrated on."""
    trimmed = Trimmed.of(network, BANDS)
    if not cut:
        trimmed = trimmed._replace(network=TrimmedNetwork(trimmed.whole, CutPlan(trimmed.geometry.stride)))
    if name == "openvino":
        model, plan = converted(trimmed), trimmed.network.plan
        if precision == "int8":
            model = quantised(model, plan, patches)
        options = EngineOptions("cpu", "float32" if precision == "int8" else precision)
        return OpenVinoEngine(model, plan, *scaling, options)
    made = engine_maker(name)(network, *map(torch.from_numpy, scaling), EngineOptions("cpu", precision))
    assert isinstance(made, NetworkEngine)
    if not cut:
        whole = trimmed.network.to(torch.bfloat16) if (name, precision) == ("torch", "bf16") else trimmed.network
        made.network = whole.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def seconds(run: Callable[[], object]) -> float:
    """Processor time of a pass over the number of threads."""
    times = []
    for _ in range(PASSES + 1):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times[1:]) / threads()


def costs(network_name: str, width: int, runs: list[tuple[str, Any]], side: int) -> list[str]:
    """A row of the table for each run."""
    torch.manual_seed(0)
    network = build(network_name, BANDS, CLASSES, width).eval()
    halo = int(network.halo)  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    pixels = random.integers(1, 9000, (1, BANDS, side, side)).astype(np.uint16)
    valid, scaling = np.ones((1, side, side), bool), (np.full(BANDS, 1e-3, np.float32), np.full(BANDS, -3, np.float32))
    patches = [random.standard_normal((1, BANDS, PATCH, PATCH)).astype(np.float32) for _ in range(3)]
    everything, inner = ((slice(0, side),) * 2, (slice(halo, side - halo),) * 2)
    rows = []
    for name, precision in runs:
        whole, cut = (engine(network, name, precision, scaling, patches, cut=trimmed) for trimmed in (False, True))
        bare = seconds(partial(whole.predict, pixels, valid, everything)) / side**2
        kept = (side - 2 * halo) ** 2
        times = [seconds(partial(made.predict, pixels, valid, inner)) / kept / bare for made in (whole, cut)]
        rows.append(
            f"| {network_name} {width} | {name} {precision} | {bare * 1e6:.3f} | {times[0]:.2f} | {times[1]:.2f} |"
        )
        print(rows[-1], flush=True)
    return rows


def codes_kept(model: Path, image: Path, runs: list[tuple[str, Any]]) -> list[str]:
    """For each run the share of an image's pixels that get the code of PyTorch in float32."""
    network, card = load_model(model)
    with open_raster(image) as reader:
        pixels, valid = reader.read()
        scaling = folded_scaling(reader.info.scales, reader.info.offsets, card.mean, card.std)
    side = min(pixels.shape[1:]) // PATCH * PATCH
    pixels, valid = pixels[None, :, :side, :side], valid[None, :side, :side]
    starts = range(0, side, PATCH)
    windows = [(slice(row, row + PATCH), slice(col, col + PATCH)) for row in starts for col in starts][:PATCHES]
    patches = [normalised(pixels[..., r, c], valid[:, r, c], *scaling) for r, c in windows]
    kept: Kept = (slice(0, side), slice(0, side))
    expected = engine(network, "torch", "float32", scaling, patches, cut=True).predict(pixels, valid, kept).codes
    lines = [
        f"`{model.name}` ({card.summary()[:-1]}), {int(valid.sum())} pixels:",
        "",
        "| engine | same code |",
        "|---|---|",
    ]
    for name, precision in runs:
        found = engine(network, name, precision, scaling, patches, cut=True).predict(pixels, valid, kept).codes
        lines.append(f"| {name} {precision} | {(found == expected)[valid].mean():.3%} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="unet")
    parser.add_argument("--widths", default="16,64", help="none for no timing")
    parser.add_argument("--runs", default=RUNS, help="engine:precision, ...")
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--trained", nargs=2, type=Path, metavar=("MODEL", "IMAGE"))
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    runs = [(run.split(":")[0], run.split(":")[1]) for run in args.runs.split(",")]
    rows = [TITLES]
    print(TITLES, flush=True)
    for width in [] if args.widths == "none" else map(int, args.widths.split(",")):
        rows += costs(args.network, width, runs, args.side)
    if args.trained:
        rows += ["", *codes_kept(*args.trained, runs)]
    if args.report:
        asked = f"--network {args.network} --widths {args.widths} --runs {args.runs} --side {args.side}"
        asked += " --trained MODEL IMAGE" if args.trained else ""
        text = [*heading("Engines on tiles in memory", f"python -m benchmarks.engines {asked}"), *rows]
        args.report.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
