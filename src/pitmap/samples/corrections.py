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
from pitmap.legend import UNLABELLED
from pitmap.samples.labels import unusable_ground
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
        codes: uint8 ``(height, width)``: class codes, ``NOT_CORRECTED``, or ``UNLABEL``.
        polygons: Features that are filled in.
        open: Features that are not.
    """

    codes: NDArray[np.uint8]
    polygons: int
    open: int

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Where a class was given, ``(height, width)``."""
        return (self.codes != NOT_CORRECTED) & (self.codes != UNLABEL)

    def apply(self, labels: NDArray[np.uint8], split: NDArray[np.uint8]) -> Corrections:
        """Change the labels of training ground, in place.

        Args:
            labels: Codes of the scene, 0 where unlabelled.
            split: ``Split`` values of the scene.

        Returns:
            What it comes to.
        """
        given = self.codes != NOT_CORRECTED
        used = given & (split == Split.TRAINING)
        before = labels[used]
        after = np.where(self.codes[used] == UNLABEL, UNLABELLED, self.codes[used]).astype(np.uint8)
        labels[used] = after
        labelled = (before > 0) & (after > 0)
        return Corrections(
            self.polygons,
            self.open,
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
    codes = np.zeros(grid.shape, np.uint8)
    if landuse.is_empty(scene.corrections, name):
        return SceneCorrections(codes, 0, 0)
    layer = landuse.read_layer(scene.corrections, name, review_queue.FIELD)
    filled = np.array([v is not None and v != "" for v in layer.values])
    number, still_open = int(filled.sum()), int((~filled).sum())
    if number:
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
        codes = landuse.burn(chosen, grid, values)
        codes[unusable_ground(project, scene)] = NOT_CORRECTED
    return SceneCorrections(codes, number, still_open)
