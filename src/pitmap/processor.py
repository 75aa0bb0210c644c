"""What a device is and computes in: the facts behind every choice of a precision.

The choice follows what the device has and never a race of timings, so that the same study gives the same files on every
machine of a kind, however busy it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import sys
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def has_bf16(device: torch.device | str) -> bool:
    """Whether a device multiplies matrices in bfloat16 by instructions of its own.

    On a processor these are AMX or AVX-512 BF16, on an NVIDIA GPU the tensor cores from compute capability 8.0 on.
    Elsewhere bf16 is emulated, which is slower than float32, or not known to be faster: those devices count as without.

    Args:
        device: A device of PyTorch, or its name.
    """
    kind = str(device).partition(":")[0]
    if kind == "cpu":
        flags = processor_flags()
        if flags is not None:
            return not flags.isdisjoint({"amx_tile", "avx512_bf16"})
    import torch

    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu":
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False


@lru_cache(1)
def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str] | None:
    """What Linux says that an x86 processor can; None elsewhere, where PyTorch has to be asked."""
    with contextlib.suppress(OSError), cpuinfo.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "flags":
                return frozenset(value.split())
    return None


def has_cuda() -> bool:
    """Whether PyTorch finds a GPU. It is not even loaded where its build or the machine has none."""
    build = installed_version("torch").partition("+")[2]
    if build == "cpu" or sys.platform == "darwin":
        return False
    if not build.startswith("rocm"):
        try:
            ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        except OSError:
            return False
    import torch

    return torch.cuda.is_available()


@lru_cache(8)
def installed_version(package: str) -> str:
    """The version of a package without loading it; empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def threads() -> int:
    """Threads that a pass over a tile may take: those of PyTorch, also where it is not loaded."""
    if (loaded := sys.modules.get("torch")) is not None:
        return int(loaded.get_num_threads())
    with contextlib.suppress(ValueError):
        return max(1, int(os.environ.get("OMP_NUM_THREADS", "")))
    return cores()


def device_name(device: torch.device | str) -> str:
    """The processor or GPU by name."""
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.get_device_name(torch.device(device))
    return f"{platform.machine()} processor" if kind == "cpu" else kind


def cores(cgroup: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may use: PyTorch counts those of the machine, also in a container that has few of them.

    Args:
        cgroup: Where Linux says what a container may use: microseconds of processor and of the clock, or ``max``.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        used, passed = cgroup.read_text(encoding="ascii").split()
        allowed = min(allowed, math.ceil(int(used) / int(passed)))  # "max" is no number
    return max(1, allowed)


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


def let_threads_yield() -> None:
    """Let threads that wait for each other sleep, unless the user has decided; to be called before PyTorch is loaded.

    By default they spin, and where other work is on the same cores they wait for a thread that cannot run because they
    do: a step of training then takes three times as long and more (benchmarks/results, training).
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys():
        os.environ["OMP_WAIT_POLICY"] = "passive"
