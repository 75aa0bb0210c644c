"""What became of each mine from one date to the next, and its hectares on every date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import shapely

from pitmap.changes.classes import GAINED, LOST, MINE, RESTORED, Roles
from pitmap.changes.survey import Piece, StepTotals, Survey
from pitmap.legend import Legend

RESTORED_SHARE = 0.5
"""Share of a mine that is gone which is vegetation afterwards, from which on it is called restored."""

VERDICTS = ("new", "grown", "grown and shrunk", "unchanged", "shrunk", "gone", "restored")


@dataclass(frozen=True)
class MineChange:
    """What became of one mine between two dates, on ground that both maps show.

    Attributes:
        mine: Its number: 1 is the mine that was largest on any date.
        verdict: One of ``VERDICTS``.
        before_ha: Hectares on the earlier date.
        after_ha: Hectares on the later date.
        gained_ha: Ground that became the mine.
        lost_ha: Ground that ceased to be it.
        restored_ha: Of that, what is vegetation now.
        parts_before: Separate pieces that are not below the minimum mapping unit on the earlier date.
        parts_after: On the later date.
        relation: ``merged`` where pieces became one, ``split`` where one became several, else empty.
        gained_from: Hectares gained by the class that the ground had.
        lost_to: Hectares lost by the class that the ground has now.
    """

    mine: int
    verdict: str
    before_ha: float
    after_ha: float
    gained_ha: float
    lost_ha: float
    restored_ha: float
    parts_before: int
    parts_after: int
    relation: str
    gained_from: Mapping[str, float]
    lost_to: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def verdict(before: float, after: float, gained: float, lost: float, restored: float, smallest: float) -> str | None:
    """One of ``VERDICTS`` for a mine, None where it is below the smallest area on both dates.

    A mine is new where it was below the smallest area before, gone where it is below it now, and restored where at
    least half of a mine that is gone became vegetation. Else it has grown, or shrunk, where it gained, or lost, as much
    as the smallest area; a mine that moved on has done both.

    Args:
        before: Its area.
        after: Its area.
        gained: Area that became the mine.
        lost: Area that ceased to be it.
        restored: Of that, what became vegetation.
        smallest: Minimum mapping unit in the same unit; what is 0 is never a mine.
    """
    least = max(smallest, 1e-9)
    if before < least and after < least:
        return None
    if before < least:
        return "new"
    if after < least:
        return "restored" if restored >= RESTORED_SHARE * lost else "gone"
    grown, shrunk = gained >= least, lost >= least
    return "grown and shrunk" if grown and shrunk else "grown" if grown else "shrunk" if shrunk else "unchanged"


def numbered(found: Survey, smallest_m2: float) -> dict[int, int]:
    """Numbers of mines in the order of their largest area on any date: by the number that the survey gave them.

    Mines that never reach the smallest area have none.
    """
    largest = found.mine_m2.max(axis=1)
    corner = {
        mine: (-max(b[3] for b in bounds), min(b[0] for b in bounds))
        for mine, bounds in _bounds(found).items()
    }  # fmt: skip
    kept = [m for m in range(1, len(largest)) if largest[m] >= max(smallest_m2, 1e-9)]
    kept.sort(key=lambda m: (-largest[m], corner.get(m, (0.0, 0.0))))
    return {mine: number for number, mine in enumerate(kept, start=1)}


def _bounds(found: Survey) -> dict[int, list[tuple[float, float, float, float]]]:
    """Of all outlines of each mine: mines of equal size are ordered from north to south and west to east."""
    bounds: dict[int, list[tuple[float, float, float, float]]] = {}
    for step in found.steps:
        for (mine, _, _), polygons in step.outlines.items():
            bounds.setdefault(mine, []).append(tuple(shapely.total_bounds(polygons)))
    return bounds


def mine_changes(
    step: StepTotals, index: int, found: Survey, numbers: Mapping[int, int], legend: Legend, roles: Roles,
    smallest_m2: float,
) -> list[MineChange]:  # fmt: skip
    """What became of every mine in one step, in the order of their numbers.

    Args:
        step: The totals of the step.
        index: Its number from 0 on, which is that of its earlier date.
        found: The survey.
        numbers: See ``numbered``.
        legend: The classes.
        roles: Which classes are what.
        smallest_m2: Minimum mapping unit.
    """
    kinds = roles.kinds(legend)
    of_mine: dict[int, dict[Piece, float]] = {}
    for piece, area in step.pieces.items():
        of_mine.setdefault(piece[0], {})[piece] = area / 1e4
    changes = []
    for mine, number in numbers.items():
        pieces = of_mine.get(mine, {})
        by_kind = {
            k: sum(a for p, a in pieces.items() if kinds[p[1], p[2]] == k) for k in (MINE, GAINED, RESTORED, LOST)
        }
        gained, lost = by_kind[GAINED], by_kind[RESTORED] + by_kind[LOST]
        before, after = by_kind[MINE] + lost, by_kind[MINE] + gained
        word = verdict(before, after, gained, lost, by_kind[RESTORED], smallest_m2 / 1e4)
        if word is None:
            continue
        parts = [sum(a >= smallest_m2 for a in found.parts_m2.get((mine, k), ())) for k in (index, index + 1)]
        relation = "merged" if parts[0] > parts[1] > 0 else "split" if parts[1] > parts[0] > 0 else ""
        gained_from: dict[str, float] = {}
        lost_to: dict[str, float] = {}
        for c in legend:
            came = sum(a for p, a in pieces.items() if kinds[p[1], p[2]] == GAINED and p[1] == c.code)
            went = sum(a for p, a in pieces.items() if kinds[p[1], p[2]] in (RESTORED, LOST) and p[2] == c.code)
            gained_from |= {c.key: came} if came else {}
            lost_to |= {c.key: went} if went else {}
        changes.append(
            MineChange(
                number, word, before, after, gained, lost, by_kind[RESTORED], parts[0], parts[1], relation,
                gained_from, lost_to,
            )
        )  # fmt: skip
    return changes


def timeline(found: Survey, numbers: Mapping[int, int], dates: list[str]) -> list[dict[str, Any]]:
    """Hectares of every mine on every date: ``mine``, ``date``, ``area_ha``, ``unmapped_ha``, ``parts``."""
    return [
        {
            "mine": number,
            "date": dates[k],
            "area_ha": float(found.mine_m2[mine, k]) / 1e4,
            "unmapped_ha": float(found.unmapped_m2[mine, k]) / 1e4,
            "parts": len(found.parts_m2.get((mine, k), ())),
        }
        for mine, number in numbers.items()
        for k in range(len(dates))
    ]


def hectares(matrix_m2: np.ndarray[Any, np.dtype[np.float64]]) -> list[list[float]]:
    """A matrix of classes in hectares, without the row and the column of ground that has none."""
    return [[float(v) for v in row] for row in matrix_m2[1:, 1:] / 1e4]
