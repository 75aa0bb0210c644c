"""What a command says as JSON lines on stderr, for programs that show it in their own way: ``pitmap --events``.

Each line has the key ``event``: ``say`` and ``warning`` with a ``text``, ``progress`` with ``step``, ``share`` (0 to 1)
and ``seconds_left`` (or null), and at the end ``summary`` or ``error`` with a ``text``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

_asked_for = False


def ask_for_events() -> Callable[[], None]:
    """From now on commands write events in place of text; what is returned ends that."""
    global _asked_for
    _asked_for = True

    def end() -> None:
        global _asked_for
        _asked_for = False

    return end


def events_are_shown() -> bool:
    """Whether a program reads what commands say."""
    return _asked_for


def tell(event: str, **content: Any) -> None:
    """Write an event: one line of ASCII, whatever the system's encoding."""
    print(json.dumps({"event": event, **content}), file=sys.stderr, flush=True)
