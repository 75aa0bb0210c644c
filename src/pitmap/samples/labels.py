"""Labels of a scene on the scene's own pixel grid, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import Window
from pitmap.labels import Cover, Labels, absent_values, open_labels, usable_ground
from pitmap.legend import UNLABELLED
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

CodesReader = Callable[[Window], NDArray[np.uint8]]
"""Codes of a window of a scene: uint8 ``(height, width)``, 0 where unlabelled."""


def scene_labels(project: Study, scene: Scene) -> Labels:
    """Land-cover codes of a scene from its site's labels, extent and excluded ground.

    Raises:
        ImageError: A raster cannot be read or laid over the image.
        LabelError: The labels lie outside the image, hold values that no class is given for, or cannot be read.
    """
    if scene.labels is None:
        return Labels(Path(), "", lambda window: np.zeros((window.height, window.width), np.uint8), {})
    labels = open_labels(scene.labels, scene.info.grid, project.legend, scene.label_options)
    usable = scene_ground(project, scene)
    given = labels.read
    return replace(labels, read=lambda window: np.where(usable(window), given(window), UNLABELLED).astype(np.uint8))


def scene_ground(project: Study, scene: Scene) -> Cover:
    """Ground inside the extent of a scene's site and under no excluded layer."""
    site = scene.site
    extent = None if site.extent is None else project.place(site.extent)
    return usable_ground(scene.info.grid, extent, [project.place(path) for path in site.exclude])


def absent_labels(read: Sequence[tuple[Scene, Labels]]) -> list[str]:
    """A sentence for each value of a site that a class is given for and that occurs in none of its label files.

    Args:
        read: The scenes with their labels, all windows of which have been read.
    """
    sentences: list[str] = []
    for name in dict.fromkeys(scene.site.name for scene, _ in read):
        own = [labels for scene, labels in read if scene.site.name == name and labels.expected]
        if own:
            seen = {value for labels in own for value in labels.seen}
            files = ", ".join(dict.fromkeys(labels.path.name for labels in own))
            sentences += absent_values(f"the labels of site {name!r} ({files})", own[0].expected, seen)
    return sentences
