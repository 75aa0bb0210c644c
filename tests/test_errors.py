import ast
import pickle
import re
from pathlib import Path

import pytest

from pitmap.errors import ImageError, nearest

SOURCES = Path(__file__).parents[1] / "src" / "pitmap"


def test_an_error_survives_the_way_to_another_process():
    error = pickle.loads(pickle.dumps(ImageError("Found.", "Expected.", "Do.", options=["scale"])))
    assert isinstance(error, ImageError)
    assert (str(error), error.remedy, error.options) == ("Found. Expected. Do.", "Do.", ("scale",))


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCES)))
def test_only_the_command_line_names_its_flags(path):
    """Errors and docstrings speak of options; the report, the demo and the documentation write commands down.

    So do errors about programs of others: Dask, torchrun, Slurm.
    """
    place = path.relative_to(SOURCES)
    if place.parts[0] == "cli" or str(place) in (
        "reporting/content.py",
        "demo.py",
        "study/document.py",
        "cluster.py",
        "company.py",
        "information/model_page.py",
    ):
        return
    texts = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
    assert [t for t in texts if isinstance(t, str) and re.search(r"(^|[^-\w])--[a-z]", t)] == []


def test_nearest_ignores_case_and_answers_only_where_a_name_is_near():
    assert nearest("a1", ["A1", "B1"]) == "A1"
    assert nearest("unett", ["segnet", "unet"]) == "unet"
    assert nearest("zzz", ["unet"]) is None
    assert nearest("unet", []) is None


def test_without_a_cutoff_nearest_always_answers():
    assert nearest("zzz", ["unet"], 0) == "unet"
    assert nearest("", ["unet", "segnet"], 0) == "unet"
    assert nearest("", [], 0) is None
