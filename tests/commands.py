"""Commands as a user gives them, in this process."""

import sys

from pitmap.cli import main


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    code = 0
    old, sys.argv = sys.argv, ["pitmap", *map(str, arguments)]
    try:
        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = old
    out, err = capsys.readouterr()
    return code, out, err
