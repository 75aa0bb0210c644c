"""What the classes of a legend are to a mine, and the classes of change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import LabelError
from pitmap.legend import LandCoverClass, Legend

VEGETATION = re.compile(
    r"\b(vegetation|forest|woods?|woodland|trees?|grass\w*|shrub\w*|meadows?|crops?)\b", re.IGNORECASE
)
WASTE = re.compile(r"\b(waste|dumps?|spoil|tailings?)\b", re.IGNORECASE)

MINE, GAINED, RESTORED, LOST, OTHER, SAME = range(1, 7)
"""Codes of ``KINDS``."""

KINDS = Legend(
    [
        LandCoverClass(MINE, "MINE", "mine on both dates", "#6b6b6b"),
        LandCoverClass(GAINED, "GAINED", "became a mine", "#e66101"),
        LandCoverClass(RESTORED, "RESTORED", "mine or waste dump became vegetation", "#1b9e77"),
        LandCoverClass(LOST, "LOST", "mine became something else", "#7b3294"),
        LandCoverClass(OTHER, "OTHER", "other change", "#d9c26a"),
        LandCoverClass(SAME, "SAME", "no change and no mine", "#eef0f2"),
    ]
)
"""Kinds of change, each pixel with a class on both dates has one: the strata of a sample for the areas of change."""


@dataclass(frozen=True)
class Roles:
    """Which classes are what to a mine, by their keys.

    Attributes:
        mines: Mines.
        waste: Waste dumps: ground that is restored when it becomes vegetation, as mines are.
        vegetation: Vegetation.
    """

    mines: tuple[str, ...]
    waste: tuple[str, ...]
    vegetation: tuple[str, ...]

    def kinds(self, legend: Legend) -> NDArray[np.uint8]:
        """Kind of each transition, uint8 ``(256, 256)``: code before, code after; 0 where either is 0."""
        table = np.zeros((256, 256), np.uint8)
        for before in legend:
            for after in legend:
                table[before.code, after.code] = self._kind(before.key, after.key)
        return table

    def _kind(self, before: str, after: str) -> int:
        if after in self.mines:
            return MINE if before in self.mines else GAINED
        if before in (*self.mines, *self.waste) and after in self.vegetation:
            return RESTORED
        if before in self.mines:
            return LOST
        return SAME if before == after else OTHER


def roles(
    legend: Legend,
    mines: Sequence[str] | None = None,
    waste: Sequence[str] | None = None,
    vegetation: Sequence[str] | None = None,
) -> Roles:
    """Which classes are mines, waste dumps and vegetation: those given, else those that their names call so.

    Raises:
        LabelError: The legend lacks a class, or none is a mine.
    """
    chosen = {
        "mines": legend.mine_keys if mines is None else mines,
        "waste": _named(legend, WASTE) if waste is None else waste,
        "vegetation": _named(legend, VEGETATION) if vegetation is None else vegetation,
    }
    if unknown := sorted({key for keys in chosen.values() for key in keys} - set(legend.keys)):
        raise LabelError(
            f"The maps have no class {', '.join(unknown)}.", f"They have {', '.join(legend.keys)}.",
            "Name classes by their keys.",
        )  # fmt: skip
    if not chosen["mines"]:
        raise LabelError(
            f"None of the classes of the maps is called a pit, mine or quarry: {', '.join(legend.keys)}.",
            remedy="Name the classes that are mines by their keys.",
            options=["classes"],
        )
    taken = set(chosen["mines"])
    return Roles(
        tuple(chosen["mines"]), tuple(k for k in chosen["waste"] if k not in taken),
        tuple(k for k in chosen["vegetation"] if k not in taken),
    )  # fmt: skip


def _named(legend: Legend, words: re.Pattern[str]) -> list[str]:
    return [c.key for c in legend if words.search(c.name)]


def transition_base(legend: Legend) -> int:
    """The power of ten by which the earlier code is multiplied in a raster of transitions: before x base + after."""
    return int(10 ** len(str(len(legend))))


def same_classes(first: Legend, other: Legend, names: tuple[Any, Any]) -> NDArray[np.uint8]:
    """Codes of one legend in those of another, matched by their keys: uint8 ``(256,)``, 0 stays 0.

    Args:
        first: The legend that is kept.
        other: The legend whose codes are translated.
        names: Of the two maps, for the message.

    Raises:
        LabelError: The legends have other classes.
    """
    if missing := sorted(set(first.keys) ^ set(other.keys)):
        raise LabelError(
            f"{names[0]} has the classes {', '.join(first.keys)} and {names[1]} {', '.join(other.keys)}: only one of "
            f"them has {', '.join(missing)}.",
            "Maps with the same classes; their codes may differ.",
            "Make both maps with one model, or with models of one legend.",
        )
    table = np.zeros(256, np.uint8)
    for c in other:
        table[c.code] = first[c.key].code
    return table
