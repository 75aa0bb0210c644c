"""Docstrings in the style of Google as Markdown."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises")


@dataclass(frozen=True)
class Docstring:
    """A docstring by its parts.

    Attributes:
        summary: The first paragraph.
        body: The paragraphs after it.
        sections: Name of a section to its entries: name (empty where it has none) and text.
    """

    summary: str
    body: str = ""
    sections: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, thing: object) -> Docstring:
        """Read that of a function, class or module."""
        return cls.parsed(inspect.getdoc(thing) or "")

    @classmethod
    def parsed(cls, text: str) -> Docstring:
        """Read a docstring without its indentation."""
        blocks, name = {"": []}, ""
        for line in text.splitlines():
            heading = line[:-1] if line.endswith(":") and line[:-1] in SECTIONS else None
            if heading:
                name = heading
                blocks[name] = []
            elif name and line and not line.startswith(" "):
                name = ""
                blocks[""].append(line)
            else:
                blocks[name].append(line)
        summary, _, body = "\n".join(blocks.pop("")).strip().partition("\n\n")
        return cls(" ".join(summary.split()), body.strip("\n"), {k: _entries(v, k) for k, v in blocks.items()})


def _entries(lines: list[str], section: str) -> list[tuple[str, str]]:
    text = inspect.cleandoc("\n".join(["", *lines]))
    if section in ("Returns", "Yields"):
        return [("", " ".join(text.split()))]
    entries: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        found = re.match(r"(\*{0,2}[\w.]+)(?: \([^)]*\))?: ?(.*)", line)
        if found and not line.startswith(" "):
            entries.append((found[1], [found[2]]))
        elif entries and line.strip():
            entries[-1][1].append(line.strip())
    return [(name, " ".join(parts)) for name, parts in entries]


def markdown(text: str) -> str:
    """Text of a docstring or a help line as Markdown: code marked, nothing taken for HTML, safe in a table."""
    parts = re.split(r"(``.+?``|`[^`]+`)", " ".join(text.split()))
    made = []
    for number, part in enumerate(parts):
        if number % 2:
            made.append("`" + part.strip("`") + "`")
        else:
            made.append(re.sub(r"([*_<\[\]])", r"\\\1", part).replace("\\<", "&lt;"))
    return "".join(made).replace("|", "&#124;")


def paragraphs(text: str) -> list[str]:
    """The body of a docstring as lines of Markdown: what is indented is code."""
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        if not block.strip():
            continue
        if all(line.startswith("    ") for line in block.splitlines()):
            lines += ["```text", *inspect.cleandoc("\n" + block).splitlines(), "```", ""]
        elif all(re.match(r"\s*- |\s{2,}", line) for line in block.splitlines()):
            items = re.split(r"\n(?=- )", block)
            lines += [*("- " + markdown(item.removeprefix("- ")) for item in items), ""]
        else:
            lines += [markdown(block), ""]
    return lines
