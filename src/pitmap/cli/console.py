"""What the commands share: loading a project, progress bars, sentences on stderr, values out of options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pitmap.errors import ProjectError

if TYPE_CHECKING:
    from rich.progress import Progress

    from pitmap.study.study import Study

ProjectArgument = Annotated[Path, typer.Argument(metavar="PROJECT", help="A pitmap.toml, or the folder it lies in.")]


def load_project(path: Path) -> Study:
    """Read a project file, or ``pitmap.toml`` in a folder."""
    from pitmap.study.study import load_study

    return load_study(path / "pitmap.toml" if path.is_dir() else path)


def say(text: str) -> None:
    """Print to stderr, so that stdout holds the result alone."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(text, markup=False)


@contextmanager
def progress_bar() -> Iterator[tuple[Callable[[str, float], None], Progress]]:
    """A progress bar on stderr: a function (step, share done) that moves it, and the bar itself."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task: list[TaskID] = []

        def move(step: str, share: float) -> None:
            if not task:
                task.append(bar.add_task(step, total=1.0))
            bar.update(task[0], description=step, completed=share)

        yield move, bar


@contextmanager
def one_step(name: str) -> Iterator[Callable[[float], None]]:
    """A progress bar for a command of one step: a function of the share done."""
    with progress_bar() as (move, _):
        yield lambda share: move(name, share)


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
