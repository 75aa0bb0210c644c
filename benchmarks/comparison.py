"""The six networks and U-Net+ B1 compared on simulated sites, on a quarry district and on Gaofen-2 crops.

    python -m benchmarks.comparison simulated --width 8                    two sites at a quarter of their area
    python -m benchmarks.comparison simulated --area 1 --width 64 --patch 512 --stride 512 --epochs 20    on a GPU
    python -m benchmarks.comparison strzegom --seeds 1
    python -m benchmarks.comparison gid --seeds 1

Everything lies in --out (default: pitmap-comparison/<study> in the folder for temporary files). The same command again
goes on after an interruption, `--part 2/8` does a share, `--plan` only shows the hours. The summary that is printed at
the end is what belongs in a dated file under benchmarks/results. The last two studies read `../shared/data` beside the
checkout.
"""

from __future__ import annotations

import argparse
import csv
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import strzegom
from pitmap.cli.console import Console
from pitmap.comparison import compare
from pitmap.files import make_folder, write_text
from pitmap.simulate.landscape import simulate, sites
from pitmap.simulate.site_files import write_site
from pitmap.study.study import load_study

GID = strzegom.DATA.parent / "gid_gf2_rgb"

NETWORKS = ("fcn8s", "segnet", "unet", "resunet", "unetplusplus", "unetplus", "unetplus:B1")


def simulated(folder: Path, arguments: argparse.Namespace) -> str:
    """The two sites of the paper, simulated once; the project file without its last tables."""
    text = f'[project]\nname = "Simulated sites, {arguments.area:g} of their area"\nseed = {arguments.first_seed}\n'
    for name, parameters in sites(arguments.area, arguments.landscape).items():
        if not (folder / f"{name}-dem.tif").exists() or not (folder / f"{name}-landuse.gpkg").exists():
            write_site(folder, simulate(parameters), name)
        text += f'\n[[sites]]\nname = "{name}"\nimage = "{name}.tif"\nlabels = "{name}-landuse.gpkg"\n'
        text += 'label_field = "class"\n'
    return text


def quarry_district(folder: Path, arguments: argparse.Namespace) -> str:
    """Sentinel-2 dates of a granite-quarry district in Poland."""
    dates = strzegom.DATES[: arguments.scenes] if arguments.scenes else strzegom.DATES
    return strzegom.write_project(folder, arguments.first_seed, dates).read_text(encoding="utf-8")


def gaofen_crops(folder: Path, arguments: argparse.Namespace) -> str:
    """RGB crops of Gaofen-2 scenes, five classes, no mines, no georeference; groups keep shared ground together."""
    with (GID / "legend_mtl5.csv").open(encoding="utf-8") as file:
        classes = [r for r in csv.DictReader(file) if r["name"] != "undefined"]
    text = f'[project]\nname = "Gaofen-2 crops"\nseed = {arguments.first_seed}\n'
    for row in classes:
        key = row["name"][:3].upper()
        text += f'\n[[classes]]\ncode = {int(row["code"]) + 1}\nkey = "{key}"\nname = "{row["name"]}"\n'
        text += f'colour = "{row["colour"]}"\n'
    values = ", ".join(f'{r["code"]} = "{r["name"][:3].upper()}"' for r in classes)
    pattern = f"*_{arguments.crops}.tif" if arguments.crops else "*.tif"
    text += f'\n[[sites]]\nname = "mtl5"\nimage = "{GID}/GID-MTL5/image/{pattern}"\n'
    text += f'groups = {{ table = "{GID}/overlap_group.csv", group = "overlap_group" }}\n'
    text += f'labels = "{GID}/GID-MTL5/label_gray/{{stem}}.tif"\nlabel_values = {{ {values}, 5 = "" }}\n'
    return text


STUDIES: dict[str, Callable[[Path, argparse.Namespace], str]] = {
    "simulated": simulated, "strzegom": quarry_district, "gid": gaofen_crops,
}  # fmt: skip


def settings(arguments: argparse.Namespace) -> str:
    """The tables that all studies share."""
    splits = arguments.splits or (["groups", "random"] if arguments.study == "gid" else ["blocks", "random"])
    samples = {"patch": arguments.patch, "stride": arguments.stride, "split": f'"{splits[0]}"'}
    training = {
        "recipe": f'"{arguments.recipe}"', "width": arguments.width, "epochs": arguments.epochs,
        "batch": arguments.batch, "device": f'"{arguments.device}"',
    }  # fmt: skip
    compared = {
        "networks": _listed(arguments.networks), "seeds": arguments.seeds, "splits": _listed(splits),
        "equal_training": str(not arguments.whole_training).lower(),
    }  # fmt: skip
    return "".join(
        f"\n[{table}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items() if value is not None)
        for table, values in (("samples", samples), ("training", training), ("compare", compared))
    )


def _listed(values: list[str] | tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{v}"' for v in values) + "]"


def summary(results: Path) -> str:
    """The CSV files of a comparison as Markdown: cost, means of Table II, Table III, verdicts, optimism.

    Args:
        results: The results folder with ``comparison/``.
    """

    def rows(name: str) -> list[dict[str, str]]:
        with (results / "comparison" / f"{name}.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def table(head: str, body: list[str]) -> list[str]:
        return [f"| {head} |", "|" + "---|" * (head.count("|") + 1), *body, ""]

    lines = table(
        "network | depth | parameters | operations at 512 | training, s/Mpx | mapping, s/Mpx | mapping, MB/Mpx",
        [
            f"| {r['network']} | {r['depth']} | {int(r['parameters']):,} "
            f"| {float(r['multiply_accumulates']) / 1e9:.2f} G | {float(r['training_seconds_per_megapixel']):.2f} "
            f"| {float(r['mapping_seconds_per_megapixel']):.2f} "
            f"| {float(r['mapping_megabytes_per_megapixel']):.0f} |"
            for r in rows("table1")
        ],
    )
    table2 = rows("table2")
    figures = [("overall_accuracy", ""), ("kappa", ""), ("mean_iou", ""), ("iou", "OPM"), ("iou", "PIT")]
    figures = [f for f in figures if any((r["figure"], r["class"]) == f for r in table2)]
    among = {(r["split"], r["network"]): f"{r['count']} of {r['of']}" for r in rows("table3")}
    body = []
    for split, network in dict.fromkeys((r["split"], r["network"]) for r in table2):
        cells = []
        for figure in figures:
            row = next(
                r for r in table2 if (r["split"], r["network"], r["figure"], r["class"]) == (split, network, *figure)
            )
            seeds = [_percent(v) for name, v in row.items() if name.startswith("seed ")]
            cells.append(_percent(row["mean"]) + (f" ({' / '.join(seeds)})" if len(seeds) > 1 else ""))
        body.append(f"| {split} | {network} | {' | '.join(cells)} | {among[split, network]} |")
    lines += table("split | network | " + " | ".join(" ".join(f).strip() for f in figures) + " | best two", body)
    lines += table(
        "split | figure | first | second | difference | interval | p (Holm) | blocks | the first is",
        [
            f"| {r['split']} | {r['figure']} | {r['first']} | {r['second']} | {_percent(r['value'])} | "
            + (f"{_percent(r['lower'])} to {_percent(r['upper'])}" if r["lower"] else "–")
            + " | "
            + (f"{float(r['adjusted_p_value']):.3f}" if r["adjusted_p_value"] else "–")
            + f" | {r['blocks']} | {r['verdict']} |"
            for r in rows("differences")
            if r["figure"] in ("mine_iou", "mean_iou")
        ],
    )
    lines += table(
        "network | figure | random | ground | optimism",
        [
            f"| {r['network']} | {r['figure']} | "
            + " | ".join(_percent(r[name]) for name in ("random", "ground", "mean"))
            + " |"
            for r in rows("optimism")
            if r["figure"] in ("mine_iou", "mean_iou")
        ],
    )
    return "\n".join(lines)


def _percent(text: str) -> str:
    return f"{100 * float(text):.2f}" if text else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--splits", nargs="+", default=None)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=None, help="default: the recipe's")
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--patch", type=int, default=None)
    parser.add_argument("--stride", type=int, default=None)
    parser.add_argument("--recipe", default="robust")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--whole-training", action="store_true", help="do not thin the splits to equal training pixels")
    parser.add_argument("--area", type=float, default=0.25, help="simulated: share of the sites' area")
    parser.add_argument("--landscape", type=int, default=0, help="simulated: seed of the landscape")
    parser.add_argument("--scenes", type=int, default=0, help="strzegom: the first so many dates; 0 for all")
    parser.add_argument("--crops", default="", help="gid: pattern of crop numbers, such as '1?'; all by default")
    parser.add_argument("--part", default=None)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    folder = make_folder(arguments.out or Path(tempfile.gettempdir()) / "pitmap-comparison" / arguments.study)
    write_text(folder / "pitmap.toml", STUDIES[arguments.study](folder, arguments) + settings(arguments))
    made = compare(load_study(folder / "pitmap.toml"), arguments.part, Console(), plan_only=arguments.plan)
    if made.page:
        device = (
            torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
        )
        print(f"\npython -m benchmarks.comparison {' '.join(sys.argv[1:])}\n{device}, torch {torch.__version__}\n")
        print(summary(made.page.parent))
    print(made.summary())


if __name__ == "__main__":
    main()
