"""Mines of one place: which of its mapped and reference polygons lie where, and the verdict on each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from pitmap.accuracy.mines.polygons import SMALLEST_M2
from pitmap.edges import cut_edges

SIZE_EDGES_M2 = (SMALLEST_M2, 5_000.0, 10_000.0, 100_000.0, 1_000_000.0)
"""Lower edges of the size classes; what is smaller than the first is a class of its own."""


@dataclass(frozen=True)
class Criteria:
    """What decides on verdicts, and how outlines are compared.

    Attributes:
        overlap: Share of a polygon that decides on found and true.
        part: Share of a mine that makes a part of it.
        boundary_m: Width of the belt of the boundary IoU.
        step_m: Distance of the points along outlines.
    """

    overlap: float
    part: float
    boundary_m: float
    step_m: float


@dataclass(frozen=True, slots=True)  # there may be 100,000
class ReferenceMine:
    """The verdict on one reference mine.

    Attributes:
        area_m2: On the ellipsoid.
        size: Index of its size class, 0 for the smallest.
        verdict: ``found``, ``split``, ``merged``, ``split and merged`` or ``missed``.
        covered: Share of its area that is mapped as mine.
        mapped: Numbers of the mapped polygons that belong to it.
        iou: With the polygons that belong to it, 0 where there are none.
        area_error_m2: See ``DEFINITIONS``.
        distance_mean_m: Mean boundary distance.
        distance_p95_m: 95th percentile.
        distance_max_m: Hausdorff distance.
        boundary_iou: See ``DEFINITIONS``.
    """

    area_m2: float
    size: int
    verdict: str
    covered: float
    mapped: tuple[int, ...]
    iou: float
    area_error_m2: float | None = None
    distance_mean_m: float | None = None
    distance_p95_m: float | None = None
    distance_max_m: float | None = None
    boundary_iou: float | None = None

    @property
    def found(self) -> bool:
        """Whether the mine was not missed."""
        return self.verdict != "missed"


@dataclass(frozen=True, slots=True)  # there may be 100,000
class MappedMine:
    """The verdict on one mapped polygon.

    Attributes:
        area_m2: On the ellipsoid.
        size: Index of its size class.
        verdict: ``true`` or ``false``.
        inside: Share of its area that lies in reference mines.
        reference: Number of the reference mine that it belongs to, None where it touches none.
    """

    area_m2: float
    size: int
    verdict: str
    inside: float
    reference: int | None


class Place:
    """Reference and mapped polygons that touch each other, in a plane.

    Args:
        reference: Reference polygons.
        mapped: Mapped polygons.
        reference_ids: Number of each reference polygon.
        mapped_ids: Number of each mapped polygon.
        criteria: What decides.
    """

    def __init__(
        self,
        reference: NDArray[np.object_],
        mapped: NDArray[np.object_],
        reference_ids: NDArray[np.int64],
        mapped_ids: NDArray[np.int64],
        criteria: Criteria,
    ) -> None:
        self.reference, self.mapped, self.criteria = reference, mapped, criteria
        self.reference_ids, self.mapped_ids = reference_ids, mapped_ids
        self.area_r, self.area_m = shapely.area(reference), shapely.area(mapped)
        self.overlap = np.zeros((len(reference), len(mapped)))
        if len(reference) and len(mapped):
            self.overlap = shapely.area(shapely.intersection(reference[:, None], mapped[None, :]))
        all_r, all_m = shapely.union_all(reference), shapely.union_all(mapped)
        # Unions, so that polygons of one layer that overlap are not counted twice.
        self.covered = (
            shapely.area(shapely.intersection(reference, all_m)) / self.area_r if len(reference) else np.zeros(0)
        )
        self.inside = shapely.area(shapely.intersection(mapped, all_r)) / self.area_m if len(mapped) else np.zeros(0)
        self.overlap_m2 = float(shapely.area(shapely.intersection(all_r, all_m)))
        has_home = self.overlap.sum(axis=0) > 0
        self.home = np.where(has_home, self.overlap.argmax(axis=0) if len(reference) else 0, -1)

    def reference_mines(self) -> list[ReferenceMine]:
        """The verdicts on the reference polygons."""
        mines = []
        share = self.overlap / self.area_r[:, None] if len(self.reference) else self.overlap
        joined = (share >= self.criteria.overlap).sum(axis=0) >= 2 if len(self.reference) else np.zeros(0, np.bool_)
        for k, polygon in enumerate(self.reference):
            own = np.flatnonzero(self.home == k)
            area = float(self.area_r[k])
            found = self.covered[k] >= self.criteria.overlap
            split = (share[k] >= self.criteria.part).sum() >= 2
            merged = bool((joined & (share[k] >= self.criteria.overlap)).any())
            words = [w for w, applies in (("split", split), ("merged", merged)) if applies]
            verdict = (" and ".join(words) or "found") if found else "missed"
            union = shapely.union_all(self.mapped[own])
            both = float(shapely.area(shapely.intersection(polygon, union)))
            iou = min(both / (area + float(union.area) - both), 1.0)
            more: dict[str, float | None] = {}
            if found and not merged and len(own):
                more = {"area_error_m2": float(self.area_m[own].sum()) - area}
                more |= _boundary(polygon, union, self.criteria)
            mines.append(
                ReferenceMine(
                    area, size_class(area), verdict, min(float(self.covered[k]), 1.0),
                    tuple(int(i) for i in self.mapped_ids[own]), iou, **more,
                )
            )  # fmt: skip
        return mines

    def mapped_mines(self) -> list[MappedMine]:
        """The verdicts on the mapped polygons."""
        return [
            MappedMine(
                float(area), size_class(float(area)), "true" if inside >= self.criteria.overlap else "false",
                min(float(inside), 1.0), int(self.reference_ids[home]) if home >= 0 else None,
            )
            for area, inside, home in zip(self.area_m, self.inside, self.home, strict=True)
        ]  # fmt: skip

    def pairs(self) -> tuple[float, float]:
        """Number of pairs with IoU above 0.5, each polygon in one pair at most, and the sum of their IoU."""
        if not self.overlap.size:
            return 0.0, 0.0
        iou = np.minimum(self.overlap / (self.area_r[:, None] + self.area_m[None, :] - self.overlap), 1.0)
        best = (iou > 0.5) & (iou == iou.max(axis=0)[None, :]) & (iou == iou.max(axis=1)[:, None])
        return float(best.sum()), float(iou[best].sum())


def _boundary(a: shapely.Geometry, b: shapely.Geometry, criteria: Criteria) -> dict[str, float | None]:
    """Distances between two outlines, and the IoU of their inner belts."""
    outlines = shapely.boundary(a), shapely.boundary(b)
    distances: list[NDArray[np.float64]] = []
    for one, other in (outlines, outlines[::-1]):
        points = shapely.points(shapely.get_coordinates(cut_edges(np.array([one], object), criteria.step_m)))
        shapely.prepare(other)
        distances.append(np.atleast_1d(shapely.distance(points, other)))
    # Each outline weighs the same, whatever its number of corners.
    weights = np.concatenate([np.full(len(d), 0.5 / len(d)) for d in distances])
    pooled = np.concatenate(distances)
    rank = np.argsort(pooled)
    p95 = pooled[rank][np.searchsorted(np.cumsum(weights[rank]), 0.95 - 1e-12)]
    belts = [shapely.difference(g, shapely.buffer(g, -criteria.boundary_m)) for g in (a, b)]
    both = float(shapely.area(shapely.intersection(belts[0], belts[1])))
    either = float(shapely.area(belts[0]) + shapely.area(belts[1])) - both
    return {
        "distance_mean_m": float((weights * pooled).sum()),
        "distance_p95_m": float(p95),
        "distance_max_m": float(pooled.max()),
        "boundary_iou": both / either if either > 0 else None,
    }


def size_class(area_m2: float) -> int:
    """Index of the size class of an area: 0 below the smallest mine of the paper."""
    return int(np.searchsorted(SIZE_EDGES_M2, area_m2, side="right"))


def size_name(index: int) -> str:
    """A size class in words, such as ``1 to 10 ha``."""

    def text(m2: float) -> str:
        return f"{m2:,.0f} m2" if m2 < 10_000 else f"{m2 / 1e4:,.0f} ha"

    if index == 0:
        return f"below {text(SIZE_EDGES_M2[0])}"
    if index == len(SIZE_EDGES_M2):
        return f"{text(SIZE_EDGES_M2[-1])} and more"
    return f"{text(SIZE_EDGES_M2[index - 1])} to {text(SIZE_EDGES_M2[index])}"
