"""Splits of a user's own, as ``docs/method.md`` shows one."""

import numpy as np

from pitmap.samples.division import Division, Ground, SplitFacts


def north_to_south(ground: Ground) -> Division:
    def split(scene, window):
        grid = ground.scenes[scene].grid
        rows = np.arange(window.row, window.row + window.height)
        part = 1 + (3 * rows // grid.height).astype(np.uint8)
        return np.repeat(part[:, None], window.width, axis=1)

    return Division(split, SplitFacts(note="In thirds from north to south."))


def nonsense(ground: Ground) -> Division:
    return Division(lambda scene, window: np.full((window.height, window.width), 7))
