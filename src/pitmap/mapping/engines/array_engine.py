"""What engines have in common that run a graph over arrays, without PyTorch: normalisation, orientations, bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pitmap.mapping.engines.interface import (
    CONFIDENCE_STEPS,
    NO_PROBABILITY,
    PROBABILITY_SCALE,
    WHOLE,
    EngineOptions,
    Kept,
    Prediction,
    turned,
)
from pitmap.networks.cuts import CutPlan
from pitmap.processor import keep_freed_memory

Kind = Literal["logits", "codes", "confident", "shares"]
"""What a graph gives: the logits; the codes; the codes and the confidence; or the codes and the probabilities."""

BLOCK = 2**16
"""Values that are normalised at a time: few enough to stay in the cache of a core."""


class ArrayEngine(ABC):
    """An engine round a graph with the inputs pixels and cuts; how the graph is run is the business of each.

    Args:
        plan: Where the graph is cut.
        gain: See ``normalised``.
        bias: Likewise.
        options: See ``EngineOptions``.
    """

    def __init__(
        self, plan: CutPlan, gain: NDArray[np.float32], bias: NDArray[np.float32], options: EngineOptions
    ) -> None:
        keep_freed_memory()
        self.plan, self.gain, self.bias, self.options = plan, gain, bias, options

    @abstractmethod
    def run(self, x: NDArray[np.float32], kept: Kept, kind: Kind) -> tuple[NDArray[Any], ...]:
        """Run the graph.

        Args:
            x: Normalised tiles, float32 (N, bands, H, W).
            kept: Rows and columns that are wanted.
            kind: What is wanted of them.

        Returns:
            Logits and probabilities float32 (N, classes, h, w), codes and confidence uint8 (N, h, w).
        """

    def cuts(self, x: NDArray[np.float32], kept: Kept) -> NDArray[np.int64]:
        """The second input of the graph."""
        return np.array(self.plan.cuts((x.shape[-2], x.shape[-1]), kept), np.int64)

    def logits(self, pixels: NDArray[Any], valid: NDArray[np.bool_], kept: Kept = WHOLE) -> NDArray[np.float32]:
        """Logits of the image as it is, without augmentation. Arguments as of ``Engine.predict``.

        Returns:
            float32 ``(N, classes, h, w)``.
        """
        return self.run(normalised(pixels, valid, self.gain, self.bias), kept, "logits")[0]

    def predict(
        self,
        pixels: NDArray[Any],
        valid: NDArray[np.bool_],
        kept: Kept,
        *,
        confidence: bool = False,
        probabilities: bool = False,
    ) -> Prediction:
        """See ``Engine.predict``."""
        x = normalised(pixels, valid, self.gain, self.bias)
        known = valid[..., *kept]
        sure, share = None, None
        if self.options.test_time_augmentation:
            share = self._mean_over_orientations(x, kept)
            codes = (share.argmax(1) + 1).astype(np.uint8)
        elif probabilities:
            codes, share = self.run(x, kept, "shares")
        elif confidence:
            codes, sure = self.run(x, kept, "confident")
        else:
            (codes,) = self.run(x, kept, "codes")
        if share is not None and confidence:
            sure = np.rint(share.max(1) * CONFIDENCE_STEPS).clip(1, CONFIDENCE_STEPS).astype(np.uint8)
        stored = None
        if probabilities and share is not None:
            steps = np.rint(share / np.float32(PROBABILITY_SCALE)).astype(np.uint16)
            stored = np.where(known[:, None], steps, np.uint16(NO_PROBABILITY))
        return Prediction(codes * known, None if sure is None else sure * known, stored)

    def _mean_over_orientations(self, x: NDArray[np.float32], kept: Kept) -> NDArray[np.float32]:
        """Mean of the probabilities of the eight flips and rotations, of the kept pixels."""
        height, width = x.shape[-2:]
        total = None
        for quarter_turns in range(4):
            for flipped in (False, True):
                view = np.rot90(x, quarter_turns, (2, 3))
                view = np.ascontiguousarray(view[..., ::-1] if flipped else view)
                _, share = self.run(view, turned(kept, (height, width), quarter_turns, flipped), "shares")
                share = np.rot90(share[..., ::-1] if flipped else share, -quarter_turns, (2, 3))
                total = share.copy() if total is None else np.add(total, share, out=total)
        assert total is not None
        np.divide(total, np.float32(8), out=total)
        return total


def normalised(
    pixels: NDArray[Any], valid: NDArray[np.bool_], gain: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What ``networks.normalise`` gives, for arrays: ``pixels x gain + bias``, and 0 where a pixel is not valid.

    Args:
        pixels: ``(N, bands, H, W)`` of any real dtype; values without data may be NaN.
        valid: ``(N, H, W)``.
        gain: float32 ``(bands,)``.
        bias: Likewise.

    Returns:
        float32 ``(N, bands, H, W)``.
    """
    result = np.empty(pixels.shape, np.float32)
    rows = max(1, BLOCK // max(1, pixels.shape[-1]))
    for n, known in enumerate(valid):
        complete = known.all()
        for top in range(0, known.shape[0], rows):
            part = slice(top, top + rows)
            void = None if complete else ~known[part]
            for band in range(pixels.shape[1]):
                out = result[n, band, part]
                np.multiply(pixels[n, band, part], gain[band], out=out, dtype=np.float32, casting="unsafe")
                np.add(out, bias[band], out=out)
                if void is not None:
                    out[void] = 0.0
    return result
