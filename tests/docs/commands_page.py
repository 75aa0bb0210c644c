"""``docs/commands.md``: every command with its arguments and options, from the command line itself."""

from __future__ import annotations

import re
from typing import Any

import typer

from docs.docstrings import markdown
from pitmap import cli
from pitmap.cli.signals import RESUMING
from pitmap.errors import BusyError, PitmapError

HEAD = """\
# All commands

<!-- Written by tests/docs/make_pages.py from the commands themselves: change their help, not this page. -->

`pitmap COMMAND --help` says the same in a terminal. Results go to standard output, everything that is said while a
command works to standard error. With `--json` a command prints one JSON object: what `to_json()` of its
[result in Python](python-reference.md) gives. Which files each leaves: [outputs.md](outputs.md).
"""


TYPES = {"str": "TEXT", "Any": "TEXT", "float": "NUMBER", "int": "WHOLE NUMBER", "path": "PATH"}
"""Types of values as they are said of; other words are choices, or what the option itself says."""


def command() -> Any:
    """The command line as click sees it."""
    return typer.main.get_command(cli.app)


def page() -> str:
    """The page, Markdown."""
    main = command()
    context = typer.Context(main, info_name="pitmap")
    lines = [HEAD, "## Exit codes", "", "| code | when |", "|---|---|"]
    lines += [f"| {code} | {markdown(text)} |" for code, text in exit_codes().items()]
    lines += ["", "## Before the command", "", *_table(main.params, context)]
    lines += ["", "| command | |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {markdown(_paragraphs(own)[0])} |" for name, own in main.commands.items()]
    for name, own in main.commands.items():
        lines += ["", *_section(name, own, typer.Context(own, info_name=f"pitmap {name}"))]
    return "\n".join(lines) + "\n"


def exit_codes() -> dict[str, str]:
    """What a command ends with, and when."""
    return {
        "0": "It did what was asked.",
        str(PitmapError.exit_code): "Something that you can mend: the message says what was found, what was expected "
        "and what to do. Also `map` of several images of which one failed.",
        "2": "The command line cannot be read.",
        str(BusyError.exit_code): "Another process works on the same results: the same command may succeed later "
        "(`--wait` waits).",
        "129, 130, 143": "Stopped by SIGHUP, SIGINT (Ctrl-C) or SIGTERM. The same command goes on where it was: "
        + ", ".join(f"`{name}`" for name in RESUMING)
        + "; others start anew. Nothing half-made is left.",
    }


def _paragraphs(own: Any) -> list[str]:
    return [p for p in re.split(r"\n\s*\n", (own.help or "").strip()) if p.strip()]


def _section(name: str, own: Any, context: Any) -> list[str]:
    usage = " ".join(own.collect_usage_pieces(context))
    lines = [f"## {name}", ""]
    examples: list[str] = []
    for paragraph in _paragraphs(own):
        text, *found = re.split(r"\bExample: ", paragraph)
        examples += [" ".join(e.split()) for e in found]
        lines += [markdown(text), ""] if text.strip() else []
    lines += ["```bash", f"pitmap {name} {usage}", "```", ""]
    lines += ["Such as", "", "```bash", *examples, "```", ""] if examples else []
    return lines + _table(own.params, context)


def _table(parameters: list[Any], context: Any) -> list[str]:
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    lines = []
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        for p in arguments:
            default = "" if p.default is None else f" Default: `{p.default}`."
            left_out = "" if p.required else default or " May be left out."
            names = _left(p, context).split(" <")[0].strip("[]").split("|")
            lines.append(f"| {' or '.join(f'`{n}`' for n in names)} | {markdown(p.help or '')}{left_out} |")
        lines.append("")
    if options:
        lines += ["| option | default | |", "|---|---|---|"]
        lines += [f"| {_flags(p, context)} | {_default(p)} | {markdown(p.help or '')} |" for p in options]
    return lines


def _left(p: Any, context: Any) -> str:
    """What of a parameter is typed, as the help shows it."""
    record = p.get_help_record(context)
    return str(record[0] if record else p.opts[0])


def _flags(p: Any, context: Any) -> str:
    """The names of an option, and what is given with it."""
    names = ", ".join(f"`{flag}`" for flag in [*p.opts, *p.secondary_opts])
    value = _left(p, context).split(" ", 1)[1:] if not getattr(p, "is_flag", False) else []
    value = [v for v in value if not v.startswith("-")] or [v.rsplit(" ", 1)[-1] for v in value]
    typed = re.sub(r"^list\[(.*)\]$", r"\1", "".join(value).strip("<>"))
    words = [TYPES.get(word, word) for word in typed.strip("[]<>").split("|")]
    return f"{names} {' or '.join(f'`{word}`' for word in words)}" if words != [""] else names


def _default(p: Any) -> str:
    if getattr(p, "is_flag", False):
        return f"`{p.opts[0] if p.default else p.secondary_opts[0]}`" if p.secondary_opts else ""
    shown = "" if p.default in (None, "") else f"`{p.default}`"
    return f"{shown} may be repeated".strip() if p.multiple else shown
