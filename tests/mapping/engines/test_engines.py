import subprocess
import sys

import pytest

from pitmap.errors import ProjectError
from pitmap.mapping.engines import ENGINES, engine_maker


def test_engines_are_found_by_name():
    assert set(ENGINES) == {"torch", "compiled", "openvino"}
    assert engine_maker("torch") is ENGINES["torch"]
    assert engine_maker("mapping.own_engine:make").__name__ == "make"
    with pytest.raises(ProjectError, match=r"no mapping engine 'trch'.*Did you mean 'torch'"):
        engine_maker("trch")
    with pytest.raises(ProjectError, match="cannot be imported"):
        engine_maker("no.such.module:make")


SEND = """
import socket, sys, urllib.request
sent = []
class Sending(socket.socket):
    def connect(self, *args): sent.append(args)
    def connect_ex(self, *args): sent.append(args)
    def sendto(self, *args): sent.append(args)
socket.socket = Sending
urllib.request.urlopen = lambda *a, **k: sent.append(a)
import torch
from pitmap.mapping.engines.interface import EngineOptions
from pitmap.mapping.engines.openvino_engine import OpenVinoEngine
from pitmap.networks.registry import build
engine = OpenVinoEngine(
    build("unet", 1, 2, 2).eval(), torch.ones(1), torch.zeros(1), EngineOptions(torch.device("cpu"))
)
import numpy as np
kept = slice(0, 16), slice(0, 32)
print(engine.predict(np.ones((1, 1, 32, 32), np.uint16), np.ones((1, 32, 32), bool), kept).codes.shape)
assert sys.modules["openvino_telemetry"] is None
assert not any(name.startswith("openvino_telemetry.") for name in sys.modules), "telemetry was loaded"
assert not sent, sent
"""


def test_openvino_sends_nothing():
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", SEND], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "(1, 16, 32)" in done.stdout
