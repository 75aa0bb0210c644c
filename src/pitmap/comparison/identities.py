"""Identities between the figures of a table, which find misprints and slips in any table, published or own."""

from __future__ import annotations

from pitmap.comparison.runs import Scores


def iou_of(producers_accuracy: float | None, users_accuracy: float | None) -> float | None:
    """IoU = 1 / (1 / PA + 1 / UA - 1); 0 where either is 0; None where both are undefined: the class is in neither map.

    With one of the two undefined the class is in one map only, and the IoU is 0.
    """
    if producers_accuracy is None and users_accuracy is None:
        return None
    if not producers_accuracy or not users_accuracy:
        return 0.0
    return 1 / (1 / producers_accuracy + 1 / users_accuracy - 1)


def mean_iou_of(scores: Scores) -> float | None:
    """Mean of the IoU of the classes where it is defined."""
    values = [v for name, v in scores.items() if name.startswith("iou ") and v is not None]
    return sum(values) / len(values) if values else None


def classes_of(scores: Scores) -> list[str]:
    """Keys of the classes that a table has figures of."""
    return [name.removeprefix("iou ") for name in scores if name.startswith("iou ")]


def deviations(scores: Scores) -> tuple[float, float]:
    """Largest difference of an IoU from that of its PA and UA, and of the mean IoU from the mean of the IoU.

    A figure that is defined on one side only counts as infinitely far.
    """
    ious = [
        _distance(scores[f"iou {key}"], iou_of(scores[f"producers_accuracy {key}"], scores[f"users_accuracy {key}"]))
        for key in classes_of(scores)
    ]
    return max(ious, default=0.0), _distance(scores["mean_iou"], mean_iou_of(scores))


def _distance(a: float | None, b: float | None) -> float:
    if a is None or b is None:
        return 0.0 if a is b else float("inf")
    return abs(a - b)
