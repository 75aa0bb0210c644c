"""What the commands share: loading a project, what is shown while a step works, values out of options."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pitmap.errors import ProjectError
from pitmap.observer import Epoch, Observer, clock

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.progress import Progress, TaskID

    from pitmap.study.study import Study

ProjectArgument = Annotated[Path, typer.Argument(metavar="PROJECT", help="A pitmap.toml, or the folder it lies in.")]

SECONDS_BETWEEN_LINES = 60.0
"""Where there is no terminal, a line of progress is written at most this often."""


def load_project(path: Path) -> Study:
    """Read a project file, or ``pitmap.toml`` in a folder."""
    from pitmap.study.study import load_study

    return load_study(path / "pitmap.toml" if path.is_dir() else path)


class Console(Observer):
    """Shows on stderr what a step says, so that stdout holds the result alone.

    On a terminal progress is a bar with an estimate of the time left; elsewhere it is a line at most once a minute.

    Args:
        now: A clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._step, self._share, self._started, self._written = "", 0.0, now(), now()
        self._epoch = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None

    def say(self, sentence: str) -> None:
        """A line on stderr."""
        if self._bar is None:
            print(sentence, file=sys.stderr, flush=True)
        else:
            self._bar.console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        """A line that begins with ``Warning:``."""
        self.say(f"Warning: {sentence}")

    def progress(self, step: str, share: float) -> None:
        """Move the bar, or write a line if the last one is old enough."""
        anew = step != self._step or share < self._share
        if anew:
            self._started = self._now()
            self._epoch = self._epoch if step == self._step else ""
        self._step, self._share = step, share
        if sys.stderr.isatty() or self._bar is not None:
            self._move(anew)
        elif self._now() - self._written >= SECONDS_BETWEEN_LINES:
            self._written = self._now()
            passed = self._written - self._started
            left = f", about {clock(passed / share - passed)} left" if 0 < share < 1 and passed > 0 else ""
            self.say(f"{self._text()}: {share:.0%}{left}")

    def epoch(self, epoch: Epoch) -> None:
        """Show it beside the progress."""
        self._epoch = f"epoch {epoch.number}/{epoch.of}, loss {epoch.loss:.3f}"
        if epoch.validation_miou is not None:
            self._epoch += f", validation mIoU {epoch.validation_miou:.3f}"

    def _text(self) -> str:
        return f"{self._step}, {self._epoch}" if self._epoch else self._step

    def _move(self, anew: bool) -> None:
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(), TimeRemainingColumn(), console=Terminal(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.start()
        if self._task is None:
            self._task = self._bar.add_task(self._text(), total=1.0)
        elif anew:
            self._bar.reset(self._task)
        self._bar.update(self._task, description=self._text(), completed=self._share)


def say(text: str) -> None:
    """Print to stderr, so that stdout holds the result alone."""
    Console().say(text)


def pairs(text: str | None, option: str) -> dict[str, str | None] | None:
    """``1=OPM,2=WAT`` as a dictionary; an empty key becomes None."""
    if text is None:
        return None
    parts = [part.split("=", 1) for part in text.split(",")]
    if any(len(p) != 2 for p in parts):
        raise ProjectError(f"{option} is {text!r}.", "Pairs such as 1=OPM,2=WAT.")
    return {value.strip(): key.strip() or None for value, key in parts}


def bands_of(text: str | None) -> tuple[int | str, ...] | None:
    """``2,3,4,8`` or ``B02,B03`` as band numbers and names."""
    return None if text is None else tuple(int(b) if b.isdigit() else b for b in text.split(","))
