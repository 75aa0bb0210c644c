"""How long a user waits before anything happens: importing, asking for help, mapping a very small image.

    python -m benchmarks.start [--times 5]

Each is a process of its own, from its start to its end; the least of several times, after one that fills the caches.
Of the map that first time counts, too: it is made with a model that is new to the machine.
"""

from __future__ import annotations

import argparse
import os
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
        cold, warm = first_and_least(map_it, folder, times)
        return [
            Measure("import pitmap", first_and_least(["-c", "import pitmap"], folder, times)[1], "s"),
            Measure("pitmap --help", first_and_least(["-m", "pitmap", "--help"], folder, times)[1], "s"),
            Measure("pitmap map, 320 x 320, U-Net 16, the first with the model", cold, "s"),
            Measure("pitmap map, 320 x 320, U-Net 16, the next ones", warm, "s"),
        ]


def first_and_least(arguments: list[str], folder: Path, times: int) -> tuple[float, float]:
    """Seconds of a Python process the first time, and the least of ``times`` later; a map is removed before."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    seconds = []
    for _ in range(times + 1):
        for old in [*folder.glob("map.*"), *folder.glob(".map.*")]:
            old.unlink()
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
        seconds.append(time.perf_counter() - start)
    return seconds[0], min(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    for measure in quick(parser.parse_args().times):
        print(f"| {measure.name} | {measure.value:.2f} {measure.unit} |")


if __name__ == "__main__":
    main()
