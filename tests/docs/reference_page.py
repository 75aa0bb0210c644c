"""``docs/python-reference.md``: every public name with its signature and docstring."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pitmap
from docs.docstrings import Docstring, markdown, paragraphs

HEAD = """\
# The Python names, one by one

<!-- Written by tests/docs/make_pages.py from the docstrings: change those, not this page. -->

What they have in common (paths, options, results, errors, observers) stands in [python.md](python.md).
"""

RESULT_METHODS = ("summary", "to_json", "write")
"""Methods that many results have: they are listed by name, without their docstring."""


def page() -> str:
    """The page, Markdown."""
    lines = [HEAD]
    for name in pitmap.__all__:
        if not name.startswith("__"):
            thing = getattr(pitmap, name)
            described = _class(name, thing) if inspect.isclass(thing) else _function(name, thing)
            lines += [f"## {heading(name)}", "", *described]
    return "\n".join(lines).rstrip() + "\n"


def heading(name: str) -> str:
    """Of a public name; that of a class says so, because some differ from a function in one capital alone."""
    return f"class {name}" if inspect.isclass(getattr(pitmap, name)) else name


def anchor(name: str) -> str:
    """Of a public name on the page."""
    return heading(name).lower().replace(" ", "-")


def _function(name: str, function: Any) -> list[str]:
    doc = Docstring.of(function)
    lines = [*_code(name, function), markdown(doc.summary), "", *paragraphs(doc.body)]
    return lines + _sections(doc)


def _class(name: str, cls: Any) -> list[str]:
    doc = Docstring.of(cls)
    lines = [f"In `{cls.__module__}`.", "", markdown(doc.summary), "", *paragraphs(doc.body)]
    defaults = {f.name: f for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}
    entries = doc.sections.get("Attributes", [])
    if entries:
        with_defaults = any(_default(f) for f in defaults.values())
        lines += ["| attribute | default | |", "|---|---|---|"] if with_defaults else ["| attribute | |", "|---|---|"]
        for attribute, text in entries:
            middle = f" {_default(defaults.get(attribute))} |" if with_defaults else ""
            lines.append(f"| `{attribute}` |{middle} {markdown(text)} |")
        lines.append("")
    lines += _sections(Docstring(doc.summary, sections={k: v for k, v in doc.sections.items() if k != "Attributes"}))
    methods = [(n, m) for n, m in vars(cls).items() if not n.startswith(("_", "model_")) and _is_method(m)]
    common = [n for n, _ in methods if n in RESULT_METHODS]
    own = [(n, m) for n, m in methods if n not in RESULT_METHODS]
    if own:
        lines += ["| property or method | |", "|---|---|"]
        for n, m in own:
            call = "" if isinstance(m, property) or type(m).__name__ == "cached_property" else "()"
            lines.append(f"| `{n}{call}` | {markdown(Docstring.of(m).summary)} |")
        lines.append("")
    if common:
        lines += [f"Also {', '.join(f'`{n}()`' for n in common)}.", ""]
    return lines


def _is_method(member: Any) -> bool:
    return (
        inspect.isfunction(member)
        or isinstance(member, property | classmethod | staticmethod)
        or (type(member).__name__ == "cached_property")
    )


def _default(field: Any) -> str:
    if field is None or field.default is dataclasses.MISSING:
        return ""
    return f"`{field.default!r}`"


def _code(name: str, function: Any) -> list[str]:
    signature = inspect.signature(function)
    parts, stars = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not stars:
            parts.append("*")
            stars = True
        default = "" if parameter.default is parameter.empty else f" = {_value(parameter.default, function)}"
        parts.append(f"{parameter.name}: {parameter.annotation}{default}")
    line = f"{name}({', '.join(parts)}) -> {signature.return_annotation}"
    if len(line) > 100:
        line = "\n".join([f"{name}(", *(f"    {part}," for part in parts), f") -> {signature.return_annotation}"])
    return ["```python", line, "```", ""]


def _value(value: Any, function: Any) -> str:
    """A default as it is written: the name of a constant where it is one."""
    names = [n for n, v in vars(inspect.getmodule(function)).items() if v is value and n.isupper()]
    return names[0] if names else repr(value)


def _sections(doc: Docstring) -> list[str]:
    lines: list[str] = []
    for section, entries in doc.sections.items():
        if section in ("Returns", "Yields"):
            lines += [f"**{section}** {markdown(entries[0][1])}", ""]
        else:
            titles = {"Args": "argument", "Raises": "raises", "Attributes": "attribute"}
            lines += [f"| {titles[section]} | |", "|---|---|", *(f"| `{n}` | {markdown(t)} |" for n, t in entries), ""]
    return lines
