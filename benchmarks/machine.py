"""What a figure was measured on: stands beside every result."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def processor() -> str:
    """The processor with its cores, and what it multiplies bfloat16 and int8 with."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    name = re.search(r"model name\s*:\s*(.+)", text)
    flags = set((re.search(r"flags\s*:\s*(.+)", text) or [""])[0].split())
    known = [flag for flag in ("amx_tile", "avx512_bf16", "avx512_vnni", "avx2") if flag in flags]
    return f"{name[1] if name else platform.processor()}, {os.cpu_count()} cores ({', '.join(known)})"


def versions(*packages: str) -> str:
    """Python and the packages that matter, those that are here."""
    found = [f"Python {platform.python_version()}"]
    for package in packages or ("torch", "openvino", "onnxruntime", "rasterio", "numpy"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def heading(title: str, command: str) -> list[str]:
    """The first lines of a dated result."""
    return [
        f"# {title}, {date.today().isoformat()}",
        "",
        f"{processor()}; {versions()}; load average {os.getloadavg()[0]:.1f} at the end.",
        f"Command: `{command}`",
        "",
    ]
