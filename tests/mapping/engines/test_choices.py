import pytest

from pitmap.errors import ModelError
from pitmap.mapping.engines import choices
from pitmap.mapping.engines.choices import (
    OPERATIONS_FOR_OPENVINO,
    choose_device,
    choose_engine,
    choose_precision,
    choose_tile,
    memory_bytes,
)
from pitmap.mapping.prediction import Choice, MapOptions
from pitmap.networks.facts import Demand

CPU = "cpu"


@pytest.mark.parametrize(
    ("wanted", "agreement", "has", "chosen"),
    [
        ("auto", 0.999, True, "bf16"),
        ("auto", 0.9995, False, "float32"),
        ("auto", 0.998, True, "float32"),
        ("auto", None, True, "float32"),
        ("float32", 1.0, True, "float32"),
        ("bf16", None, False, "bf16"),
    ],
)
def test_precision(
    wanted: str, agreement: float | None, has: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "has_bf16", lambda device: has)
    assert choose_precision(wanted, agreement, CPU) == chosen


def test_bf16_that_is_known_to_differ_is_refused():
    with pytest.raises(ModelError, match=r"99\.00%"):
        choose_precision("bf16", 0.99, CPU)


NEEDS = Demand(100.0, 5e4)


def test_tiles_fit_the_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch):
    sides = []
    for whole in (2**50, 2**30, 2**29, 2**20):
        monkeypatch.setattr(choices, "memory_bytes", lambda _, whole=whole: whole)
        sides.append(choose_tile(NEEDS, 3, 16, 96, CPU, "float32"))
    assert sides[0] == 14 * 96  # beyond, the halo costs little
    assert sides == sorted(sides, reverse=True)
    assert len(set(sides)) == 4
    assert sides[-1] == 384  # below four halos a tile is mostly halo
    assert all(side % 16 == 0 for side in sides)
    monkeypatch.setattr(choices, "memory_bytes", lambda _: 2**30)
    assert choose_tile(NEEDS, 3, 16, 96, CPU, "bf16") > choose_tile(NEEDS, 3, 16, 96, CPU, "float32")
    monkeypatch.setattr(choices, "OPERATIONS_A_TILE", 1e9)
    assert choose_tile(NEEDS, 3, 16, 96, CPU, "float32") < 1024  # a killed run loses little


def test_networks_have_the_tiles_that_their_weight_lets_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(choices, "memory_bytes", lambda _: 2**40)
    small = choose_tile(Demand(4.0, 1e3), 3, 16, 96, CPU, "bf16")
    assert small == 2048
    assert choose_tile(Demand(64.0, 5e4), 4, 16, 96, CPU, "bf16") == 1344  # light: 14 halos
    assert choose_tile(Demand(256.0, 7e5), 4, 16, 96, CPU, "bf16") == 1776
    assert choose_tile(Demand(256.0, 7e5), 4, 16, 96, CPU, "float32") == 1280


@pytest.mark.parametrize(
    ("wanted", "precision", "has", "installed", "share", "chosen"),
    [
        ("auto", "bf16", True, True, 1.0, "openvino"),
        ("auto", "float32", False, True, 1.0, "openvino"),
        ("auto", "bf16", False, True, 1.0, "torch"),
        ("auto", "bf16", True, False, 1.0, "torch"),
        ("auto", "bf16", True, True, 0.9, "torch"),
        ("auto", "int8", False, True, 0.1, "openvino"),
        ("openvino", "bf16", True, True, 0.1, "openvino"),
        ("compiled", "bf16", True, True, 1.0, "compiled"),
    ],
)
def test_engine(
    wanted: str, precision: str, has: bool, installed: bool, share: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "has_bf16", lambda device: has)
    monkeypatch.setattr(choices, "has_openvino", lambda: installed)
    choice = Choice(CPU, precision, choose_engine(wanted, CPU, precision))
    assert choice.engine_for(MapOptions(engine=wanted), share * OPERATIONS_FOR_OPENVINO) == chosen
    if precision != "int8" and wanted == "auto":
        assert choose_engine("auto", "meta", precision) == "torch"


def test_what_is_in_the_memory_does_not_change_the_tile(monkeypatch: pytest.MonkeyPatch):
    import psutil

    real = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: real._replace(available=0, free=0, percent=100.0))
    assert memory_bytes(CPU) == real.total


def test_devices():
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda")
    with pytest.raises(ModelError, match="toaster"):
        choose_device("toaster")
