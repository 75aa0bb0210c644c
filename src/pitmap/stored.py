"""What is read back from files: checked against a type where it is read, with one error that names file and place.

A file that pitmap wrote may be cut off, edited by hand, or of another version. Whoever reads one states the dataclass
(or other type) that it holds; nobody looks for keys by hand. JSON is read strictly: no NaN, no infinity.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from annotated_types import Ge, Le

from pitmap.errors import PitmapError, ProjectError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

Share = Annotated[float, Ge(0), Le(1 + 1e-9)]
"""0..1, give or take the last digits."""

Count = Annotated[int, Ge(0), Le(2**53)]
"""Of pixels and the like."""

Amount = Annotated[float, Ge(0), Le(1e18)]
"""Of pixels or area."""

AGAIN = "Delete it, or make it again with this version of pitmap."

MOST_SHOWN = 80
"""Characters of a value that a message shows."""


def read_json(path: Path, kind: type[T], remedy: str = AGAIN, error: type[PitmapError] = ProjectError) -> T:
    """The content of a JSON file as the type that it was written from.

    Args:
        path: The file.
        kind: A dataclass, or another type that pydantic checks.
        remedy: What to do about a damaged file.
        error: What is raised.

    Raises:
        PitmapError: As ``error``: there is no such file, it cannot be read, is no JSON, or holds something else.
    """
    return conform(parse_json(_text(path, remedy, error), str(path), remedy, error), kind, str(path), remedy, error)


def read_plain(path: Path, kind: type[Any], remedy: str = AGAIN) -> dict[str, Any]:
    """The content of a JSON file as plain values, after it was found to be of a type; as ``read_json`` else."""
    content = parse_json(_text(path, remedy, ProjectError), str(path), remedy)
    conform(content, kind, str(path), remedy)
    return cast(dict[str, Any], content)


def parse_json(text: str | bytes, source: str, remedy: str = AGAIN, error: type[PitmapError] = ProjectError) -> Any:
    """The values of a JSON text.

    Args:
        text: UTF-8.
        source: What holds the text, for messages.
        remedy: What to do about a damaged text.
        error: What is raised.

    Raises:
        PitmapError: As ``error``: it is no JSON, or holds a number that is not finite.
    """
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as cause:
        reason = "too deep" if isinstance(cause, RecursionError) else shortened(str(cause))
        raise error(f"{source} is damaged ({reason}).", "JSON as pitmap wrote it.", remedy) from cause


def conform(
    content: Any, kind: type[T], source: str, remedy: str = AGAIN, error: type[PitmapError] = ProjectError
) -> T:
    """Values as the type that they were written from.

    Args:
        content: Plain values.
        kind: A dataclass, or another type that pydantic checks.
        source: What holds them, for messages.
        remedy: What to do about a damaged source.
        error: What is raised.

    Raises:
        PitmapError: As ``error``: they are not of that type.
    """
    from pydantic import ValidationError

    try:
        return cast(T, _adapter(cast(Any, kind)).validate_python(content))
    except (ValidationError, RecursionError) as cause:
        raise error(f"{source} is damaged: {_place(cause)}.", "The file as pitmap wrote it.", remedy) from cause


def shortened(text: str) -> str:
    """One line of at most ``MOST_SHOWN`` printable characters, without a full stop."""
    line = " ".join(text.split()).rstrip(".")
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 4]} ..."


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _place(error: Exception) -> str:
    """Where a value is not what was expected, and why."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return "too deep"
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return ": ".join(shortened(part) for part in (where, first["msg"]) if part)


def _text(path: Path, remedy: str, error: type[PitmapError]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise error(f"{path} cannot be read ({cause.strerror or cause}).", remedy=remedy) from cause


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"a number that is not finite: {shortened(text)}")
    return value
