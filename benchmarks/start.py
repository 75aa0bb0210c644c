"""How long a user waits before anything happens: importing, asking for help, mapping a very small image.

    python -m benchmarks.start [--times 5]

Each is a process of its own, from its start to its end; the least of several times, after one that fills the caches.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.mapping_speed import write_model, write_scene
from benchmarks.record import Measure


def quick(times: int = 5) -> list[Measure]:
    """Seconds of ``import pitmap``, ``pitmap --help`` and ``pitmap map`` of 320 x 320 pixels, U-Net of width 16."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, image = write_model(folder, "unet", 16), write_scene(folder, 320, 320)
        map_it = ["-m", "pitmap", "map", str(model), str(image), str(folder / "map.tif"), "--replace"]
        return [
            Measure("import pitmap", least(["-c", "import pitmap"], folder, times), "s"),
            Measure("pitmap --help", least(["-m", "pitmap", "--help"], folder, times), "s"),
            Measure("pitmap map, 320 x 320, U-Net 16", least(map_it, folder, times), "s"),
        ]


def least(arguments: list[str], folder: Path, times: int) -> float:
    """Seconds of a Python process, the least of ``times``; a map that it made is removed before."""
    seconds = []
    for _ in range(times + 1):
        for old in [*folder.glob("map.*"), *folder.glob(".map.*")]:
            old.unlink()
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    for measure in quick(parser.parse_args().times):
        print(f"| {measure.name} | {measure.value:.2f} {measure.unit} |")


if __name__ == "__main__":
    main()
