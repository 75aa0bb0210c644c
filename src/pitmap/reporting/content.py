"""What the report says, read from the files of a results folder; numbers stay numbers here.

Each function gives one section as plain dictionaries and lists for the template. Figures are taken from the files as
they stand; only totals over scenes, and the IoU of several mine classes together, are worked out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.accuracy.census.confusion import iou_as_one
from pitmap.accuracy.mines.record import AuditRecord
from pitmap.accuracy.sampling.estimation import FEW_POINTS
from pitmap.accuracy.sampling.record import EstimateRecord
from pitmap.accuracy.sampling.strata import map_checksum
from pitmap.acquisition import acquisition
from pitmap.grid import Grid
from pitmap.legend import Legend
from pitmap.networks.model_card import ModelCard
from pitmap.raster.codes import LEGEND_TAG, TAG_PREFIX, WARNINGS_TAG, class_areas
from pitmap.raster.reading import describe
from pitmap.reporting.mine_table import MineTable, read_mine_table
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import USED, overlapping_components
from pitmap.stored import read_plain
from pitmap.study.results import Results
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

MINES_LISTED = 50
"""Mines that get a line of their own; the rest are added up."""


NOT_STATED, BY_BAND = "not stated", "by band"
"""Scalings of an image that no formula says."""


def acquisition_date(image: Path, tags: Mapping[str, str]) -> str | None:
    """Day on which an image was taken, ``YYYY-MM-DD``, None where nothing says it."""
    taken = acquisition(image, tags)
    return None if taken is None else taken.date.isoformat()


def study(scenes: Sequence[Scene], samples: SampleSet) -> dict[str, Any]:
    """Images with their sizes, dates and scaling, and the classes."""
    rows = []
    for scene in scenes:
        grid = scene.info.grid
        size = grid.pixel_size_m
        rows.append(
            {
                "name": scene.name,
                "date": acquisition_date(scene.image, scene.info.tags),
                "file": scene.image.name,
                "height": grid.height,
                "width": grid.width,
                "pixel_size_m": size,
                "height_m": None if size is None else grid.height * size,
                "width_m": None if size is None else grid.width * size,
                "crs": _crs_name(grid),
                "dtype": scene.info.dtype,
                "scaling": _scaling(scene),
                "group": scene.group,
            }
        )
    return {
        "scenes": rows,
        "bands": samples.bands,
        "unit": samples.record.unit,
        "georeferenced": all(s.info.grid.crs is not None for s in scenes),
        "any_date": any(r["date"] for r in rows),
        "any_crs": any(s.info.grid.crs is not None for s in scenes),
        # What all images share is said once.
        **{f"one_{k}": rows[0][k] if len({r[k] for r in rows}) == 1 else None for k in ("crs", "dtype", "scaling")},
        "share_ground": share_ground(scenes),
        "groups": len({s.group for s in scenes}),
    }


def _crs_name(grid: Grid) -> str | None:
    if grid.crs is None:
        return None
    authority = grid.crs.to_authority()
    return f"{grid.crs.name} ({':'.join(authority)})" if authority else grid.crs.name


def _scaling(scene: Scene) -> str:
    if not scene.calibrated:
        return NOT_STATED
    pairs = sorted(set(zip(scene.scales, scene.offsets, strict=True)))
    if len(pairs) > 1:
        return BY_BAND
    scale, offset = pairs[0]
    return f"DN × {scale:g}" + (f" {'−' if offset < 0 else '+'} {abs(offset):g}" if offset else "")


def corrections(samples: SampleSet) -> str:
    """One line on the corrections of a review, empty without any."""
    corrected = samples.record.corrections
    return "" if corrected is None else corrected.summary()


def split(samples: SampleSet) -> dict[str, Any]:
    """How the ground is divided, and the audit."""
    audit, facts = samples.record.audit, samples.record.split
    labelled = audit.labelled_pixels
    total = sum(labelled.values())
    names = [s.label for s in USED]
    below = set(audit.classes_below_minimum)
    return {
        "kind": facts.kind,
        "facts": facts,
        "patch": samples.patch,
        "stride": samples.record.stride,
        "parts": [
            {
                "name": name,
                "blocks": (facts.blocks or {}).get(name),
                "patches": audit.patches[name],
                "labelled": labelled[name],
                "share": labelled[name] / total if total else None,
            }
            for name in names
        ],
        "classes": [
            {
                "class": c,
                "counts": [
                    (audit.labelled_pixels_by_class[name].get(c.key, 0), f"{c.key} in {name}" in below)
                    for name in names
                ],
            }
            for c in samples.legend
        ],
        "shared": [
            {
                "pair": pair.split("-"),
                "labelled": pixels,
                "inputs": audit.shared_input_pixels.get(pair),
            }
            for pair, pixels in audit.shared_labelled_pixels.items()
        ],
        "leaks": audit.leaks,
        "remark": audit.remark,
        "below": sorted(below),
    }


def accuracy(assessment: Mapping[str, Any], legend: Legend, mine_keys: Sequence[str]) -> dict[str, Any]:
    """One assessment: figures, confusion matrix with the shares that colour it, and classes.

    Args:
        assessment: As ``Assessment.to_json`` gives it.
        legend: The classes.
        mine_keys: Keys of the mine classes.
    """
    figures = assessment["figures"]
    counts = np.array(assessment["confusion"]["counts"])
    mines = [legend[key].code - 1 for key in mine_keys]
    columns = counts.sum(axis=0)
    areas = {row["key"]: row for row in assessment["areas"]}
    classes = []
    for row in figures["classes"]:
        area = areas[row["key"]]
        classes.append(
            row
            | {
                "class": legend[row["key"]],
                "mapped_ha": area["mapped_compared_ha"],
                "reference_ha": area["reference_compared_ha"],
            }
        )
    return {
        "ground": assessment["ground"],
        "pixels": assessment["pixels"],
        "conventions": assessment["conventions"],
        "kind": assessment["kind"],
        "figures": figures,
        "mine_iou": iou_as_one(counts, mines),
        "majority_mine_iou": iou_as_one(_majority_counts(counts), mines) if counts.any() else None,
        "classes": classes,
        "in_hectares": assessment["confusion_m2"] is not None,
        "matrix": [
            {
                "class": c,
                "cells": [
                    {"count": int(n), "share": float(n / columns[j]) if columns[j] else 0.0, "right": j == i}
                    for j, n in enumerate(counts[i])
                ],
                "total": int(counts[i].sum()),
            }
            for i, c in enumerate(legend)
        ],
        "reference_totals": [int(n) for n in columns],
        "total": int(counts.sum()),
    }


def _majority_counts(counts: NDArray[Any]) -> NDArray[Any]:
    """Confusion matrix of a map that has the commonest reference class everywhere."""
    reference = counts.sum(axis=0)
    result = np.zeros_like(counts)
    result[int(reference.argmax())] = reference
    return result


def scene_accuracies(
    content: Mapping[str, Any], legend: Legend, mine_keys: Sequence[str]
) -> dict[str, dict[str, Any] | None]:
    """Main figures of each scene on its test ground, None where it has none."""
    rows: dict[str, dict[str, Any] | None] = {}
    for name, grounds in content.get("scenes", {}).items():
        test = grounds.get("test")
        if test is None:
            rows[name] = None
            continue
        counts = np.array(test["confusion"]["counts"])
        rows[name] = {
            "compared": test["pixels"]["compared"],
            "overall_accuracy": test["figures"]["overall_accuracy"],
            "mean_iou": test["figures"]["mean_iou"],
            "mine_iou": iou_as_one(counts, [legend[key].code - 1 for key in mine_keys]),
        }
    return rows


def intervals(content: Mapping[str, Any]) -> dict[str, Any]:
    """Intervals of the figures on test ground, by figure, and by class and figure; empty where there are none.

    They stand beside the assessment of the test ground: a figure has its bounds, or a dictionary of bounds by class
    key.
    """
    found, made = content["test"]["intervals"] or {}, content["test"]["intervals_made"] or {}
    by_class = {name: bounds for name, bounds in found.items() if isinstance(bounds, dict)}
    return {
        "figures": {name: bounds for name, bounds in found.items() if isinstance(bounds, list)},
        "of_class": by_class,
        "level": made.get("level", 0.95),
        "method": made.get("method", "Intervals come from resampling blocks of ground."),
        "warnings": made.get("warnings", []),
    }


def read_mines(results: Results, scene: str) -> MineTable | None:
    """The mines of a scene, None where there is no such file."""
    path = results.map(scene).mines
    return read_mine_table(path) if path.exists() else None


def mines(tables: Mapping[str, MineTable]) -> dict[str, Any]:
    """Mines of all scenes: the largest, grouped by scene with the rest of the scene added up, and totals."""
    rows: list[dict[str, Any]] = []
    for scene, table in tables.items():
        listed = table.largest.head(MINES_LISTED)
        for record in listed.drop(columns=listed.geometry.name).to_dict("records"):
            area, confidence = record.get("area_ha"), record.get("confidence")
            rows.append(
                {
                    "scene": scene,
                    "id": int(record["id"]),
                    "class": record["class"],
                    "name": record["name"],
                    "pixels": int(record["pixels"]),
                    "area_ha": None if area is None else float(area),
                    "perimeter_m": record.get("perimeter_m"),
                    "confidence": None if confidence is None or np.isnan(confidence) else float(confidence),
                }
            )
    by_size = sorted(rows, key=lambda r: -(r["area_ha"] if r["area_ha"] is not None else r["pixels"]))
    largest = by_size[:MINES_LISTED]
    groups = []
    for scene, table in tables.items():
        own = sorted((r for r in largest if r["scene"] == scene), key=lambda r: r["id"])
        rest = ~np.isin(table.ids, [r["id"] for r in own])
        if own:
            groups.append({"scene": scene, "listed": own, "rest": _summed(table, rest) if rest.any() else None})
    scenes = {scene: _summed(table, np.ones(len(table), np.bool_)) for scene, table in tables.items()}
    sizes = [row["area_ha"] for row in scenes.values()]
    return {
        "groups": groups,
        "listed": len(largest),
        "total": {
            "number": sum(row["number"] for row in scenes.values()),
            "pixels": sum(row["pixels"] for row in scenes.values()),
            "area_ha": None if None in sizes else float(sum(sizes)),
        },
        "scenes": scenes,
        "with_confidence": any(r["confidence"] is not None for r in rows),
        "in_hectares": all(table.area_ha is not None for table in tables.values()),
        "simplified": _simplified(list(tables.values())),
    }


def _simplified(tables: Sequence[MineTable]) -> dict[str, float] | None:
    """Shares by which simplified outlines hold more than the pixels: of all mines, and the largest of one."""
    changes = [(t.outline_change_pct / 100, t.pixels) for t in tables if t.outline_change_pct is not None and len(t)]
    if not changes:
        return None
    change, pixels = (np.concatenate(parts) for parts in zip(*changes, strict=True))
    return {
        "all": float((change * pixels).sum() / pixels.sum()),
        "largest": float(change[np.argmax(np.abs(change))]),
    }


def _summed(table: MineTable, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "number": int(chosen.sum()),
        "pixels": int(table.pixels[chosen].sum()),
        "area_ha": None if table.area_ha is None else float(table.area_ha[chosen].sum()),
    }


def areas(project: Study, scenes: Sequence[Scene], legend: Legend) -> dict[str, Any]:
    """Pixels and hectares of each class on the maps.

    Scenes that show common ground, such as dates of one place, are not added up.
    """
    mapped = [s for s in scenes if (project.results.map(s.name).map).exists()]
    counted = [class_areas(project.results.map(s.name).map, len(legend)) for s in mapped]
    in_hectares = bool(counted) and all(m2 is not None for _, m2 in counted)
    values = np.array([m2 / 1e4 if m2 is not None and in_hectares else pixels for pixels, m2 in counted])
    values = values.reshape(len(mapped), len(legend))
    return {
        "scenes": [s.name for s in mapped],
        "in_hectares": in_hectares,
        "by_class": [{"class": c, "values": values[:, k].tolist(), "total": float(values[:, k].sum())}
                     for k, c in enumerate(legend)],
        "totals": values.sum(axis=1).tolist(),
        "total": float(values.sum()),
    }  # fmt: skip


def share_ground(scenes: Sequence[Scene]) -> bool:
    """Whether some scenes show common ground: they overlap, or, without CRS, belong to one group."""
    grids = [s.info.grid for s in scenes]
    names = [s.group if s.info.grid.crs is None else s.name for s in scenes]
    return len(set(overlapping_components(grids, names))) < len(scenes)


def provenance(
    project: Study, samples: SampleSet, card: ModelCard, model_path: Path, scenes: Sequence[Scene],
    content: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """How everything was made: settings, versions, checksums and commands."""
    training = {} if card.training is None else card.training.to_json()
    recipe = training.pop("recipe", None)
    for duplicate in ("ground", "split", "key"):
        training.pop(duplicate, None)
    maps = []
    for scene in scenes:
        path = project.results.map(scene.name).map
        if path.exists():
            tags = {k: v for k, v in describe(path).tags.items() if k.startswith(TAG_PREFIX) and k != LEGEND_TAG}
            maps.append(
                {"scene": scene.name, "tags": tags, "sha256": content.get("maps", {}).get(scene.name, "")}
            )  # fmt: skip
    return {
        "file": project.relative(model_path),
        "card": card,
        "recipe": recipe if isinstance(recipe, dict) else {},
        "training": training,
        "warnings": [(m["scene"], m["tags"][WARNINGS_TAG]) for m in maps if WARNINGS_TAG in m["tags"]],
        "mapping": _of_mapping(maps[0]["tags"]) if maps else {},
        "maps": maps,
        "other_maps": [m["scene"] for m in maps if m["tags"].get("PITMAP_MODEL_SHA256", card.sha256) != card.sha256],
        "samples_fingerprint": samples.record.fingerprint,
        "samples_seed": samples.record.seed,
        "project_file": project.path.name,
        "project_text": project.path.read_text(encoding="utf-8"),
        "commands": _commands(project, card, model_path, scenes),
    }


def _of_mapping(tags: Mapping[str, str]) -> dict[str, str]:
    """How a map was made, without what the page says elsewhere."""
    told = {k.removeprefix(TAG_PREFIX).lower(): v for k, v in tags.items() if k != WARNINGS_TAG}
    return {k: v for k, v in told.items() if k not in ("image", "model", "model_sha256", "project", "network")}


def _commands(project: Study, card: ModelCard, model_path: Path, scenes: Sequence[Scene]) -> list[str]:
    """The commands that make the same again."""
    file = project.path.name
    if (card.network, card.seed) == (project.training.network, project.project.seed):
        return [f"pitmap run {file}"]
    commands = [f"pitmap sample {file}", f"pitmap train {file} --network {card.network} --seed {card.seed}"]
    model = project.relative(model_path)
    for scene in scenes[:1]:
        files = project.results.map(scene.name)
        mines = f" --mines {project.relative(files.mines)}" if project.mine_classes else ""
        commands.append(
            f"pitmap map {model} {project.relative(scene.image)} {project.relative(files.map)} --project {file} "
            f"--site {scene.site.name}{mines}" + ("   # likewise the other images" if len(scenes) > 1 else "")
        )
    return [*commands, f"pitmap report {file}"]


def estimate(results: Results) -> tuple[dict[str, Any] | None, str]:
    """The estimate from a sample of points, None where there is none; and the name of the map if it is none here."""
    if not results.estimate.exists():
        return None, ""
    content = read_plain(results.estimate, EstimateRecord)
    sources = content.get("sources", {})
    if "map_sha256" not in sources:
        return content, ""
    path = results.map(Path(sources["map"]).stem).map
    if path.exists() and map_checksum(path) == sources["map_sha256"]:
        return {**content, "warnings": [*content["warnings"], *content.get("sample_warnings", [])]}, ""
    return None, str(sources["map"])


def answer(exceeds: Mapping[str, float] | None, threshold_ha: float | None) -> Mapping[str, float] | None:
    """What an estimate says of a threshold: nothing where it was asked about another one."""
    asked = threshold_ha is None or (exceeds is not None and exceeds["threshold"] == threshold_ha)
    return exceeds if asked else None


def threshold_warning(project: Study) -> str | None:
    """What to say where ``[report] threshold_ha`` asks something that nothing answers, else None."""
    asked = project.report.threshold_ha
    if asked is None:
        return None
    found, _ = estimate(project.results)
    if found is None:
        why = "that is known from labelled points alone, and there is no estimate from such ([accuracy] reference)."
    else:
        told = {row["key"]: answer(row.get("exceeds"), asked) for row in found["classes"]}
        if all(told.get(key) is not None for key in project.mine_classes):
            return None
        why = "estimate.json does not say. `pitmap run` makes it anew."
    return f"Whether the mines cover more than the {asked:g} ha of [report] threshold_ha is not known: {why}"


def few_points(estimate: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader must know of an estimate: figures with too few points, and all other warnings.

    Args:
        estimate: As ``estimate`` gives it, or ``SampleEstimate.to_json``.

    Returns:
        ``figures``, each with ``name``, ``key`` of the class (empty for the overall accuracy) and ``points``; and
        ``others``, sentences.
    """
    named = [("Overall accuracy", "", estimate["overall_accuracy"])]
    for row in estimate["classes"]:
        named += [("User's accuracy", row["key"], row["users_accuracy"])]
        named += [("Producer's accuracy", row["key"], row["producers_accuracy"])]

    def few(e: Mapping[str, Any]) -> bool:
        return bool(e["warning"]) and e["points"] < FEW_POINTS

    said = {f"{n} of {k}: {e['warning']}" if k else f"{n}: {e['warning']}" for n, k, e in named if few(e)}
    warnings = dict.fromkeys((*estimate["warnings"], *estimate.get("sample_warnings", ())))
    return {
        "figures": [{"name": n, "key": k, "points": e["points"]} for n, k, e in named if few(e)],
        "others": [w for w in warnings if w not in said],
    }


def audit(results: Results) -> dict[str, Any] | None:
    """The audit of single mines: totals, figures with their definitions, sizes, and the largest reference mines.

    None where there is none.
    """
    if not results.audit.exists():
        return None
    content = read_plain(results.audit, AuditRecord)
    mines = sorted(content["reference_mines"], key=lambda m: (-m["area_m2"], m["id"]))
    return {
        "sources": content["sources"],
        "totals": content["totals"],
        "figures": [
            {"name": name, "meaning": content["definitions"].get(name, ""), **figure}
            for name, figure in content["figures"].items()
        ],
        "overlap": content["options"]["overlap"],
        "by_size": [row for row in content["by_size"] if row["reference"] or row["mapped"]],
        "mines": mines[:MINES_LISTED],
        "left_out": max(len(mines) - MINES_LISTED, 0),
    }
