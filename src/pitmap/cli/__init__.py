"""The command line: parse, call one function, print. The only package that knows typer.

Commands by their place in the way of the data: ``imagery`` (info, prepare), ``study`` (demo, init, sample, networks,
train, compare, report, run), ``mapping`` (map, review), ``accuracy`` (assess, design, estimate, audit). Heavy imports
are inside the commands.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pitmap.cli import accuracy, imagery, mapping, study
from pitmap.errors import PitmapError

app = typer.Typer(
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
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from pitmap import __version__

        print(f"pitmap {__version__}")
        raise typer.Exit


for command in (
    study.demo, study.init, imagery.info, imagery.prepare, study.sample, study.networks, study.train, mapping.map_image,
    mapping.review, accuracy.assess, accuracy.design, accuracy.estimate, accuracy.audit, study.compare, study.report,
    study.run,
):  # fmt: skip
    app.command({"map_image": "map"}.get(command.__name__, command.__name__))(command)


def main() -> None:
    """Entry point: errors that the user can mend become one paragraph and exit code 1."""
    try:
        app()
    except PitmapError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
