"""Labels that an analyst gave while reviewing a map: they replace those of the land-use map on training ground only.

Validation and test ground keep the labels that they had. What is reviewed is what the network doubts, no fair sample of
the ground: figures from it would say nothing about the map, and could not be compared with those from before.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pitmap import landuse, review_queue
from pitmap.errors import LabelError
from pitmap.grid import Window
from pitmap.legend import UNLABELLED
from pitmap.samples.labels import CodesReader, scene_ground
from pitmap.samples.split import Split
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

NOT_CORRECTED = 0
UNLABEL = 255
"""Values of a raster of corrections beside the class codes: as it was, and without a label from now on."""


@dataclass(frozen=True)
class Corrections:
    """What the corrections of a scene, or of several, come to.

    Attributes:
        polygons: Features with a class, or with ``CANNOT_BE_TOLD``.
        open: Features that nobody has filled in yet.
        confirmed: Pixels of training ground that had the class already.
        changed: Pixels of training ground that had another class.
        added: Pixels of training ground that had no class.
        removed: Pixels of training ground that lose their class.
        left_aside: Pixels of validation and test ground, and of the strips between the splits.
    """

    polygons: int = 0
    open: int = 0
    confirmed: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    left_aside: int = 0

    def __add__(self, other: Corrections) -> Corrections:
        return Corrections(**{k: v + getattr(other, k) for k, v in asdict(self).items()})

    def to_json(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)

    def summary(self) -> str:
        """One line for screen and report."""
        return (
            f"{self.polygons} reviewed polygon(s), {self.open} still open: on training ground {self.added} pixels got "
            f"a label, {self.changed} another one, {self.removed} lost theirs, {self.confirmed} were right; "
            f"{self.left_aside} pixels of validation and test ground, or between the splits, keep what they had."
        )


@dataclass(frozen=True, eq=False)
class SceneCorrections:
    """Corrections on the pixels of a scene.

    Attributes:
        codes: Of a window, uint8 ``(height, width)``: class codes, ``NOT_CORRECTED``, or ``UNLABEL``.
        polygons: Features that are filled in.
        open: Features that are not.
    """

    codes: CodesReader
    polygons: int
    open: int

    def labelled(self, window: Window) -> NDArray[np.bool_]:
        """Where a class was given, ``(height, width)``."""
        codes = self.codes(window)
        return np.asarray((codes != NOT_CORRECTED) & (codes != UNLABEL))


def correct(
    labels: NDArray[np.uint8], corrections: NDArray[np.uint8], split: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], Corrections]:
    """Change the labels of training ground.

    Args:
        labels: Codes, 0 where unlabelled, any shape.
        corrections: Class codes, ``NOT_CORRECTED`` or ``UNLABEL``, the same shape.
        split: ``Split`` values, the same shape.

    Returns:
        The labels, and what it comes to in pixels.
    """
    given = corrections != NOT_CORRECTED
    used = given & (split == Split.TRAINING)
    before = labels[used]
    after = np.where(corrections[used] == UNLABEL, UNLABELLED, corrections[used]).astype(np.uint8)
    corrected = labels.copy()
    corrected[used] = after
    labelled = (before > 0) & (after > 0)
    return corrected, Corrections(
        confirmed=int((labelled & (before == after)).sum()),
        changed=int((labelled & (before != after)).sum()),
        added=int(((before == 0) & (after > 0)).sum()),
        removed=int(((before > 0) & (after == 0)).sum()),
        left_aside=int((given & ~used).sum()),
    )


def scene_corrections(project: Study, scene: Scene) -> SceneCorrections | None:
    """The corrections of a scene on its pixels, None where it has none.

    Features whose field ``reference`` is empty do not count. It holds the key of a class, its name or its code. Of
    overlapping features the smaller wins.

    Raises:
        LabelError: The file cannot be read, lies outside the image, or names classes that the legend lacks.
    """
    if scene.corrections is None:
        return None
    grid, legend = scene.info.grid, project.legend
    name = review_queue.layer_of(scene.corrections)
    nothing: CodesReader = lambda window: np.zeros((window.height, window.width), np.uint8)  # noqa: E731
    if landuse.is_empty(scene.corrections, name):
        return SceneCorrections(nothing, 0, 0)
    layer = landuse.read_layer(scene.corrections, name, review_queue.FIELD)
    filled = np.array([v is not None and v != "" for v in layer.values])
    number, still_open = int(filled.sum()), int((~filled).sum())
    if not number:
        return SceneCorrections(nothing, 0, still_open)
    # Keys before codes: the form writes keys, and a key may look like another class's code.
    values = {
        **landuse.class_codes(None, legend),
        **{c.key: c.code for c in legend},
        review_queue.CANNOT_BE_TOLD: UNLABEL,
    }
    if unknown := sorted({v for v in layer.values if v and v not in values}):
        raise LabelError(
            f"The field {review_queue.FIELD!r} of {scene.corrections} holds {', '.join(map(repr, unknown))}.",
            f"A class by its key ({', '.join(legend.keys)}), name or code, or {review_queue.CANNOT_BE_TOLD!r}.",
            "Correct these features in QGIS.",
        )
    chosen = replace(
        layer,
        geometries=layer.geometries[filled],
        values=tuple(v for v, f in zip(layer.values, filled, strict=True) if f),
    )
    projected, usable = landuse.project(chosen, grid, values), scene_ground(project, scene)

    def codes(window: Window) -> NDArray[np.uint8]:
        return np.where(usable(window), projected.burn(window), NOT_CORRECTED).astype(np.uint8)

    return SceneCorrections(codes, number, still_open)
