import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pitmap.errors import ProjectError
from pitmap.mapping.engines import ENGINES, engine_maker


def test_engines_are_found_by_name():
    assert set(ENGINES) == {"torch", "compiled", "openvino", "onnxruntime"}
    assert engine_maker("torch") is ENGINES["torch"]
    assert engine_maker("mapping.own_engine:make").__name__ == "make"
    with pytest.raises(ProjectError, match=r"no mapping engine 'trch'.*Did you mean 'torch'"):
        engine_maker("trch")
    with pytest.raises(ProjectError, match="cannot be imported"):
        engine_maker("no.such.module:make")


WATCHED = """
import socket, sys, urllib.request
sent = []
class Sending(socket.socket):
    def connect(self, *args): sent.append(args)
    def connect_ex(self, *args): sent.append(args)
    def sendto(self, *args): sent.append(args)
socket.socket = Sending
urllib.request.urlopen = lambda *a, **k: sent.append(a)
import numpy as np
import torch
from pitmap.mapping.engines import engine_maker
from pitmap.mapping.engines.interface import EngineOptions
from pitmap.networks.registry import build
network = build("unet", 1, 2, 2).eval()
"""

PREDICT = """
engine = engine_maker({0!r})(network, torch.ones(1), torch.zeros(1), EngineOptions("cpu"))
kept = slice(0, 16), slice(0, 32)
print(engine.predict(np.ones((1, 1, 32, 32), np.uint16), np.ones((1, 32, 32), bool), kept).codes.shape)
"""

QUANTISE = """
from pitmap.deliver.int8 import quantised
from pitmap.mapping.engines.openvino_engine import converted
from pitmap.networks.trimming import Trimmed
trimmed = Trimmed.of(network, 1)
low = quantised(converted(trimmed), trimmed.network.plan, [np.ones((1, 1, 32, 32), np.float32)])
print(sum(op.get_type_name() == "FakeQuantize" for op in low.get_ordered_ops()) > 0)
"""

NOTHING_SENT = """
assert not any(name.startswith("openvino_telemetry.") for name in sys.modules), "telemetry was loaded"
assert not sent, sent
"""


def told_without_sending(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + code + NOTHING_SENT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("engine", sorted({"openvino", "onnxruntime"} & set(ENGINES)))
def test_engines_of_others_send_nothing(engine: str):
    pytest.importorskip(engine)
    assert "(1, 16, 32)" in told_without_sending(PREDICT.format(engine))


@pytest.mark.verify
def test_nncf_sends_nothing():
    pytest.importorskip("nncf")
    assert "True" in told_without_sending(QUANTISE)


MAP = """
import sys
from pitmap.mapping.prediction import MapOptions, map_image
report = map_image({0!r}, {1!r}, {2!r}, MapOptions(engine="openvino", precision={3!r}, compare_numbers=False))
print(report.precision, report.tiles, "torch" in sys.modules)
"""


def mapped(model: Path, image: Path, out: Path, cache: Path, precision: str = "float32", **environment: str) -> str:
    """What the command says, whose map is ``out``."""
    done = subprocess.run(
        [sys.executable, "-c", MAP.format(str(model), str(image), str(out), precision)],
        capture_output=True, text=True, check=False, env=os.environ | {"XDG_CACHE_HOME": str(cache)} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_second_command_needs_no_pytorch_and_gives_the_same_map(
    tmp_path: Path, model_file: Callable, image_file: Callable
) -> None:
    pytest.importorskip("openvino")
    model, image, cache = model_file(), image_file(130, 70), tmp_path / "cache"
    assert mapped(model, image, tmp_path / "cold.tif", cache) == "float32 1 True"
    assert mapped(model, image, tmp_path / "warm.tif", cache) == "float32 1 False"
    assert (tmp_path / "warm.tif").read_bytes() == (tmp_path / "cold.tif").read_bytes()


@pytest.mark.verify
def test_what_is_damaged_or_switched_off_is_made_again(
    tmp_path: Path, model_file: Callable, image_file: Callable
) -> None:
    model, image, cache = model_file(), image_file(130, 70), tmp_path / "cache"
    assert mapped(model, image, tmp_path / "cold.tif", cache) == "float32 1 True"
    assert mapped(model, image, tmp_path / "off.tif", cache, PITMAP_CACHE="off") == "float32 1 True"
    for entry in (cache / "pitmap" / "networks").iterdir():  # damaged: made again
        content = bytearray(entry.read_bytes())
        content[-1] ^= 1
        entry.write_bytes(content)
    assert mapped(model, image, tmp_path / "again.tif", cache) == "float32 1 True"
    assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "cold.tif").read_bytes()
    assert mapped(model, image, tmp_path / "mended.tif", cache) == "float32 1 False"
