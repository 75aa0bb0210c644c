"""The documentation is whole: what is made from the code is current, all has its place, every link leads somewhere."""

import re
import tomllib

import pytest

import pitmap
from docs.commands_page import command
from docs.docstrings import Docstring, markdown
from docs.make_pages import DOCS, PAGES
from docs.site_hooks import LINK, ROOT, elsewhere, site_links
from pitmap.study.document import sections
from pitmap.study.schema import model_in

EXTENSIONS = {".md", ".ipynb"}
FILES = [p for p in sorted(DOCS.rglob("*")) if p.suffix in EXTENSIONS]
READ = [*FILES, ROOT / "README.md", *(ROOT / path for path in elsewhere())]
TEXT = {path: path.read_text(encoding="utf-8") for path in READ if path.suffix == ".md"}


def without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$|`[^`\n]+`(?!\])", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Of the headings, as forges and the site make them."""
    found: dict[str, int] = {}
    for title in re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    ):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").strip().lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[name] = found.get(name, 0) + 1
    return set(found)


@pytest.mark.parametrize("name", PAGES)
def test_pages_made_from_the_code_are_current(name):
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_command_and_every_option_has_its_place():
    text = TEXT[DOCS / "commands.md"]
    for name, own in command().commands.items():
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert section.strip()
        for parameter in own.params:
            assert parameter.help, (name, parameter.name)
            for flag in [*parameter.opts, *parameter.secondary_opts]:
                if flag.startswith("-"):
                    assert f"`{flag}`" in section, (name, flag)
        assert "Such as" in section, f"{name} has no example"


def test_every_key_of_the_project_file_has_its_place():
    text = TEXT[DOCS / "project-file.md"]
    for key, model, several in sections():
        section = text.split(f"\n## `[[{key}]]`\n" if several else f"\n## `[{key}]`\n")[1].split("\n## ")[0]
        for name, field in model.model_fields.items():
            assert f"| `{name}` |" in section, (key, name)
            if inner := model_in(field.annotation):
                for own in inner.model_fields:
                    assert f"| `{name}.{own}` |" in section


def test_every_public_name_has_its_place_and_its_arguments_are_described():
    text = TEXT[DOCS / "python-reference.md"]
    for name in pitmap.__all__:
        if not name.startswith("__"):
            assert re.search(rf"^## (class )?{name}$", text, re.MULTILINE), name
            assert Docstring.of(getattr(pitmap, name)).summary


@pytest.mark.parametrize("path", list(TEXT), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(path):
    for _, text, target in LINK.findall(without_code(TEXT[path])):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), f"[{text}]({target})"
        if anchor:
            assert anchor in anchors(TEXT[there]), f"[{text}]({target})"


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".md"], ids=lambda p: str(p.relative_to(DOCS)))
def test_commands_in_the_text_exist_with_the_options_that_they_are_given(path):
    known = {
        name: {f for p in own.params for f in [*p.opts, *p.secondary_opts]} | {"--help", "-h"}
        for name, own in command().commands.items()
    }
    own = {flag for p in command().params for flag in p.opts} | {"--help", "-h"}
    blocks = re.findall(r"^( *)```(?:bash|console|sh)\n(.*?)^\1```$", TEXT[path], re.DOTALL | re.MULTILINE)
    blocks += [("", line) for line in re.findall(r"(?:^    .*\n)+", TEXT[path], re.MULTILINE)]
    for _, block in blocks:
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            line = re.split(r"\s#\s?|^\s*#", line)[0]
            if line.startswith("docker build"):
                continue  # there it is the name of the image
            for found in re.finditer(r"(?:^|[\s/])pitmap ((?:-\S+ )*)([a-z][a-z0-9]*)\b([^|;&]*)", line):
                before, name, rest = found.groups()
                assert set(before.split()) <= own
                assert name in known, line
                given = set(re.findall(r"(?<=\s)--?[a-z][a-z0-9-]*", rest))
                assert given <= known[name], (line, given - known[name])


@pytest.mark.parametrize("path", [p for p in TEXT if p.parent != ROOT / "benchmarks/results"], ids=lambda p: p.name)
def test_python_in_the_text_can_be_read_and_names_what_is_there(path):
    for block in re.findall(r"^```python\n(.*?)^```$", TEXT[path], re.DOTALL | re.MULTILINE):
        if path.name == "python-reference.md":
            continue  # signatures
        compile(block, path.name, "exec")
        for module, names in re.findall(r"^from (pitmap[\w.]*) import ([\w, ]+)", block, re.MULTILINE):
            loaded = __import__(module, fromlist=["_"])
            for name in names.split(","):
                assert hasattr(loaded, name.strip()), (module, name)
        for name in re.findall(r"\bpitmap\.([A-Za-z_]+)", re.sub(r"\"[^\"]*\"|from .*|import .*", "", block)):
            assert hasattr(pitmap, name), name


def test_toml_in_the_text_is_toml_with_keys_that_exist():
    fields = {key: set(model.model_fields) for key, model, _ in sections()}
    for path, text in TEXT.items():
        for block in re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            for key, value in tomllib.loads(block).items():
                assert key in fields, (path.name, key)
                for table in value if isinstance(value, list) else [value]:
                    assert set(table) <= fields[key], (path.name, key)


def test_every_page_is_in_the_navigation_and_the_navigation_has_no_others():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    named = set(re.findall(r": (\S+\.(?:md|ipynb))$", text, re.MULTILINE))
    pages = {p.relative_to(DOCS).as_posix() for p in FILES}
    assert named == pages | {path for path in elsewhere() if "/" not in path}


def test_links_of_the_repository_become_links_of_the_site():
    def one(text: str, page: str) -> str:
        return site_links(text, page)

    assert one("[a](../CONTRIBUTING.md#set-up)", "method.md") == "[a](CONTRIBUTING.md#set-up)"
    assert one("[a](../method.md)", "zh/quickstart.md") == "[a](../method.md)"
    assert one("[a](docs/python.md)", "CONTRIBUTING.md") == "[a](python.md)"
    assert one("[a](notebooks/quickstart.ipynb)", "python.md") == "[a](notebooks/quickstart.md)"
    assert one("![a](pictures/demo.png)", "index.md") == "![a](pictures/demo.png)"
    assert one("see [`scale`](../Makefile).", "install.md") == "see `scale`."
    assert one("`[a](../Makefile)` [b](#c)", "x.md") == "`[a](../Makefile)` [b](#c)"


def test_docstrings_are_read_by_their_parts():
    doc = Docstring.parsed(
        "One.\n\nTwo ``a``:\n\n    code\n\nArgs:\n    x: First,\n        on.\n    y: Second.\n\nReturns:\n    It."
    )
    assert doc.summary == "One."
    assert doc.body == "Two ``a``:\n\n    code"
    assert doc.sections == {"Args": [("x", "First, on."), ("y", "Second.")], "Returns": [("", "It.")]}
    assert markdown("a ``b|c`` <d> e_f") == "a `b&#124;c` &lt;d> e\\_f"
