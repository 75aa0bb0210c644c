import torch
import torch.nn.functional as F

from pitmap.networks.fcn8s import FCN8s


def test_transposed_convolutions_start_as_bilinear_interpolation():
    network = FCN8s(3, 5, 2)
    scores = torch.randn(1, 5, 6, 8)
    for up, factor in ((network.up5, 2), (network.up4, 2), (network.up3, 8)):
        expected = F.interpolate(scores, scale_factor=float(factor), mode="bilinear", align_corners=False)
        inner = (..., slice(factor, -factor), slice(factor, -factor))  # the border sees the zeros of the padding
        torch.testing.assert_close(up(scores)[inner], expected[inner], atol=1e-5, rtol=1e-5)


def test_scores_of_three_stages_are_added():
    network = FCN8s(3, 5, 2).eval()
    image = torch.randn(1, 3, 64, 96)
    pooled, x = [], image
    for stage in (network.encoder1, network.encoder2, network.encoder3, network.encoder4, network.encoder5):
        x = F.max_pool2d(stage(x), 2)
        pooled.append(x)
    _, _, p3, p4, p5 = pooled
    assert [p.shape[1:] for p in (p3, p4, p5)] == [(8, 8, 12), (16, 4, 6), (16, 2, 3)]
    coarse = network.up5(network.score5(p5)) + network.score4(p4)
    expected = network.up3(network.up4(coarse) + network.score3(p3))
    torch.testing.assert_close(network(image), expected)


def test_fc6_and_fc7_have_sixty_four_widths():
    layers = FCN8s(3, 5, 2, fc67=True).fc67
    assert layers[0].weight.shape == (128, 16, 7, 7)
    assert layers[2].weight.shape == (128, 128, 1, 1)


def test_feature_space_add_scores_once_at_the_end():
    network = FCN8s(3, 5, 2, add="feature")
    assert network.up5.weight.shape[:2] == (16, 16)
    assert network.up4.weight.shape[:2] == (16, 8)
    assert network.up3.weight.shape[:2] == (8, 2)
    assert network.head.weight.shape == (5, 2, 1, 1)
