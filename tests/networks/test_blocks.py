import pytest
import torch
from torch import nn

from pitmap.errors import ProjectError
from pitmap.networks.blocks import bilinear, check_choice, check_size, conv1x1, convolutions, up_conv


def test_convolutions_lead_through_the_channels():
    block = convolutions(3, 8, 4, batch_norm=True)
    assert [type(layer) for layer in block] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
    assert block(torch.zeros(1, 3, 5, 7)).shape == (1, 4, 5, 7)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in convolutions(3, 8, batch_norm=False))


def test_convolutions_leave_their_input_alone():
    image = torch.randn(1, 2, 4, 4)
    before = image.clone()
    convolutions(2, 3, 3, batch_norm=False)(image)
    assert torch.equal(image, before)


def power(x):
    return x.square().mean().item()


def test_initial_weights_keep_the_scale_of_maps():
    torch.manual_seed(0)
    image = torch.randn(1, 64, 64, 64)
    expected = pytest.approx(power(image), rel=0.1)
    assert power(convolutions(64, 256, batch_norm=False)(image)) == expected
    assert power(conv1x1(64, 256)(image)) == expected
    for kernel, stride in ((2, 2), (4, 2), (16, 8)):
        assert power(up_conv(64, 64, kernel, stride)(image)) == expected


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (4, 2), (16, 8)])
def test_up_conv_enlarges_exactly(kernel, stride):
    assert up_conv(2, 3, kernel, stride)(torch.zeros(1, 2, 3, 5)).shape == (1, 3, 3 * stride, 5 * stride)


def test_bilinear_reads_the_two_nearest_cells():
    assert bilinear(torch.tensor([0.0, 4.0]).reshape(1, 1, 1, 2), 2)[0, 0, 0].tolist() == [0.0, 1.0, 3.0, 4.0]


def test_check_size_names_the_size_to_pad_to():
    check_size(torch.zeros(1, 1, 32, 48), 16)
    with pytest.raises(ValueError, match=r"33 rows x 48 columns.*stride of 16.*to 48 x 48"):
        check_size(torch.zeros(1, 1, 33, 48), 16)


def test_unknown_choice_names_the_nearest():
    check_choice("fusion", "add", ("add", "concat"))
    with pytest.raises(ProjectError, match="'concat'"):
        check_choice("fusion", "concatenate", ("add", "concat"))
