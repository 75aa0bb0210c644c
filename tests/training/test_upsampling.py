import copy

import pytest
import torch
from torch import nn

from pitmap.networks import build
from pitmap.training.upsampling import UpConv, with_product_gradients

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("kernel", "layout"), [(2, torch.channels_last), (2, torch.contiguous_format), (3, torch.channels_last)]
)
def test_values_and_gradients_are_those_of_the_transposed_convolution(kernel, layout):
    torch.manual_seed(0)
    plain = nn.ConvTranspose2d(5, 3, kernel, stride=kernel).double()
    ours = with_product_gradients(copy.deepcopy(plain), CPU)
    assert type(ours) is UpConv
    found = []
    for module in (plain, ours):
        x = torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(1)).double()
        x = x.contiguous(memory_format=layout).requires_grad_()
        result = module(x)
        result.backward(torch.arange(result.numel(), dtype=torch.float64).view_as(result).sin())
        found.append((result, x.grad, module.weight.grad, module.bias.grad))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(two, one)


def test_under_autocast_it_works_in_bf16_on_weights_in_float32():
    module = with_product_gradients(nn.ConvTranspose2d(4, 2, 2, stride=2), CPU)
    with torch.autocast("cpu", torch.bfloat16):
        result = module(torch.randn(1, 4, 3, 3))
    assert result.dtype == torch.bfloat16
    result.sum().backward()
    assert module.weight.grad.dtype == torch.float32
    # Each output pixel adds 1 to the gradient of its channel's bias.
    torch.testing.assert_close(module.bias.grad, torch.full((2,), 36.0))


@pytest.mark.parametrize(
    "options", [{"kernel_size": 4, "stride": 2, "padding": 1}, {"kernel_size": 2, "stride": 2, "groups": 2},
                {"kernel_size": 2, "stride": 2, "bias": False}],
)  # fmt: skip
def test_others_stay_what_they_are(options):
    assert type(with_product_gradients(nn.ConvTranspose2d(4, 4, **options), CPU)) is nn.ConvTranspose2d


def test_names_and_results_of_a_network_stay():
    torch.manual_seed(0)
    network = build("unetplus", 3, 4, 4).eval()
    names, x = list(network.state_dict()), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = network(x)
        after = with_product_gradients(network, CPU)(x)
    assert list(network.state_dict()) == names
    assert torch.equal(before, after)
    assert sum(isinstance(m, UpConv) for m in network.modules()) == 10
