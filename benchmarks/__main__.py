"""Run the benchmarks one after the other: ``python -m benchmarks [NAME ...]``.

Each prints its own table; ``python -m benchmarks.NAME --help`` tells how to run it at other sizes and how to keep the
result as a dated file.
"""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "mapping", "patches", "memory", "estimation_coverage", "sample_aim", "resampling_coverage", "simulated_sites",
    "review_loop", "robust_recipe", "accuracy_statement", "ortho",
)  # fmt: skip
"""Those that need no GPU and no argument; the last three need the real data or GDAL's programs, and say so."""


def main() -> None:
    """Run those named on the command line, or all; exit with the number that failed."""
    failed = []
    for name in sys.argv[1:] or NAMES:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}")
    sys.exit(len(failed))


if __name__ == "__main__":
    main()
