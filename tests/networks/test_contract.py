"""What every network promises, whatever is inside."""

import io
import logging
import warnings

import pytest
import torch
from torch import nn
from torch.export import Dim

from pitmap.networks.registry import BUILT_IN, build, variants

EVERY = [(name, variant) for name in BUILT_IN for variant in variants(name) or [None]]
every_network = pytest.mark.parametrize(("name", "variant"), EVERY)
every_family = pytest.mark.parametrize("name", BUILT_IN)


def make(name, variant=None, *, bands=3, classes=5, width=4, **options):
    torch.manual_seed(0)
    return build(name, bands, classes, width, **options, **({"variant": variant} if variant else {}))


@every_network
@pytest.mark.parametrize("batch_norm", [True, False])
def test_image_to_logits_of_the_same_size(name, variant, batch_norm):
    network = make(name, variant, bands=4, classes=6, width=1, batch_norm=batch_norm)
    side = network.stride
    image = torch.randn(2, 4, 2 * side, 3 * side)
    before = image.clone()
    logits = network(image)
    assert logits.shape == (2, 6, 2 * side, 3 * side)
    assert logits.isfinite().all()
    assert torch.equal(image, before)
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == batch_norm


@every_network
def test_every_weight_is_used(name, variant):
    network = make(name, variant, batch_norm=False)
    side = network.stride
    network(torch.randn(4, 3, 4 * side, 4 * side)).square().sum().backward()
    unused = [n for n, p in network.named_parameters() if p.grad is None]
    assert unused == []


@every_family
@pytest.mark.parametrize(("rows", "columns"), [(33, 32), (32, 40), (1, 1)])
def test_other_sizes_are_refused_with_the_size_to_pad_to(name, rows, columns):
    network = make(name)
    padded = [-(-side // network.stride) * network.stride for side in (rows, columns)]
    with pytest.raises(ValueError, match=rf"{rows} rows x {columns} columns.*to {padded[0]} x {padded[1]}\."):
        network(torch.zeros(1, 3, rows, columns))


@every_network
def test_pixels_are_independent_of_the_batch(name, variant):
    network = make(name, variant).double().eval()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        logits = network(images)
        assert logits.std() > 0
        torch.testing.assert_close(logits[1:], network(images[1:]), atol=1e-12, rtol=1e-12)


@every_network
@pytest.mark.parametrize("batch_norm", [True, False])
def test_bfloat16_autocast_runs_both_ways(name, variant, batch_norm):
    network = make(name, variant, batch_norm=batch_norm)
    image = torch.randn(2, 3, 64, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = network(image)
    reduced.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    if not batch_norm:  # statistics of a few pixels would amplify the rounding
        with torch.no_grad():
            exact = network(image)
        assert torch.corrcoef(torch.stack([reduced.detach().float().flatten(), exact.flatten()]))[0, 1] > 0.95


@every_network
def test_channels_last_gives_the_same(name, variant):
    network = make(name, variant).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = network(image)
        result = network.to(memory_format=torch.channels_last)(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


@every_family
def test_same_seed_gives_same_weights(name):
    first, second = make(name).state_dict(), make(name).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@every_network
def test_initial_logits_are_of_moderate_size(name, variant):
    torch.manual_seed(0)
    for batch_norm in (True, False):
        network = make(name, variant, width=8, batch_norm=batch_norm)
        with torch.no_grad():
            logits = network(torch.randn(2, 3, 64, 64))
        assert 0.01 < logits.std() < 30


def dynamic(network):
    sides = {axis: network.stride * Dim(name, min=1, max=256) for axis, name in ((2, "rows"), (3, "columns"))}
    return ({0: Dim("images", min=1, max=64), **sides},)


@every_family
@pytest.mark.verify
def test_exported_program_takes_any_size(name):
    network = make(name).eval()
    side = network.stride
    program = torch.export.export(network, (torch.randn(2, 3, 2 * side, 3 * side),), dynamic_shapes=dynamic(network))
    image = torch.randn(1, 3, 4 * side, 2 * side)
    torch.testing.assert_close(program.module()(image), network(image))


@every_family
@pytest.mark.verify
def test_onnx_gives_the_same_logits_at_any_size(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network = make(name).eval()
    side = network.stride
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own libraries
        example = (torch.randn(2, 3, 2 * side, 3 * side),)
        program = torch.onnx.export(network, example, dynamic_shapes=dynamic(network), dynamo=True, verbose=False)
    file = io.BytesIO()
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    image = torch.randn(1, 3, 4 * side, 2 * side)
    (logits,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), network(image), atol=1e-4, rtol=1e-4)
