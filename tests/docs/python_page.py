"""The table of names in ``docs/python.md``, from the docstrings."""

import inspect
from pathlib import Path

import pitmap
from docs.reference_page import anchor

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
START, END = "<!-- names: written by tests/docs/make_pages.py -->\n", "<!-- end of names -->\n"


def table() -> str:
    rows = ["| name | what it is |", "|---|---|"]
    for name in pitmap.__all__:
        if name.startswith("__"):
            continue
        first = (inspect.getdoc(getattr(pitmap, name)) or "").split("\n\n")[0]
        line = " ".join(first.split()).replace("``", "`").replace("|", "&#124;")
        rows.append(f"| [`{name}`](python-reference.md#{anchor(name)}) | {line} |")
    return "\n".join(rows) + "\n"


def page_with(table: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    return before + START + table + END + rest.split(END)[1]
