"""What a mapping engine takes and gives.

An engine owes two things to every caller. The result for a pixel depends on what the network sees round it and on
nothing else in the batch, so that tiles equal the whole scene. And the same batch gives the same numbers on every call
on one machine, so that a map that was interrupted ends as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Precision = Literal["float32", "bf16", "int8"]

PROBABILITY_SCALE = 1e-4
"""Probabilities are stored as uint16 multiples of this."""

NO_PROBABILITY = 65535
"""Stored where a pixel has no data or is masked."""

CONFIDENCE_STEPS = 255
"""Confidence is stored as uint8 multiples of 1 / 255; 0 where a pixel has no data or is masked."""

Kept = tuple[slice, slice]
"""Rows and columns of a tile that the result is wanted for, with a start and an end each."""

WHOLE: Kept = (slice(None), slice(None))
"""All of a tile."""


@dataclass(frozen=True)
class EngineOptions:
    """How an engine is to work.

    Attributes:
        device: Where: ``cpu``, ``cuda``, ``cuda:1`` or another name that PyTorch knows.
        precision: ``bf16`` runs the layers in bfloat16; weights and sums of the result stay float32. In float32 no
            reduced mode of the hardware (TF32) may be used.
        int8: File of the int8 form of the model, for precision ``int8``, and the checksum of the model.
        temperature: Divides the logits before the softmax.
        test_time_augmentation: Average the probabilities over the eight flips and rotations. These map the grid of the
            network's stride onto itself, so that tiles stay exact: the result equals the same average over the scene.
    """

    device: str = "cpu"
    precision: Precision = "float32"
    int8: tuple[Path, str] | None = None
    temperature: float = 1.0
    test_time_augmentation: bool = False

    @property
    def kind(self) -> str:
        """Of the device, without its number."""
        return self.device.partition(":")[0]


class Prediction(NamedTuple):
    """The kept pixels of a batch of tiles.

    Attributes:
        codes: Land-cover codes, uint8 ``(N, h, w)``, 0 without data; h and w are the rows and columns that were kept.
        confidence: Calibrated probability of the mapped class, uint8 ``(N, h, w)`` in units of 1 / 255, 0 without data;
            None where it was not asked for.
        probabilities: uint16 ``(N, classes, h, w)`` in units of ``PROBABILITY_SCALE``, ``NO_PROBABILITY`` without data;
            None where they were not asked for.
    """

    codes: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None
    probabilities: NDArray[np.uint16] | None


def turned(kept: Kept, shape: tuple[int, int], quarter_turns: int, flipped: bool) -> Kept:
    """Where the kept pixels lie after ``rot90`` and a flip of the columns."""
    (top, bottom, _), (left, right, _) = (side.indices(length) for side, length in zip(kept, shape, strict=True))
    height, width = shape
    for _ in range(quarter_turns):
        top, bottom, left, right = width - right, width - left, top, bottom
        height, width = width, height
    if flipped:
        left, right = width - right, width - left
    return slice(top, bottom), slice(left, right)


class Engine(Protocol):
    """A network at work."""

    def predict(
        self,
        pixels: NDArray[Any],
        valid: NDArray[np.bool_],
        kept: Kept,
        *,
        confidence: bool = False,
        probabilities: bool = False,
    ) -> Prediction:
        """Codes of the kept pixels of a batch of tiles, and confidence and probabilities if wanted.

        Args:
            pixels: In the image's own numbers and dtype, ``(N, bands, H, W)``; H and W are multiples of the network's
                stride. The network is fed ``pixels x gain + bias``, and 0 where a pixel is not valid.
            valid: Which pixels hold data, ``(N, H, W)``.
            kept: Rows and columns of the tiles that the result is wanted for; the same for all of a batch.
            confidence: Whether to give the confidence.
            probabilities: Whether to give the probability of each class.
        """
        ...


MakeEngine = Callable[["nn.Module", "Tensor", "Tensor", EngineOptions], Engine]
"""Called as ``make(network, gain, bias, options)``.

``network`` is in evaluation mode and takes (N, bands, H, W) to logits (N, classes, H, W), channel k for code k + 1;
``gain`` and ``bias`` are those of ``networks.normalise``, float32 ``(bands,)``.
"""
