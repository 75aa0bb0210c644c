"""An engine of one's own: class 3 everywhere."""

import numpy as np

from pitmap.mapping.engines.interface import Prediction


class Constant:
    def predict(self, pixels, valid, kept, *, confidence=False, probabilities=False) -> Prediction:
        assert pixels.shape[0] == len(valid)
        return Prediction(np.where(valid[..., *kept], 3, 0).astype(np.uint8), None, None)


def make(network, gain, bias, options) -> Constant:
    assert gain.shape == bias.shape
    return Constant()
