"""The time of a map on workers of Dask against one process.

    python -m benchmarks.cluster [--side 3072] [--width 16] [--workers 2] [--report FILE]

One scene by its tiles, and as many scenes as there are workers, each once in this process with all cores and once on
``local:N``, whose processes share out the same cores: what is measured on one machine is what Dask costs, for the cores
are the same. Then with one worker of one core against N of one core each: what a further machine would bring. The
maps are compared pixel by pixel. The time that workers take to start stands apart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.machine import heading
from benchmarks.mapping_speed import write_model, write_scene
from pitmap.cluster import cluster_at
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.mapping.scenes import map_images
from pitmap.raster.codes import read_codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=3072, help="rows and columns of a scene")
    parser.add_argument("--width", type=int, default=16, help="width of the U-Net+")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--precision", default="bf16", choices=["float32", "bf16"])
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    command = f"python -m benchmarks.cluster {' '.join(sys.argv[1:])}".rstrip()
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join([*heading("Workers against one process", command), *compare(Path(folder), args), ""])
    print(text)
    if args.report:
        args.report.write_text(text, encoding="utf-8")


def compare(folder: Path, args: argparse.Namespace) -> list[str]:
    model, image = write_model(folder, "unetplus", args.width), write_scene(folder, args.side, args.side)
    scenes = [folder / f"copy{number}.tif" for number in range(args.workers)]
    for scene in scenes:
        scene.write_bytes(image.read_bytes())
    options = MapOptions(precision=args.precision, tile=768, device="cpu")
    cores = torch.get_num_threads()
    one = folder / "one.tif"
    map_image(model, image, one, options)  # the kernels are made, the image is in the system's cache
    rows = [
        ("one scene, this process, all cores", seconds(lambda: map_image(model, image, one, options))),
        (
            f"{args.workers} scenes, this process, all cores",
            seconds(lambda: map_images(model, scenes, folder / "here", options)),
        ),
    ]
    torch.set_num_threads(1)
    rows.append(("one scene, this process, one core", seconds(lambda: map_image(model, image, one, options))))
    torch.set_num_threads(cores)
    started = time.perf_counter()
    with cluster_at(f"local:{args.workers}") as cluster:
        start = time.perf_counter() - started
        several = folder / "several.tif"
        map_image(model, image, several, options, cluster=cluster)  # workers import and make their kernels
        rows.append(
            (
                f"one scene by its tiles, {cluster.name}",
                seconds(lambda: map_image(model, image, several, options, cluster=cluster)),
            )
        )
        rows.append(
            (
                f"{args.workers} scenes, {cluster.name}",
                seconds(lambda: map_images(model, scenes, folder / "there", options, cluster=cluster)),
            )
        )
    times = dict(rows)
    different = int((read_codes(one) != read_codes(several)).sum())
    tiles, whole = times[f"one scene by its tiles, local:{args.workers}"], times["one scene, this process, all cores"]
    alone = times["one scene, this process, one core"]
    many, row = (
        times[f"{args.workers} scenes, local:{args.workers}"],
        times[f"{args.workers} scenes, this process, all cores"],
    )
    megapixels = args.side**2 / 1e6
    return [
        f"U-Net+ width {args.width}, {args.precision}, scenes of {args.side} x {args.side} x 4 uint16, tiles of 768 "
        "with their exact halo; the time of the step, without the start of the process.",
        "",
        "| | seconds | Mpx/s |",
        "|---|---|---|",
        *(
            f"| {name} | {s:.1f} | {megapixels * (args.workers if 'scenes' in name else 1) / s:.2f} |"
            for name, s in rows
        ),
        "",
        f"- Workers start in {start:.1f} s.",
        f"- Dask on the same cores takes {tiles / whole:.2f} times the time for tiles, {many / row:.2f} for scenes.",
        f"- {args.workers} workers of one core against one process on one core: {alone / tiles:.2f} times as fast.",
        f"- Pixels whose code differs between one process and {args.workers} workers: {different}.",
    ]


def seconds(work: Callable[[], object]) -> float:
    """Elapsed time."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
