"""Whole commands against TorchGeo's documented loop and against the bare network, one run after another.

    python -m benchmarks.mapping_speed --peer /path/of/peers/bin/python [--scenes 2048x2048,6908x7300]
        [--networks unet:64,unetplus:64,unet:16] [--runs "bf16=--precision bf16;int8=--precision int8"]
        [--report benchmarks/results/DATE-mapping-speed.md]

For each scene (4 bands, uint16, deflate) and network, with the same weights:

- ``pitmap map`` as a process of its own, from its start to its end, exact, twice for each of ``--runs``: the first
  command with a model (cold: the folder of what is kept of models is empty), and the next one (warm);
- TorchGeo's loop as a process of its own (``mapping_peer``), in its own environment, less the time that importing
  pitmap for the network takes there;
- the bare network: the engine and precision that the command used, tiles in memory, no halo, nothing read or written,
  the fastest of several sides; the time for a pixel times the pixels of the scene.

Every file has been read before, so that nobody waits for the disk. The whole takes about 30 minutes on two cores, of
which TorchGeo's loop on the large scene takes ten for a network of width 64.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window

from benchmarks.machine import heading
from benchmarks.record import Measure
from pitmap.errors import ModelError
from pitmap.legend import DEFAULT_LEGEND
from pitmap.networks import ModelCard, build, read_card, save_model
from pitmap.raster.reading import describe

BANDS = 4
SIDES = (512, 768, 1024, 2048)
"""Of the tiles of the bare network; the fastest counts."""

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Row:
    """One scene and network.

    Attributes:
        scene: Rows x columns.
        network: Name and width.
        run: What the command was asked for.
        engine: That it used, with its precision.
        cold_s: Whole command with a model that is new to the machine, s.
        warm_s: The next command with the model, s.
        peer_s: TorchGeo's loop, s; None where it was not run.
        bare_s: The bare network for as many pixels, s.
        bare_side: Of its tiles.
    """

    scene: str
    network: str
    run: str
    engine: str
    cold_s: float
    warm_s: float
    peer_s: float | None
    bare_s: float
    bare_side: int

    def line(self) -> str:
        """Of the table below."""
        seconds = (self.cold_s, self.warm_s)
        times = ["—", "—"] if self.peer_s is None else [f"{self.peer_s / s:.2f}" for s in seconds]
        shares = [f"{self.bare_s / s:.0%}" for s in seconds]
        peer = "—" if self.peer_s is None else f"{self.peer_s:.1f}"
        return (
            f"| {self.scene} | {self.network} | {self.run} | {self.engine} | {self.cold_s:.2f} | {self.warm_s:.2f} | "
            f"{peer} | {times[0]} | **{times[1]}** | {self.bare_s:.2f} ({self.bare_side}) | {shares[0]} | "
            f"**{shares[1]}** |"
        )


TITLES = (
    "| scene | network | run | engine | `pitmap map` cold, s | warm, s | TorchGeo, s | times TorchGeo, cold | warm | "
    "bare, s (tile) | of bare, cold | warm |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("PITMAP_PEER_PYTHON"), help="a Python that has TorchGeo")
    parser.add_argument("--scenes", default="2048x2048,6908x7300")
    parser.add_argument("--networks", default="unet:64,unetplus:64,unet:16")
    parser.add_argument("--runs", default="bf16=--precision bf16", help="NAME=OPTIONS of the command; ...")
    parser.add_argument("--peer-batch", type=int, default=1)
    parser.add_argument("--peer-workers", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where scenes and models are kept for another time")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--bare", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        print(json.dumps(bare(Path(args.bare[0]), Path(args.bare[1]), *args.bare[2:])))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        print(TITLES, flush=True)
        for scene in args.scenes.split(","):
            for network in args.networks.split(","):
                for row in measure(scene, network, dict(r.split("=", 1) for r in args.runs.split(";")), folder, args):
                    rows.append(row)
                    print(row.line(), flush=True)
    if args.report:
        command = f"python -m benchmarks.mapping_speed {shlex.join(sys.argv[1:])}".strip()
        lines = heading("Mapping: whole commands", command)
        if args.peer:
            loop = f"batches of {args.peer_batch}, {args.peer_workers} workers"
            lines += [f"Beside it: {peer_versions(args.peer)}, {loop}.", ""]
        lines.append(TITLES)
        args.report.write_text("\n".join([*lines, *(row.line() for row in rows), ""]), encoding="utf-8")


def measure(scene: str, network: str, runs: dict[str, str], folder: Path, args: argparse.Namespace) -> list[Row]:
    name, width = network.split(":")
    height, cols = map(int, scene.split("x"))
    image, model = write_scene(folder, height, cols), write_model(folder, name, int(width))
    image.read_bytes()
    rows = []
    peer_s = peer_seconds(model, image, args) if args.peer else None
    for run, options in runs.items():
        if "int8" in options:
            write_int8_form(model, image)
        cold, warm, report = commands(model, image, folder, shlex.split(options))
        engine, precision = report["engine"], report["precision"]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.mapping_speed", "--bare", model, image, engine, precision],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found = json.loads(done.stdout.splitlines()[-1])
        bare_s, side = found["seconds_a_pixel"] * height * cols, found["side"]
        asked, used = f"{name} {width}", f"{engine} {precision}"
        rows.append(Row(scene, asked, run, used, cold, warm, peer_s, bare_s, side))
    return rows


def quick() -> list[Measure]:
    """``pitmap map`` of 2048 x 2048 pixels with a U-Net of width 16, and the share of the bare network it reaches."""
    with tempfile.TemporaryDirectory() as name:
        args = argparse.Namespace(peer=None)
        (row,) = measure("2048x2048", "unet:16", {"bf16": "--precision bf16"}, Path(name), args)
    return [
        Measure("pitmap map, 2048 x 2048, U-Net 16, bf16, cold", row.cold_s, "s"),
        Measure("the same, warm", row.warm_s, "s"),
        Measure("share of the bare network, warm", row.bare_s / row.warm_s, "", more_is_better=True),
    ]


def commands(model: Path, image: Path, folder: Path, options: list[str]) -> tuple[float, float, dict[str, Any]]:
    """Seconds of the first command with a model, of the next one, and its report."""
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    cold, _ = command(model, image, folder / "out", options, cache)
    warm, report = command(model, image, folder / "out", options, cache)
    return cold, warm, report


def command(model: Path, image: Path, out: Path, options: list[str], cache: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of the whole process, and its report. What an earlier one made is removed."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    for old in [*out.parent.glob(f"{out.name}*"), *out.parent.glob(f".{out.name}*")]:
        shutil.rmtree(old) if old.is_dir() else old.unlink()  # a killed run leaves a folder
    line = [sys.executable, "-m", "pitmap", "map", model, image, out.with_suffix(".tif"), "--json", *options]
    start = time.perf_counter()
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, check=False, env=environment)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{shlex.join(map(str, line))}\n{done.stderr}")
    return seconds, json.loads(done.stdout)


def peer_seconds(model: Path, image: Path, args: argparse.Namespace) -> float:
    script, environment = ROOT / "benchmarks" / "mapping_peer.py", os.environ | {"PYTHONPATH": str(ROOT / "src")}
    line = [args.peer, "-W", "ignore", script, model, image, args.peer_batch, args.peer_workers]
    start = time.perf_counter()
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, check=False, env=environment)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"TorchGeo's loop failed:\n{done.stderr}")
    return seconds - float(json.loads(done.stdout.splitlines()[-1])["importing_pitmap_s"])


def peer_versions(python: str) -> str:
    code = "import torch, torchgeo; print(f'torchgeo {torchgeo.__version__}, torch {torch.__version__}')"
    return subprocess.run(
        [python, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def bare(model: Path, image: Path, engine_name: str, precision: str) -> dict[str, float]:
    """The least time for a pixel that the engine takes over tiles in memory, and the side of the tiles."""
    from pitmap.mapping.engines import make_engine
    from pitmap.mapping.engines.int8_file import int8_path
    from pitmap.mapping.engines.interface import EngineOptions
    from pitmap.mapping.engines.source import NetworkSource
    from pitmap.networks.scaling import folded_scaling

    card = read_card(model)
    gain, bias = folded_scaling(1e-4, 0.0, card.mean, card.std)
    int8 = (int8_path(model), card.sha256) if precision == "int8" else None
    options = EngineOptions("cpu", precision, int8, card.temperature or 1.0)  # type: ignore[arg-type]
    network = NetworkSource(model, card)
    best = {"seconds_a_pixel": float("inf"), "side": 0}
    shape = describe(image).grid.shape
    for side in SIDES:
        if side > min(shape):
            continue
        with rasterio.open(image) as source:
            tiles = [
                source.read(window=Window(col, row, side, side))[None]
                for row in range(0, shape[0] - side + 1, side) for col in range(0, shape[1] - side + 1, side)
            ][:8]  # fmt: skip
        engine = make_engine(engine_name, network, gain, bias, options)
        valid, kept = np.ones((1, side, side), np.bool_), (slice(0, side), slice(0, side))
        engine.predict(tiles[0], valid, kept)  # kernels are made
        start, passes = time.perf_counter(), 0
        while passes < 3 or time.perf_counter() - start < 6:
            engine.predict(tiles[passes % len(tiles)], valid, kept)
            passes += 1
        seconds = (time.perf_counter() - start) / passes / side**2
        if seconds < best["seconds_a_pixel"]:
            best = {"seconds_a_pixel": seconds, "side": side}
    return best


def write_model(folder: Path, name: str, width: int) -> Path:
    path = folder / f"{name}{width}.safetensors"
    if not path.exists():
        torch.manual_seed(0)
        card = ModelCard(
            network=name, options={"width": width}, legend=DEFAULT_LEGEND, unit="reflectance", dtype="uint16",
            bands=tuple(f"band {i + 1}" for i in range(BANDS)), mean=(0.2,) * BANDS, std=(0.1,) * BANDS,
            pixel_size_m=4.0, bf16_agreement=1.0,
        )  # fmt: skip
        save_model(path, build(name, BANDS, len(DEFAULT_LEGEND), width), card)
    return path


def write_int8_form(model: Path, image: Path) -> None:
    """Calibrated on tiles of the scene. Weights are random, so that only its time means something, not its map."""
    from pitmap.deliver.int8 import quantised
    from pitmap.mapping.engines.int8_file import Int8Record, int8_path, read_int8, write_int8
    from pitmap.mapping.engines.openvino_engine import converted, serialised
    from pitmap.networks import load_model
    from pitmap.networks.normalise import gain_and_bias, normalise
    from pitmap.networks.trimming import Trimmed

    network, card = load_model(model)
    with contextlib.suppress(ModelError):
        read_int8(int8_path(model), card.sha256)
        return
    gain, bias = gain_and_bias(1e-4, 0.0, card.mean, card.std)
    with rasterio.open(image) as source:
        tiles = [torch.from_numpy(source.read(window=Window(256 * k, 0, 256, 256))[None]) for k in range(4)]
    seen = [normalise(tile, torch.ones(1, 256, 256, dtype=torch.bool), gain, bias).numpy() for tile in tiles]
    trimmed = Trimmed.of(network, BANDS)
    plan = trimmed.network.plan
    record = Int8Record(card.sha256, 0.0, 0, len(seen), {})
    write_int8(int8_path(model), *serialised(quantised(converted(trimmed), plan, seen)), plan, record)


def write_scene(folder: Path, height: int, width: int) -> Path:
    """Smooth ground with noise, reflectance x 10000, in deflated blocks of 512 pixels."""
    path = folder / f"scene{height}x{width}.tif"
    if path.exists():
        return path
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": BANDS, "dtype": "uint16", "nodata": 0,
        "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "predictor": 2,
        "interleave": "pixel", "crs": "EPSG:32633", "transform": Affine(4, 0, 500_000, 0, -4, 5_600_000),
    }  # fmt: skip
    rng = np.random.default_rng(0)
    with rasterio.open(path, "w", **profile) as target:
        target.scales, target.offsets = (1e-4,) * BANDS, (0.0,) * BANDS
        for row in range(0, height, 512):
            rows = min(512, height - row)
            coarse = rng.random((BANDS, rows // 32 + 2, width // 32 + 2))
            smooth = coarse.repeat(32, 1).repeat(32, 2)[:, :rows, :width]
            pixels = 4000 * smooth + 60 * rng.standard_normal((BANDS, rows, width))
            target.write(np.clip(pixels, 1, 10_000).astype(np.uint16), window=Window(0, row, width, rows))
    return path


if __name__ == "__main__":
    main()
