"""A network at work on arrays of pixels: precision, layout, flips and rotations, codes and probabilities."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pitmap.errors import ModelError
from pitmap.networks.fusion import fuse
from pitmap.networks.normalise import normalise

Precision = Literal["float32", "bf16"]

PROBABILITY_SCALE = 1e-4
"""Probabilities are stored as uint16 multiples of this."""

NO_PROBABILITY = 65535
"""Stored where a pixel has no data or is masked."""

CONFIDENCE_STEPS = 255
"""Confidence is stored as uint8 multiples of 1 / 255; 0 where a pixel has no data or is masked."""

LEAST_BF16_AGREEMENT = 0.999
"""Share of validation pixels on which bf16 must have given the same code before it is used unasked."""

BF16_MUST_SAVE = 0.1
"""Share of the time that bf16 must save in a trial to be chosen."""


class Prediction(NamedTuple):
    """Result for a batch of tiles.

    Attributes:
        codes: Land-cover codes, uint8 ``(N, H, W)``, 0 without data.
        confidence: Calibrated probability of the mapped class, uint8 ``(N, H, W)`` in units of 1 / 255, 0 without data;
            None where it was not asked for.
        probabilities: uint16 ``(N, classes, H, W)`` in units of ``PROBABILITY_SCALE``, ``NO_PROBABILITY`` without data;
            None where they were not asked for.
    """

    codes: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None
    probabilities: NDArray[np.uint16] | None


class Predictor:
    """A network ready to map: batch normalisation folded into the convolutions, channels last.

    In float32 reduced-precision modes of the hardware (TF32) are off, so that tiles equal the whole scene.

    Args:
        network: In evaluation mode.
        gain: Of ``normalise``, per band.
        bias: Of ``normalise``, per band.
        device: Where the network is to work.
        precision: ``bf16`` runs the layers in bfloat16, weights and sums of the result stay float32.
        temperature: Divides the logits before the softmax.
        test_time_augmentation: Average the probabilities over the eight flips and rotations. These map the grid of the
            network's stride onto itself, so that tiles stay exact: the result equals the same average over the scene.
    """

    def __init__(
        self,
        network: nn.Module,
        gain: Tensor,
        bias: Tensor,
        *,
        device: torch.device,
        precision: Precision = "float32",
        temperature: float = 1.0,
        test_time_augmentation: bool = False,
    ) -> None:
        fused = fuse(network).to(device)
        self.network = fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.gain, self.bias = gain.to(device), bias.to(device)
        self.device, self.precision = device, precision
        self.temperature, self.test_time_augmentation = temperature, test_time_augmentation

    @torch.inference_mode()
    def logits(self, pixels: NDArray, valid: NDArray[np.bool_]) -> Tensor:
        """Logits of the image as it is, without augmentation.

        Args:
            pixels: In the image's own numbers, ``(N, bands, H, W)``; H and W are multiples of the network's stride.
            valid: Which pixels hold data, ``(N, H, W)``.

        Returns:
            float32 ``(N, classes, H, W)`` on the device.
        """
        return self._forward(self._normalised(pixels, valid))

    @torch.inference_mode()
    def predict(
        self, pixels: NDArray, valid: NDArray[np.bool_], *, confidence: bool = False, probabilities: bool = False
    ) -> Prediction:
        """Codes, and confidence and probabilities if wanted. Arguments as of ``logits``."""
        x = self._normalised(pixels, valid)
        share = None
        if self.test_time_augmentation:
            score = share = torch.stack([self._probabilities(view, back) for view, back in _orientations(x)]).mean(0)
        else:
            score = self._forward(x)
            if confidence or probabilities:
                share = (score / self.temperature).softmax(1)
        known = torch.from_numpy(valid).to(self.device)
        codes = (score.argmax(1).to(torch.uint8) + 1) * known
        sure = stored = None
        if confidence and share is not None:
            steps = (share.amax(1) * CONFIDENCE_STEPS).round().clamp(1, CONFIDENCE_STEPS)
            sure = (steps.to(torch.uint8) * known).cpu().numpy()
        if probabilities and share is not None:
            steps = (share / PROBABILITY_SCALE).round().to(torch.int32)
            stored = steps.where(known[:, None], NO_PROBABILITY).cpu().numpy().astype(np.uint16)
        return Prediction(codes.cpu().numpy(), sure, stored)

    def seconds_a_tile(
        self, bands: int, side: int, precisions: Sequence[Precision] = ("float32", "bf16")
    ) -> dict[Precision, float]:
        """The best time of a pass over a tile in each precision.

        They take turns, so that other work on the machine slows all alike; the first round does not count.
        """
        x = torch.zeros(1, bands, side, side, device=self.device)
        times: dict[Precision, list[float]] = {p: [] for p in precisions}
        chosen = self.precision
        try:
            with torch.inference_mode():
                for _ in range(4):
                    for precision in precisions:
                        self.precision = precision
                        times[precision].append(self._timed(x))
        finally:
            self.precision = chosen
        return {precision: min(own[1:]) for precision, own in times.items()}

    def _timed(self, x: Tensor) -> float:
        start = time.perf_counter()
        self._forward(x)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - start

    def _normalised(self, pixels: NDArray, valid: NDArray[np.bool_]) -> Tensor:
        on_device = torch.from_numpy(pixels).to(self.device), torch.from_numpy(valid).to(self.device)
        return normalise(*on_device, self.gain, self.bias)

    def _forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        bf16 = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with _full_float32(self.device), bf16:
            return self.network(x).float()

    def _probabilities(self, view: Tensor, back: tuple[int, bool]) -> Tensor:
        turned = (self._forward(view) / self.temperature).softmax(1)
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


def choose_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda`` or another name that PyTorch knows.

    Raises:
        ModelError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"The device {name!r} cannot be used ({(str(error).splitlines() or ['not available'])[0].rstrip('.')}).",
            "A device that PyTorch finds on this machine.",
            "Take device cpu or auto.",
        ) from error
    return device


def choose_precision(wanted: str, agreement: float | None, predictor: Predictor, bands: int) -> Precision:
    """The precision to map with.

    Args:
        wanted: ``float32``, ``bf16`` or ``auto``: bf16 where the model agrees with itself in it and a trial on this
            device shows that it saves time.
        agreement: Share of validation pixels with the same code in both, None where it was not measured.
        predictor: For the trial.
        bands: Bands of the image.

    Raises:
        ModelError: bf16 is asked for and the model is known to give other codes in it.
    """
    if wanted == "float32":
        return "float32"
    if wanted == "bf16":
        if agreement is not None and agreement < LEAST_BF16_AGREEMENT:
            raise ModelError(
                f"In bf16 this model gave the code of float32 on {agreement:.2%} of its validation pixels only.",
                f"At least {LEAST_BF16_AGREEMENT:.1%}.",
                "Map in float32.",
            )
        return "bf16"
    if agreement is None or agreement < LEAST_BF16_AGREEMENT:
        return "float32"
    side = 1024 if predictor.device.type == "cuda" else 256
    seconds = predictor.seconds_a_tile(bands, side)
    return "bf16" if seconds["bf16"] < (1 - BF16_MUST_SAVE) * seconds["float32"] else "float32"


def choose_tile(network: nn.Module, bands: int, stride: int, halo: int, device: torch.device) -> int:
    """The largest of the usual tile sides that fits the memory which is free now.

    Larger tiles waste less on their halo; beyond 1024 pixels a processor gains nothing from them.
    """
    sides = [side for side in (2048, 1024, 512, 256) if side <= (1024 if device.type == "cpu" else 2048)]
    usable = [side for side in sides if side >= 4 * halo] or [4 * halo + stride]
    room = 0.8 * _free_bytes(device) / _bytes_a_pixel(network, bands, stride)
    return next((side for side in usable if side**2 <= room), usable[-1])


def _bytes_a_pixel(network: nn.Module, bands: int, stride: int) -> float:
    """Upper estimate of the memory of one pass: the results of all layers together, in float32."""
    sizes: list[int] = []

    def note(_module: nn.Module, _inputs: object, result: object) -> None:
        if isinstance(result, Tensor):
            sizes.append(4 * result.numel())

    hooks = [m.register_forward_hook(note) for m in network.modules() if not list(m.children())]
    try:
        weight = next(network.parameters())
        with torch.inference_mode():
            network(torch.zeros(1, bands, 2 * stride, 2 * stride, device=weight.device))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(sizes) / (2 * stride) ** 2


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return 8 * 2**30


def keep_freed_memory() -> None:
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
