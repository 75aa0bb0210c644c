"""What stands beside the documentation agrees with the package: the Dockerfile, how to cite."""

import re
import tomllib

import yaml

import pitmap
from docs.make_pages import DOCS
from docs.site_hooks import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_copies_what_is_there_and_what_is_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    ]
    assert set(copied) == allowed
    for name in copied:
        assert (ROOT / name).exists(), name
    # What the build reads of the project file is among it.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)


def test_the_image_runs_as_an_ordinary_user_with_extras_that_exist():
    stages = DOCKERFILE.split("\nFROM ")[1:]
    assert len(stages) == 3
    user = re.findall(r"^USER (\w+)$", stages[-1], re.MULTILINE)
    assert user == ["pitmap"]
    assert stages[-1].index("USER") < stages[-1].index("ENTRYPOINT")
    extras = re.search(r'ARG EXTRAS="\[([\w,]+)\]"', DOCKERFILE)[1].split(",")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) <= set(known)


def test_no_file_names_a_registry():
    for path in (ROOT / "Dockerfile", ROOT / "Makefile", ROOT / "mkdocs.yml", *DOCS.rglob("*.md")):
        assert not re.search(r"index-url|pypi\.org|pythonhosted", path.read_text(encoding="utf-8")), path.name


def test_what_is_to_be_cited_has_the_version_of_the_package_and_the_doi_of_the_paper():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == pitmap.__version__
    (paper,) = cited["references"]
    text = (DOCS / "cite.md").read_text(encoding="utf-8")
    assert f"version = {{{pitmap.__version__}}}" in text
    assert f"doi     = {{{paper['doi']}}}" in text
    assert paper["doi"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_extras_that_the_pages_name_exist():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for path in DOCS.rglob("*.md"):
        for names in re.findall(r"pitmap\\?\[([a-z0-9,]+)\\?\]", path.read_text(encoding="utf-8")):
            assert set(names.split(",")) <= set(known), (path.name, names)
