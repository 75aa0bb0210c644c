"""The engine that needs nothing but PyTorch: layout, flips and rotations, codes and probabilities."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pitmap.mapping.engines.interface import (
    CONFIDENCE_STEPS,
    NO_PROBABILITY,
    PROBABILITY_SCALE,
    EngineOptions,
    Kept,
    Prediction,
)
from pitmap.networks.fusion import fuse
from pitmap.networks.normalise import normalise


class TorchEngine:
    """A network ready to map: batch normalisation folded into the convolutions, channels last.

    Args:
        network: In evaluation mode.
        gain: Of ``normalise``, per band.
        bias: Of ``normalise``, per band.
        options: See ``EngineOptions``.
    """

    def __init__(self, network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> None:
        self.options = options
        if options.device.type == "cpu":
            _keep_freed_memory()
        fused = fuse(network).to(options.device)
        self.network = fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.gain, self.bias = gain.to(options.device), bias.to(options.device)

    @torch.inference_mode()
    def logits(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> Tensor:
        """Logits of the image as it is, without augmentation. Arguments as of ``Engine.predict``.

        Returns:
            float32 ``(N, classes, H, W)`` on the device.
        """
        return self._forward(self._normalised(pixels, valid))

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
        share = None
        if self.options.test_time_augmentation:
            score = share = torch.stack([self._probabilities(view, back) for view, back in _orientations(x)]).mean(0)
        else:
            score = self._forward(x)
            if confidence or probabilities:
                share = (score / self.options.temperature).softmax(1)
        score = score[..., *kept]
        share = None if share is None else share[..., *kept]
        known = torch.from_numpy(valid[..., *kept]).to(self.options.device)
        codes = (score.argmax(1).to(torch.uint8) + 1) * known
        sure = stored = None
        if confidence and share is not None:
            steps = (share.amax(1) * CONFIDENCE_STEPS).round().clamp(1, CONFIDENCE_STEPS)
            sure = (steps.to(torch.uint8) * known).cpu().numpy()
        if probabilities and share is not None:
            steps = (share / PROBABILITY_SCALE).round().to(torch.int32)
            stored = steps.where(known[:, None], NO_PROBABILITY).cpu().numpy().astype(np.uint16)
        return Prediction(codes.cpu().numpy(), sure, stored)

    def _normalised(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> Tensor:
        device = self.options.device
        on_device = torch.from_numpy(pixels).to(device), torch.from_numpy(valid).to(device)
        return normalise(*on_device, self.gain, self.bias)

    def _forward(self, x: Tensor) -> Tensor:
        device = self.options.device
        x = x.contiguous(memory_format=torch.channels_last)
        bf16 = torch.autocast(device.type, torch.bfloat16, enabled=self.options.precision == "bf16")
        with _full_float32(device), bf16:
            result: Tensor = self.network(x)
            return result.float()

    def _probabilities(self, view: Tensor, back: tuple[int, bool]) -> Tensor:
        turned = (self._forward(view) / self.options.temperature).softmax(1)
        quarter_turns, flipped = back
        return torch.rot90(turned.flip(3) if flipped else turned, -quarter_turns, (2, 3))


def _orientations(x: Tensor) -> Iterator[tuple[Tensor, tuple[int, bool]]]:
    """The eight flips and rotations of a batch, each with its number of quarter turns and whether it is flipped."""
    for quarter_turns in range(4):
        turned = torch.rot90(x, quarter_turns, (2, 3))
        yield turned, (quarter_turns, False)
        yield turned.flip(3), (quarter_turns, True)


def _full_float32(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Convolutions in true float32 with algorithms that repeat: PyTorch allows TF32 in them by default."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def _keep_freed_memory() -> None:
    """Let glibc keep large freed blocks instead of giving each back to the system: saves page faults on processors.

    Without effect elsewhere.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc.mallopt(m_mmap_threshold, 2**31 - 1)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
