"""The numbers of Chen, Zheng, Niu and Plaza (2022), Tables I to III, with corrections.

Overall accuracy and Kappa are not printed for all networks; those here follow from Table II, because the networks share
one reference map: writing r_i for the share of class i, sum r_i PA_i / UA_i = 1 for each network and sum r_i = 1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pitmap.comparison.runs import CLASS_FIGURES, Scores


@dataclass(frozen=True)
class Paper:
    """The published comparison.

    Attributes:
        source: Citation.
        classes: Class keys in the order of the columns.
        scores: Figures by network as the paper calls it, shares 0..1: PA, UA and IoU as printed, the others recovered.
        depth: Table I.
        top_two: Table III.
        corrections: What differs from the printed text, and why.
        entries: Names of the paper by names of the registry.
    """

    source: str
    classes: tuple[str, ...]
    scores: dict[str, Scores]
    depth: dict[str, int]
    top_two: dict[str, int]
    corrections: tuple[str, ...]
    entries: dict[str, str]


@cache
def paper() -> Paper:
    """The paper's numbers."""
    content = read()
    scores: dict[str, Scores] = {}
    for network in content["networks"]:
        own: dict[str, float | None] = {
            "overall_accuracy": content["overall_accuracy_recovered"][network] / 100,
            "kappa": content["kappa_recovered"][network] / 100,
            "mean_iou": content["mean_iou"][network] / 100,
        }
        for figure in CLASS_FIGURES:
            values = content[figure][network]
            own |= {f"{figure} {key}": v / 100 for key, v in zip(content["classes"], values, strict=True)}
        scores[network] = own
    return Paper(
        content["source"], tuple(content["classes"]), scores, content["depth"], content["top_two"],
        tuple(content["corrections"]), content["entries"],
    )  # fmt: skip


def read() -> dict[str, Any]:
    """The file ``paper.json`` as it stands, in per cent."""
    content: dict[str, Any] = json.loads(files("pitmap.comparison").joinpath("paper.json").read_text(encoding="utf-8"))
    return content
