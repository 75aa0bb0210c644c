"""One rule of extension: a table of functions with one signature, and ``package.module:name`` for one's own.

Networks, losses, splits, sensors and mapping engines are such tables.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TypeVar, cast

from pitmap.errors import ProjectError, nearest

T = TypeVar("T")


def find(kind: str, name: str, table: Mapping[str, T]) -> T:
    """An entry of a table, or what ``package.module:name`` imports.

    Importing runs the code of that module: a name that comes out of a stranger's file is checked before.

    Args:
        kind: What the table holds, in the singular, for errors: ``network``, ``loss``.
        name: A name of the table, or ``package.module:name``.
        table: Functions of one signature by name.

    Raises:
        ProjectError: There is no such entry, or the module or what it should hold cannot be imported.
    """
    if name in table:
        return table[name]
    module_name, colon, attribute = name.partition(":")
    if not colon:
        raise ProjectError(
            f"There is no {kind} {name!r}.", f"One of {', '.join(table)}, or package.module:name.",
            f"Did you mean {nearest(name, table, 0)!r}?",
        )  # fmt: skip
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ProjectError(
            f"The {kind} {name!r} cannot be imported ({error}).", "package.module:name of an importable module.",
            "Install its package, or put its folder on PYTHONPATH.",
        ) from error  # fmt: skip
    if not callable(found):
        raise ProjectError(f"The {kind} {name!r} is not callable.", f"A function or class that makes the {kind}.")
    return cast(T, found)
