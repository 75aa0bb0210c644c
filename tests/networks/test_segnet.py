import importlib

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from pitmap.errors import ProjectError
from pitmap.networks.segnet import VGG16_CONVOLUTIONS, SegNet, vgg16_weights

VGG16_CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


@pytest.fixture(scope="module")
def vgg16():
    """Random weights with the names and shapes of torchvision's VGG16."""
    generator = torch.Generator().manual_seed(0)
    weights = {"classifier.0.weight": torch.zeros(2, 2)}
    for index, inputs, outputs in zip(VGG16_CONVOLUTIONS, VGG16_CHANNELS, VGG16_CHANNELS[1:], strict=False):
        weights[f"features.{index}.weight"] = 0.02 * torch.randn(outputs, inputs, 3, 3, generator=generator)
        weights[f"features.{index}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
    return weights


@pytest.fixture(scope="module")
def vgg16_file(vgg16, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg16") / "vgg16.safetensors"
    safetensors.torch.save_file(vgg16, path)
    return path


def vgg16_features(weights, image):
    """The five stages of VGG16 as its paper has them."""
    x, numbers = image, iter(VGG16_CONVOLUTIONS)
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            i = next(numbers)
            x = F.relu(F.conv2d(x, weights[f"features.{i}.weight"], weights[f"features.{i}.bias"], padding=1))
        x = F.max_pool2d(x, 2)
    return x


def encoded(network, image):
    x = image
    for stage in (network.encoder1, network.encoder2, network.encoder3, network.encoder4, network.encoder5):
        x, _ = network._pool(stage(x))
    return x


def test_values_go_back_to_where_the_maximum_stood():
    network = SegNet(1, 2, 1)
    x = torch.tensor([[1.0, 5.0, 0.0, 2.0], [3.0, 4.0, 7.0, 6.0]]).reshape(1, 1, 2, 4)
    pooled, positions = network._pool(x)
    assert pooled.flatten().tolist() == [5.0, 7.0]
    assert network._up(10 * pooled, positions)[0, 0].tolist() == [[0.0, 50.0, 0.0, 0.0], [0.0, 0.0, 70.0, 0.0]]


def test_nearest_repeats_values():
    network = SegNet(1, 2, 1, unpool="nearest")
    pooled, positions = network._pool(torch.tensor([[1.0, 5.0], [3.0, 4.0]]).reshape(1, 1, 2, 2))
    assert network._up(pooled, positions)[0, 0].tolist() == [[5.0, 5.0], [5.0, 5.0]]


def test_encoder_is_vgg16(vgg16, vgg16_file):
    network = SegNet(3, 5, batch_norm=False, encoder_weights=str(vgg16_file))
    image = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(encoded(network, image), vgg16_features(vgg16, image))


@pytest.mark.parametrize("bands", [1, 4, 8])
def test_first_layer_sees_a_grey_image_alike(vgg16, vgg16_file, bands):
    network = SegNet(bands, 5, batch_norm=False, encoder_weights=str(vgg16_file))
    grey = torch.randn(1, 1, 32, 32)
    first = network.encoder1[0]
    expected = F.conv2d(grey.expand(-1, 3, -1, -1), vgg16["features.0.weight"], vgg16["features.0.bias"], padding=1)
    torch.testing.assert_close(first(grey.expand(-1, bands, -1, -1)), expected, atol=1e-5, rtol=1e-5)


def test_weights_stand_beside_batch_normalisation(vgg16, vgg16_file):
    network = SegNet(3, 5, encoder_weights=str(vgg16_file))
    assert torch.equal(network.encoder5[6].weight, vgg16["features.28.weight"])
    assert network.encoder5[6].weight.requires_grad


def test_other_widths_do_not_fit(vgg16_file):
    with pytest.raises(ProjectError, match=r"features.0.weight are of shape \(64, 3, 3, 3\).*width 64"):
        SegNet(3, 5, 32, encoder_weights=str(vgg16_file))


def test_missing_convolution_is_named(vgg16, tmp_path):
    path = tmp_path / "part.safetensors"
    safetensors.torch.save_file({k: v for k, v in vgg16.items() if not k.startswith("features.28")}, path)
    with pytest.raises(ProjectError, match=r"features.28.weight are missing"):
        SegNet(3, 5, encoder_weights=str(path))


def test_files_that_are_not_safetensors_are_refused(tmp_path):
    path = tmp_path / "vgg16.pth"
    with pytest.raises(ProjectError, match="cannot be read"):
        vgg16_weights(path)
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(ProjectError, match="does not open pickles"):
        vgg16_weights(path)


def test_absent_torchvision_is_explained(monkeypatch):
    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ProjectError, match=r"No module named 'torchvision.models'.*leave it out"):
        SegNet(3, 5, 1, encoder_weights="torchvision")


def test_weights_of_torchvision_are_used_where_it_is_there(monkeypatch, vgg16):
    class Weights:
        class IMAGENET1K_V1:  # noqa: N801
            @staticmethod
            def get_state_dict(**_):
                return vgg16

    monkeypatch.setattr(importlib, "import_module", lambda _: type("models", (), {"VGG16_Weights": Weights}))
    network = SegNet(3, 5, batch_norm=False, encoder_weights="torchvision")
    assert torch.equal(network.encoder1[0].weight, vgg16["features.0.weight"])
