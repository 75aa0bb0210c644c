"""What pitmap says while it works (events on stderr) and at the end (JSON on stdout)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """One line of stderr.

    Attributes:
        kind: ``say``, ``warning``, ``progress``, ``summary`` or ``error``; ``line`` for what is no event: log lines,
            and what libraries say.
        text: A sentence; of progress the step.
        share: Of progress, 0 to 1.
        seconds_left: Of progress, where it is known.
    """

    kind: str
    text: str
    share: float = 0.0
    seconds_left: float | None = None

    def progress_text(self) -> str:
        """The step with the time left."""
        return self.text if self.seconds_left is None else f"{self.text}, about {clock(self.seconds_left)} left"


def read_event(line: str) -> Event:
    """A line of stderr as an event."""
    line = line.rstrip()
    try:
        content = json.loads(line) if line.startswith("{") else None
    except ValueError:
        content = None
    if not isinstance(content, dict) or not isinstance(kind := content.get("event"), str):
        return Event("line", line)
    if kind == "progress":
        return Event(kind, str(content["step"]), float(content["share"]), content.get("seconds_left"))
    return Event(kind, str(content.get("text", "")))


def clock(seconds: float) -> str:
    """A time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass
class Heard:
    """What is kept of the events of a command: enough to say why it failed."""

    errors: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Keep what may be needed."""
        if event.kind == "error":
            self.errors.append(event.text)
        elif event.kind == "line" and event.text:
            self.lines.append(event.text)

    def reason(self, code: int) -> str:
        """Why the command failed: its own error, or that of its command line, or its last lines."""
        if self.errors:
            return self.errors[-1]
        for line in reversed(self.lines):
            if line.startswith("Error: "):
                return line[len("Error: ") :]
        return "\n".join([f"pitmap ended with code {code}.", *self.lines[-10:]])


def value_at(content: Any, path: tuple[str, ...]) -> Any:
    """A value of nested dictionaries; None where a key is absent."""
    for key in path:
        if not isinstance(content, dict):
            return None
        content = content.get(key)
    return content


def values_at(content: Any, path: tuple[str, ...]) -> list[Any]:
    """All values of nested dictionaries and lists; ``*`` in the path stands for every item of a list."""
    if not path:
        return [] if content is None else [content]
    if path[0] == "*":
        return [value for item in (content if isinstance(content, list) else []) for value in values_at(item, path[1:])]
    return values_at(content.get(path[0]), path[1:]) if isinstance(content, dict) else []
