import pytest

from pitmap.errors import ProjectError
from pitmap.mapping.engines import ENGINES, engine_maker


def test_engines_are_found_by_name():
    assert set(ENGINES) == {"torch"}
    assert engine_maker("torch") is ENGINES["torch"]
    assert engine_maker("mapping.own_engine:make").__name__ == "make"
    with pytest.raises(ProjectError, match=r"no mapping engine 'trch'.*Did you mean 'torch'"):
        engine_maker("trch")
    with pytest.raises(ProjectError, match="cannot be imported"):
        engine_maker("no.such.module:make")
