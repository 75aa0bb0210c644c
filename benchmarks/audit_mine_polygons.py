"""What published mine outlines are worth: the audit of original against hand-corrected polygons of 116 tiles.

    python benchmarks/audit_mine_polygons.py TILES.gpkg [--report FILE]

TILES.gpkg is ``jasansky_mining_tiles_test_annotations.gpkg`` of github.com/SimonJasansky/mine-segmentation (MIT):
layers ``polygons_original`` (Maus et al., Tang and Werner) and ``polygons_annotated`` (corrected on Sentinel-2 scenes),
joined by ``tile_id``. Mines are compared within their tile only; a mine is one connected polygon.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np

from pitmap.accuracy.mines.audit import Audit, AuditOptions, audit

OPTIONS = AuditOptions(
    layer="polygons_original",
    reference_layer="polygons_annotated",
    group_field="tile_id",
    boundary_m=20.0,  # two pixels of Sentinel-2
    step_m=10.0,
)


def lines(result: Audit, seconds: float) -> list[str]:
    def with_interval(row: dict) -> str:
        if row["value"] is None:
            return "–"
        if row["lower"] is None:
            return f"{row['value']:.3f}"
        return f"{row['value']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})"

    text = [
        f"# Audit of published mine outlines, {date.today().isoformat()}",
        "",
        f"`python benchmarks/audit_mine_polygons.py TILES.gpkg` on {platform.machine()}, {os.cpu_count()} cores, "
        f"{seconds:.0f} s. Intervals over the 116 tiles, 95 %.",
        "",
        result.summary(),
        "",
        "| figure | value and interval |",
        "|---|---|",
    ]
    content = result.to_json()
    text += [f"| {name.replace('_', ' ')} | {with_interval(row)} |" for name, row in content["figures"].items()]
    text += [
        "",
        "| size | mines | found | split | merged | missed | recall | mapped | true | precision |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in content["by_size"]:
        text.append(
            f"| {row['size']} | {row['reference']} | {row['found']} | {row['split'] + row['split and merged']} | "
            f"{row['merged'] + row['split and merged']} | {row['missed']} | {with_interval(row['recall'])} | "
            f"{row['mapped']} | {row['true']} | {with_interval(row['precision'])} |"
        )
    iou = np.array([row["area_iou"] for row in content["by_group"]])
    changed = [
        r for r in result.reference if r.area_error_m2 is not None and r.distance_max_m is not None and r.iou < 0.999
    ]
    distance = [r.distance_mean_m for r in changed if r.distance_mean_m is not None]
    far = [r.distance_max_m for r in changed if r.distance_max_m is not None]
    error = [abs(r.area_error_m2) / r.area_m2 for r in changed if r.area_error_m2 is not None]
    text += [
        "",
        f"IoU by tile: median {np.median(iou):.3f}, 10th percentile {np.percentile(iou, 10):.3f}, "
        f"least {iou.min():.3f}.",
        "",
        f"Of the mines found, {len(changed)} had their outline changed. Of these, in the median: mean boundary "
        f"distance {np.median(distance):.0f} m, Hausdorff distance {np.median(far):.0f} m, "
        f"area off by {np.median(error):.1%}.",
        "",
    ]
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    started = time.perf_counter()
    result = audit(args.tiles, args.tiles, OPTIONS)
    text = "\n".join(lines(result, time.perf_counter() - started))
    print(text)
    if args.report:
        args.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
