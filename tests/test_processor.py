import pytest
import torch

from pitmap.processor import has_bf16


@pytest.mark.parametrize(
    ("amx", "avx512", "found"), [(False, False, False), (True, False, True), (False, True, True), (True, True, True)]
)
def test_a_processor_has_bf16_by_its_instructions(monkeypatch, amx, avx512, found):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert has_bf16("cpu") is found
    assert has_bf16(torch.device("cpu")) is found


@pytest.mark.parametrize(("there", "native"), [(False, True), (True, False), (True, True)])
def test_a_gpu_has_bf16_only_without_emulation(monkeypatch, there, native):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert has_bf16("cuda") is (there and native)
    assert has_bf16("cuda:1") is (there and native)


def test_other_devices_work_in_float32():
    assert not has_bf16("mps")
