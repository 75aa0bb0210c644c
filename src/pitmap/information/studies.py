"""A study: what is in it, what is up to date, and what `pitmap run` would do."""

from __future__ import annotations

from pathlib import Path

from pitmap.information import Information


def study(path: Path) -> Information:
    """The images and classes of a study, and the state of its results.

    Raises:
        ProjectError: The project file has a problem.
    """
    from pitmap.state import study_state
    from pitmap.study.study import load_study

    project = load_study(path)
    state = study_state(project)
    scenes = [
        {
            "scene": scene.name,
            "site": scene.site.name,
            "image": project.relative(scene.image),
            "bands": scene.band_names,
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
