"""Engines on tiles in memory: microseconds a pixel, and what the halo costs with and without cuts.

    python -m benchmarks.engines [--network unet] [--widths 16,64] [--runs openvino:bf16] [--side 2048]
        [--report FILE.md]

For each width, engine and precision one tile of random pixels, normalisation included, to codes:

- bare: the whole tile is kept;
- whole: the network is not cut, and what is kept is the tile without its halo, per kept pixel;
- cut: the same with the network cut to what the kept pixels need, as pitmap maps.

The int8 form is calibrated on random pixels: its speed is that of any other, its codes say nothing. The faster of
two passes counts. Takes about ten minutes on two cores, most of it for width 64 in float32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.machine import heading
from pitmap.deliver.int8 import quantised
from pitmap.mapping.engines import engine_maker
from pitmap.mapping.engines.interface import EngineOptions, Kept
from pitmap.mapping.engines.network_engine import NetworkEngine
from pitmap.mapping.engines.openvino_engine import OpenVinoEngine
from pitmap.networks.cuts import CutPlan
from pitmap.networks.fusion import fuse
from pitmap.networks.registry import build
from pitmap.networks.trimming import TrimmedNetwork

BANDS, CLASSES, PASSES = 4, 7, 2
RUNS = "torch:float32,torch:bf16,openvino:float32,openvino:bf16,openvino:int8"
TITLES = "| network | engine | bare, µs a pixel | halo, whole network | halo, cut |\n|---|---|---|---|---|"


def engine(network: nn.Module, name: str, precision: str, *, cut: bool) -> NetworkEngine:
    """An engine, with or without cuts within the network."""
    gain, bias = torch.full((BANDS,), 1e-3), torch.full((BANDS,), -3.0)
    options = EngineOptions(torch.device("cpu"), "float32" if precision == "int8" else precision)  # type: ignore[arg-type]
    made = engine_maker(name)(network, gain, bias, options)
    assert isinstance(made, NetworkEngine)
    if not cut:
        whole = TrimmedNetwork(fuse(network), CutPlan(made.network.stride))
        made.network = whole.to(torch.bfloat16) if (name, precision) == ("torch", "bf16") else whole
        made.network = made.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if precision == "int8":
        assert isinstance(made, OpenVinoEngine)
        random = np.random.default_rng(0)
        patches = [random.standard_normal((1, BANDS, 256, 256)).astype(np.float32) for _ in range(3)]
        made.take(quantised(made, patches))
    return made


def seconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(PASSES + 1):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="unet")
    parser.add_argument("--widths", default="16,64")
    parser.add_argument("--runs", default=RUNS, help="engine:precision, ...")
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    side = args.side
    pixels = np.random.default_rng(0).integers(1, 9000, (1, BANDS, side, side)).astype(np.uint16)
    valid = np.ones((1, side, side), bool)
    rows = [TITLES]
    print(TITLES, flush=True)
    for width in map(int, args.widths.split(",")):
        torch.manual_seed(0)
        network = build(args.network, BANDS, CLASSES, width).eval()
        halo = int(network.halo)  # type: ignore[arg-type]
        inner: Kept = (slice(halo, side - halo),) * 2
        for run in args.runs.split(","):
            name, precision = run.split(":")
            whole, cut = (engine(network, name, precision, cut=trimmed) for trimmed in (False, True))
            everything: Kept = (slice(0, side),) * 2
            bare = seconds(partial(whole.predict, pixels, valid, everything)) / side**2
            kept = (side - 2 * halo) ** 2
            costs = [seconds(partial(made.predict, pixels, valid, inner)) / kept / bare for made in (whole, cut)]
            rows.append(
                f"| {args.network} {width} | {name} {precision} | {bare * 1e6:.3f} | {costs[0]:.3f} | {costs[1]:.3f} |"
            )
            print(rows[-1], flush=True)
    if args.report:
        asked = f"--network {args.network} --widths {args.widths} --runs {args.runs} --side {side}"
        command = f"python -m benchmarks.engines {asked}"
        text = [*heading("Engines on tiles in memory", command), *rows]
        args.report.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
