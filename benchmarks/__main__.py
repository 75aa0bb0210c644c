"""The figures that take a few minutes, now against the last dated result: ``python -m benchmarks [--keep]``.

    python -m benchmarks NAME ...      the whole benchmark of those names, each with a table of its own

Each module that has a function ``quick`` gives figures to the first table; it runs in a process of its own. With
``--keep`` the figures become the dated result of today. ``python -m benchmarks.NAME --help`` tells how to run a whole
benchmark at other sizes and how to keep its result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from benchmarks.record import Measure, keep, last, table

QUICK = ("start", "mapping_speed", "patches", "training_step")
"""Those with a function ``quick``."""

NAMES = (
    "start", "mapping_speed", "patches", "training_step", "memory", "estimation_coverage", "sample_aim",
    "resampling_coverage", "simulated_sites", "review_loop", "robust_recipe", "cluster", "accuracy_statement", "ortho",
)  # fmt: skip
"""Those that need no GPU and no argument; the last three need the real data or GDAL's programs, and say so."""

CALL = "import json; from benchmarks.{} import quick; print(json.dumps([vars(m) for m in quick()]))"


def main() -> None:
    """The quick figures, or the benchmarks named on the command line; exit with the number that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*NAMES, "all", []], help="or all")
    parser.add_argument("--keep", action="store_true", help="keep the quick figures as the dated result of today")
    args = parser.parse_args()
    names = NAMES if "all" in args.names else args.names
    failed = [name for name in names if not run(name)]
    if not names:
        measures, failed = quick_figures()
        print("\n".join(table(measures, last())))
        if args.keep and not failed:
            print(f"Kept: {keep(measures, 'python -m benchmarks --keep')}")
    if failed:
        print(f"Failed: {', '.join(failed)}")
    sys.exit(len(failed))


def run(name: str) -> bool:
    print(f"== {name}", flush=True)
    return subprocess.run([sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}"], check=False).returncode == 0


def quick_figures() -> tuple[list[Measure], list[str]]:
    """The figures, and the names of the modules that failed."""
    measures: list[Measure] = []
    failed = []
    for name in QUICK:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CALL.format(name)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            failed.append(name)
        else:
            measures += [Measure(**m) for m in json.loads(done.stdout.splitlines()[-1])]
    return measures, failed


if __name__ == "__main__":
    main()
