"""How the options that an error speaks of are given on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from pitmap.errors import PitmapError


class Parameter(Protocol):
    """What of typer's parameters is needed."""

    name: Any
    opts: Any
    param_type_name: Any


LONGEST = 1500
"""Characters of a message: what a stranger's file holds must not flood the screen."""


def brief(text: str) -> str:
    """A text with what is too long cut out of its middle, and of characters that move the cursor."""
    text = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]} [... {len(text) - 2 * half} characters left out ...] {text[-half:]}"


def advised(error: PitmapError, parameters: Iterable[Parameter]) -> str:
    """The text of an error, with the flags of its options before the last full stop.

    Args:
        error: The error; ``options`` are names of Python parameters.
        parameters: Those of the command that failed. Options that it lacks are not spoken of.
    """
    flags = {p.name: max(p.opts, key=len) for p in parameters if p.param_type_name == "option"}
    known = [flags[name] for name in error.options if name in flags]
    text = brief(str(error))
    return f"{text.removesuffix('.')} ({', '.join(known)})." if known else text
