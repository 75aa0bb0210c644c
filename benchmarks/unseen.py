"""Right on ground and dates that were never seen? The recipe judged where it is used, three seeds a row.

    python -m benchmarks.unseen --sets strzegom,simulated,gid,aberystwyth --variants robust,transfer --out runs.jsonl
    python -m benchmarks.unseen --report benchmarks/results/DATE-unseen.md --out runs.jsonl

Each run trains anew and is judged by test pixels that share neither ground nor image with training:

- ``strzegom``: two of six dates of `../shared/data/strzegom_west` are held out at a time, on test blocks of ground;
- ``simulated``: two landscapes in spring and autumn are learnt from, a third is mapped in summer and in winter under
  another sun, wetter soil, more haze and another gain of the sensor;
- ``gid``: Gaofen-2 crops (RGB) by groups that share no ground;
- ``aberystwyth``: one Sentinel-2 mosaic by blocks: new ground alone;
- ``seen``: blocks of all six dates of ``strzegom``: what the recipe costs where nothing is new but the ground.

Runs are added to the JSON-lines file one by one; those that are there are not done again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import heading
from benchmarks.real_projects import write_aberystwyth, write_gid
from benchmarks.strzegom import write_project
from pitmap.accuracy.census.confusion import figures
from pitmap.networks import load_model
from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.networks.scaling import towards_own
from pitmap.samples.build import build
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.simulate.conditions import in_season
from pitmap.simulate.landscape import LandscapeParameters, simulate
from pitmap.simulate.site_files import write_site
from pitmap.study.study import load_study
from pitmap.training.choices import Training
from pitmap.training.loop import train
from pitmap.training.recipes import RECIPES

FOLDS = (("20220719", "20230301"), ("20210619", "20221012"), ("20220619", "20230530"))
"""Dates of strzegom that are held out together; each date once."""

VARIANTS = ("robust", "transfer", "paper")
"""Recipes; changes to ``transfer`` are given as JSON."""

SIDE, APART_M = 320, 20_000.0
"""Side of the simulated landscapes in pixels, and how far apart they lie."""


def strzegom(folder: Path, seed: int, fold: int) -> Path:
    """Six dates of one place; two are held out."""
    days = ", ".join(f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in FOLDS[fold])
    return write_project(folder, seed, more=f"[samples]\ntest_dates = [{days}]\n")


def simulated(folder: Path, seed: int, fold: int) -> Path:
    """Three landscapes; one of them is seen by the test alone, in seasons of its own."""
    text = f'[project]\nname = "simulated seasons"\nseed = {seed}\n[samples]\nsplit = "sites"\ntest_sites = ["new"]\n'
    for place, (name, seasons) in enumerate({"a": LEARNT, "b": LEARNT, "new": NEW}.items()):
        plain = LandscapeParameters(SIDE, SIDE, seed=10 * seed + place, west=700_000.0 + APART_M * place)
        for season in seasons:
            write_site(folder, simulate(in_season(plain, season)), f"{name}-{season}")
        text += (
            f'[[sites]]\nname = "{name}"\nimage = "{name}-*r.tif"\nlabels = "{{stem}}-labels.tif"\n'
            if name == "new"
            else f'[[sites]]\nname = "{name}"\nimage = "{name}-*[gn].tif"\nlabels = "{{stem}}-labels.tif"\n'
        )
    path = folder / "pitmap.toml"
    path.write_text(text, encoding="utf-8")
    return path


LEARNT, NEW = ("spring", "autumn"), ("summer", "winter")
"""Seasons that are learnt from, and that are mapped."""

SETS: dict[str, tuple[Callable[[Path, int, int], Path], int]] = {
    "strzegom": (strzegom, len(FOLDS)),
    "simulated": (simulated, 1),
    "gid": (lambda folder, seed, fold: write_gid(folder, seed), 1),
    "aberystwyth": (lambda folder, seed, fold: write_aberystwyth(folder, seed), 1),
    "seen": (lambda folder, seed, fold: write_project(folder, seed), 1),
}
"""Studies by name, each with its number of folds."""


def probabilities(samples: SampleSet, model: Path, scene: int) -> NDArray[np.float32]:
    """Calibrated probabilities of a scene that is small enough to pass whole, ``(class, height, width)``."""
    network, card = load_model(model)
    s, pixels = samples.scenes[scene], samples.pixels[scene]
    height, width = s.shape
    room = (0, -width % 32, 0, -height % 32)
    images = torch.nn.functional.pad(torch.from_numpy(np.array(pixels)), room)[None]
    valid = torch.nn.functional.pad(torch.from_numpy(np.array(samples.valid[scene])), room)[None]
    statistics = towards_own(card.mean, card.std, s.mean, s.std, card.own_statistics)
    with torch.inference_mode():
        logits = network(normalise(images, valid, *gain_and_bias(s.scales, s.offsets, *statistics)))
    return (logits[0] / (card.temperature or 1.0)).softmax(0).numpy()[:, :height, :width]


def strangeness(samples: SampleSet, scene: int) -> float:
    """How unlike the nearest scene with training ground a scene is: by means and deviations of its bands."""
    learnt = {p.scene for p in samples.patches if p.split == Split.TRAINING}

    def of(number: int) -> NDArray[np.float64]:
        s = samples.scenes[number]
        return np.concatenate([(np.array(s.mean) - samples.mean) / samples.std, np.log(np.array(s.std) / samples.std)])

    return min(float(np.sqrt(((of(scene) - of(other)) ** 2).mean())) for other in learnt)


def judge(samples: SampleSet, model: Path) -> dict[str, Any]:
    """Figures over all test pixels, and of each scene how right it is and how sure."""
    size = len(samples.legend)
    whole, scenes, surprise = np.zeros((size, size), np.int64), [], []
    for number, scene in enumerate(samples.scenes):
        target = samples.targets(number, Split.TEST)
        if not (known := target > 0).any():
            continue
        shares = probabilities(samples, model, number)[:, known]
        mapped, wanted = shares.argmax(0), target[known].astype(np.int64) - 1
        whole += np.bincount(mapped * size + wanted, minlength=size * size).reshape(size, size)
        surprise.append(-np.log(np.maximum(shares[wanted, np.arange(len(wanted))], 1e-9)))
        scenes.append(
            {
                "scene": scene.name,
                "right": round(float((mapped == wanted).mean()), 4),
                "confidence": round(float(shares.max(0).mean()), 4),
                "strangeness": round(strangeness(samples, number), 3),
            }
        )
    found = figures(whole, samples.legend)
    return {
        "oa": found.overall_accuracy,
        "miou": found.mean_iou,
        "iou": {c.key: c.iou for c in found.classes},
        "surprise": round(float(np.concatenate(surprise).mean()), 4),
        "scenes": scenes,
    }


def run(name: str, fold: int, seed: int, changes: dict[str, Any]) -> dict[str, Any]:
    """One training and its figures."""
    with tempfile.TemporaryDirectory() as folder:
        samples = build(load_study(SETS[name][0](Path(folder), seed, fold)))
        recipe = replace(RECIPES[changes.get("name", "transfer")], **{"width": 16, **changes})
        model = Path(folder) / "model.safetensors"
        start, processor = time.perf_counter(), time.process_time()
        card = train(samples, Training("unetplus", {}, recipe, seed, "cpu"), model)
        seconds = {"wall_s": round(time.perf_counter() - start), "cpu_s": round(time.process_time() - processor)}
        return {**judge(samples, model), **seconds, "temperature": card.temperature}


def table(lines: list[dict[str, Any]]) -> list[str]:
    """Mean, spread and worst seed of each set and variant; a figure of a seed is the mean over its folds."""
    rows = [
        "| set | variant | seeds x folds | mIoU of the seeds | mean | spread | worst | OA | mine IoU | negative log "
        "likelihood | processor seconds |",
        "|---" * 11 + "|",
    ]
    for name, variant in dict.fromkeys((x["set"], x["variant"]) for x in lines):
        own = [x for x in lines if (x["set"], x["variant"]) == (name, variant)]
        seeds = sorted({x["seed"] for x in own})
        miou = [float(np.mean([x["miou"] for x in own if x["seed"] == s])) for s in seeds]
        mines = [v for x in own if (v := x["iou"].get("PIT", x["iou"].get("OPM"))) is not None]
        rows.append(
            f"| {name} | {variant} | {len(own)} | {', '.join(f'{v:.3f}' for v in miou)} | **{np.mean(miou):.3f}** | "
            f"{np.std(miou, ddof=1) if len(miou) > 1 else 0:.3f} | {min(miou):.3f} | "
            f"{np.mean([x['oa'] for x in own]):.3f} | {f'{np.mean(mines):.3f}' if mines else '–'} | "
            f"{np.mean([x['surprise'] for x in own]):.2f} | {np.mean([x['cpu_s'] for x in own]):.0f} |"
        )
    return rows


def knowledge(lines: list[dict[str, Any]]) -> list[str]:
    """Whether a scene's error shows in what can be known without its truth."""
    rows = ["| set | variant | scenes | error and lack of confidence | error and strangeness |", "|---" * 5 + "|"]
    for name, variant in dict.fromkeys((x["set"], x["variant"]) for x in lines):
        scenes = [s for x in lines if (x["set"], x["variant"]) == (name, variant) for s in x["scenes"]]
        error = np.array([1 - s["right"] for s in scenes])
        if len(scenes) > 3:
            cells = [
                f"{np.corrcoef(error, np.array([s[k] for s in scenes]) * sign)[0, 1]:.2f}"
                for k, sign in (("confidence", -1), ("strangeness", 1))
            ]
            rows.append(f"| {name} | {variant} | {len(scenes)} | {cells[0]} | {cells[1]} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="strzegom,simulated", help=f"of {', '.join(SETS)}")
    parser.add_argument(
        "--variants",
        default="robust,transfer",
        help="recipes, or JSON objects of changes to transfer, separated by ';'",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fields", default="{}", help="JSON object of fields of the recipe for all variants")
    parser.add_argument("--out", type=Path, default=Path("unseen.jsonl"), help="JSON-lines file that runs are added to")
    parser.add_argument("--report", type=Path, default=None, help="Markdown file to write from all runs that are there")
    arguments = parser.parse_args()
    there = [json.loads(x) for x in arguments.out.read_text().splitlines()] if arguments.out.exists() else []
    if arguments.report:
        lines = [*heading("On ground and dates that were never seen", "python -m benchmarks.unseen"), *table(there), ""]
        arguments.report.write_text("\n".join([*lines, *knowledge(there), ""]), encoding="utf-8")
        return
    variants = [v for part in arguments.variants.split(";") for v in ([part] if "{" in part else part.split(","))]
    done = {(x["set"], x["variant"], x["seed"], x["fold"]) for x in there}
    for name in arguments.sets.split(","):
        for seed in range(arguments.seeds):
            for variant in variants:
                changes = json.loads(variant) if variant.startswith("{") else {"name": variant}
                for fold in range(SETS[name][1]):
                    if (name, variant, seed, fold) in done:
                        continue
                    fields = {**json.loads(arguments.fields), **changes}
                    line = {"set": name, "variant": variant, "seed": seed, "fold": fold, "fields": fields}
                    line |= run(name, fold, seed, fields)
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    print(json.dumps({k: v for k, v in line.items() if k not in ("iou", "scenes")}), flush=True)


if __name__ == "__main__":
    main()
