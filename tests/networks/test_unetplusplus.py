import pytest
import torch
import torch.nn.functional as F

from pitmap.errors import ProjectError
from pitmap.networks.registry import build
from pitmap.networks.unetplusplus import SlimUNetPlusPlus, UNetPlusPlus


@pytest.mark.parametrize("up", ["upconv", "bilinear"])
def test_nodes_join_their_row_and_the_node_below(up):
    network = UNetPlusPlus(3, 5, 2, up=up).eval()
    assert sorted(network.nodes) == [f"{i}{j}" for i in range(5) for j in range(5 - i)]
    image = torch.randn(1, 3, 32, 48)

    def node(i, j):
        """X(i, j) by the recursive definition."""
        if j == 0:
            x = image if i == 0 else F.max_pool2d(node(i - 1, 0), 2)
        else:
            below = node(i + 1, j - 1)
            if up == "bilinear":
                below = F.interpolate(below, scale_factor=2.0, mode="bilinear", align_corners=False)
            else:
                below = network.ups[f"{i + 1}{j - 1}"](below)
            x = torch.cat([*(node(i, k) for k in range(j)), below], dim=1)
        return network.nodes[f"{i}{j}"](x)

    with torch.no_grad():
        torch.testing.assert_close(network(image), network.heads[0](node(0, 4)))


def test_deep_supervision_has_four_heads_and_gives_their_mean():
    network = UNetPlusPlus(3, 5, 2, deep_supervision=True).eval()
    image = torch.randn(1, 3, 32, 32)
    sides = network.side_logits(image)
    assert [logits.shape for logits in sides] == [(1, 5, 32, 32)] * 4
    torch.testing.assert_close(network(image), torch.stack(sides).mean(dim=0))
    extra = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in UNetPlusPlus(3, 5, 2).parameters())
    assert extra == 3 * (2 * 5 + 5)


def test_without_deep_supervision_there_is_one_head():
    network = UNetPlusPlus(3, 5, 2).eval()
    image = torch.randn(1, 3, 32, 32)
    (logits,) = network.side_logits(image)
    assert torch.equal(network(image), logits)


def test_slim_has_27_layers_in_all():
    network = build("unetplusplus", 3, 5, 2, variant="slim")
    assert isinstance(network, SlimUNetPlusPlus)
    convolutions = [name for name, p in network.named_parameters() if p.ndim == 4]
    assert len(convolutions) + 4 == 27  # and four pools


def test_slim_has_no_other_options():
    for options in ({"up": "bilinear"}, {"deep_supervision": True}):
        with pytest.raises(ProjectError, match="slim"):
            build("unetplusplus", 3, 5, 2, slim=True, **options)
