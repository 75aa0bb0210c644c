"""The learning rate over the steps of a training: a table of functions of one signature."""

from __future__ import annotations

import math
from collections.abc import Callable

from pitmap.extension import find

Schedule = Callable[[int, int], float]
"""``schedule(step, steps)``: factor of the learning rate in a step, counted from 0, of ``steps``."""

WARM_UP = 0.05
"""Share of the steps over which the learning rate rises under the cosine schedule."""


def constant(step: int, steps: int) -> float:
    """The same in every step."""
    return 1.0


def cosine(step: int, steps: int) -> float:
    """A linear rise to 1, then half a cosine down to 0 (Loshchilov and Hutter 2017, without restarts)."""
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    done = min(1.0, (step - warm_up) / max(1, steps - warm_up))
    return 0.5 * (1 + math.cos(math.pi * done))


SCHEDULES: dict[str, Schedule] = {"constant": constant, "cosine": cosine}


def schedule_of(name: str) -> Schedule:
    """The schedule of a name of ``SCHEDULES``, or of ``package.module:name``.

    Raises:
        ProjectError: There is no such schedule.
    """
    return find("schedule", name, SCHEDULES)
