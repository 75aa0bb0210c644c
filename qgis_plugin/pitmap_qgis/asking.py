"""Asking pitmap something short, without Processing."""

from __future__ import annotations

import json
import os
from typing import Any

from . import command, process
from .messages import Heard, read_event


def ask(setting: str, *arguments: str) -> dict[str, Any]:
    """The JSON of a command.

    Args:
        setting: Where pitmap is, see ``command.find_pitmap``.
        arguments: Of the command, such as ``info`` and a path.

    Raises:
        CommandError: pitmap is not found, or says why it cannot answer.
    """
    heard = Heard()
    line = [*command.find_pitmap(setting), "--events", *arguments, "--json"]
    try:
        ended = process.run(
            line, command.environment(os.environ), lambda text: heard.add(read_event(text)), lambda: False
        )
    except OSError as error:
        raise command.CommandError(f"{line[0]} cannot be started: {error}. {command.ABSENT}") from error
    if ended.code != 0:
        raise command.CommandError(heard.reason(ended.code))
    return dict(json.loads(ended.out))
