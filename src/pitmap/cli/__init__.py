"""The command line: parse, call one function, print. The only package that knows typer.

Commands by their place in the way of the data: ``imagery`` (info, prepare), ``study`` (demo, init, sample, networks,
train, compare, report, run, stac, view), ``mapping`` (map, mines, review, export), ``accuracy`` (assess, design,
estimate, audit), ``change``. Heavy imports are inside the commands.

Exit codes: 0, 1 for an error that the user can mend, 2 for a command line that cannot be read, 75 where another process
works on the same results, 130, 143 and 129 after SIGINT, SIGTERM and SIGHUP.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pitmap.cli import accuracy, change, imagery, mapping, study
from pitmap.cli.advice import advised
from pitmap.cli.console import Console, show_log
from pitmap.cli.events import ask_for_events, events_are_shown, tell
from pitmap.cli.noise import hush
from pitmap.cli.signals import Stopped, farewell, stopping
from pitmap.errors import PitmapError


class _Commands(TyperGroup):
    """The commands; an error that the user can mend becomes one paragraph, a signal to stop one sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with stopping():
                return super().invoke(ctx)
        except Stopped as stopped:
            farewell(stopped.number, ctx.invoked_subcommand or "", Console.where())
        except PitmapError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            text = advised(error, command.params if command else ())
            tell("error", text=text) if events_are_shown() else print(f"Error: {text}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error


app = typer.Typer(
    cls=_Commands,
    name="pitmap",
    help="Map open-pit mines from satellite images: raw product to land-cover map, mine polygons with hectares, and an "
    "accuracy statement.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show log lines with their times.")] = False,
    events: Annotated[
        bool, typer.Option("--events", help="For programs: progress, sentences and errors as JSON lines on stderr.")
    ] = False,
) -> None:
    if version:
        from pitmap import __version__

        print(f"pitmap {__version__}")
        raise typer.Exit
    if verbose:
        context.call_on_close(show_log())
    if events:
        context.call_on_close(ask_for_events())


for command in (
    study.demo, study.init, imagery.info, imagery.prepare, study.sample, study.networks, study.train, mapping.map_image,
    mapping.mines, mapping.review, mapping.export, accuracy.assess, accuracy.design, accuracy.estimate, accuracy.audit,
    change.change, study.compare, study.report, study.run, study.stac, study.view,
):  # fmt: skip
    app.command({"map_image": "map"}.get(command.__name__, command.__name__))(command)


def main() -> None:
    """Entry point."""
    hush()
    app()
