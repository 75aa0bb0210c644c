import torch
from torch import nn

from pitmap.networks.resunet import Residual, ResUNet
from pitmap.networks.unet import UNet


def test_eight_blocks_keep_their_channels():
    blocks = [m for m in ResUNet(4, 7, 2).modules() if isinstance(m, Residual)]
    channels = [next(m for m in block.modules() if isinstance(m, nn.Conv2d)).in_channels for block in blocks]
    assert channels == [2, 4, 8, 16, 32, 16, 8, 4]


def test_block_adds_its_input():
    block = Residual(3, batch_norm=True).eval()
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(block(x), x + block.convs(x))


def test_without_its_blocks_it_is_u_net():
    torch.manual_seed(0)
    network, reference = ResUNet(4, 7, 2).eval(), UNet(4, 7, 2).eval()
    for block in (m for m in network.modules() if isinstance(m, Residual)):
        for layer in block.convs:
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.zeros_(layer.weight)  # the residual becomes 0
    own = {k: v for k, v in network.state_dict().items() if ".convs." not in k}
    reference.load_state_dict(dict(zip(reference.state_dict(), own.values(), strict=True)))
    image = torch.randn(1, 4, 32, 48)
    torch.testing.assert_close(network(image), reference(image))
