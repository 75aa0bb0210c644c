"""The ground of the studies that are viewed."""

import numpy as np


def landscape(side: int = 512) -> np.ndarray:
    """Vegetation with a lake and two pits: 100 x 150 and 40 x 40 pixels."""
    codes = np.full((side, side), 6, np.uint8)
    codes[300:400, 50:200] = 2
    codes[100:200, 100:250] = 1
    codes[420:460, 400:440] = 1
    return codes
