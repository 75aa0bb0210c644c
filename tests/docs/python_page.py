"""The table of names in ``docs/python.md``, from the docstrings. Run as a script it writes the table anew."""

import inspect
from pathlib import Path

import pitmap

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
START, END = "<!-- names: written by tests/docs/python_page.py -->\n", "<!-- end of names -->\n"


def table() -> str:
    rows = ["| name | what it is |", "|---|---|"]
    for name in pitmap.__all__:
        if name.startswith("__"):
            continue
        first = (inspect.getdoc(getattr(pitmap, name)) or "").split("\n\n")[0]
        rows.append(f"| `{name}` | {' '.join(first.split()).replace('``', '`').replace('|', '&#124;')} |")
    return "\n".join(rows) + "\n"


def page_with(table: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    return before + START + table + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), encoding="utf-8")
