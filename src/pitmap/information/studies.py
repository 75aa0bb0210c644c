"""A study: what is in it, what is up to date, and what `pitmap run` would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitmap.information import Information
from pitmap.review_queue import labelling_kind

if TYPE_CHECKING:
    from pitmap.study.study import Study


def study(path: Path) -> Information:
    """The images and classes of a study, and the state of its results.

    Raises:
        ProjectError: The project file has a problem.
    """
    from pitmap.acquisition import date_taken
    from pitmap.raster.bands import composite
    from pitmap.state import study_state
    from pitmap.study.study import load_study

    project = load_study(path)
    state = study_state(project)
    scenes = [
        {
            "scene": scene.name,
            "site": scene.site.name,
            "image": project.relative(scene.image),
            "date": date_taken(scene.image, scene.info.tags),
            "bands": scene.band_names,
            "shown_bands": [scene.band_indices[k] for k in composite(scene.band_names).bands],
            "labels": None if scene.labels is None else project.relative(scene.labels),
        }
        for scene in project.scenes
    ]
    content = {
        "study": project.project.name,
        "project_file": str(project.path),
        "results": str(project.results.folder),
        "classes": project.legend.keys,
        "mine_classes": project.mine_classes,
        "scenes": scenes,
        "files": _files(project),
        "steps": [step.to_json() for step in state],
    }
    sites = {scene.site.name for scene in project.scenes}
    head = (
        f"{project.project.name}: {len(scenes)} image{'s' if len(scenes) != 1 else ''} of {len(sites)} "
        f"site{'s' if len(sites) != 1 else ''}, classes {', '.join(project.legend.keys)}. "
        f"Results: {project.results.folder}"
    )
    width = max(len(step.name) for step in state)
    lines = [f"  {step.name:<{width}}  {step.text}" for step in state]
    to_do = [step.name for step in state if not step.current]
    last = f"`pitmap run` would make: {', '.join(to_do)}." if to_do else "Everything is up to date."
    return Information("\n".join([head, *lines, last]), content)


def _files(project: Study) -> dict[str, Any]:
    """Files that are there, relative to the study: report, QGIS project, maps, samples of points, review queues."""
    results = project.results
    of_maps = [results.map(scene.name) for scene in project.scenes]
    maps = [path for files in of_maps for path in (files.map, files.confidence, files.probabilities, files.mines)]
    layers = [p for folder in (project.folder, results.folder) for p in sorted(folder.glob("*.gpkg"))]
    layers += [p for p in sorted(project.folder.glob("*/*.gpkg")) if p.parent != results.folder]
    layers += [s.corrections for s in project.scenes if s.corrections is not None]
    if project.accuracy.reference is not None:
        layers.append(project.place(project.accuracy.reference))
    kinds = {path.resolve(): labelling_kind(path) for path in layers if path.exists()}

    def told(path: Path) -> str | None:
        return project.relative(path) if path.exists() else None

    return {
        "report": told(results.report),
        "qgis": told(results.qgis_project(project.project.name)),
        "maps": [project.relative(path) for path in maps if path.exists()],
        "points": [project.relative(path) for path, kind in kinds.items() if kind == "points"],
        "reviews": [project.relative(path) for path, kind in kinds.items() if kind == "review"],
    }
