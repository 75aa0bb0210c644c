"""What engines that run a network of PyTorch's have in common: normalisation, orientations, codes and probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

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
from pitmap.networks.cuts import Cut, CutPlan
from pitmap.networks.normalise import normalise
from pitmap.networks.trimming import Trimmed, TrimmedNetwork
from pitmap.processor import keep_freed_memory

Kind = Literal["logits", "codes", "confident"]
"""What a graph gives: the logits, the codes, or the codes and the confidence."""


class MappingGraph(nn.Module):
    """A network with cuts and what follows it, so that only bytes leave the device.

    Args:
        network: See ``trim``.
        kind: What it gives.
        temperature: Divides the logits before the softmax.
    """

    def __init__(self, network: TrimmedNetwork, kind: Kind, temperature: float) -> None:
        super().__init__()
        self.network, self.kind, self.temperature = network, kind, temperature

    def forward(self, x: Tensor, cuts: tuple[Cut, ...] | Tensor) -> tuple[Tensor, ...]:
        """Normalised tiles (N, bands, H, W) to logits (N, classes, h, w), or uint8 (N, h, w) each."""
        logits = self.network(x, cuts).float()
        if self.kind == "logits":
            return (logits,)
        codes = (logits.argmax(1) + 1).to(torch.uint8)
        if self.kind == "codes":
            return (codes,)
        return codes, confidence_of((logits / self.temperature).softmax(1))


def confidence_of(share: Tensor) -> Tensor:
    """The largest probability in steps of 1 / 255, uint8, never 0."""
    return (share.amax(1) * CONFIDENCE_STEPS).round().clamp(1, CONFIDENCE_STEPS).to(torch.uint8)


class NetworkEngine(ABC):
    """An engine round a network; how the network is run is the business of each.

    Args:
        network: In evaluation mode.
        gain: Of ``normalise``, per band.
        bias: Of ``normalise``, per band.
        options: See ``EngineOptions``.
    """

    trims: ClassVar[bool] = True
    """Whether each level is cut to what the kept pixels need."""

    def __init__(self, network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> None:
        self.options = options
        if options.kind == "cpu":
            keep_freed_memory()
        self.gain, self.bias = gain.to(options.device), bias.to(options.device)
        trimmed = Trimmed.of(network, len(gain))
        whole = TrimmedNetwork(trimmed.whole, CutPlan(trimmed.geometry.stride))
        self.network = trimmed.network if self.trims else whole

    @abstractmethod
    def run(self, x: Tensor, kept: Kept, kind: Kind) -> tuple[Tensor, ...]:
        """Run the network.

        Args:
            x: Normalised tiles, float32 (N, bands, H, W), on the device.
            kept: Rows and columns that are wanted.
            kind: See ``MappingGraph``, which says what is given.
        """

    @torch.inference_mode()
    def logits(self, pixels: NDArray[Any], valid: NDArray[np.bool_], kept: Kept = WHOLE) -> Tensor:
        """Logits of the image as it is, without augmentation. Arguments as of ``Engine.predict``.

        Returns:
            float32 ``(N, classes, h, w)``.
        """
        return self.run(self._normalised(pixels, valid), kept, "logits")[0]

    @torch.inference_mode()
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
        x = self._normalised(pixels, valid)
        known = valid[..., *kept]
        share = None
        if self.options.test_time_augmentation:
            share = self._mean_over_orientations(x, kept)
            results = [(share.argmax(1) + 1).to(torch.uint8), confidence_of(share)]
        elif probabilities:
            (logits,) = self.run(x, kept, "logits")
            share = (logits / self.options.temperature).softmax(1)
            results = [(logits.argmax(1) + 1).to(torch.uint8), confidence_of(share)]
        else:
            results = list(self.run(x, kept, "confident" if confidence else "codes"))
        arrays = [r.cpu().numpy() * known for r in results]
        stored = None
        if probabilities and share is not None:
            steps = (share / PROBABILITY_SCALE).round().to(torch.int32).cpu().numpy().astype(np.uint16)
            stored = np.where(known[:, None], steps, np.uint16(NO_PROBABILITY))
        return Prediction(arrays[0], arrays[1] if confidence else None, stored)

    def _normalised(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> Tensor:
        return normalise(self._on_device(pixels), self._on_device(valid), self.gain, self.bias)

    def _on_device(self, array: NDArray[Any]) -> Tensor:
        """Staged in pinned memory where that lets the copy run beside the work on the device."""
        tensor, device = torch.from_numpy(array), self.options.device
        return tensor.pin_memory().to(device, non_blocking=True) if self.options.kind == "cuda" else tensor.to(device)

    def _mean_over_orientations(self, x: Tensor, kept: Kept) -> Tensor:
        """Mean of the probabilities of the eight flips and rotations, of the kept pixels."""
        height, width = x.shape[-2:]
        total = None
        for quarter_turns in range(4):
            for flipped in (False, True):
                view = torch.rot90(x, quarter_turns, (2, 3))
                view = view.flip(3) if flipped else view
                part = turned(kept, (height, width), quarter_turns, flipped)
                (logits,) = self.run(view.contiguous(), part, "logits")
                share = (logits / self.options.temperature).softmax(1)
                share = torch.rot90(share.flip(3) if flipped else share, -quarter_turns, (2, 3))
                total = share.clone() if total is None else total.add_(share)
        assert total is not None
        return total.div_(8)
