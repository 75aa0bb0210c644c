"""Numbers as text: units, sensible digits, a dash for what is undefined."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

DASH = "–"
"""Stands for an undefined figure."""

THIN = "\u202f"
"""Narrow no-break space: groups digits in threes, and stands between a number and its unit (ISO 80000-1)."""


def count(value: float | None) -> str:
    """A whole number in groups of three digits."""
    return DASH if value is None else _grouped(f"{value:,.0f}")


def number(value: float | None, decimals: int = 2) -> str:
    """A number with fixed decimals."""
    return DASH if value is None else _grouped(f"{value:,.{decimals}f}")


def percent(share: float | None, decimals: int = 1) -> str:
    """A share 0..1 as a percentage."""
    return DASH if share is None else f"{100 * share:.{decimals}f}{THIN}%"


def significant(value: float | None, digits: int = 4) -> str:
    """A number to significant digits; whole numbers in full."""
    if value is None:
        return DASH
    if float(value).is_integer() and abs(value) < 1e15:
        return count(value)
    if not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits}g}".replace("-", "−")
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    text = f"{value:,.{max(digits - whole, 0)}f}" if whole else f"{value:.{digits}g}"
    return _grouped(text)


def decimals_for(values: Iterable[float | None]) -> int:
    """Decimals for a whole column of areas, so that its digits align: two below 100, one below 10 000, else none."""
    largest = max((abs(v) for v in values if v is not None), default=0.0)
    return 2 if largest < 100 else 1 if largest < 10_000 else 0


def distance(metres: float | None) -> str:
    """A length on the ground in metres or kilometres."""
    if metres is None:
        return DASH
    if metres >= 1000:
        return f"{significant(metres / 1000, 3)}{THIN}km"
    return f"{significant(metres, 3)}{THIN}m"


def latitude(degrees: float, decimals: int = 3) -> str:
    """Degrees north or south."""
    return f"{abs(degrees):.{decimals}f}° {'N' if degrees >= 0 else 'S'}"


def longitude(degrees: float, decimals: int = 3) -> str:
    """Degrees east or west, within 180."""
    degrees = (degrees + 180) % 360 - 180
    return f"{abs(degrees):.{decimals}f}° {'E' if degrees >= 0 else 'W'}"


def chance(probability: float) -> str:
    """A probability as a percentage that is never rounded to certainty."""
    if probability > 0.999:
        return f"> 99.9{THIN}%"
    if probability < 0.001:
        return f"< 0.1{THIN}%"
    return percent(probability, 0 if 0.01 <= probability <= 0.99 else 1)


def plain(value: Any) -> str:
    """Any value of a JSON file as text."""
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return significant(value)
    if isinstance(value, dict):
        return ", ".join(f"{words(str(k))} {plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(v) for v in value) if value else DASH
    return str(value)


def words(key: str) -> str:
    """A key of a file as words: ``learning_rate`` becomes ``learning rate``."""
    return re.sub(r"\b(m?)iou\b", r"\1IoU", key.replace("_", " "))


def sentence(text: str) -> str:
    """Text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def _grouped(text: str) -> str:
    return text.replace(",", THIN).replace("-", "−")
