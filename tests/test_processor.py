import os
import subprocess
import sys

import pytest
import torch

from pitmap import processor
from pitmap.processor import cores, has_bf16, let_threads_yield


@pytest.mark.parametrize(
    ("amx", "avx512", "found"), [(False, False, False), (True, False, True), (False, True, True), (True, True, True)]
)
def test_a_processor_has_bf16_by_its_instructions(monkeypatch, amx, avx512, found):
    monkeypatch.setattr(processor, "processor_flags", lambda: None)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert has_bf16("cpu") is found
    assert has_bf16(torch.device("cpu")) is found
    flags = frozenset({"avx2", *(["amx_tile"] if amx else []), *(["avx512_bf16"] if avx512 else [])})
    monkeypatch.setattr(processor, "processor_flags", lambda: flags)
    assert has_bf16("cpu") is found


def test_linux_and_pytorch_say_the_same_of_this_machine():
    flags = processor.processor_flags()
    if flags is None:
        pytest.skip("only Linux on x86 lists what a processor can")
    assert has_bf16("cpu") is (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    assert ("avx2" in flags) is torch.cpu._is_avx2_supported()
    assert processor.has_cuda() is torch.cuda.is_available()
    assert processor.threads() == torch.get_num_threads()


def test_flags_of_a_processor(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nvmx flags : ept\nflags\t\t: fpu avx512_bf16\n\nflags : none\n")
    assert processor.processor_flags(file) == {"fpu", "avx512_bf16"}
    file.write_text("Processor : ARMv8\nFeatures : fp asimd\n")
    assert processor.processor_flags.__wrapped__(file) is None


@pytest.mark.parametrize(("there", "native"), [(False, True), (True, False), (True, True)])
def test_a_gpu_has_bf16_only_without_emulation(monkeypatch, there, native):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert has_bf16("cuda") is (there and native)
    assert has_bf16("cuda:1") is (there and native)


def test_other_devices_work_in_float32():
    assert not has_bf16("mps")


def test_a_container_has_the_cores_that_it_may_use(tmp_path):
    limit = tmp_path / "cpu.max"
    whole = cores(limit)
    assert whole >= 1
    for text, found in (("max 100000", whole), ("100000 100000", 1), ("50000 100000", 1), ("10000000 1000", whole)):
        limit.write_text(text, encoding="ascii")
        assert cores(limit) == found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_freed_memory_is_kept():
    """In a process of its own: a large block that was freed and is taken again brings no new pages."""
    code = """
import resource, sys
import numpy as np
from pitmap import processor
from pitmap.processor import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**25, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100


@pytest.mark.parametrize(("given", "found"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active"),
                                              ({"GOMP_SPINCOUNT": "9"}, None)])  # fmt: skip
def test_threads_yield_unless_the_user_has_decided(monkeypatch, given, found):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, "")  # so that all are put back in the end
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    let_threads_yield()
    assert os.environ.get("OMP_WAIT_POLICY") == found
