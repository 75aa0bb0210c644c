"""The project file described from its own models: template, page of the documentation, JSON schema.

    python -m pitmap.study.document docs      writes docs/project-file.md and docs/pitmap.schema.json

Names, defaults, limits and explanations stand in ``schema`` alone.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pitmap.files import make_folder, write_text
from pitmap.study.schema import Extensible, Section, model_in
from pitmap.study.study import Study

SCHEMA_FILE = "pitmap.schema.json"
"""Lies beside a project file, for editors that complete and check keys (Even Better TOML and others)."""

WIDTH = 100
"""Characters of a line of explanation."""

HEAD = """\
A pitmap study. Every command reads this file; every field has a default that works, so that the shortest file is one
[[sites]] table with name, image and labels. Paths are relative to this file."""


def sections() -> Iterator[tuple[str, type[Section], bool]]:
    """The tables of the file in their order: key, model, and whether there may be several."""
    for key, field in Study.model_fields.items():
        model = model_in(field.annotation)
        assert model is not None
        yield key, model, get_origin(_bare(field.annotation)) is list


def template(*, everything: bool = False) -> str:
    """A project file to fill in.

    Args:
        everything: Whether it has every field, those with a default commented out; else those that a study begins with.
    """
    lines = [f"#:schema {SCHEMA_FILE}", *_comment(HEAD)]
    if not everything:
        lines += _comment("`pitmap init --all` writes a file with every field.")
    for key, model, several in sections():
        started = dict(model.starts)
        shown = {n: f for n, f in model.model_fields.items() if everything or n in started or n in model.often}
        if not shown:
            continue
        header = f"[[{key}]]" if several else f"[{key}]"
        wanted = bool(started) or not several
        lines += ["", *_comment(_plain(_described(model))), header if wanted else f"# {header}"]
        for name, field in shown.items():
            value = started.get(name, _example(field))
            lines += [*_comment(_plain(field.description or "")), *_assignment(name, value, name in started)]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The documentation of the project file, Markdown."""
    lines = ["# The project file", "", HEAD.replace("[[sites]]", "`[[sites]]`"), ""]
    lines += [
        "`pitmap init` writes a file to begin with, `pitmap init --all` one with every field, and beside it a JSON",
        f"schema (`{SCHEMA_FILE}`) with which editors complete and check the keys.",
    ]
    for key, model, several in sections():
        lines += ["", f"## `[[{key}]]`" if several else f"## `[{key}]`", "", _markdown(_described(model)), ""]
        lines += ["| key | value | default | |", "|---|---|---|---|", *_rows(model)]
    return "\n".join(lines) + "\n"


def json_schema() -> str:
    """The JSON schema of the project file."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **Study.model_json_schema(), "title": "pitmap.toml"}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def write_project_file(folder: Path, *, everything: bool = False) -> Path:
    """Write ``pitmap.toml`` and its JSON schema into a folder.

    Returns:
        The project file.

    Raises:
        OutputError: The files cannot be written.
    """
    path = folder / "pitmap.toml"
    write_text(folder / SCHEMA_FILE, json_schema())
    write_text(path, template(everything=everything))
    return path


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        value = "a table" if inner else _values(field.annotation, field.metadata)
        default = "required" if field.is_required() else _shown_default(field)
        explained = _markdown(field.description or "").replace("|", "\\|")
        yield f"| `{prefix}{name}` | {value} | {default} | {explained} |"
        if inner:
            yield from _rows(inner, f"{prefix}{name}.")


def _shown_default(field: FieldInfo) -> str:
    return "" if field.default is None else f"`{_toml(field.default)}`"


def _values(annotation: Any, metadata: list[Any] | None = None) -> str:
    """What may be written, in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(parts[0], list(parts[1:]))
    if origin is Literal:
        return ", ".join(f"`{_toml(part)}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_values(part, metadata) for part in parts if part is not type(None))
    if origin is list:
        return f"list of {_values(parts[0])}"
    if origin is dict:
        return "table"
    if named := next((item for item in metadata or [] if isinstance(item, Extensible) and item.names), None):
        return ", ".join(f"`{_toml(name)}`" for name in named.names) + ", or `package.module:name`"
    name = {bool: "true or false", int: "whole number", float: "number", str: "text"}.get(annotation, "anything")
    limits = _limits(metadata or []) if annotation in (int, float) else ""
    return f"{name} {limits}".strip()


def _limits(metadata: list[Any]) -> str:
    """Such as ``from 32 on`` out of the constraints of a field."""
    texts = []
    for item in _constraints(metadata):
        match item:
            case annotated_types.Ge(ge=least):
                texts.append(f"from {least:g} on")
            case annotated_types.Gt(gt=below):
                texts.append(f"above {below}")
            case annotated_types.Le(le=most):
                texts.append(f"up to {most}")
            case annotated_types.Lt(lt=above):
                texts.append(f"below {above}")
    return ", ".join(texts)


def _constraints(metadata: list[Any]) -> Iterator[Any]:
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else [item]


def _example(field: FieldInfo) -> Any:
    """A value to show: an example of the field's, its default, or the least that its type allows."""
    if field.examples:
        return field.examples[0]
    if not field.is_required() and field.default is not None:
        return field.default
    inner = model_in(field.annotation)
    if inner is not None:
        return {name: _example(own) for name, own in inner.model_fields.items()}
    return _least(field.annotation, field.metadata)


def _least(annotation: Any, metadata: list[Any]) -> Any:
    bare = _bare(annotation)
    origin, parts = get_origin(bare), get_args(bare)
    if origin is Literal:
        return parts[0]
    if origin in (Union, UnionType):
        return _least(next(part for part in parts if part is not type(None)), metadata)
    if origin in (list, dict):
        return origin()
    least = [item.ge for item in _constraints(metadata) if isinstance(item, annotated_types.Ge)]
    return {bool: True, str: "..."}.get(bare, least[0] if least else 1)


def _bare(annotation: Any) -> Any:
    """An annotation without its constraints."""
    return _bare(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _assignment(name: str, value: Any, active: bool) -> list[str]:
    return [f"{'' if active else '# '}{name} = {_toml(value)}"]


def _toml(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else json.dumps(name, ensure_ascii=False)


def _described(model: type[BaseModel]) -> str:
    """The docstring of a section without the name of its table."""
    text = " ".join((model.__doc__ or "").split())
    head, colon, rest = text.partition("]``: ")
    return rest[:1].upper() + rest[1:] if colon else head


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), WIDTH)]


def _plain(text: str) -> str:
    return text.replace("``", "")


def _markdown(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def main(folder: Path) -> None:
    """Write the page and the schema into a folder."""
    make_folder(folder)
    write_text(folder / "project-file.md", page())
    write_text(folder / SCHEMA_FILE, json_schema())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
