"""Search for the robust recipe: U-Net+ against a per-pixel random forest on real images with few labels.

For each split seed the ground is divided anew; forest and networks learn from the same labelled training pixels and are
judged on the same test pixels (all dates pooled). Data: `../shared/data/strzegom_west` beside the checkout.

    python -m benchmarks.robust_recipe --seeds 5 --variants robust            the recipe as shipped, five splits
    python -m benchmarks.robust_recipe --seeds 2 --variants all               everything that was tried
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from benchmarks.strzegom import require_data, write_project
from pitmap.accuracy.census.confusion import ConfusionMatrix, count
from pitmap.networks import load_model
from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.networks.scaling import towards_own
from pitmap.samples.build import build
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.study.study import load_study
from pitmap.training.choices import Training
from pitmap.training.loop import train
from pitmap.training.recipes import RECIPES

ROBUST = RECIPES["robust"]

VARIANTS: dict[str, dict[str, Any]] = {
    "paper": RECIPES["paper"].to_json() | {"width": 16},
    "robust": {},
    "no mixing": {"mixing": 0.0},
    "half mixing": {"mixing": 0.5},
    "no averaging": {"averaging": 0.0},
    "no flips": {"augmentation": False},
    "jitter 0.1": {"jitter": 0.1},
    "cross-entropy": {"loss": "cross_entropy"},
    "no weights": {"class_weights": "none"},
    "focal": {"loss": "focal"},
    "large patches": {"patch": 224},
    "decay 0.01": {"weight_decay": 0.01},
    "rate 0.002": {"learning_rate": 0.002},
    "800 steps": {"steps": 800},
    "width 8": {"width": 8},
    "width 32": {"width": 32},
}
"""Changes to the shipped recipe by name. ``paper`` keeps the split by blocks, to be judged on the same ground."""


def test_matrix(samples: SampleSet, predicted: list[NDArray]) -> ConfusionMatrix:
    """Agreement over the test ground of all scenes."""
    matrix = ConfusionMatrix(samples.legend)
    for scene, codes in enumerate(predicted):
        matrix.counts = matrix.counts + count(codes, samples.targets(scene, Split.TEST), len(samples.legend))
    return matrix


def reflectance(samples: SampleSet, scene: int) -> NDArray:
    """(band, row, col) in the unit of the statistics."""
    s = samples.scenes[scene]
    return samples.pixels[scene] * np.array(s.scales)[:, None, None] + np.array(s.offsets)[:, None, None]


def forest(samples: SampleSet, seed: int, most: int = 10**9) -> list[NDArray]:
    """Codes of all scenes by a random forest on the bands of single pixels, fitted on ``most`` of them at most."""
    features, classes = [], []
    for i in range(len(samples.scenes)):
        target = samples.targets(i, Split.TRAINING)
        features.append(reflectance(samples, i)[:, target > 0].T)
        classes.append(target[target > 0])
    x, y = np.concatenate(features), np.concatenate(classes)
    chosen = np.random.default_rng(seed).permutation(len(x))[:most]
    model = RandomForestClassifier(200, n_jobs=2, random_state=seed, min_samples_leaf=2)
    model.fit(x[chosen], y[chosen])
    return [
        model.predict(reflectance(samples, i).reshape(len(samples.bands), -1).T).reshape(s.shape).astype(np.uint8)
        for i, s in enumerate(samples.scenes)
    ]


def network_codes(samples: SampleSet, model_path: Path) -> list[NDArray]:
    """Codes of all scenes by a model; the scenes are small enough to pass whole."""
    network, card = load_model(model_path)
    result = []
    for i, scene in enumerate(samples.scenes):
        height, width = scene.shape
        padded = np.zeros((len(samples.bands), -(-height // 32) * 32, -(-width // 32) * 32), samples.pixels[i].dtype)
        valid = np.zeros(padded.shape[1:], np.bool_)
        padded[:, :height, :width] = samples.pixels[i]
        valid[:height, :width] = samples.valid[i]
        gain, bias = gain_and_bias(
            scene.scales, scene.offsets, *towards_own(card.mean, card.std, scene.mean, scene.std, card.own_statistics)
        )
        with torch.inference_mode():
            logits = network(normalise(torch.from_numpy(padded)[None], torch.from_numpy(valid)[None], gain, bias))
        result.append((logits[0].argmax(0).numpy() + 1).astype(np.uint8)[:height, :width])
    return result


def compare(
    seeds: Iterable[int], names: list[str], network: str = "unetplus", out: Path | None = None
) -> list[dict[str, Any]]:
    """Train the forest and the variants on each split and judge them on its test ground; lines also go to ``out``."""
    lines: list[dict[str, Any]] = []

    def report(line: dict[str, Any]) -> None:
        lines.append(line)
        print(json.dumps(line), flush=True)
        if out:
            with out.open("a") as file:
                file.write(json.dumps(line) + "\n")

    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            samples = build(load_study(write_project(Path(folder), seed)))
            start = time.perf_counter()
            figures = test_matrix(samples, forest(samples, seed)).figures()
            common = {"seed": seed, "test_pixels": figures.total, "majority_oa": figures.majority_accuracy}
            report({"variant": "random forest", **common, **_short(figures, time.perf_counter() - start)})
            for name in names:
                start = time.perf_counter()
                changes = dict(json.loads(name) if name.startswith("{") else VARIANTS[name])
                patch = f"[samples]\npatch = {changes.pop('patch')}\n" if "patch" in changes else ""
                samples = build(load_study(write_project(Path(folder), seed, more=patch)))
                recipe = replace(ROBUST, **{"width": 16, **changes})
                path = Path(folder) / "model.safetensors"
                card = train(samples, Training(network, {}, recipe, seed, "cpu"), path)
                figures = test_matrix(samples, network_codes(samples, path)).figures()
                extra = {"best_epoch": card.training.best_epoch, "epochs": card.training.epochs}
                report({"variant": name, **common, **_short(figures, time.perf_counter() - start), **extra})
    return lines


def table(lines: list[dict[str, Any]]) -> str:
    """The lines as a Markdown table."""
    keys = list(lines[0]["iou"])
    rows = ["| split seed | variant | OA | mIoU | " + " | ".join(keys) + " |", "|---" * (4 + len(keys)) + "|"]
    for line in lines:
        ious = " | ".join("–" if v is None else f"{v:.3f}" for v in line["iou"].values())
        rows.append(f"| {line['seed']} | {line['variant']} | {line['oa']:.4f} | {line['miou']:.4f} | {ious} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--variants", default="robust", help="names, or JSON objects of fields, separated by ';'; or 'all'"
    )
    parser.add_argument("--network", default="unetplus")
    parser.add_argument("--out", type=Path, default=None, help="a JSON-lines file that results are added to")
    arguments = parser.parse_args()
    require_data()
    names = list(VARIANTS) if arguments.variants == "all" else [n for n in arguments.variants.split(";") if n]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    print(table(compare(seeds, names, arguments.network, arguments.out)))


def _short(figures: Any, seconds: float) -> dict[str, Any]:
    ious = {c.key: None if c.iou is None else round(c.iou, 3) for c in figures.classes}
    return {
        "oa": round(figures.overall_accuracy, 4), "miou": round(figures.mean_iou, 4), "seconds": round(seconds),
        "iou": ious,
    }  # fmt: skip


if __name__ == "__main__":
    main()
